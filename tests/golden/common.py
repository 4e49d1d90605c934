"""What the golden scripts share: weights by name, the layers of `rebus-nn` in PyTorch, and the file.

Each script writes `crates/rebus-models/tests/golden/NAME.safetensors`, which `tests/golden.rs` of that crate reads:

    python tests/golden/flow.py

Everything is computed in float64 from numbers that float32 holds exactly, and saved as float32. A gradient is
recorded as two numbers: its product with the fixed vector `sin(0.7 i + 0.3)`, and its norm.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

OUT = Path(__file__).parents[2] / "crates" / "rebus-models" / "tests" / "golden"


def rounded(tensor):
    """The nearest numbers that float32 holds."""
    return tensor.float().double()


class Weights:
    """Weights, made when first asked for. `benches/side_by_side.py` trains the same networks from them in float32."""

    def __init__(self, seed, dtype=torch.float32):
        self.generator = torch.Generator().manual_seed(seed)
        self.dtype = dtype
        self.weights = {}

    def normal(self, *shape):
        return rounded(torch.randn(*shape, generator=self.generator, dtype=torch.float64))

    def uniform(self, *shape):
        return rounded(torch.rand(*shape, generator=self.generator, dtype=torch.float64))

    def weight(self, name, *shape, scale=None, around=0.0):
        """Normal around a value; by default as far as keeps a layer's outputs as large as its inputs."""
        if name not in self.weights:
            if scale is None:
                fan_in = shape[0] if len(shape) == 2 else torch.tensor(shape[1:]).prod().item()
                scale = fan_in**-0.5
            self.weights[name] = rounded(self.normal(*shape) * scale + around).to(self.dtype).requires_grad_()
        return self.weights[name]


class Golden(Weights):
    """Weights in float64, and all that goes into the file."""

    def __init__(self, seed):
        super().__init__(seed, torch.float64)
        self.file = {}

    def put(self, **tensors):
        """Inputs and outputs, by name; a dot in a name is written as two underlines."""
        for name, tensor in tensors.items():
            self.file[name.replace("__", ".")] = tensor.detach()

    def put_gradients(self, name, loss, prefix=""):
        """The loss under a name, and its gradients by the weights whose name begins with a prefix."""
        chosen = {key: w for key, w in self.weights.items() if key.startswith(prefix) and w.requires_grad}
        gradients = torch.autograd.grad(loss, list(chosen.values()), allow_unused=True, retain_graph=True)
        self.file[f"{name}.loss"] = loss.detach().reshape(1)
        for key, gradient in zip(chosen, gradients):
            if gradient is not None:
                flat = gradient.reshape(-1)
                probe = torch.sin(0.7 * torch.arange(len(flat), dtype=torch.float64) + 0.3)
                self.file[f"{name}.gradient.{key}"] = torch.stack([flat @ probe, flat.norm()])

    def save(self, name):
        tensors = {f"weights.{key}": w.detach() for key, w in self.weights.items()} | self.file
        kinds = {torch.float64: torch.float32, torch.int64: torch.int64, torch.bool: torch.float32}
        tensors = {key: t.to(kinds[t.dtype]).contiguous().clone() for key, t in sorted(tensors.items())}
        path = OUT / f"{name}.safetensors"
        OUT.mkdir(parents=True, exist_ok=True)
        save_file(tensors, path)
        size = path.stat().st_size
        assert size < 200_000, size
        print(f"{path.name}: {len(tensors)} tensors, {size} bytes")


def linear(g, name, x, width):
    """The weight is [in, out]."""
    bias = g.weight(f"{name}.bias", width, scale=0.1)
    return x @ g.weight(f"{name}.weight", x.shape[-1], width) + bias


def conv(g, name, x, width, kernel, stride=1, padding=None, bias=True):
    """`padding` is (before, after), the same for rows and columns."""
    before, after = padding or (kernel // 2, kernel // 2)
    x = F.pad(x, (before, after, before, after))
    weight = g.weight(f"{name}.weight", width, x.shape[1], kernel, kernel)
    bias = g.weight(f"{name}.bias", width, scale=0.1) if bias else None
    return F.conv2d(x, weight, bias, stride=stride)


def scale_shift(g, name, width):
    return g.weight(f"{name}.scale", width, scale=0.2, around=1.0), g.weight(f"{name}.shift", width, scale=0.2)


def layer_norm(g, name, x):
    return F.layer_norm(x, x.shape[-1:], *scale_shift(g, name, x.shape[-1]), eps=1e-5)


def attention(g, name, x, heads, mask=None, context=None, context_mask=None):
    """Over the sequence itself and, joined to it, a context; masks are true where an entry counts."""
    batch, length, width = x.shape
    query = linear(g, f"{name}.query", x, width)
    key, value = linear(g, f"{name}.key_value", x, 2 * width).chunk(2, dim=-1)
    counts = torch.ones(batch, length, dtype=torch.bool) if mask is None else mask
    if context is not None:
        more_key, more_value = linear(g, f"{name}.context", context, 2 * width).chunk(2, dim=-1)
        key, value = torch.cat([key, more_key], 1), torch.cat([value, more_value], 1)
        counts = torch.cat([counts, context_mask], 1)
    split = lambda t: t.unflatten(-1, (heads, width // heads)).transpose(1, 2)
    mixed = F.scaled_dot_product_attention(
        split(query), split(key), split(value), attn_mask=counts[:, None, None, :]
    )
    return linear(g, f"{name}.output", mixed.transpose(1, 2).flatten(2), width)


def feed_forward(g, name, x, expansion):
    width = x.shape[-1]
    inner = linear(g, f"{name}.inner", x, expansion * width)
    return linear(g, f"{name}.outer", F.gelu(inner, approximate="tanh"), width)


def text_encoder(g, name, ids, mask, width, layers, heads, context, vocabulary):
    """A sequence, its mask and a pooled vector. A text without a token that counts is a learned vector."""
    tokens = F.embedding(ids, g.weight(f"{name}tokens.weight", vocabulary, width, scale=0.5))
    is_empty = ~mask.any(dim=1)
    empty = g.weight(f"{name}empty", 1, width, scale=0.5)
    tokens = torch.where(is_empty[:, None, None], empty[None], tokens)
    mask = mask.clone()
    mask[is_empty, 0] = True
    length = ids.shape[1]
    x = tokens + g.weight(f"{name}positions", context, width, scale=0.3)[:length]
    for i in range(layers):
        block = f"{name}blocks.{i}."
        x = x + attention(g, block + "attention", layer_norm(g, block + "attention_norm", x), heads, mask)
        x = x + feed_forward(g, block + "feed_forward", layer_norm(g, block + "feed_forward_norm", x), 4)
    sequence = layer_norm(g, f"{name}norm", x)
    mean = (sequence * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
    return sequence, mask, linear(g, f"{name}pool", mean, width)


def texts(vocabulary, context):
    """Token numbers and a mask: a whole text, an empty one, one with a token left out, a short one."""
    ids = torch.arange(4 * context).reshape(4, context) * 7 % vocabulary
    mask = torch.zeros(4, context, dtype=torch.bool)
    mask[0] = True
    mask[2, :4] = True
    mask[2, 1] = False
    mask[3, :2] = True
    return ids, mask

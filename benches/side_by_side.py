"""Rebus beside PyTorch on this machine, row by row, taking turns within the same minute.

    python benches/side_by_side.py [--rows REGEX] [--quick] [--memory] [--json]

Needs PyTorch, Pillow, NumPy and OpenCV in the Python that `REBUS_TORCH_PYTHON` names, or makes a virtual environment for them
under `~/.cache/rebus-bench`. PyTorch runs eagerly in both memory layouts, and through `torch.compile` where that works
(`--quick` leaves it out); the fastest counts. The optimiser is its fused AdamW. The networks are those of `tests/golden`, which give the same numbers as Rebus.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
PACKAGES = ["torch", "numpy", "pillow", "safetensors", "opencv-python-headless"]


def with_torch():
    """Goes on under a Python that has PyTorch."""
    try:
        import torch  # noqa: F401

        return
    except ImportError:
        pass
    python = os.environ.get("REBUS_TORCH_PYTHON")
    if python is None:
        home = Path.home() / ".cache" / "rebus-bench"
        python = str(home / "bin" / "python")
        if not Path(python).exists():
            print(f"making {home} with {', '.join(PACKAGES)}", file=sys.stderr)
            subprocess.run([sys.executable, "-m", "venv", home], check=True)
            index = ["--index-url", "https://download.pytorch.org/whl/cpu", "--extra-index-url", "https://pypi.org/simple"]
            if subprocess.run([python, "-m", "pip", "install", "-q", *index, *PACKAGES]).returncode:
                subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    os.execv(python, [python, *sys.argv])


with_torch()
sys.path.insert(0, str(GOLDEN))

import autoencoder  # noqa: E402
import cyclegan  # noqa: E402
import dual  # noqa: E402
import flow  # noqa: E402
import flow_transformer  # noqa: E402
import gan_classic  # noqa: E402
import gan_modern  # noqa: E402
import pix2pix  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
import vae  # noqa: E402
from common import Weights, text_encoder  # noqa: E402

BATCH, SIDE = 64, 32
# Tokens of the longest caption in our batch.
LONGEST = 12
TEXT = dict(width=128, layers=2, heads=4, context=32, vocabulary=2048)
ROWS = ["cargo", "bench", "--quiet", "-p", "rebus", "--bench", "rows", "--"]


class Rebus:
    """The program that runs our rows."""

    def __init__(self):
        subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
        metadata = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
        target = json.loads(subprocess.run(metadata, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
        self.binary = Path(target["target_directory"]) / "release" / "rebus"
        self.process = subprocess.Popen([*ROWS, "--serve"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def run(self, row):
        self.ask(row)
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"the row `{row}` of Rebus has failed")
        return float(answer)


def timed(work):
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def eager(function):
    return function


def compiled(function):
    return torch.compile(function, dynamic=False)


def layouts(build):
    """How to make the same work in both memory layouts, and compiled; each is made when it is asked for."""
    return {
        "contiguous": lambda: build(torch.contiguous_format, eager),
        "channels last": lambda: build(torch.channels_last, eager),
        "compiled": lambda: build(torch.channels_last, compiled),
    }


def both(build):
    """As `layouts`, for work that knows no memory layout."""
    return {"eager": lambda: build(eager), "compiled": lambda: build(compiled)}


def backward(wrap, forward, *inputs):
    """Forward, and all gradients of the sum."""
    forward = wrap(forward)
    return lambda: torch.autograd.grad(forward().sum(), inputs)


def convolution(row):
    sizes = re.fullmatch(r"conv(\d)x\d(?:/(\d))? (\d+)x(\d+)->(\d+)@(\d+)", row).groups(default="1")
    kernel, stride, batch, channels_in, channels_out, side = map(int, sizes)

    def build(layout, wrap):
        x = torch.randn(batch, channels_in, side, side).to(memory_format=layout).requires_grad_()
        weight = torch.randn(channels_out, channels_in, kernel, kernel).to(memory_format=layout).requires_grad_()
        bias = torch.randn(channels_out, requires_grad=True)
        conv = lambda: F.conv2d(x, weight, bias, stride=stride, padding=(kernel - 1) // 2)
        return backward(wrap, conv, x, weight, bias)

    return layouts(build)


def operation(row):
    rows, width = 16 * 64, 384
    flat = torch.randn(rows, 4 * width, requires_grad=True)
    x = torch.randn(rows, width, requires_grad=True)
    scale, shift = torch.randn(width, requires_grad=True), torch.randn(width, requires_grad=True)
    if row == "silu":
        return both(lambda wrap: backward(wrap, lambda: F.silu(flat), flat))
    if row == "gelu":
        return both(lambda wrap: backward(wrap, lambda: F.gelu(flat, approximate="tanh"), flat))
    if row == "softmax":
        weights = torch.randn(rows, 4 * width)
        return both(lambda wrap: backward(wrap, lambda: F.softmax(flat, -1) * weights, flat))
    if row == "rms norm":
        return both(lambda wrap: backward(wrap, lambda: F.rms_norm(x, (width,), scale), x, scale))
    if row.startswith("modulated norm"):
        x = torch.randn(16, 64, width, requires_grad=True)
        scale, shift = torch.randn(16, 1, width, requires_grad=True), torch.randn(16, 1, width, requires_grad=True)
        norm = lambda: F.layer_norm(x, (width,)) * scale + shift
        return both(lambda wrap: backward(wrap, norm, x, scale, shift))
    if row.startswith("rotary"):
        x, angles = torch.randn(16, 64, width, requires_grad=True), torch.randn(64, 1, 32)

        def rotate():
            first, second = x.unflatten(-1, (-1, 64)).chunk(2, dim=-1)
            cos, sin = angles.cos(), angles.sin()
            return torch.cat([first * cos - second * sin, first * sin + second * cos], -1).flatten(2)

        return both(lambda wrap: backward(wrap, rotate, x))
    if row == "layer norm":
        return both(lambda wrap: backward(wrap, lambda: F.layer_norm(x, (width,), scale, shift), x, scale, shift))
    if row == "group norm + silu":

        def build(layout, wrap):
            x = torch.randn(32, 64, 16, 16).to(memory_format=layout).requires_grad_()
            scale, shift = torch.randn(64, requires_grad=True), torch.randn(64, requires_grad=True)
            return backward(wrap, lambda: F.silu(F.group_norm(x, 16, scale, shift)), x, scale, shift)

        return layouts(build)
    if row.startswith("upsampled"):

        def build(layout, wrap):
            x = torch.randn(16, 64, 16, 16).to(memory_format=layout).requires_grad_()
            weight = torch.randn(64, 64, 3, 3).to(memory_format=layout).requires_grad_()
            bias = torch.randn(64, requires_grad=True)
            conv = lambda: F.conv2d(F.interpolate(x, scale_factor=2), weight, bias, padding=1)
            return backward(wrap, conv, x, weight, bias)

        return layouts(build)
    if row.startswith("transposed"):

        def build(layout, wrap):
            x = torch.randn(16, 64, 16, 16).to(memory_format=layout).requires_grad_()
            weight = torch.randn(64, 64, 4, 4).to(memory_format=layout).requires_grad_()
            bias = torch.randn(64, requires_grad=True)
            conv = lambda: F.conv_transpose2d(x, weight, bias, stride=2, padding=1)
            return backward(wrap, conv, x, weight, bias)

        return layouts(build)
    if row == "add":
        a, b = torch.randn(64, 64, 32, 32), torch.randn(64, 64, 32, 32)
        return both(lambda wrap: wrap(lambda: a + b))
    if row == "adamw":
        weight = torch.randn(1 << 22, requires_grad=True)
        weight.grad = torch.randn(1 << 22)
        optimizer = torch.optim.AdamW([weight], lr=1e-4, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
        return {"fused": lambda: optimizer.step}
    if row.startswith("linear"):
        x = torch.randn(2048, width, requires_grad=True)
        weight, bias = torch.randn(1536, width, requires_grad=True), torch.randn(1536, requires_grad=True)
        return both(lambda wrap: backward(wrap, lambda: F.linear(x, weight, bias), x, weight, bias))
    query, key, value = (torch.randn(16, 64, width, requires_grad=True) for _ in range(3))
    split = lambda t: t.unflatten(-1, (6, 64)).transpose(1, 2)
    attend = lambda: F.scaled_dot_product_attention(split(query), split(key), split(value)).transpose(1, 2).flatten(2)
    return both(lambda wrap: backward(wrap, attend, query, key, value))


def train(weights, prefix, loss, betas, wrap):
    """One step of one network: forward, backward, clipping, fused AdamW, moving average."""
    loss()  # makes the weights
    loss = wrap(loss)
    own = [w for name, w in weights.weights.items() if name.startswith(prefix) and w.requires_grad]
    average = [w.detach().clone() for w in own]
    optimizer = torch.optim.AdamW(own, lr=1e-4, betas=betas, weight_decay=0.01, fused=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        grads = torch.autograd.grad(loss(), own, allow_unused=True)
        for w, g in zip(own, grads):
            w.grad = g
        torch.nn.utils.clip_grad_norm_(own, 1.0)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, own, 1e-3)

    return step


def tokens():
    """Texts filled up to the longest of the batch, as Rebus fills them up."""
    ids = torch.randint(0, TEXT["vocabulary"], (BATCH, LONGEST))
    return ids, torch.arange(LONGEST)[None] < torch.randint(3, LONGEST + 1, (BATCH, 1))


def pictures(layout):
    return (torch.rand(BATCH, 3, SIDE, SIDE) * 2 - 1).to(memory_format=layout)


def changed(x):
    """Other brightness, moved by up to an eighth, and a hole of half the side, for each picture its own."""
    batch, most, hole = len(x), SIDE // 8, SIDE // 2
    each = lambda most: torch.randint(0, most, (batch, 1))
    x = x + (torch.rand(batch, 1, 1, 1) - 0.5)
    places = torch.arange(SIDE)[None]
    down, right = (places + each(2 * most + 1) for _ in range(2))
    x = F.pad(x, (most,) * 4).gather(2, down[:, None, :, None].expand(-1, 3, -1, SIDE + 2 * most))
    x = x.gather(3, right[:, None, None, :].expand(-1, 3, SIDE, -1))
    rows, columns = ((places - each(SIDE + 1) + hole // 2) // hole == 0 for _ in range(2))
    return x * ~(rows[:, None, :, None] & columns[:, None, None, :])


@torch.no_grad()
def without_graph(draw):
    return draw()


def in_layout(weights, layout):
    """Kernels in a memory layout, from their making on."""
    make = weights.weight

    def weight(name, *shape, **how):
        new = name not in weights.weights
        value = make(name, *shape, **how)
        if new and value.ndim == 4:
            weights.weights[name] = value = value.detach().to(memory_format=layout).requires_grad_(value.requires_grad)
        return value

    weights.weight = weight
    return weights


def sizes_of_flow(family):
    """Those of Rebus; the network."""
    flow.WIDTHS, flow.HEAD_WIDTH, flow.GROUPS, flow.CONDITION = [64, 128, 160], 32, 16, 192
    flow_transformer.WIDTH, flow_transformer.BLOCKS, flow_transformer.HEAD_WIDTH = 192, 4, 32
    flow_transformer.CONDITION = 192
    return flow_transformer.network if family == "flow-transformer" else flow.network


def flow_step(layout, wrap, family="flow"):
    network = sizes_of_flow(family)
    g, (ids, mask) = in_layout(Weights(0), layout), tokens()

    def loss():
        x, noise, t = pictures(layout), torch.randn(BATCH, 3, SIDE, SIDE), torch.rand(BATCH)
        x_t = (x + (noise - x) * t[:, None, None, None]).contiguous(memory_format=layout)
        predicted = network(g, x_t, t, text_encoder(g, "text.", ids, mask, **TEXT))
        return (predicted - (noise - x)).square().mean()

    return train(g, "", loss, (0.9, 0.99), wrap)


def flow_transformer_step(layout, wrap):
    return flow_step(layout, wrap, "flow-transformer")


def sizes_of_vae():
    flow.GROUPS, vae.WIDTHS, vae.CONDITION, vae.LATENT = 8, [48, 96, 160, 224], 192, 16
    vae.PRIOR_BLOCKS, vae.PRIOR_HEADS = 2, 6


def vae_step(layout, wrap):
    sizes_of_vae()
    g, (ids, mask) = in_layout(Weights(0), layout), tokens()

    def loss():
        text = text_encoder(g, "text.", ids, mask, **TEXT)
        noise = torch.randn(BATCH, 16, 4, 4)
        _, _, _, reconstruction, divergence = vae.autoencoder(g, pictures(layout), noise, text, 4)
        return (reconstruction + vae.charged(divergence, 0.5)) / (3 * SIDE**2)

    return train(g, "", loss, (0.9, 0.99), wrap)


def transformer_step(_layout, wrap):
    g, sizes = Weights(0), dict(width=384, layers=6, heads=6, context=64, vocabulary=2048)
    ids, mask = torch.arange(16 * 64).reshape(16, 64), torch.ones(16, 64, dtype=torch.bool)
    return train(g, "", lambda: text_encoder(g, "", ids, mask, **sizes)[0].square().mean(), (0.9, 0.99), wrap)


def sizes_of_gan_modern():
    gan_modern.TEXT, gan_modern.NOISE, gan_modern.STYLE = TEXT, 64, 256
    gan_modern.WIDTHS, gan_modern.BLOCKS, gan_modern.SIDE = [256, 160, 80, 40], 1, SIDE


def gan_modern_step(layout, wrap):
    sizes_of_gan_modern()
    g, (ids, mask) = in_layout(Weights(0), layout), tokens()
    draw = lambda: gan_modern.generator(g, torch.randn(BATCH, 64), ids, mask)
    mismatched, penalty = torch.ones(BATCH, 1), True

    def judged():
        shown = [changed(pictures(layout)), changed(without_graph(draw))]
        if penalty:
            shown += [x + 0.01 * torch.randn_like(x) for x in shown]
        pooled = gan_modern.pooled_text(g, ids, mask)
        features = gan_modern.look(g, torch.cat(shown)).chunk(len(shown))
        real, fake, *near = (gan_modern.judge(g, part, pooled) for part in features)
        other = gan_modern.judge(g, features[0], pooled.roll(-1, 0))
        loss = F.softplus(fake - real).mean() + 0.5 * (F.softplus(other - real) * mismatched).mean()
        for beside, here in zip(near, (real, fake)):
            loss = loss + 0.1 * ((beside - here) / 0.01).square().mean()
        return loss

    def drawn():
        pooled = gan_modern.pooled_text(g, ids, mask)
        judge = lambda x: gan_modern.discriminator(g, changed(x), pooled)
        return F.softplus(judge(pictures(layout)) - judge(draw())).mean()

    first = train(g, "discriminator.", judged, (0.0, 0.99), wrap)
    second = train(g, "generator.", drawn, (0.0, 0.99), wrap)

    def steps():
        nonlocal penalty
        for number in range(AT_ONCE["gan-modern step"]):
            penalty = number == 0
            first()
            second()

    return steps


def sizes_of_gan_classic():
    gan_classic.HIDDEN, gan_classic.CHANNELS, gan_classic.NOISE = [128, 1024, 1024], 512, 100


def gan_classic_step(layout, wrap):
    sizes_of_gan_classic()
    g = in_layout(Weights(0), layout)
    averages = gan_classic.Averages()
    draw = lambda: gan_classic.generator(g, torch.randn(BATCH, 100), SIDE, averages, True)
    judge = lambda x: gan_classic.discriminator(g, x, averages)

    def judged():
        return F.softplus(-judge(pictures(layout))).mean() + F.softplus(judge(without_graph(draw))).mean()

    first = train(g, "discriminator.", judged, (0.5, 0.999), wrap)
    second = train(g, "generator.", lambda: F.softplus(-judge(draw())).mean(), (0.5, 0.999), wrap)
    return lambda: (first(), second())


def autoencoder_step(layout, wrap):
    autoencoder.WIDTHS, autoencoder.BLOCKS, autoencoder.LATENT = [64, 128], 2, 4
    dual.GROUPS, autoencoder.DISCRIMINATOR = 8, [32, 64, 128]
    g = in_layout(Weights(0), layout)

    def rebuilt(shown):
        mean, log_variance = autoencoder.posterior(g, shown)
        said = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        return autoencoder.draw(g, said), (log_variance.exp() + mean**2 - 1 - log_variance) / 2

    def drawn():
        shown = pictures(layout)
        back, divergence = rebuilt(shown)
        loss = (back - shown).abs().mean() + 1e-3 * divergence.sum() / shown.numel()
        return loss - 0.02 * autoencoder.discriminator(g, back).mean()

    def judged():
        shown = pictures(layout)
        back = without_graph(lambda: rebuilt(shown)[0])
        real, fake = autoencoder.discriminator(g, shown), autoencoder.discriminator(g, back)
        return (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2

    first = train(g, "network.", drawn, (0.9, 0.99), wrap)
    second = train(g, "discriminator.", judged, (0.9, 0.99), wrap)
    return lambda: (first(), second())


def edges(shown):
    """Some source of as many numbers: what it shows does not matter."""
    return (shown.diff(dim=3, append=shown[..., :1]).abs() > 0.5).float().contiguous(memory_format=torch.contiguous_format)


def pix2pix_step(layout, wrap):
    pix2pix.WIDTHS, pix2pix.FULL, pix2pix.DISCRIMINATOR = [48, 96, 160, 192], 24, [32, 64, 128]
    g, seen = in_layout(Weights(0), layout), {}
    says = lambda picture: pix2pix.discriminator(g, torch.cat([seen["source"], picture], 1))
    real = lambda x: F.softplus(-x).mean()
    false = lambda x: F.softplus(x).mean()

    def drawn():
        wanted = pictures(layout)
        source = edges(wanted).contiguous(memory_format=layout)
        made = pix2pix.unet(g, source)
        seen.update(source=source, wanted=wanted, made=made.detach())
        return real(says(made)) + 100 * (made - wanted).abs().mean()

    judged = lambda: (real(says(seen["wanted"])) + false(says(seen["made"]))) / 2
    first = train(g, "network.", drawn, (0.5, 0.999), wrap)
    second = train(g, "discriminator.", judged, (0.5, 0.999), wrap)
    return lambda: (first(), second())


def cyclegan_step(layout, wrap):
    cyclegan.WIDTH, cyclegan.BLOCKS, cyclegan.DISCRIMINATOR = 24, 4, [32, 64, 128]
    g, seen = in_layout(Weights(0), layout), {}
    there, back = (lambda x, name=name: cyclegan.generator(g, f"network.{name}", x) for name in ("there", "back"))
    of_sources = lambda x: cyclegan.discriminator(g, "discriminator.sources", x)
    of_pictures = lambda x: cyclegan.discriminator(g, "discriminator.pictures", x)
    apart = lambda a, b: (a - b).abs().mean()

    def drawn():
        picture = pictures(layout)
        source = edges(picture).contiguous(memory_format=layout)
        as_picture, as_source = there(source), back(picture)
        seen.update(source=source, picture=picture, as_picture=as_picture.detach(), as_source=as_source.detach())
        loss = (of_pictures(as_picture) - 1).square().mean() + (of_sources(as_source) - 1).square().mean()
        loss = loss + 10 * (apart(back(as_picture), source) + apart(there(as_source), picture))
        return loss + 5 * (apart(back(source), source) + apart(there(picture), picture))

    def judged():
        judge = lambda judge, real, made: ((judge(real) - 1).square().mean() + judge(made).square().mean()) / 2
        return judge(of_sources, seen["source"], seen["as_source"]) + judge(of_pictures, seen["picture"], seen["as_picture"])

    first = train(g, "network.", drawn, (0.5, 0.999), wrap)
    second = train(g, "discriminator.", judged, (0.5, 0.999), wrap)
    return lambda: (first(), second())


def drawing(row):
    """Eight pictures by one step of a family."""
    mask = lambda count: torch.arange(TEXT["context"])[None].expand(count, -1) < 5
    told = lambda count: (torch.randint(0, TEXT["vocabulary"], (count, TEXT["context"])), mask(count))

    def build(layout, wrap):
        g, family = in_layout(Weights(0), layout), row.removesuffix(" drawing")
        noise = lambda *shape: torch.randn(8, *shape).contiguous(memory_format=layout if len(shape) == 3 else torch.contiguous_format)
        if family.startswith("flow"):
            network = sizes_of_flow(family)
            text = without_graph(lambda: text_encoder(g, "text.", *told(16), **TEXT))

            def work():
                x = noise(3, SIDE, SIDE)
                one, other = network(g, torch.cat([x, x]), torch.ones(16), text).chunk(2)
                return x - (other + 3 * (one - other))
        elif family == "vae":
            sizes_of_vae()
            text = without_graph(lambda: text_encoder(g, "text.", *told(8), **TEXT))
            work = lambda: vae.drawn(g, noise(16, 4, 4), text, 4)
        elif family == "gan-modern":
            sizes_of_gan_modern()
            work = lambda: gan_modern.generator(g, noise(64), *told(8))
        else:
            sizes_of_gan_classic()
            averages = gan_classic.Averages()
            work = lambda: gan_classic.generator(g, noise(100), SIDE, averages, False)
        without_graph(work)
        work = wrap(work)
        return lambda: without_graph(work)

    return layouts(build)


def decoding(_row):
    """1,024 pictures through Pillow on two threads, the way a `DataLoader` of threads would."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy
    from PIL import Image

    folder = ROOT / "tests" / "fixtures" / "emoji200"
    names = [json.loads(line)["file_name"] for line in (folder / "metadata.jsonl").read_text().splitlines()]
    pool = ThreadPoolExecutor(2)

    def decode(name):
        picture = Image.open(folder / name).convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB").resize((SIDE, SIDE), Image.LANCZOS)
        return torch.from_numpy(numpy.array(picture)).permute(2, 0, 1)

    def work():
        for start in range(0, 1024, 64):
            batch = [names[(start + i) % len(names)] for i in range(64)]
            torch.stack(list(pool.map(decode, batch))).float().div_(127.5).sub_(1)

    return {"Pillow": lambda: work}


def seamless(row):
    """OpenCV's Poisson blending of the same pictures as in `rows.rs`."""
    import cv2
    import numpy

    def wave(value):
        return (127.5 + 127.5 * numpy.sin(value)).astype(numpy.uint8)

    y, x = numpy.mgrid[0:1100, 0:1100].astype(float)
    canvas = numpy.dstack([wave((x + y) / 50), wave(y / 70), wave(x / 90)])
    x, y = x - 549.5, y - 549.5
    layer = numpy.dstack([wave((x - y) / 40), wave(y / 11), wave(x / 9)])
    inside = numpy.hypot(x, y) < 512 if "disc" in row else (abs(x) < 512) & (abs(y) < 512)
    mask = inside.astype(numpy.uint8) * 255
    return {"OpenCV": lambda: lambda: cv2.seamlessClone(layer, canvas, mask, (549, 549), cv2.NORMAL_CLONE)}


DRAW = "draw 8"


def rebus_draws(binary):
    """From the start of the process to eight files written."""
    with tempfile.TemporaryDirectory() as folder:
        command = [binary, "generate", "a red apple", "-n", "8", "--seed", "7", "-o", folder]
        return timed(lambda: subprocess.run(command, check=True, capture_output=True))


def torch_draws():
    """The same by PyTorch, in a process of its own that runs `draw` below."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--draw", folder]
        return timed(lambda: subprocess.run(command, check=True, capture_output=True))


def draw(folder):
    """Eight pictures by the same network with random weights: 20 Euler steps with guidance."""
    from PIL import Image

    sizes_of_flow("flow")
    g = in_layout(Weights(0), torch.channels_last)
    ids = torch.randint(0, TEXT["vocabulary"], (16, TEXT["context"]))
    mask = torch.arange(TEXT["context"])[None] < torch.tensor([5] * 8 + [0] * 8)[:, None]
    with torch.inference_mode():
        x = torch.randn(8, 3, SIDE, SIDE).to(memory_format=torch.channels_last)
        text = text_encoder(g, "text.", ids, mask, **TEXT)
        for i in range(20):
            velocity = flow.network(g, torch.cat([x, x]), torch.full((16,), 1 - i / 20), text)
            told, free = velocity.chunk(2)
            x = x - (free + 3 * (told - free)) / 20
        pictures = ((x.clamp(-1, 1) + 1) * 127.5).byte().permute(0, 2, 3, 1).numpy()
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(Path(folder) / f"{i}.png")


STEPS = {
    "transformer step": transformer_step,
    "flow step": flow_step,
    "flow-transformer step": flow_transformer_step,
    "vae step": vae_step,
    "autoencoder step": autoencoder_step,
    "gan-modern step": gan_modern_step,
    "gan-classic step": gan_classic_step,
    "pix2pix step": pix2pix_step,
    "cyclegan step": cyclegan_step,
}


# Steps that are timed together where one in so many has more to do; one of them counts.
AT_ONCE = {"gan-modern step": 4}


def torch_row(row):
    """By name, how to make the work of a row."""
    if row == DRAW:
        return {"a script": lambda: torch_draws}
    if row.startswith("conv"):
        return convolution(row)
    if row in STEPS:
        return layouts(STEPS[row])
    if row.endswith("drawing"):
        return drawing(row)
    if row.startswith("seamless"):
        return seamless(row)
    return decoding(row) if row == "decode" else operation(row)


# PyTorch's threads go on spinning for some 200 ms after their work, which would be taken from whoever comes next.
REST = 0.3


def burst(work):
    """Milliseconds of work that others have left the processor to, and that has found its threads and pages again."""
    time.sleep(REST)
    work()
    start, times = time.perf_counter(), []
    while not times or time.perf_counter() - start < 0.1:
        times.append(work())
    return statistics.median(times)


def once(work):
    """Milliseconds of a whole process."""
    time.sleep(REST)
    return work()


def working(row, quick):
    """The ways that work, by name; what PyTorch cannot compile is left out."""
    ways = {}
    for way, make in torch_row(row).items():
        if way == "compiled" and quick:
            continue
        try:
            work = make()
            if row != DRAW:
                work()
            ways[way] = work
        except Exception as error:
            if way != "compiled":
                raise
            print(f"{row} does not compile: {str(error).splitlines()[0]}", file=sys.stderr)
    return ways


def compare(rebus, row, quick):
    ways, rounds = working(row, quick), 3 if quick else 11
    ours, theirs = [], {way: [] for way in ways}
    for turn in range(rounds + 1):
        if row == DRAW:
            mine = once(lambda: rebus_draws(rebus.binary))
            others = {way: once(work) for way, work in ways.items()}
        else:
            mine = burst(lambda: rebus.run(row))
            others = {way: burst(lambda: timed(work) / AT_ONCE.get(row, 1)) for way, work in ways.items()}
        if turn >= 1:  # the first warms up
            ours.append(mine)
            for way, milliseconds in others.items():
                theirs[way].append(milliseconds)
    if row != DRAW:
        rebus.ask(f"forget {row}")
    best = min(theirs, key=lambda way: statistics.median(theirs[way]))
    rebus_ms, torch_ms = statistics.median(ours), statistics.median(theirs[best])
    return dict(row=row, rebus_ms=rebus_ms, best_torch_ms=torch_ms, torch=best, ratio=torch_ms / rebus_ms)


# A process begins with the memory of the one that it was forked from, which counts as its own: so a small one stands between.
LAUNCH = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def peak(command, lines):
    """The most memory that a process has held, in MB; it is given these lines."""
    launch = [sys.executable, "-c", LAUNCH, *command]
    done = subprocess.run(launch, cwd=ROOT, input=lines, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{command} has failed")
    return int(done.stdout) / 1024


def rows_binary():
    """The program that `ROWS` runs, itself: Cargo takes memory of its own."""
    build = ["cargo", "bench", "--no-run", "-p", "rebus", "--bench", "rows", "--message-format=json"]
    said = subprocess.run(build, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    made = [json.loads(line) for line in said.stdout.splitlines()]
    return next(part["executable"] for part in made if part.get("executable") and part["target"]["name"] == "rows")


def memory(row):
    """Two steps of a row in a fresh process on each side; PyTorch in the layout that takes less."""
    ours = peak([rows_binary(), "--serve"], f"{row}\n" * 2)
    eager = [way for way in torch_row(row) if way != "compiled"]
    theirs = {way: peak([sys.executable, __file__, "--twice", row, way], "") for way in eager}
    best = min(theirs, key=theirs.get)
    return dict(row=row, rebus_mb=ours, torch_mb=theirs[best], torch=best, ratio=theirs[best] / ours)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="", help="only rows that this regular expression finds")
    parser.add_argument("--quick", action="store_true", help="3 turns a row instead of 11, and nothing compiled")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--memory", action="store_true", help="the peak memory of the steps instead of their time")
    parser.add_argument("--twice", nargs=2, metavar=("ROW", "LAYOUT"), help=argparse.SUPPRESS)
    parser.add_argument("--draw", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    if options.draw:
        return draw(options.draw)

    if options.twice:
        row, layout = options.twice
        step = torch_row(row)[layout]()
        step()
        step()
        return

    rows = subprocess.run([*ROWS, "--list"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    rows.append(DRAW)
    if options.memory:
        results = [memory(row) for row in rows if row in STEPS and re.search(options.rows, row)]
        if options.json:
            print(json.dumps(results, indent=2))
            return
        print("| row | Rebus, MB | PyTorch, MB | its layout | PyTorch / Rebus |\n|---|---|---|---|---|")
        for result in results:
            print("| {row} | {rebus_mb:.0f} | {torch_mb:.0f} | {torch} | {ratio:.2f} |".format(**result))
        return
    rebus = Rebus()
    if not options.json:
        print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads\n")
        print("| row | Rebus, ms | PyTorch, ms | its layout | PyTorch / Rebus |\n|---|---|---|---|---|")
    results = []
    for row in rows:
        if re.search(options.rows, row):
            result = compare(rebus, row, options.quick)
            results.append(result)
            if not options.json:
                print("| {row} | {rebus_ms:.2f} | {best_torch_ms:.2f} | {torch} | {ratio:.2f} |".format(**result), flush=True)
    if options.json:
        print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()

"""Records what Inception-v3, DINOv2 and LPIPS give with weights that a formula makes, by the packages that define them.

    python tests/golden/foreign.py        # needs torch, torch-fidelity, transformers, lpips, pillow, numpy

The weights are too large for a repository, so that both sides make them anew: number `i` of the tensor with the CRC-32 `c` of its name is
sin(0.37 i + c mod 1009) times a scale, plus an offset, by the tensor's kind (`formula` below, and in `tests/foreign.rs`).
"""

import json
import math
import sys
import tempfile
import zlib
from pathlib import Path

import lpips
import numpy
import torch
from PIL import Image
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from transformers import Dinov2Config, Dinov2Model

OUT = Path(__file__).parents[2] / "crates/rebus-models/tests/golden/foreign.json"


def formula(name, shape):
    count = math.prod(shape)
    wave = numpy.sin(0.37 * numpy.arange(count, dtype=numpy.float64) + zlib.crc32(name.encode()) % 1009)
    if name.endswith("running_var") or name.endswith("lambda1") or "scaling_layer.scale" in name:
        wave = 1.0 + 0.3 * wave
    elif len(shape) == 1 and name.endswith("weight"):  # norms
        wave = 1.0 + 0.2 * wave
    elif name.startswith("lin"):  # LPIPS: not below zero
        wave = 0.1 + 0.1 * wave
    elif len(shape) >= 2 and not name.startswith("embeddings.") and "scaling" not in name:
        wave = wave * math.sqrt(4.0 / math.prod(shape[1:]))
    else:
        wave = 0.1 * wave
    return torch.tensor(wave.reshape(shape), dtype=torch.float32)


# What transformers calls in memory otherwise than in its files.
IN_FILES = {
    "attention.q_proj": "attention.attention.query",
    "attention.k_proj": "attention.attention.key",
    "attention.v_proj": "attention.attention.value",
    "attention.o_proj": "attention.output.dense",
}


def in_files(name):
    for here, there in IN_FILES.items():
        name = name.replace(here, there)
    return name


def fill(module):
    state = module.state_dict()
    for name, tensor in state.items():
        if tensor.dtype.is_floating_point:
            # LPIPS has the same weights under two names.
            named = name.replace("lins.", "lin")
            state[name] = formula(in_files(named), tuple(tensor.shape))
    module.load_state_dict(state)
    return module.eval()


def picture(height, width, shift):
    """[3, height, width] in 0..255, whole numbers."""
    values = [
        (37 * channel + 5 * x * (1 + channel) + 11 * y + shift * (x * y % 7)) % 256
        for channel in range(3)
        for y in range(height)
        for x in range(width)
    ]
    return torch.tensor(values, dtype=torch.uint8).reshape(3, height, width)


def inception():
    # Its constructor downloads weights where it is given none.
    path = Path(tempfile.mkstemp()[1])
    original = torch.load
    torch.load = lambda *args, **kwargs: None
    loads = FeatureExtractorInceptionV3.load_state_dict
    FeatureExtractorInceptionV3.load_state_dict = lambda self, state: None
    try:
        network = FeatureExtractorInceptionV3("any", ["2048"], feature_extractor_weights_path=str(path))
    finally:
        torch.load, FeatureExtractorInceptionV3.load_state_dict = original, loads
        path.unlink()
    network = fill(network)
    small = picture(32, 40, 3)
    with torch.no_grad():
        fidelity = network(small[None])[0][0]
        # As clean-fid resizes: Pillow's bicubic on each channel in real numbers, without rounding.
        planes = [Image.fromarray(plane.numpy().astype(numpy.float32), mode="F") for plane in small]
        planes = [numpy.asarray(plane.resize((299, 299), Image.BICUBIC)) for plane in planes]
        resized = torch.tensor(numpy.stack(planes))[None]
        # Past the network's own resizing and conversion to bytes.
        x = (resized - 128) / 128
        for block in ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "MaxPool_1", "Conv2d_3b_1x1", "Conv2d_4a_3x3",
                      "MaxPool_2", "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d",
                      "Mixed_6e", "Mixed_7a", "Mixed_7b", "Mixed_7c", "AvgPool"]:
            x = getattr(network, block)(x)
        clean = x.flatten()
    return {"fidelity": fidelity[::16].tolist(), "clean": clean[::16].tolist(), "shapes": shapes(network, "fc.")}


def dinov2():
    config = Dinov2Config(hidden_size=128, num_hidden_layers=2, num_attention_heads=2, image_size=518, patch_size=14)
    network = fill(Dinov2Model(config))
    mean = torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)
    # 256 pixels a side already, so that only the middle is cut out.
    pixels = picture(256, 256, 5)[None, :, 16:240, 16:240].float() / 255
    with torch.no_grad():
        found = network((pixels - mean) / deviation).pooler_output[0]
    return {"class": found.tolist(), "shapes": shapes(network, "embeddings.mask_token")}


def perceptual(net):
    network = fill(lpips.LPIPS(net=net, pretrained=False, pnet_rand=True, verbose=False))
    a, b = (picture(40, 64, shift)[None].float() / 127.5 - 1 for shift in (3, 5))
    with torch.no_grad():
        return {"distance": network(a, b).item(), "shapes": shapes(network, "lins.")}


def shapes(network, without):
    return {
        in_files(name): list(tensor.shape)
        for name, tensor in network.state_dict().items()
        if tensor.dtype.is_floating_point and not name.startswith(without)
    }


if __name__ == "__main__":
    torch.manual_seed(0)
    found = {"inception": inception(), "dinov2": dinov2(), "alex": perceptual("alex"), "vgg": perceptual("vgg")}
    OUT.write_text(json.dumps(found) + "\n")
    print(OUT.stat().st_size, "bytes", file=sys.stderr)

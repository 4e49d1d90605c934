"""The U-Net of pix2pix: what it makes of sources, its loss with its gradients, and its discriminator's. See common.py."""

import torch
import torch.nn.functional as F
from common import Golden, conv, scale_shift

WIDTHS, FULL, DISCRIMINATOR, ABSOLUTE = [8, 16, 24], 8, [8, 16], 10.0


def norm(g, name, x):
    width = x.shape[1]
    return F.group_norm(x, width // 8, *scale_shift(g, name, width), eps=1e-5)


def unet(g, source):
    x, seen = source, [source]
    for level, width in enumerate(WIDTHS):
        name = f"network.encoder.{level}"
        x = conv(g, f"{name}.halve", x, width, 4, stride=2, padding=(1, 1))
        if level > 0:
            x = norm(g, f"{name}.norm", x)
        x = F.leaky_relu(x, 0.2)
        seen.append(x)
    for i, width in enumerate([*reversed(WIDTHS[:-1]), FULL]):
        name = f"network.decoder.{i}"
        x = conv(g, f"{name}.double", F.interpolate(x, scale_factor=2, mode="nearest"), width, 3)
        x = torch.cat([F.relu(norm(g, f"{name}.norm", x)), seen[-2 - i]], 1)
    return torch.tanh(conv(g, "network.output", x, 3, 3))


def discriminator(g, x):
    halve = lambda name, x, width: conv(g, f"discriminator.{name}", x, width, 4, stride=2, padding=(1, 1))
    x = F.leaky_relu(halve("input", x, DISCRIMINATOR[0]), 0.2)
    for i, width in enumerate(DISCRIMINATOR[1:]):
        x = F.silu(norm(g, f"discriminator.levels.{i}.norm", halve(f"levels.{i}.halve", x, width)))
    return conv(g, "discriminator.output", x, 1, 3)


def main():
    g = Golden(29)
    source, wanted = g.uniform(4, 3, 16, 24) * 2 - 1, g.uniform(4, 3, 16, 24) * 2 - 1
    made = unet(g, source)
    logits = lambda picture: discriminator(g, torch.cat([source, picture], 1))
    real = lambda x: F.binary_cross_entropy_with_logits(x, torch.ones_like(x))
    false = lambda x: F.binary_cross_entropy_with_logits(x, torch.zeros_like(x))
    g.put(source=source, wanted=wanted, made=made, logits=logits(made))
    g.put_gradients("step", real(logits(made)) + ABSOLUTE * (made - wanted).abs().mean(), "network.")
    g.put_gradients("judged", (real(logits(wanted)) + false(logits(made.detach()))) / 2, "discriminator.")
    g.save("pix2pix")


if __name__ == "__main__":
    main()

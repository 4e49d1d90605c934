"""CycleGAN: a round there and back, the generators' loss with its gradients, and the discriminators'. See common.py."""

import torch
import torch.nn.functional as F
from common import Golden, conv, scale_shift

WIDTH, BLOCKS, DISCRIMINATOR, CYCLE, IDENTITY = 4, 2, [8, 16], 10.0, 0.5


def normed(g, name, x, width, kernel, stride=1, padding=(0, 0)):
    x = conv(g, f"{name}.convolution", x, width, kernel, stride=stride, padding=padding, bias=False)
    scale, shift = scale_shift(g, f"{name}.norm", width)
    return F.instance_norm(x, eps=1e-5) * scale[:, None, None] + shift[:, None, None]


def mirrored(x, pixels):
    return F.pad(x, (pixels,) * 4, mode="reflect")


def generator(g, name, x):
    x = F.relu(normed(g, f"{name}.input", mirrored(x, 3), WIDTH, 7))
    for i, width in enumerate([2 * WIDTH, 4 * WIDTH]):
        x = F.relu(normed(g, f"{name}.down.{i}", x, width, 3, stride=2, padding=(1, 1)))
    for i in range(BLOCKS):
        y = F.relu(normed(g, f"{name}.blocks.{i}.first", mirrored(x, 1), 4 * WIDTH, 3))
        x = x + normed(g, f"{name}.blocks.{i}.second", mirrored(y, 1), 4 * WIDTH, 3)
    for i, width in enumerate([2 * WIDTH, WIDTH]):
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = F.relu(normed(g, f"{name}.up.{i}", x, width, 3, padding=(1, 1)))
    return torch.tanh(conv(g, f"{name}.output", mirrored(x, 3), 3, 7, padding=(0, 0)))


def discriminator(g, name, x):
    halve = lambda part, x, width: conv(g, f"{name}.{part}", x, width, 4, stride=2, padding=(1, 1))
    x = F.leaky_relu(halve("input", x, DISCRIMINATOR[0]), 0.2)
    for i, width in enumerate(DISCRIMINATOR[1:]):
        x = halve(f"levels.{i}.halve", x, width)
        x = F.silu(F.group_norm(x, width // 8, *scale_shift(g, f"{name}.levels.{i}.norm", width), eps=1e-5))
    return conv(g, f"{name}.output", x, 1, 3)


def main():
    g = Golden(31)
    source, picture = g.uniform(2, 3, 16, 24) * 2 - 1, g.uniform(2, 3, 16, 24) * 2 - 1
    there = lambda x: generator(g, "network.there", x)
    back = lambda x: generator(g, "network.back", x)
    of_sources = lambda x: discriminator(g, "discriminator.sources", x)
    of_pictures = lambda x: discriminator(g, "discriminator.pictures", x)
    as_picture, as_source = there(source), back(picture)
    g.put(source=source, picture=picture, as_picture=as_picture, as_source=as_source)
    loss = (of_pictures(as_picture) - 1).square().mean() + (of_sources(as_source) - 1).square().mean()
    loss = loss + CYCLE * ((back(as_picture) - source).abs().mean() + (there(as_source) - picture).abs().mean())
    loss = loss + CYCLE * IDENTITY * ((back(source) - source).abs().mean() + (there(picture) - picture).abs().mean())
    g.put_gradients("step", loss, "network.")
    judged = lambda judge, real, made: ((judge(real) - 1).square().mean() + judge(made.detach()).square().mean()) / 2
    loss = judged(of_sources, source, as_source) + judged(of_pictures, picture, as_picture)
    g.put_gradients("judged", loss, "discriminator.")
    g.save("cyclegan")


if __name__ == "__main__":
    main()

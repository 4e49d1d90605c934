"""The autoencoder: what comes back of pictures, its losses with their gradients, and the patch discriminator's. See common.py."""

import torch
import torch.nn.functional as F
from common import Golden, conv, scale_shift
from dual import group_norm, picture_levels, picture_tower, residual

WIDTHS, BLOCKS, PATCH, LATENT, DISCRIMINATOR = [8, 12], 1, 2, 3, [8, 16]  # groups are dual's
KL, PERCEPTUAL, ADVERSARIAL, FACTOR = 0.2, 0.5, 0.3, 2


def way(g, name, x, widths, channels, resize):
    x = conv(g, f"{name}.input", x, widths[0], 3)
    for level, width in enumerate(widths):
        if level > 0:
            x = conv(g, f"{name}.stages.{level}.change", resize(x), width, 1)
        for i in range(BLOCKS):
            x = residual(g, f"{name}.stages.{level}.blocks.{i}", x)
    return conv(g, f"{name}.output", F.silu(group_norm(g, f"{name}.norm", x)), channels, 3)


def posterior(g, pictures):
    down = lambda x: F.avg_pool2d(x, 2)
    both = way(g, "network.encoder", F.pixel_unshuffle(pictures, PATCH), WIDTHS, 2 * LATENT, down)
    mean, log_variance = both.chunk(2, dim=1)
    return mean, log_variance.clamp(-10, 10)


def draw(g, said):
    up = lambda x: F.interpolate(x, scale_factor=2, mode="nearest")
    pixels = 3 * PATCH**2
    return F.pixel_shuffle(way(g, "network.decoder", said, WIDTHS[::-1], pixels, up), PATCH)


def discriminator(g, x):
    halve = lambda name, x, width: conv(g, f"discriminator.{name}", x, width, 4, stride=2, padding=(1, 1))
    x = F.leaky_relu(halve("input", x, DISCRIMINATOR[0]), 0.2)
    for i, width in enumerate(DISCRIMINATOR[1:]):
        x = halve(f"levels.{i}.halve", x, width)
        x = F.silu(F.group_norm(x, width // 8, *scale_shift(g, f"discriminator.levels.{i}.norm", width), eps=1e-5))
    return conv(g, "discriminator.output", x, 1, 3)


def unit(x):
    return x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)


def apart(g, a, b):
    levels = zip(*(picture_levels(g, F.avg_pool2d(x, FACTOR), "eye") for x in (a, b)))
    return torch.stack([(unit(a) - unit(b)).square().sum(1).mean() for a, b in levels]).mean()


def main():
    g = Golden(23)
    pictures = g.uniform(4, 3, 16, 16) * 2 - 1
    noise = g.normal(4, LATENT, 4, 4)
    mean, log_variance = posterior(g, pictures)
    said = mean + (log_variance / 2).exp() * noise
    rebuilt = draw(g, said)
    averages = g.normal(LATENT), g.uniform(LATENT) + 0.5
    g.weights["network.running_mean"], g.weights["network.running_variance"] = averages
    scaled = (mean - averages[0][:, None, None]) / (averages[1][:, None, None] + 1e-6).sqrt()
    divergence = ((log_variance.exp() + mean**2 - 1 - log_variance) / 2).flatten(1).sum(1).mean()
    picture_tower(g, pictures, "eye", 1)  # makes the weights that its levels do not have
    seen = apart(g, rebuilt, pictures)
    g.put(pictures=pictures, noise=noise, said=said, rebuilt=rebuilt, encoded=scaled, logits=discriminator(g, rebuilt))
    g.put(divergence=divergence.reshape(1), seen=seen.reshape(1))
    loss = (rebuilt - pictures).abs().mean() + KL * divergence / (3 * 16 * 16) + PERCEPTUAL * seen
    loss = loss - ADVERSARIAL * discriminator(g, rebuilt).mean()
    g.put_gradients("step", loss, "network.")
    real, fake = discriminator(g, pictures), discriminator(g, rebuilt.detach())
    g.put_gradients("judged", (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2, "discriminator.")
    g.save("autoencoder")


if __name__ == "__main__":
    main()

"""The variational autoencoder: prior, posterior, what the decoder says, and the bound with its gradients. See common.py."""

import torch
import torch.nn.functional as F
from common import Golden, attention, conv, feed_forward, layer_norm, linear, text_encoder, texts
from flow import group_norm, residual

TEXT = dict(width=8, layers=1, heads=2, context=6, vocabulary=20)
WIDTHS, BLOCKS, CONDITION, LATENT = [8, 12], 1, 10, 3  # groups are flow's: 4
PRIOR_BLOCKS, PRIOR_HEADS = 1, 2
FREE, WEIGHT = 0.7, 0.6


def way(g, name, x, widths, channels, condition, resize):
    x = conv(g, f"{name}.input", x, widths[0], 3)
    for level, width in enumerate(widths):
        if level > 0:
            x = conv(g, f"{name}.stages.{level}.change", resize(x), width, 1)
        for i in range(BLOCKS):
            x = residual(g, f"{name}.stages.{level}.blocks.{i}", x, condition)
    return conv(g, f"{name}.output", F.silu(group_norm(g, f"{name}.norm", x)), channels, 3)


def gaussian(both):
    mean, log_variance = both.chunk(2, dim=1)
    return mean, log_variance.clamp(-10, 10)


def logistic(x, said):
    """The logarithm of each of 256 steps' probability."""
    mean, log_scale = said.chunk(2, dim=1)
    log_scale = log_scale.clamp(min=-7)
    at = lambda shift: torch.sigmoid((x - mean + shift) / log_scale.exp())
    step = 1 / 255
    below = torch.where(x < -1 + step, torch.zeros_like(x), at(-step))
    above = torch.where(x > 1 - step, torch.ones_like(x), at(step))
    return (above - below).clamp(min=1e-12).log()


def prior(g, condition, sequence, mask, side):
    """Learned places that attend to each other and to the words."""
    x = linear(g, "prior.condition", condition, CONDITION)[:, None]
    x = x + g.weight("prior.places", side**2, CONDITION, scale=0.5)
    for i in range(PRIOR_BLOCKS):
        name = f"prior.blocks.{i}"
        h = layer_norm(g, f"{name}.attention_norm", x)
        x = x + attention(g, f"{name}.attention", h, PRIOR_HEADS, context=sequence, context_mask=mask)
        x = x + feed_forward(g, f"{name}.feed_forward", layer_norm(g, f"{name}.feed_forward_norm", x), 2)
    both = linear(g, "prior.output", layer_norm(g, "prior.norm", x), 2 * LATENT)
    return both.transpose(1, 2).unflatten(2, (side, side))


def autoencoder(g, pictures, noise, text, side):
    """Prior, posterior, what the decoder says; nats of the reconstruction and of each latent's divergence."""
    sequence, mask, pooled = text
    condition = F.silu(linear(g, "pooled", pooled, CONDITION))
    prior_mean, prior_log = gaussian(prior(g, condition, sequence, mask, side))
    down = lambda x: F.avg_pool2d(x, 2)
    up = lambda x: F.interpolate(x, scale_factor=2, mode="nearest")
    mean, log_variance = gaussian(way(g, "encoder", pictures, WIDTHS, 2 * LATENT, condition, down))
    latents = mean + (log_variance / 2).exp() * noise
    said = way(g, "decoder", latents, WIDTHS[::-1], 6, condition, up)
    reconstruction = -logistic(pictures, said).flatten(1).sum(1).mean()
    shares = (log_variance.exp() + (mean - prior_mean) ** 2) / prior_log.exp()
    return prior_mean, mean, said, reconstruction, (prior_log - log_variance + shares - 1) / 2


def drawn(g, noise, text, side):
    """What the decoder says of a sample of the prior."""
    sequence, mask, pooled = text
    condition = F.silu(linear(g, "pooled", pooled, CONDITION))
    mean, log_variance = gaussian(prior(g, condition, sequence, mask, side))
    up = lambda x: F.interpolate(x, scale_factor=2, mode="nearest")
    return way(g, "decoder", mean + (log_variance / 2).exp() * noise, WIDTHS[::-1], 6, condition, up)


def charged(divergence, free):
    return divergence.flatten(2).sum(2).mean(0).clamp(min=free).sum()


def main():
    g = Golden(17)
    ids, mask = texts(TEXT["vocabulary"], TEXT["context"])
    batch = len(ids)
    pictures = ((g.uniform(batch, 3, 8, 8) * 255).round() / 127.5 - 1).float().double()
    noise = g.normal(batch, LATENT, 4, 4)
    text = text_encoder(g, "text.", ids, mask, **TEXT)
    prior_mean, posterior, said, reconstruction, divergence = autoencoder(g, pictures, noise, text, 4)
    g.put(ids=ids, mask=mask, pictures=pictures, noise=noise, said=said, posterior=posterior, prior=prior_mean)
    g.put(divergence=divergence.flatten(1).sum(1).mean().reshape(1))
    g.put_gradients("step", (reconstruction + WEIGHT * charged(divergence, FREE)) / (3 * 64))
    g.save("vae")


if __name__ == "__main__":
    main()

"""The flow: the velocity, and the loss and gradients of one training step. See common.py."""

import math

import torch
import torch.nn.functional as F
from common import Golden, attention, conv, feed_forward, layer_norm, linear, scale_shift, text_encoder, texts

TEXT = dict(width=8, layers=1, heads=2, context=6, vocabulary=20)
PATCH, WIDTHS, BLOCKS, ATTENTION_FROM, HEAD_WIDTH, GROUPS, CONDITION = 2, [8, 16], 2, 1, 8, 4, 12
PAIR_WEIGHT = 0.5
FREQUENCIES = 32


def time_embedding(g, times):
    rates = torch.exp(-math.log(1e4) * torch.arange(FREQUENCIES, dtype=times.dtype) / FREQUENCIES)
    angles = 1000 * times[:, None] * rates
    inner = linear(g, "time.inner", torch.cat([angles.sin(), angles.cos()], 1), CONDITION)
    return linear(g, "time.outer", F.silu(inner), CONDITION)


def group_norm(g, name, x):
    return F.group_norm(x, GROUPS, *scale_shift(g, name, x.shape[1]), eps=1e-5)


def residual(g, name, x, condition):
    width = x.shape[1]
    scale, shift = linear(g, f"{name}.modulation", condition, 2 * width).chunk(2, dim=1)
    h = conv(g, f"{name}.first", F.silu(group_norm(g, f"{name}.first_norm", x)), width, 3)
    # The text's scale and shift come on top of the learned ones: norm(h) * own * (1 + scale) + own + shift.
    own_scale, own_shift = scale_shift(g, f"{name}.second_norm", width)
    h = F.group_norm(h, GROUPS, eps=1e-5) * (own_scale * (1 + scale))[:, :, None, None]
    h = h + (own_shift + shift)[:, :, None, None]
    return x + conv(g, f"{name}.second", F.silu(h), width, 3)


def attend(g, name, x, text, mask):
    height, columns = x.shape[2:]
    x = x.flatten(2).transpose(1, 2)
    h = layer_norm(g, f"{name}.attention_norm", x)
    heads = x.shape[-1] // HEAD_WIDTH
    x = x + attention(g, f"{name}.attention", h, heads, context=text, context_mask=mask)
    x = x + feed_forward(g, f"{name}.feed_forward", layer_norm(g, f"{name}.feed_forward_norm", x), 2)
    return x.transpose(1, 2).unflatten(2, (height, columns))


def stage(g, name, x, level, condition, text, mask):
    for i in range(BLOCKS):
        x = residual(g, f"{name}.blocks.{i}", x, condition)
    return attend(g, f"{name}.attention", x, text, mask) if level >= ATTENTION_FROM else x


def network(g, x, times, text, source=None):
    sequence, mask, pooled = text
    condition = F.silu(time_embedding(g, times) + linear(g, "pooled", pooled, CONDITION))
    pixels = x.shape[1] * PATCH**2
    x = x if source is None else torch.cat([x, source], 1)
    x = conv(g, "input", F.pixel_unshuffle(x, PATCH), WIDTHS[0], 3)
    skips = []
    for level, width in enumerate(WIDTHS):
        if level > 0:
            x = conv(g, f"down.{level}.change", F.avg_pool2d(x, 2), width, 1)
        x = stage(g, f"down.{level}", x, level, condition, sequence, mask)
        skips.append(x)
    skips.pop()
    for i, level in enumerate(reversed(range(len(WIDTHS) - 1))):
        x = conv(g, f"up.{i}.change", x, WIDTHS[level], 1)
        x = F.interpolate(x, scale_factor=2, mode="nearest") + skips.pop()
        x = stage(g, f"up.{i}", x, level, condition, sequence, mask)
    x = conv(g, "output", F.silu(group_norm(g, "norm", x)), pixels, 3)
    return F.pixel_shuffle(x, PATCH)


def record(name, seed, network, from_source=False):
    """A step of a network that predicts velocities; one that is shown a source has its own."""
    g = Golden(seed)
    ids, mask = texts(TEXT["vocabulary"], TEXT["context"])
    pictures, noise = g.uniform(4, 3, 8, 8) * 2 - 1, g.normal(4, 3, 8, 8)
    times = torch.tensor([0.125, 0.375, 0.5, 0.875], dtype=torch.float64)
    x_t = (pictures + (noise - pictures) * times[:, None, None, None]).float().double()
    velocity = (noise - pictures).float().double()
    text = text_encoder(g, "text.", ids, mask, **TEXT)
    if from_source:
        source = (g.uniform(4, 3, 8, 8) * 2 - 1).float().double()
        g.put(source=source)
        predicted = network(g, x_t, times, text, source)
    else:
        predicted = network(g, x_t, times, text)
    g.put(ids=ids, mask=mask, pictures=pictures, x_t=x_t, velocity=velocity, times=times, predicted=predicted)
    ahead = x_t - predicted * times[:, None, None, None]
    pair = (ahead - pictures).abs().mean()
    g.put_gradients("step", (predicted - velocity).square().mean() + PAIR_WEIGHT * pair)
    g.save(name)


if __name__ == "__main__":
    record("flow", 2, network)
    record("flow_from_source", 12, network, from_source=True)

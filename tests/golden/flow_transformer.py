"""The flow's transformer, as flow.py. `benches/side_by_side.py` trains it in float32."""

import torch
import torch.nn.functional as F
from common import feed_forward, linear
from flow import CONDITION, PATCH, record, time_embedding

WIDTH, BLOCKS, HEAD_WIDTH = 16, 2, 8
SLOWEST = 100


def norm(x, shift, scale):
    return F.layer_norm(x, x.shape[-1:], eps=1e-5) * (1 + scale)[:, None] + shift[:, None]


def modulation(g, name, condition, parts):
    return linear(g, f"{name}.modulation", condition, parts * WIDTH).chunk(parts, dim=1)


def normed(g, name, x):
    heads = linear(g, f"{name}.linear", x, WIDTH).unflatten(-1, (-1, HEAD_WIDTH))
    scale = g.weight(f"{name}.norm.scale", HEAD_WIDTH, scale=0.2, around=1.0)
    return F.rms_norm(heads, (HEAD_WIDTH,), scale, eps=1e-5).transpose(1, 2)


def turned(x, rows, columns):
    """The halves of a head are pairs; the first half of these turns by the row, the rest by the column."""
    pairs = HEAD_WIDTH // 2
    rates = SLOWEST ** -(torch.arange(pairs // 2, dtype=x.dtype) / (pairs / 2))
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    angles = torch.cat([row.reshape(-1, 1) * rates, column.reshape(-1, 1) * rates], 1)
    first, second = x.chunk(2, dim=-1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([first * cos - second * sin, first * sin + second * cos], -1)


def before(g, name, x, condition, asks):
    h = norm(x, *modulation(g, name, condition, 2))
    query = normed(g, f"{name}.query", h) if asks else None
    value = linear(g, f"{name}.value", h, WIDTH).unflatten(-1, (-1, HEAD_WIDTH)).transpose(1, 2)
    return query, normed(g, f"{name}.key", h), value


def after(g, name, x, attended, condition):
    gate, shift, scale, last_gate = modulation(g, name, condition, 4)
    x = x + (1 + gate)[:, None] * linear(g, f"{name}.output", attended, WIDTH)
    return x + (1 + last_gate)[:, None] * feed_forward(g, f"{name}.feed_forward", norm(x, shift, scale), 2)


def network(g, x, times, text):
    sequence, mask, pooled = text
    condition = F.silu(time_embedding(g, times) + linear(g, "pooled", pooled, CONDITION))
    x = F.pixel_unshuffle(x, PATCH)
    pixels, rows, columns = x.shape[1:]
    places = rows * columns
    x = linear(g, "patches", x.flatten(2).transpose(1, 2), WIDTH)
    words = linear(g, "words", sequence, WIDTH)
    counts = torch.cat([torch.ones(len(x), places, dtype=torch.bool), mask], 1)[:, None, None]
    for i in range(BLOCKS):
        is_last = i == BLOCKS - 1
        query, key, value = before(g, f"blocks.{i}.patches", x, condition, True)
        query, key = turned(query, rows, columns), turned(key, rows, columns)
        query_of_words, key_of_words, value_of_words = before(g, f"blocks.{i}.words", words, condition, not is_last)
        key, value = torch.cat([key, key_of_words], 2), torch.cat([value, value_of_words], 2)
        if not is_last:
            query = torch.cat([query, query_of_words], 2)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=counts).transpose(1, 2).flatten(2)
        x = after(g, f"blocks.{i}.after_patches", x, attended[:, :places], condition)
        if not is_last:
            words = after(g, f"blocks.{i}.after_words", words, attended[:, places:], condition)
    shift, scale = linear(g, "modulation", condition, 2 * WIDTH).chunk(2, dim=1)
    x = linear(g, "output", norm(x, shift, scale), pixels)
    return F.pixel_shuffle(x.transpose(1, 2).unflatten(2, (rows, columns)), PATCH)


if __name__ == "__main__":
    record("flow_transformer", 13, network)

"""The two towers: embeddings, and both losses with the gradients of one training step. See common.py."""

import torch
import torch.nn.functional as F
from common import Golden, conv, linear, scale_shift, text_encoder, texts

TEXT = dict(width=8, layers=1, heads=2, context=6, vocabulary=20)
WIDTHS, BLOCKS, GROUPS, WIDTH = [8, 12], 2, 4, 10
PICTURES = 3  # the fourth text is nobody's


def group_norm(g, name, x):
    return F.group_norm(x, GROUPS, *scale_shift(g, name, x.shape[1]), eps=1e-5)


def residual(g, name, x):
    h = conv(g, f"{name}.first", F.silu(group_norm(g, f"{name}.first_norm", x)), x.shape[1], 3)
    return x + conv(g, f"{name}.second", F.silu(group_norm(g, f"{name}.second_norm", h)), x.shape[1], 3)


def picture_levels(g, x, name):
    """What each level sees."""
    x, levels = conv(g, f"{name}.input", x, WIDTHS[0], 3), []
    for level, width in enumerate(WIDTHS):
        if level > 0:
            x = conv(g, f"{name}.stages.{level}.change", F.avg_pool2d(x, 2), width, 1)
        for i in range(BLOCKS):
            x = residual(g, f"{name}.stages.{level}.blocks.{i}", x)
        levels.append(x)
    return levels


def picture_tower(g, x, name="picture", out=WIDTH):
    x = picture_levels(g, x, name)[-1]
    return linear(g, f"{name}.output", F.silu(group_norm(g, f"{name}.norm", x)).mean((2, 3)), out)


def main():
    g = Golden(11)
    ids, mask = texts(TEXT["vocabulary"], TEXT["context"])
    pictures = g.uniform(PICTURES, 3, 8, 8) * 2 - 1
    pooled = text_encoder(g, "text.", ids, mask, **TEXT)[2]
    of_texts = F.normalize(linear(g, "project", pooled, WIDTH), dim=1)
    of_pictures = F.normalize(picture_tower(g, pictures), dim=1)
    scale, bias = g.weight("scale", 1, scale=0.1, around=1.5), g.weight("bias", 1, scale=0.1, around=-1.0)
    ignored = torch.zeros(PICTURES, len(ids), dtype=torch.float64)
    ignored[0, 2] = ignored[1, 3] = 1
    g.put(ids=ids, mask=mask, pictures=pictures, ignored=ignored, of_texts=of_texts, of_pictures=of_pictures)

    logits = of_pictures @ of_texts.T * scale.exp() + bias
    own = torch.eye(PICTURES, len(ids), dtype=torch.float64)
    sigmoid = -(F.logsigmoid(logits * (2 * own - 1)) * (1 - ignored)).sum() / PICTURES
    g.put_gradients("sigmoid", sigmoid)
    right = torch.arange(PICTURES)
    masked = logits.masked_fill(ignored.bool(), -torch.inf)
    softmax = (F.cross_entropy(masked, right) + F.cross_entropy(masked[:, :PICTURES].T, right)) / 2
    g.put_gradients("softmax", softmax)
    g.save("dual")


if __name__ == "__main__":
    main()

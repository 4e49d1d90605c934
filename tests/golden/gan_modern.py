"""The text-conditional adversarial network: what it draws and judges, and the losses of one step with their gradients.

Also checks here that the finite differences of the penalty come out as the squared gradient. See common.py."""

import torch
import torch.nn.functional as F
from common import Golden, conv, linear, text_encoder, texts

TEXT = dict(width=8, layers=1, heads=2, context=6, vocabulary=20)
NOISE, STYLE, WIDTHS, BLOCKS, PIXELS, SIDE = 3, 6, [8, 6], 2, 3, 8
SETTINGS = dict(gamma=0.3, penalty_every=4, penalty_step=0.25, mismatch_weight=0.5, pair_weight=0.7, pair_factor=2)


def lrelu(x):
    return F.leaky_relu(x, 0.2)


def stage(g, name, x, style=None):
    width = x.shape[1]
    for i in range(BLOCKS):
        block = f"{name}.blocks.{i}"
        h = conv(g, f"{block}.first", lrelu(x), width, 3)
        if style is not None:
            h = h * (1 + linear(g, f"{block}.modulation", style, width)[:, :, None, None])
        x = x + conv(g, f"{block}.second", lrelu(h), width, 3)
    return x


def generator(g, noise, ids, mask):
    _, _, pooled = text_encoder(g, "generator.text.", ids, mask, **TEXT)
    style = torch.cat([noise, pooled], 1)
    for i in range(2):
        style = lrelu(linear(g, f"generator.mix.{i}", style, STYLE))
    side = SIDE >> (len(WIDTHS) - 1)
    basis = g.weight("generator.basis", 1, WIDTHS[0], side, side, scale=1.0)
    x = basis * (1 + linear(g, "generator.strength", style, WIDTHS[0])[:, :, None, None])
    for i, width in enumerate(WIDTHS):
        if i > 0:
            x = F.interpolate(conv(g, f"generator.stages.{i}.change", x, width, 1), scale_factor=2, mode="nearest")
        x = stage(g, f"generator.stages.{i}", x, style)
    return conv(g, "generator.output", lrelu(x), PIXELS, 3)


def pooled_text(g, ids, mask):
    return text_encoder(g, "discriminator.text.", ids, mask, **TEXT)[2]


def look(g, x):
    x = conv(g, "discriminator.input", x, WIDTHS[-1], 3)
    for i, width in enumerate(reversed(WIDTHS)):
        if i > 0:
            x = conv(g, f"discriminator.stages.{i}.change", F.avg_pool2d(x, 2), width, 1)
        x = stage(g, f"discriminator.stages.{i}", x)
    basis = g.weight("discriminator.basis", 1, *x.shape[1:], scale=0.25)
    return linear(g, "discriminator.features", (lrelu(x) * basis).sum(dim=(2, 3)), WIDTHS[0])


def judge(g, features, pooled):
    agreement = torch.einsum("bw,bw->b", linear(g, "discriminator.project", pooled, WIDTHS[0]), features)
    realness = features @ g.weight("discriminator.output.weight", WIDTHS[0], 1)
    return realness + agreement[:, None] * WIDTHS[0] ** -0.5


def discriminator(g, x, pooled):
    return judge(g, look(g, x), pooled)


def augment(pictures, changes):
    """Each row of changes: brightness, saturation, contrast, shift down, shift right, and the hole's first row, first
    column and side."""
    result = []
    for x, change in zip(pictures, changes.tolist()):
        brightness, saturation, contrast = change[:3]
        down, right, row, column, side = (int(value) for value in change[3:])
        x = x + brightness
        x = (x - x.mean(dim=0, keepdim=True)) * saturation + x.mean(dim=0, keepdim=True)
        x = (x - x.mean()) * contrast + x.mean()
        x = F.pad(x, (4, 4, 4, 4))[:, 4 - down : 4 - down + SIDE, 4 - right : 4 - right + SIDE]
        hole = torch.zeros(SIDE, SIDE, dtype=torch.bool)
        hole[max(row, 0) : max(row + side, 0), max(column, 0) : max(column + side, 0)] = True
        result.append(x.masked_fill(hole, 0))
    return torch.stack(result)


def pairing(better, worse):
    return -torch.log(torch.sigmoid(better - worse))


def main():
    g = Golden(5)
    ids, mask = texts(TEXT["vocabulary"], TEXT["context"])
    noise = g.normal(4, NOISE)
    real, fake = g.uniform(4, PIXELS, SIDE, SIDE) * 2 - 1, g.normal(4, PIXELS, SIDE, SIDE)
    probes = g.normal(*real.shape), g.normal(*real.shape)
    mismatched = torch.tensor([[0.0], [1.0], [1.0], [1.0]], dtype=torch.float64)  # the second text is empty
    drawn = generator(g, noise, ids, mask)
    pooled = pooled_text(g, ids, mask)
    g.put(ids=ids, mask=mask, noise=noise, real=real, fake=fake, real_probe=probes[0], fake_probe=probes[1])
    g.put(mismatched=mismatched, drawn=drawn, judged=discriminator(g, real, pooled))

    step = SETTINGS["penalty_step"]
    logits = discriminator(g, real, pooled), discriminator(g, fake, pooled)
    main = pairing(*logits).mean()
    mismatch = (pairing(logits[0], discriminator(g, real, pooled.roll(-1, 0))) * mismatched).mean() * SETTINGS["mismatch_weight"]
    slopes = [
        ((discriminator(g, x + step * probe, pooled) - logit) / step).square().mean()
        for x, probe, logit in zip((real, fake), probes, logits)
    ]
    penalty = SETTINGS["gamma"] / 2 * sum(slopes)
    g.put(pairing=main.reshape(1), mismatch=mismatch.reshape(1), penalty=penalty.reshape(1))
    g.put_gradients("discriminator", main + mismatch + SETTINGS["penalty_every"] * penalty, "discriminator.")

    changes = torch.tensor(
        [
            [0.25, 1.5, 0.75, 1, -1, 2, 3, 4],
            [-0.5, 0.5, 1.25, 0, 0, -2, 5, 4],
            [0.0, 1.0, 1.0, -2, 2, 6, -1, 4],
            [0.125, 2.0, 0.5, 2, 1, 0, 0, 4],
        ],
        dtype=torch.float64,
    )
    g.put(real_changes=changes, fake_changes=changes.flip(0), augmented=augment(real, changes))
    logits = [
        discriminator(g, augment(x, how), pooled) for x, how in ((real, changes), (drawn, changes.flip(0)))
    ]
    again = g.normal(4, NOISE)
    one, two, own = (F.avg_pool2d(x, SETTINGS["pair_factor"]) for x in (drawn, generator(g, again, ids, mask), real))
    apart = lambda a, b: (a - b).abs().mean()
    pair = SETTINGS["pair_weight"] * ((apart(one, own) + apart(two, own)) / 2 - apart(one, two) / 2)
    g.put(again=again)
    g.put(generator=pairing(logits[1], logits[0]).mean().reshape(1), pair=pair.reshape(1))
    g.put_gradients("generator", pairing(logits[1], logits[0]).mean() + pair, "generator.")
    g.save("gan_modern")

    # The mean of squared finite differences along normal noise against the squared gradient itself.
    x = real[:1].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(g, x, pooled[:1]).sum(), x)
    with torch.no_grad():
        many = torch.randn(20_000, *x.shape[1:], generator=g.generator, dtype=torch.float64)
        there = discriminator(g, x + 0.01 * many, pooled[:1].expand(len(many), -1))
        slope = ((there - discriminator(g, x, pooled[:1])) / 0.01).square().mean()
    ratio = (slope / gradient.square().sum()).item()
    assert abs(ratio - 1) < 0.05, ratio


if __name__ == "__main__":
    main()

"""The tower of sounds, with strided convolutions where Rust has linear layers over neighbours, and its loss against words and
pictures that do not move. See common.py."""

import torch
import torch.nn.functional as F
from common import Golden, attention, feed_forward, layer_norm, linear

MELS, FRAMES, WIDTH, LAYERS, HEADS, OUT, BATCH = 5, 16, 8, 2, 2, 10, 3
LENGTHS = [16, 9, 3]


def halve(g, name, x, width):
    """`[batch, time, channels]`, a window of six every two moments."""
    channels = x.shape[-1]
    weight = g.weight(f"{name}.weight", 6 * channels, width)
    bias = g.weight(f"{name}.bias", width, scale=0.1)
    kernel = weight.reshape(6, channels, width).permute(2, 1, 0)
    return F.silu(F.conv1d(x.transpose(1, 2), kernel, bias, stride=2, padding=2)).transpose(1, 2)


def main():
    g = Golden(17)
    mel = rounded_mel(g)
    x = (mel.transpose(1, 2) + 4) / 4
    x = halve(g, "tower.first", x, WIDTH)
    x = halve(g, "tower.second", x, WIDTH)
    x = x + g.weight("tower.positions", FRAMES // 4, WIDTH, scale=0.3)
    mask = torch.tensor([[moment < -(-length // 4) for moment in range(FRAMES // 4)] for length in LENGTHS])
    for i in range(LAYERS):
        block = f"tower.blocks.{i}."
        x = x + attention(g, block + "attention", layer_norm(g, block + "attention_norm", x), HEADS, mask)
        x = x + feed_forward(g, block + "feed_forward", layer_norm(g, block + "feed_forward_norm", x), 4)
    x = layer_norm(g, "tower.norm", x)
    mean = (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
    sounds = F.normalize(linear(g, "tower.output", mean, OUT), dim=1)
    scale, bias = g.weight("scale", 1, scale=0.1, around=1.5), g.weight("bias", 1, scale=0.1, around=-1.0)
    words, pictures = (F.normalize(g.normal(BATCH, OUT), dim=1) for _ in range(2))
    g.put(mel=mel, sounds=sounds, words=words, pictures=pictures)

    own = torch.eye(BATCH, dtype=torch.float64)
    loss = 0
    for weight, others in ((1.0, words), (0.5, pictures)):
        logits = sounds @ others.T * scale.exp() + bias
        loss = loss - weight * F.logsigmoid(logits * (2 * own - 1)).sum() / BATCH
    g.put_gradients("step", loss)
    g.save("hearing")


def rounded_mel(g):
    """Log-mel spectrograms, with silence behind each one's end."""
    mel = g.normal(BATCH, MELS, FRAMES) * 3 - 4
    for row, length in enumerate(LENGTHS):
        mel[row, :, length:] = float(torch.tensor(1e-6, dtype=torch.float64).log().float())
    return mel.float().double()


if __name__ == "__main__":
    main()

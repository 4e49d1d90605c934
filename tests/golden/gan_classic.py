"""The textbook adversarial network, in both presets: drawing over the averages, the losses of one step with their
gradients, and the averages behind it. Keras's meaning: the variance of a batch is the biased one. See common.py."""

import torch
import torch.nn.functional as F
from common import Golden, conv, linear, scale_shift

NOISE, HIDDEN, CHANNELS, PIXELS, BATCH = 5, [6, 7, 8], 4, 3, 4
DENSE_MOMENTUM, CONV_MOMENTUM, EPSILON = 0.8, 0.99, 1e-3


class Averages(dict):
    """The averages that training moves, by the norm's name; those at the start are weights without a gradient."""

    def of(self, g, name, width):
        if name not in self:
            mean = g.weight(f"{name}.running_mean", width, scale=0.3).requires_grad_(False)
            if f"{name}.running_variance" not in g.weights:
                g.weights[f"{name}.running_variance"] = (0.5 + g.uniform(width)).to(g.dtype)
            self[name] = mean, g.weights[f"{name}.running_variance"]
        return self[name]


def batch_norm(g, name, x, momentum, averages, training):
    scale, shift = scale_shift(g, name, x.shape[1])
    old = averages.of(g, name, x.shape[1])
    if not training:
        return F.batch_norm(x, *old, scale, shift, eps=EPSILON)
    places = [0, *range(2, x.ndim)]
    new = x.mean(places), x.var(places, unbiased=False)
    averages[name] = tuple(momentum * a + (1 - momentum) * b.detach() for a, b in zip(old, new))
    return F.batch_norm(x, None, None, scale, shift, training=True, eps=EPSILON)


def conv_block(g, name, x, averages, training, **how):
    x = F.relu(conv(g, f"{name}.convolution", x, CHANNELS, 3, **how))
    return batch_norm(g, f"{name}.norm", x, CONV_MOMENTUM, averages, training)


def generator(g, noise, side, averages, training):
    x = noise
    for i, width in enumerate(HIDDEN):
        x = F.leaky_relu(linear(g, f"generator.dense.{i}.dense", x, width), 0.2)
        x = batch_norm(g, f"generator.dense.{i}.norm", x, DENSE_MOMENTUM, averages, training)
    x = F.relu(linear(g, "generator.project", x, 16 * CHANNELS))
    x = x.reshape(-1, 4, 4, CHANNELS).permute(0, 3, 1, 2)
    convolutions = 3  # enough for pictures of up to 32 pixels
    while x.shape[2] < side or convolutions:
        if x.shape[2] * 2**convolutions == side:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        convolutions -= 1
        if convolutions == 0:
            return conv(g, "generator.output", x, PIXELS, 3)
        x = conv_block(g, f"generator.convolutions.{2 - convolutions}", x, averages, training)


def discriminator(g, x, averages):
    for i in range(3):
        # As TensorFlow pads: one row after an even side, one before and one after an odd one.
        padding = (0, 1) if x.shape[2] % 2 == 0 else (1, 1)
        x = conv_block(g, f"discriminator.convolutions.{i}", x, averages, True, stride=2, padding=padding)
    return linear(g, "discriminator.output", x.permute(0, 2, 3, 1).flatten(1), 1)


def put_averages(g, name, averages, prefix):
    for key, (mean, variance) in averages.items():
        if key.startswith(prefix):
            g.file[f"{name}.after.{key}.running_mean"] = mean
            g.file[f"{name}.after.{key}.running_variance"] = variance


def main():
    for seed, name, side in [(3, "article", 4), (4, "upsampled", 16)]:
        g = Golden(seed)
        noise, real, fake = g.normal(BATCH, NOISE), g.uniform(BATCH, PIXELS, side, side) * 2 - 1, g.normal(BATCH, PIXELS, side, side)
        drawn = generator(g, noise, side, Averages(), False)
        g.put(noise=noise, real=real, fake=fake, drawn=drawn)

        averages = Averages()
        judged = discriminator(g, real, averages), discriminator(g, fake, averages)
        value = torch.log(torch.sigmoid(judged[0])).mean() + torch.log(1 - torch.sigmoid(judged[1])).mean()
        g.put(judged_real=judged[0], judged_fake=judged[1])
        g.put_gradients("discriminator", -value, "discriminator.")
        put_averages(g, "discriminator", averages, "discriminator.")

        averages = Averages()
        logits = discriminator(g, generator(g, noise, side, averages, True), averages)
        g.put_gradients("minimax", torch.log(1 - torch.sigmoid(logits)).mean(), "generator.")
        g.put_gradients("non_saturating", -torch.log(torch.sigmoid(logits)).mean(), "generator.")
        put_averages(g, "generator", averages, "generator.")
        g.save(f"gan_classic_{name}")


if __name__ == "__main__":
    main()

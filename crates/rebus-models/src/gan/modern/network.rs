//! The generator and the discriminator, one the mirror of the other, each with a text encoder of its own, or told by one.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use rebus_nn::{
    Conv2d, Init, Linear,
    kernels::{self, Activation, leaky_relu},
    resample,
};

use super::ModernConfig;
use crate::text::TextEncoder;

/// The slope of the activation below zero.
const SLOPE: f64 = 0.2;
/// `sqrt(2 / (1 + SLOPE²))`: what keeps the variance through the activation (He et al. 2015, equation 15).
const GAIN: f64 = 1.386_750_490_563_073;

/// Noise and a text to pictures. The last convolution is linear: pictures are clamped to -1..1 where they are handed
/// out.
#[derive(Module, Debug)]
pub struct Generator {
    /// The text encoder, trained with the rest; none where the configuration has an encoder.
    pub text: Option<TextEncoder>,
    mix: Vec<Linear>,
    basis: Param<Tensor<4>>,
    strength: Linear,
    stages: Vec<Stage>,
    output: Conv2d,
}

/// Pictures and a text to logits: how real each looks for its text.
#[derive(Module, Debug)]
pub struct Discriminator {
    /// The text encoder, trained with the rest; none where the configuration has an encoder.
    pub text: Option<TextEncoder>,
    input: Conv2d,
    stages: Vec<Stage>,
    basis: Param<Tensor<4>>,
    features: Linear,
    output: Linear,
    project: Linear,
}

/// The blocks of one level; `change` takes the channels from the level before.
#[derive(Module, Debug)]
struct Stage {
    change: Option<Conv2d>,
    blocks: Vec<ResidualBlock>,
}

/// Two convolutions; in the generator the style scales each channel between them.
#[derive(Module, Debug)]
struct ResidualBlock {
    first: Conv2d,
    modulation: Option<Linear>,
    second: Conv2d,
}

impl Generator {
    /// The network at its start, for pictures `[channel, height, width]` that `config` has been validated for.
    pub fn new(config: &ModernConfig, picture_shape: [usize; 3], init: &mut Init) -> Self {
        let (widths, style) = (&config.widths, config.style_width);
        let [height, width] = config.coarsest(picture_shape);
        Self {
            text: config.encoder.is_none().then(|| TextEncoder::new(&config.text, init)),
            mix: vec![
                Linear::fan_in(config.noise_width + config.told_width(), style, 1.0, init),
                Linear::fan_in(style, style, GAIN, init),
            ],
            basis: init.normal([1, widths[0], height, width], 1.0),
            strength: Linear::fan_in(style, widths[0], 1.0, init),
            stages: (0..widths.len())
                .map(|level| {
                    let from = level.checked_sub(1).map(|before| widths[before]);
                    Stage::new(from, widths[level], Some(style), config, init)
                })
                .collect(),
            output: Conv2d::fan_in([widths[widths.len() - 1], picture_shape[0]], 3, 1.0, init),
        }
    }

    /// Noise `[batch, noise width]` and a pooled text `[batch, text width]` to `[batch, channel, height, width]`.
    pub fn forward(&self, noise: Tensor<2>, pooled: Tensor<2>) -> Tensor<4> {
        self.draw(&vec![self.style(noise, pooled); self.layers()])
    }

    /// Noise and a pooled text to what modulates every layer, `[batch, style width]`.
    pub fn style(&self, noise: Tensor<2>, pooled: Tensor<2>) -> Tensor<2> {
        let mixed = Tensor::cat(vec![noise, pooled], 1); // [b, noise + text]
        self.mix.iter().fold(mixed, |style, layer| leaky_relu(layer.forward(style), SLOPE)) // [b, style]
    }

    /// Layers that a style modulates: the coarsest pattern, and each block.
    pub fn layers(&self) -> usize {
        1 + self.stages.iter().map(|stage| stage.blocks.len()).sum::<usize>()
    }

    /// The pictures of a style for each layer.
    pub fn draw(&self, styles: &[Tensor<2>]) -> Tensor<4> {
        let (first, mut styles) = styles.split_at(1);
        let strength = self.strength.forward(first[0].clone()); // [b, w0]
        let [batch, width] = strength.dims();
        let mut x = self.basis.val() * (strength.reshape([batch, width, 1, 1]) + 1.0); // [b, w0, h / 2^n, w / 2^n]
        for stage in &self.stages {
            if let Some(change) = &stage.change {
                x = resample::upsample_nearest(change.forward(x), 2);
            }
            let (own, others) = styles.split_at(stage.blocks.len());
            (x, styles) = (stage.forward(x, own), others); // [b, w, h, w]
        }
        self.output.forward(leaky_relu(x, SLOPE)) // [b, channel, h, w]
    }
}

impl Discriminator {
    /// The network at its start, for pictures `[channel, height, width]` that `config` has been validated for.
    pub fn new(config: &ModernConfig, picture_shape: [usize; 3], init: &mut Init) -> Self {
        let widths = &config.widths;
        let [height, width] = config.coarsest(picture_shape);
        let (last, finest) = (widths.len() - 1, widths[widths.len() - 1]);
        Self {
            text: config.encoder.is_none().then(|| TextEncoder::new(&config.text, init)),
            input: Conv2d::fan_in([picture_shape[0], finest], 3, 1.0, init),
            stages: (0..widths.len())
                .rev()
                .map(|level| {
                    let from = (level < last).then(|| widths[level + 1]);
                    Stage::new(from, widths[level], None, config, init)
                })
                .collect(),
            basis: init.normal([1, widths[0], height, width], ((height * width) as f64).powf(-0.5)),
            features: Linear::fan_in(widths[0], widths[0], GAIN, init),
            // Logits are compared in pairs, where a bias would cancel; they start close to one another.
            output: Linear::fan_in(widths[0], 1, 0.1, init).without_bias(),
            project: Linear::fan_in(config.told_width(), widths[0], 1.0, init),
        }
    }

    /// `[batch, channel, height, width]` to features `[batch, width]`, which know nothing of the text.
    pub fn look(&self, pictures: Tensor<4>) -> Tensor<2> {
        let mut x = self.input.forward(pictures); // [b, w, h, w]
        for stage in &self.stages {
            if let Some(change) = &stage.change {
                x = change.forward(resample::downsample_mean(x, 2));
            }
            x = stage.forward(x, &[]); // [b, w, h, w]
        }
        let x = leaky_relu(x, SLOPE) * self.basis.val(); // [b, w0, h / 2^n, w / 2^n]
        let [batch, width, ..] = x.dims();
        self.features.forward(x.flatten::<3>(2, 3).sum_dim(2).reshape([batch, width])) // [b, w0]
    }

    /// Features and a pooled text to logits `[batch, 1]`: how real the picture looks, and how well it goes with the
    /// text (Miyato and Koyama 2018, equation 3).
    pub fn judge(&self, features: Tensor<2>, pooled: Tensor<2>) -> Tensor<2> {
        let width = features.dims()[1] as f64;
        let agreement = (self.project.forward(pooled) * features.clone()).sum_dim(1) * width.powf(-0.5);
        self.output.forward(features) + agreement
    }
}

impl Stage {
    fn new(
        from: Option<usize>,
        width: usize,
        style: Option<usize>,
        config: &ModernConfig,
        init: &mut Init,
    ) -> Self {
        let all = (config.blocks * config.widths.len()) as f64;
        Self {
            change: from.map(|from| Conv2d::fan_in([from, width], 1, 1.0, init)),
            blocks: (0..config.blocks)
                .map(|_| ResidualBlock {
                    first: Conv2d::fan_in([width, width], 3, GAIN, init),
                    modulation: style.map(|style| Linear::fan_in(style, width, 0.5, init)),
                    // All branches together add as much variance as the trunk has.
                    second: Conv2d::fan_in([width, width], 3, GAIN * all.powf(-0.5), init),
                })
                .collect(),
        }
    }

    /// A style for each block, or none for any.
    fn forward(&self, x: Tensor<4>, styles: &[Tensor<2>]) -> Tensor<4> {
        self.blocks.iter().enumerate().fold(x, |x, (at, block)| block.forward(x, styles.get(at)))
    }
}

impl ResidualBlock {
    fn forward(&self, x: Tensor<4>, style: Option<&Tensor<2>>) -> Tensor<4> {
        let [batch, width, ..] = x.dims();
        let h = leaky_relu(x.clone(), SLOPE);
        let h = match (&self.modulation, style) {
            (Some(modulation), Some(style)) => {
                let scale = modulation.forward(style.clone()) + 1.0; // [b, w]
                leaky_relu(self.first.forward(h) * scale.reshape([batch, width, 1, 1]), SLOPE)
            }
            _ => self.first.activated(h, Activation::Leaky(SLOPE as f32)),
        }; // [b, w, h, w]
        kernels::add(x, self.second.forward(h))
    }
}

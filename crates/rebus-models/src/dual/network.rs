//! Two towers into one space.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use rebus_nn::{Conv2d, GroupNorm, Init, Linear, kernels::Activation::Silu, resample};

use super::{DualConfig, PictureConfig};
use crate::{modality::TextTokens, text::TextEncoder};

/// `exp` of this multiplies the cosine between embeddings at the start (Zhai et al. 2023, section 3.2: 10).
const FIRST_SCALE: f64 = std::f64::consts::LN_10;
/// What is added to it at the start: most pairs do not belong together (there too).
const FIRST_BIAS: f64 = -10.0;

/// Words and pictures to embeddings of length 1.
#[derive(Module, Debug)]
pub struct DualNetwork {
    /// The text tower.
    pub text: TextEncoder,
    project: Linear,
    /// The picture tower.
    pub picture: PictureTower,
    /// `[1]`: the logarithm of what multiplies a cosine.
    pub scale: Param<Tensor<1>>,
    /// `[1]`: what is added then.
    pub bias: Param<Tensor<1>>,
}

/// A residual network over pictures, halved from level to level (He et al. 2016), with group norm.
#[derive(Module, Debug)]
pub struct PictureTower {
    input: Conv2d,
    stages: Vec<Stage>,
    norm: GroupNorm,
    output: Linear,
}

/// The blocks of one level; `change` takes the channels from the level before.
#[derive(Module, Debug)]
struct Stage {
    change: Option<Conv2d>,
    blocks: Vec<ResidualBlock>,
}

#[derive(Module, Debug)]
struct ResidualBlock {
    first_norm: GroupNorm,
    first: Conv2d,
    second_norm: GroupNorm,
    second: Conv2d,
}

impl DualNetwork {
    /// The network at its start; `config` has been validated, `channels` are the pictures'.
    pub fn new(config: &DualConfig, channels: usize, init: &mut Init) -> Self {
        Self {
            text: TextEncoder::new(&config.text, init),
            project: Linear::new(config.text.width, config.width, init),
            picture: PictureTower::new(&config.picture, channels, config.width, init),
            scale: init.constant([1], FIRST_SCALE),
            bias: init.constant([1], FIRST_BIAS),
        }
    }

    /// Texts to `[batch, width]`, each row of length 1.
    pub fn texts(&self, text: TextTokens) -> Tensor<2> {
        unit(self.project.forward(self.text.forward(text).pooled))
    }

    /// Pictures `[batch, channel, height, width]` in -1..1 to `[batch, width]`, each row of length 1.
    pub fn pictures(&self, pictures: Tensor<4>) -> Tensor<2> {
        unit(self.picture.forward(pictures))
    }
}

/// Rows of length 1.
fn unit(rows: Tensor<2>) -> Tensor<2> {
    let length = (rows.clone().square().sum_dim(1) + 1e-12).sqrt(); // [b, 1]
    rows / length
}

impl PictureTower {
    /// The tower at its start.
    pub fn new(config: &PictureConfig, channels: usize, width: usize, init: &mut Init) -> Self {
        let widths = &config.widths;
        let last = widths[widths.len() - 1];
        Self {
            input: Conv2d::new([channels, widths[0]], 3, init),
            stages: (0..widths.len())
                .map(|level| Stage {
                    change: level
                        .checked_sub(1)
                        .map(|before| Conv2d::new([widths[before], widths[level]], 1, init)),
                    blocks: (0..config.blocks)
                        .map(|_| ResidualBlock::new(widths[level], config.groups, init))
                        .collect(),
                })
                .collect(),
            norm: GroupNorm::new(config.groups, last, init),
            output: Linear::new(last, width, init),
        }
    }

    /// `[batch, channel, height, width]` to `[batch, width]`.
    pub fn forward(&self, pictures: Tensor<4>) -> Tensor<2> {
        let mut x = self.input.forward(pictures); // [b, w0, h, w]
        for stage in &self.stages {
            if let Some(change) = &stage.change {
                x = change.forward(resample::downsample_mean(x, 2));
            }
            x = stage.blocks.iter().fold(x, |x, block| block.forward(x)); // [b, w, h / 2^n, w / 2^n]
        }
        let x = self.norm.forward(x, Silu);
        let [batch, width, height, columns] = x.dims();
        let x = x.reshape([batch, width, height * columns]).mean_dim(2).reshape([batch, width]); // [b, w]
        self.output.forward(x)
    }
}

impl ResidualBlock {
    fn new(width: usize, groups: usize, init: &mut Init) -> Self {
        Self {
            first_norm: GroupNorm::new(groups, width, init),
            first: Conv2d::new([width, width], 3, init),
            second_norm: GroupNorm::new(groups, width, init),
            second: Conv2d::zeroed([width, width], 3, init),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let h = self.first.forward(self.first_norm.forward(x.clone(), Silu));
        x + self.second.forward(self.second_norm.forward(h, Silu))
    }
}

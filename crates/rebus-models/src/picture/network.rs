//! A tower over pictures.

use burn::{module::Module, tensor::Tensor};
use rebus_nn::{Conv2d, GroupNorm, Init, Linear, kernels::Activation::Silu};

use super::{
    PictureConfig,
    levels::{Levels, Stage},
};

/// A residual network over pictures, halved from level to level (He et al. 2016), with group norm.
#[derive(Module, Debug)]
pub struct PictureTower {
    input: Conv2d,
    stages: Vec<Stage>,
    norm: GroupNorm,
    output: Linear,
}

impl PictureTower {
    /// The tower at its start.
    pub fn new(config: &PictureConfig, channels: usize, width: usize, init: &mut Init) -> Self {
        let PictureConfig { widths, blocks, groups } = config;
        let levels = Levels { widths, blocks: *blocks, groups: *groups, condition_width: None };
        let last = widths[widths.len() - 1];
        Self {
            input: Conv2d::new([channels, widths[0]], 3, init),
            stages: levels.stages(init),
            norm: GroupNorm::new(config.groups, last, init),
            output: Linear::new(last, width, init),
        }
    }

    /// `[batch, channel, height, width]` to `[batch, width]`.
    pub fn forward(&self, pictures: Tensor<4>) -> Tensor<2> {
        let levels = self.levels(pictures);
        let x = self.norm.forward(levels[levels.len() - 1].clone(), Silu);
        let [batch, width, height, columns] = x.dims();
        let x = x.reshape([batch, width, height * columns]).mean_dim(2).reshape([batch, width]); // [b, w]
        self.output.forward(x)
    }

    /// What each level sees, the finest first: `[batch, width, height / 2^level, width / 2^level]`.
    pub fn levels(&self, pictures: Tensor<4>) -> Vec<Tensor<4>> {
        let mut levels: Vec<Tensor<4>> = Vec::with_capacity(self.stages.len());
        let mut x = self.input.forward(pictures); // [b, w0, h, w]
        for stage in &self.stages {
            x = stage.down(x, None);
            levels.push(x.clone());
        }
        levels
    }
}

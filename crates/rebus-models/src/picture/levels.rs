//! Levels of residual blocks, each with half the side of the one before: what looks at pictures, and what makes them.

use burn::{module::Module, tensor::Tensor};
use rebus_nn::{Conv2d, GroupNorm, Init, Residual, kernels::Activation::Silu, resample};

/// The blocks of one level; `change` takes the channels from the level before.
#[derive(Module, Debug)]
pub(crate) struct Stage {
    change: Option<Conv2d>,
    blocks: Vec<Residual>,
}

/// Sizes of levels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Levels<'a> {
    /// Channels of each, in the order in which they are gone through.
    pub widths: &'a [usize],
    /// Residual blocks of each.
    pub blocks: usize,
    /// Groups of the norms; they divide every width.
    pub groups: usize,
    /// Numbers of what modulates the blocks, if anything does.
    pub condition_width: Option<usize>,
}

impl Levels<'_> {
    /// The levels at their start.
    pub fn stages(self, init: &mut Init) -> Vec<Stage> {
        let Self { widths, blocks, groups, condition_width } = self;
        let stage = |level: usize| Stage {
            change: level.checked_sub(1).map(|before| Conv2d::new([widths[before], widths[level]], 1, init)),
            blocks: (0..blocks)
                .map(|_| Residual::new(widths[level], groups, condition_width, init))
                .collect(),
        };
        (0..widths.len()).map(stage).collect()
    }
}

impl Stage {
    /// From the level before with twice the side, `[batch, width before, 2 * height, 2 * width]`; the first has none before it.
    pub fn down(&self, x: Tensor<4>, condition: Option<&Tensor<2>>) -> Tensor<4> {
        self.forward(x, condition, |change, x| change.forward(resample::downsample_mean(x, 2)))
    }

    /// From the level before with half the side.
    pub fn up(&self, x: Tensor<4>, condition: Option<&Tensor<2>>) -> Tensor<4> {
        // One tap gives the same before as after, where it has four times the pixels.
        self.forward(x, condition, |change, x| resample::upsample_nearest(change.forward(x), 2))
    }

    fn forward(
        &self,
        x: Tensor<4>,
        condition: Option<&Tensor<2>>,
        next: impl Fn(&Conv2d, Tensor<4>) -> Tensor<4>,
    ) -> Tensor<4> {
        let x = self.change.iter().fold(x, |x, change| next(change, x));
        self.blocks.iter().fold(x, |x, block| block.forward(x, condition))
    }
}

/// A way through all levels: down from pictures to latents, or up. It starts at zero.
#[derive(Module, Debug)]
pub(crate) struct Way {
    input: Conv2d,
    stages: Vec<Stage>,
    norm: GroupNorm,
    output: Conv2d,
}

impl Way {
    /// From so many channels to so many.
    pub fn new([from, to]: [usize; 2], levels: Levels<'_>, init: &mut Init) -> Self {
        let (first, last) = (levels.widths[0], levels.widths[levels.widths.len() - 1]);
        Self {
            input: Conv2d::new([from, first], 3, init),
            stages: levels.stages(init),
            norm: GroupNorm::new(levels.groups, last, init),
            output: Conv2d::zeroed([last, to], 3, init),
        }
    }

    /// `[batch, from, height, width]` to `[batch, to, height / 2^n, width / 2^n]`, n levels after the first.
    pub fn down(&self, x: Tensor<4>, condition: Option<&Tensor<2>>) -> Tensor<4> {
        let x = self.input.forward(x);
        self.said(self.stages.iter().fold(x, |x, stage| stage.down(x, condition)))
    }

    /// `[batch, from, height, width]` to `[batch, to, height * 2^n, width * 2^n]`.
    pub fn up(&self, x: Tensor<4>, condition: Option<&Tensor<2>>) -> Tensor<4> {
        let x = self.input.forward(x);
        self.said(self.stages.iter().fold(x, |x, stage| stage.up(x, condition)))
    }

    fn said(&self, x: Tensor<4>) -> Tensor<4> {
        self.output.forward(self.norm.forward(x, Silu))
    }
}

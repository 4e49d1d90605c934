//! The generators, one each way, and their judges.

use burn::{
    module::Module,
    tensor::{Tensor, ops::PadMode},
};
use rebus_nn::{
    Conv2d, GroupNorm, Init,
    kernels::Activation::{self, Leaky},
};

use super::CycleGanConfig;
use crate::gan::PatchDiscriminator;

/// Pictures of one group to those of another: down to a quarter of the side, residual blocks, and up again (Zhu et al. 2017,
/// section 4 and appendix 7.2; Johnson et al. 2016). Edges are mirrored, and each channel of each picture is normed by itself.
///
/// It differs from the paper's in that it goes up by nearest neighbours and a 3x3 convolution, not by a transposed one, which leaves a
/// checkerboard (Odena et al. 2016).
#[derive(Module, Debug)]
pub struct Generator {
    input: Normed,
    down: Vec<Normed>,
    blocks: Vec<Block>,
    up: Vec<Normed>,
    output: Conv2d,
}

/// A convolution and a norm of each channel, which would take away what a bias adds.
#[derive(Module, Debug)]
struct Normed {
    convolution: Conv2d,
    norm: GroupNorm,
}

/// `x + f(x)`, `[b, w, h, w]` to the same.
#[derive(Module, Debug)]
struct Block {
    first: Normed,
    second: Normed,
}

const RELU: Activation = Leaky(0.0);
/// What changes nothing.
const NONE: Activation = Leaky(1.0);

impl Generator {
    /// At its start; `config` has been validated.
    pub fn new(config: &CycleGanConfig, channels: usize, init: &mut Init) -> Self {
        let width = config.width;
        // Edges are mirrored first, so that a convolution adds nothing.
        let bare =
            |channels, kernel, init: &mut Init| Conv2d::new(channels, kernel, init).with_stride(1, (0, 0));
        let normed = |convolution: Conv2d, width, init: &mut Init| Normed {
            convolution: convolution.without_bias(),
            norm: GroupNorm::new(width, width, init),
        };
        let down = |from, init: &mut Init| {
            let halve = Conv2d::new([from, 2 * from], 3, init).with_stride(2, (1, 1));
            normed(halve, 2 * from, init)
        };
        let up = |to, init: &mut Init| {
            let double = Conv2d::new([2 * to, to], 3, init);
            normed(double, to, init)
        };
        let block = |init: &mut Init| {
            let half = |init: &mut Init| {
                let convolution = bare([4 * width; 2], 3, init);
                normed(convolution, 4 * width, init)
            };
            Block { first: half(init), second: half(init) }
        };
        let input = bare([channels, width], 7, init);
        Self {
            input: normed(input, width, init),
            down: vec![down(width, init), down(2 * width, init)],
            blocks: (0..config.blocks).map(|_| block(init)).collect(),
            up: vec![up(2 * width, init), up(width, init)],
            output: bare([width, channels], 7, init),
        }
    }

    /// `[batch, channel, height, width]` in -1..1 to the same shape, in -1..1.
    pub fn forward(&self, pictures: Tensor<4>) -> Tensor<4> {
        let x = self.input.forward(mirrored(pictures, 3), RELU); // [b, w, h, w]
        let x = self.down.iter().fold(x, |x, down| down.forward(x, RELU)); // [b, 4 w, h / 4, w / 4]
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        let x = self.up.iter().fold(x, |x, up| up.norm.forward(up.convolution.upsampled(x), RELU)); // [b, w, h, w]
        self.output.forward(mirrored(x, 3)).tanh() // [b, c, h, w]
    }
}

impl Normed {
    fn forward(&self, x: Tensor<4>, activation: Activation) -> Tensor<4> {
        self.norm.forward(self.convolution.forward(x), activation)
    }
}

impl Block {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.first.forward(mirrored(x.clone(), 1), RELU);
        x + self.second.forward(mirrored(y, 1), NONE)
    }
}

/// So many more pixels at each side, which mirror those inside.
fn mirrored(x: Tensor<4>, pixels: usize) -> Tensor<4> {
    x.pad((pixels, pixels, pixels, pixels), PadMode::Reflect)
}

/// A generator each way.
#[derive(Module, Debug)]
pub struct Both {
    /// From sources to pictures.
    pub there: Generator,
    /// From pictures to sources.
    pub back: Generator,
}

impl Both {
    /// At their start.
    pub fn new(config: &CycleGanConfig, channels: usize, init: &mut Init) -> Self {
        Self { there: Generator::new(config, channels, init), back: Generator::new(config, channels, init) }
    }
}

/// A judge of each group.
#[derive(Module, Debug)]
pub struct Judges {
    /// Of sources.
    pub sources: PatchDiscriminator,
    /// Of pictures.
    pub pictures: PatchDiscriminator,
}

impl Judges {
    /// At their start.
    pub fn new(widths: &[usize], channels: usize, init: &mut Init) -> Self {
        Self {
            sources: PatchDiscriminator::new(widths, channels, init),
            pictures: PatchDiscriminator::new(widths, channels, init),
        }
    }
}

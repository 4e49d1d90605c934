//! The U-Net: what the source shows at each size goes across to where the picture is made at that size.

use burn::{module::Module, tensor::Tensor};
use rebus_nn::{
    Conv2d, GroupNorm, Init,
    kernels::Activation::{self, Leaky},
};

use super::Pix2PixConfig;

/// An encoder that halves the side from level to level and a decoder that doubles it again, with skips between levels of one size
/// (Isola et al. 2017, section 3.2.1, figure 3).
///
/// It differs from the paper's in what was learned since: norms of each picture by itself, so that one is the same alone as among
/// others; nearest neighbours and a 3x3 convolution in the place of transposed ones, which leave a checkerboard (Odena et al. 2016);
/// the source itself as the last skip; no dropout, which the paper found to be ignored.
#[derive(Module, Debug)]
pub struct UNet {
    encoder: Vec<Down>,
    /// The coarsest first.
    decoder: Vec<Up>,
    output: Conv2d,
}

/// `[b, w, h, w]` to `[b, next, h / 2, w / 2]`
#[derive(Module, Debug)]
struct Down {
    halve: Conv2d,
    /// The first has none (appendix 6.1.1).
    norm: Option<GroupNorm>,
}

/// `[b, w, h, w]` to `[b, next, 2 h, 2 w]`
#[derive(Module, Debug)]
struct Up {
    double: Conv2d,
    norm: GroupNorm,
}

/// In the decoder.
const RELU: Activation = Leaky(0.0);

/// A norm over so many channels, in groups of 8.
fn norm(width: usize, init: &mut Init) -> GroupNorm {
    GroupNorm::new(width / 8, width, init)
}

impl UNet {
    /// At its start; `config` has been validated.
    pub fn new(config: &Pix2PixConfig, channels: usize, init: &mut Init) -> Self {
        let widths = &config.widths;
        let down = |level: usize, init: &mut Init| Down {
            halve: Conv2d::new(
                [if level == 0 { channels } else { widths[level - 1] }, widths[level]],
                4,
                init,
            )
            .with_stride(2, (1, 1)),
            norm: (level > 0).then(|| norm(widths[level], init)),
        };
        let encoder = (0..widths.len()).map(|level| down(level, init)).collect();
        let up = |level: usize, init: &mut Init| {
            // All but the coarsest take what the encoder saw at their size beside what comes from below.
            let from = if level + 1 == widths.len() { widths[level] } else { 2 * widths[level] };
            let to = if level == 0 { config.full_width } else { widths[level - 1] };
            Up { double: Conv2d::new([from, to], 3, init), norm: norm(to, init) }
        };
        let decoder = (0..widths.len()).rev().map(|level| up(level, init)).collect();
        Self { encoder, decoder, output: Conv2d::new([config.full_width + channels, channels], 3, init) }
    }

    /// Sources `[batch, channel, height, width]` in -1..1 to pictures of the same shape, in -1..1.
    pub fn forward(&self, source: Tensor<4>) -> Tensor<4> {
        let mut x = source.clone();
        let mut seen = vec![source];
        for level in &self.encoder {
            x = level.forward(x); // [b, w_i, h / 2^i, w / 2^i]
            seen.push(x.clone());
        }
        // The coarsest is where the decoder begins.
        for (level, skip) in self.decoder.iter().zip(seen.into_iter().rev().skip(1)) {
            x = level.forward(x); // [b, w_(i-1), h / 2^(i-1), w / 2^(i-1)]
            x = Tensor::cat(vec![x, skip], 1);
        }
        self.output.forward(x).tanh() // [b, c, h, w]
    }
}

impl Down {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.norm {
            Some(norm) => norm.forward(self.halve.forward(x), Leaky(0.2)),
            None => self.halve.activated(x, Leaky(0.2)),
        }
    }
}

impl Up {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward(self.double.upsampled(x), RELU)
    }
}

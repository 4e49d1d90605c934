//! A discriminator that judges each patch of a picture by itself.

use burn::{module::Module, tensor::Tensor};
use rebus_nn::{
    Conv2d, GroupNorm, Init,
    kernels::Activation::{Leaky, Silu},
};

use crate::ModelError;

/// Convolutions that halve the side, and a logit at each place that is left (Isola et al. 2017, section 3.2.2): the log of the
/// odds that the patch of pixels behind it is a real picture's.
#[derive(Module, Debug)]
pub struct PatchDiscriminator {
    input: Conv2d,
    levels: Vec<Level>,
    output: Conv2d,
}

#[derive(Module, Debug)]
struct Level {
    halve: Conv2d,
    norm: GroupNorm,
}

impl PatchDiscriminator {
    /// Checks the channels of its levels, which a recipe says in a field.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn check(field: &'static str, widths: &[usize]) -> Result<(), ModelError> {
        match !widths.is_empty()
            && widths.len() <= 6
            && widths.iter().all(|width| *width > 0 && width % 8 == 0)
        {
            true => Ok(()),
            false => Err(ModelError::Config {
                field,
                value: format!("{widths:?}"),
                rule: "it must have 1 to 6 levels, each a multiple of 8".to_string(),
            }),
        }
    }

    /// At its start, with channels that were checked.
    pub fn new(widths: &[usize], channels: usize, init: &mut Init) -> Self {
        let halve = |channels, init: &mut Init| Conv2d::new(channels, 4, init).with_stride(2, (1, 1));
        let level = |pair: &[usize]| Level {
            halve: halve([pair[0], pair[1]], init),
            norm: GroupNorm::new(pair[1] / 8, pair[1], init),
        };
        let levels = widths.windows(2).map(level).collect();
        Self {
            input: halve([channels, widths[0]], init),
            levels,
            output: Conv2d::new([widths[widths.len() - 1], 1], 3, init),
        }
    }

    /// `[batch, channel, height, width]` to `[batch, 1, height / 2^n, width / 2^n]`, n levels.
    pub fn forward(&self, pictures: Tensor<4>) -> Tensor<4> {
        let x = self.input.activated(pictures, Leaky(0.2));
        let x = self.levels.iter().fold(x, |x, level| level.norm.forward(level.halve.forward(x), Silu));
        self.output.forward(x)
    }
}

//! The block that most networks over pictures are made of.

use burn::{module::Module, tensor::Tensor};

use crate::{
    Conv2d, GroupNorm, Init, Linear,
    kernels::{self, Activation::Silu},
};

/// Two convolutions beside the line, each behind a norm and SiLU (He et al. 2016); where there is a condition, it modulates the
/// second norm. The branch starts silent.
#[derive(Module, Debug)]
pub struct Residual {
    first_norm: GroupNorm,
    first: Conv2d,
    modulation: Option<Linear>,
    second_norm: GroupNorm,
    second: Conv2d,
}

impl Residual {
    /// `groups` divides `width`; `condition_width` is that of what modulates, if anything does.
    pub fn new(width: usize, groups: usize, condition_width: Option<usize>, init: &mut Init) -> Self {
        Self {
            first_norm: GroupNorm::new(groups, width, init),
            first: Conv2d::new([width, width], 3, init),
            modulation: condition_width.map(|condition| Linear::new(condition, 2 * width, init)),
            second_norm: GroupNorm::new(groups, width, init),
            second: Conv2d::zeroed([width, width], 3, init),
        }
    }

    /// `[batch, width, height, columns]` to the same. The condition `[batch, condition_width]` is left aside by a block without
    /// modulation.
    pub fn forward(&self, x: Tensor<4>, condition: Option<&Tensor<2>>) -> Tensor<4> {
        let width = x.dims()[1];
        let h = self.first.forward(self.first_norm.forward(x.clone(), Silu));
        let h = match (&self.modulation, condition) {
            (Some(modulation), Some(condition)) => {
                let modulation = modulation.forward(condition.clone()); // [b, 2 * width]
                let scale = modulation.clone().narrow(1, 0, width);
                let shift = modulation.narrow(1, width, width);
                self.second_norm.modulate(h, scale, shift, Silu)
            }
            _ => self.second_norm.forward(h, Silu),
        };
        kernels::add(x, self.second.forward(h))
    }
}

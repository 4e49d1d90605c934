//! Normalisation over channels of one sample: layer norm (Ba et al. 2016) and group norm (Wu and He 2018).

use burn::{
    module::{Module, Param},
    tensor::{Tensor, module::layer_norm},
};

use crate::Init;

/// Mean 0 and variance 1 over the last dimension, then a learned scale and shift.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[width]`
    pub scale: Param<Tensor<1>>,
    /// `[width]`
    pub shift: Param<Tensor<1>>,
}

impl LayerNorm {
    /// Scale one, shift zero.
    pub fn new(width: usize, init: &mut Init) -> Self {
        Self { scale: init.constant([width], 1.0), shift: init.constant([width], 0.0) }
    }

    /// `[..., width]` to the same
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        layer_norm(input, self.scale.val(), Some(self.shift.val()), 1e-5)
    }
}

/// Mean 0 and variance 1 over groups of channels and all places, then a learned scale and shift a channel.
#[derive(Module, Debug)]
pub struct GroupNorm {
    /// `[channels]`
    pub scale: Param<Tensor<1>>,
    /// `[channels]`
    pub shift: Param<Tensor<1>>,
    #[module(skip)]
    groups: usize,
}

impl GroupNorm {
    /// Groups of `channels / groups`, which must divide evenly. Scale one, shift zero.
    pub fn new(groups: usize, channels: usize, init: &mut Init) -> Self {
        Self { scale: init.constant([channels], 1.0), shift: init.constant([channels], 0.0), groups }
    }

    /// `[batch, channels, height, width]` to the same
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let channels = self.scale.val().dims()[0];
        let scale = self.scale.val().reshape([1, channels, 1, 1]);
        let shift = self.shift.val().reshape([1, channels, 1, 1]);
        self.affine(input, scale, shift)
    }

    /// The same with a scale and a shift of each sample's own on top of the learned ones:
    /// `norm(x) * scale * (1 + sample_scale) + shift + sample_shift`, both `[batch, channels]`.
    pub fn modulate(&self, input: Tensor<4>, sample_scale: Tensor<2>, sample_shift: Tensor<2>) -> Tensor<4> {
        let [batch, channels] = sample_scale.dims();
        let scale = self.scale.val().reshape([1, channels]) * (sample_scale + 1.0);
        let shift = self.shift.val().reshape([1, channels]) + sample_shift;
        self.affine(input, scale.reshape([batch, channels, 1, 1]), shift.reshape([batch, channels, 1, 1]))
    }

    /// The statistics are folded into one scale and one shift a channel, so that the picture is passed over twice:
    /// once for its sums, once for `x * a + b`.
    fn affine(&self, input: Tensor<4>, scale: Tensor<4>, shift: Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = input.dims();
        let per_group = channels / self.groups;
        let grouped = input.clone().reshape([batch * self.groups, per_group * height * width]);
        let mean = grouped.clone().mean_dim(1); // [batch * groups, 1]
        let variance = (grouped - mean.clone()).square().mean_dim(1);
        let inverse = (variance + 1e-5).sqrt().recip();
        let spread = |values: Tensor<2>| {
            values.reshape([batch, self.groups, 1]).repeat_dim(2, per_group).reshape([batch, channels, 1, 1])
        };
        let factor = spread(inverse) * scale; // [batch, channels, 1, 1]
        let offset = shift - spread(mean) * factor.clone();
        input * factor + offset
    }
}

//! Normalisation over channels of one sample: layer norm (Ba et al. 2016), RMS norm (Zhang and Sennrich 2019) and group norm
//! (Wu and He 2018).

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

use crate::{
    Init,
    kernels::{self, Activation},
};

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
        kernels::layer_norm(input, self.scale.val(), self.shift.val())
    }
}

/// Root mean square 1 over the last dimension, then a learned scale.
#[derive(Module, Debug)]
pub struct RmsNorm {
    /// `[width]`
    pub scale: Param<Tensor<1>>,
}

impl RmsNorm {
    /// Scale one.
    pub fn new(width: usize, init: &mut Init) -> Self {
        Self { scale: init.constant([width], 1.0) }
    }

    /// Each head of `[batch, length, heads * width]`.
    pub fn by_heads(&self, input: Tensor<3>) -> Tensor<3> {
        let (shape, scale) = (input.dims(), self.scale.val());
        let width = scale.dims()[0];
        let heads = input.reshape([shape.iter().product::<usize>() / width, width]);
        kernels::rms_norm(heads, scale).reshape(shape)
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

    /// `[batch, channels, height, width]` to the same, with an activation behind it.
    pub fn forward(&self, input: Tensor<4>, activation: Activation) -> Tensor<4> {
        let [batch, channels, ..] = input.dims();
        let scale = self.scale.val().reshape([1, channels]).expand([batch, channels]);
        let shift = self.shift.val().reshape([1, channels]).expand([batch, channels]);
        kernels::group_norm(input, scale, shift, self.groups, Some(activation))
    }

    /// The same with a scale and a shift of each sample's own on top of the learned ones:
    /// `norm(x) * scale * (1 + sample_scale) + shift + sample_shift`, both `[batch, channels]`.
    pub fn modulate(
        &self,
        input: Tensor<4>,
        sample_scale: Tensor<2>,
        sample_shift: Tensor<2>,
        activation: Activation,
    ) -> Tensor<4> {
        let channels = input.dims()[1];
        let scale = self.scale.val().reshape([1, channels]) * (sample_scale + 1.0);
        let shift = self.shift.val().reshape([1, channels]) + sample_shift;
        kernels::group_norm(input, scale, shift, self.groups, Some(activation))
    }
}

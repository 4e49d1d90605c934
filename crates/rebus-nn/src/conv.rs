//! Two-dimensional convolution.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, module::conv2d, ops::ConvOptions},
};

use crate::Init;

/// A convolution over `[batch, channel, height, width]`.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[channels_out, channels_in, kernel, kernel]`
    pub weight: Param<Tensor<4>>,
    /// `[channels_out]`
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    stride: usize,
    #[module(skip)]
    padding: (usize, usize),
}

impl Conv2d {
    /// An odd kernel with stride 1 that keeps the size. Weights uniform in `±1/sqrt(fan_in)`, bias zero.
    pub fn new(channels: [usize; 2], kernel: usize, init: &mut Init) -> Self {
        let [channels_in, channels_out] = channels;
        let fan_in = channels_in * kernel * kernel;
        Self {
            weight: init.uniform([channels_out, channels_in, kernel, kernel], (fan_in as f64).powf(-0.5)),
            bias: Some(init.constant([channels_out], 0.0)),
            stride: 1,
            padding: (kernel / 2, kernel / 2),
        }
    }

    /// As [`new`](Self::new), with weights zero: a branch that starts silent.
    pub fn zeroed(channels: [usize; 2], kernel: usize, init: &mut Init) -> Self {
        let shape = [channels[1], channels[0], kernel, kernel];
        Self { weight: init.constant(shape, 0.0), ..Self::new(channels, kernel, &mut Init::empty(init.device())) }
    }

    /// Another stride, with the padding that goes before and after each side.
    pub fn with_stride(self, stride: usize, padding: (usize, usize)) -> Self {
        Self { stride, padding, ..self }
    }

    /// Without a bias.
    pub fn without_bias(self) -> Self {
        Self { bias: None, ..self }
    }

    /// `[batch, channels_in, height, width]` to `[batch, channels_out, height / stride, width / stride]`
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let padding = [self.padding; 2];
        let options = ConvOptions::new_with_padding([self.stride; 2], padding, [1, 1], 1);
        conv2d(input, self.weight.val(), self.bias.as_ref().map(Param::val), options)
    }
}

//! The feed-forward part of a transformer block.

use burn::{module::Module, tensor::Tensor};

use crate::{Init, Linear, kernels::gelu};

/// Two linear layers with a GELU (Hendrycks and Gimpel 2016, tanh form) between.
#[derive(Module, Debug)]
pub struct FeedForward {
    inner: Linear,
    outer: Linear,
}

impl FeedForward {
    /// `width` to `expansion * width` and back. The output starts at zero, so that the branch starts silent.
    pub fn new(width: usize, expansion: usize, init: &mut Init) -> Self {
        Self {
            inner: Linear::new(width, expansion * width, init),
            outer: Linear::zeroed(expansion * width, width, init),
        }
    }

    /// `[batch, length, width]` to the same
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        self.outer.forward(gelu(self.inner.forward(input)))
    }
}

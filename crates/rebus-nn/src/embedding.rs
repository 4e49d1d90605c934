//! A table of vectors.

use burn::{
    module::{Module, Param},
    tensor::{Int, Tensor},
};

use crate::Init;

/// Whole numbers to learned vectors.
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[entries, width]`
    pub weight: Param<Tensor<2>>,
}

impl Embedding {
    /// Vectors with independent normal entries of the given standard deviation.
    pub fn new(entries: usize, width: usize, deviation: f64, init: &mut Init) -> Self {
        Self { weight: init.normal([entries, width], deviation) }
    }

    /// `[batch, length]` to `[batch, length, width]`
    pub fn forward(&self, indices: Tensor<2, Int>) -> Tensor<3> {
        burn::tensor::module::embedding(self.weight.val(), indices)
    }
}

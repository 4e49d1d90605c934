//! A moment of a process as a vector.

use burn::{module::Module, tensor::Tensor};

use crate::{Init, Linear, kernels::silu};

/// Sines and cosines of a time (Vaswani et al. 2017), through two linear layers.
#[derive(Module, Debug)]
pub struct TimeEmbedding {
    inner: Linear,
    outer: Linear,
    #[module(skip)]
    frequencies: usize,
}

impl TimeEmbedding {
    /// A vector of `width` from `frequencies` sines and as many cosines.
    pub fn new(frequencies: usize, width: usize, init: &mut Init) -> Self {
        Self {
            inner: Linear::new(2 * frequencies, width, init),
            outer: Linear::new(width, width, init),
            frequencies,
        }
    }

    /// As [`new`](Self::new), and zero at its start.
    pub fn zeroed(frequencies: usize, width: usize, init: &mut Init) -> Self {
        Self { outer: Linear::zeroed(width, width, init), ..Self::new(frequencies, width, init) }
    }

    /// `times` in 0..1, `[batch]`, to `[batch, width]`
    pub fn forward(&self, times: Tensor<1>) -> Tensor<2> {
        let features = sinusoids(times * 1000.0, self.frequencies);
        self.outer.forward(silu(self.inner.forward(features)))
    }
}

/// `[batch]` to `[batch, 2 * frequencies]`: sines, then cosines, of angular frequencies from 1 down to 1/10000.
pub fn sinusoids(positions: Tensor<1>, frequencies: usize) -> Tensor<2> {
    let batch = positions.dims()[0];
    let rates: Vec<f32> =
        (0..frequencies).map(|i| (-(1e4f64.ln()) * i as f64 / frequencies as f64).exp() as f32).collect();
    let rates = Tensor::<1>::from_floats(rates.as_slice(), &positions.device()).reshape([1, frequencies]);
    let angles = positions.reshape([batch, 1]) * rates;
    Tensor::cat(vec![angles.clone().sin(), angles.cos()], 1)
}

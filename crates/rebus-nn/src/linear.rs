//! A fully connected layer.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

use crate::{
    ComputePrecision, Init,
    kernels::{self, PackedWeight},
};

/// `y = x W + b` over the last dimension.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[d_input, d_output]`
    pub weight: Param<Tensor<2>>,
    /// `[d_output]`
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    precision: ComputePrecision,
    #[module(skip)]
    packed: PackedWeight,
}

impl Linear {
    /// Weights uniform in `±1/sqrt(d_input)`, bias zero.
    pub fn new(d_input: usize, d_output: usize, init: &mut Init) -> Self {
        let weight = init.uniform([d_input, d_output], (d_input as f64).powf(-0.5));
        Self::from_weight(weight, init)
    }

    /// As [`new`](Self::new), with weights uniform in `±sqrt(6 / (d_input + d_output))` (Glorot and Bengio 2010,
    /// equation 16), Keras's first values.
    pub fn glorot(d_input: usize, d_output: usize, init: &mut Init) -> Self {
        let bound = (6.0 / (d_input + d_output) as f64).sqrt();
        let weight = init.uniform([d_input, d_output], bound);
        Self::from_weight(weight, init)
    }

    /// As [`new`](Self::new), with weights normal with standard deviation `gain / sqrt(d_input)` (He et al. 2015,
    /// equation 10): the outputs vary `gain` times as much as the inputs.
    pub fn fan_in(d_input: usize, d_output: usize, gain: f64, init: &mut Init) -> Self {
        let weight = init.normal([d_input, d_output], gain * (d_input as f64).powf(-0.5));
        Self::from_weight(weight, init)
    }

    /// Weights and bias zero: a branch that starts silent.
    pub fn zeroed(d_input: usize, d_output: usize, init: &mut Init) -> Self {
        let weight = init.constant([d_input, d_output], 0.0);
        Self::from_weight(weight, init)
    }

    fn from_weight(weight: Param<Tensor<2>>, init: &mut Init) -> Self {
        let [_, d_output] = weight.dims();
        let bias = Some(init.constant([d_output], 0.0));
        Self { weight, bias, precision: init.precision(), packed: PackedWeight::default() }
    }

    /// Without a bias.
    pub fn without_bias(self) -> Self {
        Self { bias: None, ..self }
    }

    /// `[..., d_input]` to `[..., d_output]`
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let weight = self.precision.of(self.weight.val());
        let [d_input, d_output] = weight.dims();
        let mut shape = input.dims();
        let rows = shape.iter().product::<usize>() / d_input.max(1);
        shape[D - 1] = d_output;
        // On flat rows the gradient of the weights is one product, not one for each batch entry.
        let bias = self.bias.as_ref().map(Param::val);
        let output = kernels::linear_packed(input.reshape([rows, d_input]), weight, bias, &self.packed);
        output.reshape(shape)
    }
}

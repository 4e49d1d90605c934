//! What linear layers and convolutions have in common: an input, a weight, and perhaps a bias behind the product.

use std::fmt::Debug;

use burn::{backend::flex::FlexTensor, tensor::Tensor};

use super::{
    op::{self, Kernel},
    run, sample_norms,
};

/// A product of an input and a weight, and its gradients.
pub(super) trait Affine: Debug + Send + Sync + 'static {
    /// `bias` is empty or has a number a channel out.
    fn output(&self, input: &FlexTensor, weight: &FlexTensor, bias: &[f32]) -> FlexTensor;

    /// Those of input and weight that are `wanted`.
    fn gradients(
        &self,
        input: &FlexTensor,
        weight: &FlexTensor,
        gradient: &FlexTensor,
        wanted: [bool; 2],
    ) -> [Option<FlexTensor>; 2];

    /// That of the bias: the gradient's sum over all but the channels out.
    fn gradient_of_bias(&self, gradient: &FlexTensor) -> FlexTensor;

    /// Tells whoever watches the lengths of each sample's gradients, of weight and bias as far as they are wanted.
    fn watched(&self, input: &FlexTensor, weight: &FlexTensor, gradient: &FlexTensor, wanted: [bool; 2]) {
        let [of_weight, of_bias] = wanted;
        if of_weight || of_bias {
            sample_norms::add(input, gradient, |input, gradient| {
                let [_, weights] = self.gradients(input, weight, gradient, [false, of_weight]);
                weights.into_iter().chain(of_bias.then(|| self.gradient_of_bias(gradient))).collect()
            });
        }
    }
}

/// The product, with the bias if there is one.
pub(super) fn apply<const D: usize>(
    product: impl Affine,
    input: Tensor<D>,
    weight: Tensor<D>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    match bias {
        Some(bias) => op::apply3(Product(product), input, weight, bias),
        None => op::apply2(Product(product), input, weight),
    }
}

#[derive(Debug)]
struct Product<P>(P);

impl<P: Affine> Kernel<2> for Product<P> {
    fn forward(&self, [input, weight]: [&FlexTensor; 2]) -> FlexTensor {
        self.0.output(input, weight, &[])
    }

    fn backward(
        &self,
        [input, weight]: [&FlexTensor; 2],
        gradient: &FlexTensor,
        wanted: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        self.0.watched(input, weight, gradient, [wanted[1], false]);
        self.0.gradients(input, weight, gradient, wanted)
    }
}

impl<P: Affine> Kernel<3> for Product<P> {
    fn forward(&self, [input, weight, bias]: [&FlexTensor; 3]) -> FlexTensor {
        self.0.output(input, weight, run::numbers(bias))
    }

    fn backward(
        &self,
        [input, weight, _]: [&FlexTensor; 3],
        gradient: &FlexTensor,
        [of_input, of_weight, of_bias]: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        self.0.watched(input, weight, gradient, [of_weight, of_bias]);
        let [of_input, of_weight] = self.0.gradients(input, weight, gradient, [of_input, of_weight]);
        [of_input, of_weight, of_bias.then(|| self.0.gradient_of_bias(gradient))]
    }
}

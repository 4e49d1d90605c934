//! Transposed convolution: the adjoint of a convolution, which gives a larger picture where that gives a smaller one
//! (Dumoulin and Visin 2016, chapter 4). What is one's way forward is the other's way back.

use burn::{backend::flex::FlexTensor, tensor::Tensor};

use super::{
    Convolution, PackedWeight,
    affine::{self, Affine},
    channels::sum_of_planes,
    convolution_plan::Shape,
    run,
};

/// `[batch, channels_in, height, width]`, `[channels_in, channels_out, kernel, kernel]`, `[channels_out]`, on the
/// processor.
pub(super) fn conv_transpose2d(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    convolution: Convolution,
) -> Tensor<4> {
    let Convolution { stride, before, after, .. } = convolution;
    let ([_, channels, height, width], [channels_in, out, rows, columns]) = (input.dims(), weight.dims());
    assert_eq!(channels_in, channels, "a kernel for {channels} channels");
    assert!(bias.iter().all(|bias| bias.dims() == [out]), "a bias for {out} channels");
    let reach = |side: usize, kernel: usize| side.max(1) * stride + kernel > stride + before + after;
    let fits = reach(height, rows) && reach(width, columns);
    assert!(
        stride > 0 && fits,
        "{rows}x{columns} taps at stride {stride} leave nothing of {height}x{width} pixels"
    );
    affine::apply(Transposed { convolution, kept: None }, input, weight, bias)
}

/// The adjoint of a convolution.
#[derive(Debug, Clone)]
pub(super) struct Transposed {
    pub convolution: Convolution,
    /// Where what is made of the weight on the way forward is kept.
    pub kept: Option<PackedWeight>,
}

impl Transposed {
    /// The convolution whose output is our input.
    fn adjoint(&self, input: &FlexTensor, weight: &FlexTensor) -> Shape {
        let Convolution { stride, before, after, .. } = self.convolution;
        let [batch, _, height, width] = run::sides(input);
        let [_, channels, rows, columns] = run::sides(weight);
        let side = |side: usize, kernel: usize| (side - 1) * stride + kernel - before - after;
        Shape::new(self.convolution, [batch, channels, side(height, rows), side(width, columns)], weight)
    }
}

impl Affine for Transposed {
    fn output(&self, input: &FlexTensor, weight: &FlexTensor, bias: &[f32]) -> FlexTensor {
        self.adjoint(input, weight).gradient_of_input(weight, input, bias, self.kept.as_ref())
    }

    fn gradients(
        &self,
        input: &FlexTensor,
        weight: &FlexTensor,
        gradient: &FlexTensor,
        [of_input, of_weight]: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let adjoint = self.adjoint(input, weight);
        [
            of_input.then(|| adjoint.output(gradient, weight, &[], None, None)),
            of_weight.then(|| adjoint.gradient_of_weight(gradient, input)),
        ]
    }

    fn gradient_of_bias(&self, gradient: &FlexTensor) -> FlexTensor {
        sum_of_planes(gradient)
    }
}

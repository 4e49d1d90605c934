//! Transposed convolution: the adjoint of a convolution, which gives a larger picture where that gives a smaller one
//! (Dumoulin and Visin 2016, chapter 4). What is one's way forward is the other's way back.

use burn::{backend::flex::FlexTensor, tensor::Tensor};

use super::{
    Convolution,
    affine::{self, Affine},
    channels::sum_of_planes,
    conv2d::FEW_CHANNELS,
    convolution_plan::Shape,
    run, tiled,
    tiled_plan::{Plan, Way},
    tiled_weight::gradient_of_weight,
    winograd::{Small, Winograd as _},
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
    affine::apply(Transposed(convolution), input, weight, bias)
}

/// The adjoint of this convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transposed(pub Convolution);

/// The convolution whose output is our input.
enum Adjoint {
    Direct(Shape),
    Tiled(Plan),
}

impl Transposed {
    fn adjoint(self, input: &FlexTensor, weight: &FlexTensor) -> Adjoint {
        let Convolution { stride, before, after, .. } = self.0;
        let [batch, channels_in, height, width] = run::sides(input);
        let [_, channels, rows, columns] = run::sides(weight);
        let side = |side: usize, kernel: usize| (side - 1) * stride + kernel - before - after;
        let sides = [batch, channels, side(height, rows), side(width, columns)];
        // As a convolution of this kernel goes.
        match (rows, columns, stride) {
            (4, 4, 2) if channels_in.min(channels) >= FEW_CHANNELS => {
                Adjoint::Tiled(Plan::new(self.0, sides, weight, Small::KERNEL))
            }
            _ => Adjoint::Direct(Shape::new(self.0, sides, weight)),
        }
    }
}

impl Affine for Transposed {
    fn output(&self, input: &FlexTensor, weight: &FlexTensor, bias: &[f32]) -> FlexTensor {
        match self.adjoint(input, weight) {
            Adjoint::Tiled(plan) => {
                tiled::convolve::<Small>(input, weight, bias, (plan, Way::Back), None, None)
            }
            Adjoint::Direct(shape) => shape.gradient_of_input(weight, input, bias),
        }
    }

    fn gradients(
        &self,
        input: &FlexTensor,
        weight: &FlexTensor,
        gradient: &FlexTensor,
        [of_input, of_weight]: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        match self.adjoint(input, weight) {
            Adjoint::Tiled(plan) => [
                of_input.then(|| {
                    tiled::convolve::<Small>(gradient, weight, &[], (plan, Way::Forward), None, None)
                }),
                of_weight.then(|| gradient_of_weight::<Small>(gradient, input, &plan)),
            ],
            Adjoint::Direct(shape) => [
                of_input.then(|| shape.output(gradient, weight, &[], None, None)),
                of_weight.then(|| shape.gradient_of_weight(gradient, input)),
            ],
        }
    }

    fn gradient_of_bias(&self, gradient: &FlexTensor) -> FlexTensor {
        sum_of_planes(gradient)
    }
}

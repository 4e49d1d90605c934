//! SiLU, GELU and leaky ReLU, forward and backward in one pass each.

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use pulp::Simd;

use super::{
    Activation,
    lanes::Lanes,
    op::{self, Kernel},
    run::{self, Formula},
};

const GELU_SCALE: f32 = 0.797_884_6; // sqrt(2 / pi)
const GELU_CUBE: f32 = 0.044_715;

impl Activation {
    /// The value at `x`.
    #[inline(always)]
    pub(super) fn value<S: Simd>(self, x: Lanes<S>) -> Lanes<S> {
        match self {
            Self::Silu => x * x.sigmoid(),
            // (1 + tanh(u)) / 2 = sigmoid(2u)
            Self::Gelu => x * gelu_inner(x).sigmoid(),
            Self::Leaky(_) => x * self.slope(x),
        }
    }

    /// The slope at `x`.
    #[inline(always)]
    pub(super) fn slope<S: Simd>(self, x: Lanes<S>) -> Lanes<S> {
        let simd = x.0;
        let one = Lanes::splat(simd, 1.0);
        match self {
            Self::Silu => {
                let s = x.sigmoid();
                s * (x * (one - s) + one)
            }
            Self::Gelu => {
                let s = gelu_inner(x).sigmoid();
                let inner_slope = (x * x)
                    .mul_add(Lanes::splat(simd, 6.0 * GELU_SCALE * GELU_CUBE), one * (2.0 * GELU_SCALE));
                s * (x * (one - s) * inner_slope + one)
            }
            Self::Leaky(slope) => {
                let below = simd.less_than_or_equal_f32s(x.1, simd.splat_f32s(0.0));
                Lanes(simd, simd.select_f32s(below, simd.splat_f32s(slope), one.1))
            }
        }
    }
}

/// `2 * sqrt(2 / pi) * (x + 0.044715 x³)`
#[inline(always)]
fn gelu_inner<S: Simd>(x: Lanes<S>) -> Lanes<S> {
    let cubic = (x * x).mul_add(Lanes::splat(x.0, GELU_CUBE), Lanes::splat(x.0, 1.0));
    x * cubic * (2.0 * GELU_SCALE)
}

/// The activation of each number of a tensor, on the processor.
pub(super) fn activate<const D: usize>(input: Tensor<D>, activation: Activation) -> Tensor<D> {
    op::apply1(activation, input)
}

/// Values that a kernel has bent by a leaky ReLU already, and whose gradient has not gone through it yet: the sign of
/// what came out tells the slope, so that what went in need not be kept.
pub(super) fn leaky_behind<const D: usize>(output: Tensor<D>, slope: f32) -> Tensor<D> {
    op::apply1(LeakyBehind(slope), output)
}

#[derive(Debug)]
struct LeakyBehind(f32);

impl Kernel<1> for LeakyBehind {
    fn forward(&self, [output]: [&FlexTensor; 1]) -> FlexTensor {
        output.clone()
    }

    fn backward(
        &self,
        [output]: [&FlexTensor; 1],
        gradient: &FlexTensor,
        wanted: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        Activation::Leaky(self.0).backward([output], gradient, wanted)
    }
}

impl Kernel<1> for Activation {
    fn forward(&self, [input]: [&FlexTensor; 1]) -> FlexTensor {
        run::tensor_like(run::each(Value(*self), [run::numbers(input)]), input)
    }

    fn backward(
        &self,
        [input]: [&FlexTensor; 1],
        gradient: &FlexTensor,
        _wanted: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        let slopes = run::each(Slope(*self), [run::numbers(input), run::numbers(gradient)]);
        [Some(run::tensor_like(slopes, input))]
    }

    fn is_cheap(&self) -> bool {
        true
    }
}

#[derive(Clone, Copy)]
struct Value(Activation);

impl Formula<1> for Value {
    #[inline(always)]
    fn apply<S: Simd>(self, [x]: [Lanes<S>; 1]) -> Lanes<S> {
        self.0.value(x)
    }
}

#[derive(Clone, Copy)]
struct Slope(Activation);

impl Formula<2> for Slope {
    #[inline(always)]
    fn apply<S: Simd>(self, [x, gradient]: [Lanes<S>; 2]) -> Lanes<S> {
        gradient * self.0.slope(x)
    }
}

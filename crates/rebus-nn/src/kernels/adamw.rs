//! A step of AdamW and the norm before it, each in one pass over the numbers; and the moving average of weights.

use burn::{
    backend::{Backend, Dispatch, Flex, backend_extension, flex::FlexTensor, tensor::FloatTensor},
    tensor::Tensor,
};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    AdamWStep,
    lanes::Lanes,
    op::{self, Kernel},
    rows, run,
    sum::by_chunks,
};

/// Numbers that one task takes.
const CHUNK: usize = 16 * 1024;

/// Weight, mean gradient and mean squared gradient after a step, on the processor.
pub(super) fn adamw(tensors: [Tensor<1>; 4], step: AdamWStep) -> [Tensor<1>; 3] {
    let [weight, gradient, first, second] = tensors.map(Tensor::into_dispatch);
    let (weight, first, second) = <Dispatch as OptimizerOps>::adamw(weight, gradient, first, second, step);
    [weight, first, second].map(Tensor::from_dispatch)
}

/// The sum of the squares of all numbers, on the processor.
pub(super) fn square_sum(tensor: Tensor<1>) -> f64 {
    let sums: Tensor<1> =
        Tensor::from_dispatch(<Dispatch as OptimizerOps>::square_sums(tensor.into_dispatch()));
    sums.into_data().iter::<f64>().sum()
}

/// `old * share + new * (1 - share)`, on the processor.
pub(super) fn blend(old: Tensor<1>, new: Tensor<1>, share: f64) -> Tensor<1> {
    op::apply2(Blend(share as f32), old, new)
}

#[backend_extension(Flex)]
pub trait OptimizerOps: Backend {
    fn adamw(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: AdamWStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// One sum a chunk, so that many numbers do not lose the small ones.
    fn square_sums(tensor: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl OptimizerOps for Flex {
    fn adamw(
        weight: FlexTensor,
        gradient: FlexTensor,
        first: FlexTensor,
        second: FlexTensor,
        step: AdamWStep,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let old = [weight, gradient, first, second].map(op::contiguous);
        let [weight, gradient, first, second] = old.each_ref().map(run::numbers);
        let length = weight.len();
        let mut moved = vec![0.0; length];
        let mut new_first = vec![0.0; length];
        let mut new_second = vec![0.0; length];
        moved
            .par_chunks_mut(CHUNK)
            .zip(new_first.par_chunks_mut(CHUNK))
            .zip(new_second.par_chunks_mut(CHUNK))
            .enumerate()
            .for_each(|(index, ((moved, new_first), new_second))| {
                let range = index * CHUNK..index * CHUNK + moved.len();
                let old = [weight, gradient, first, second].map(|numbers| &numbers[range.clone()]);
                run::dispatch(Move { old, new: [moved, new_first, new_second], step });
            });
        let sides = [length];
        (run::tensor(moved, &sides), run::tensor(new_first, &sides), run::tensor(new_second, &sides))
    }

    fn square_sums(tensor: FlexTensor) -> FlexTensor {
        let sums = by_chunks(run::numbers(&op::contiguous(tensor)), true);
        let count = sums.len();
        run::tensor(sums, &[count])
    }
}

#[inline(always)]
fn splat<S: Simd>(simd: S, value: f64) -> Lanes<S> {
    Lanes::splat(simd, value as f32)
}

struct Move<'a> {
    old: [&'a [f32]; 4],
    new: [&'a mut [f32]; 3],
    step: AdamWStep,
}

impl WithSimd for Move<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { old: [weight, gradient, first, second], new: [moved, new_first, new_second], step } = self;
        let (beta_1, beta_2) = (splat(simd, step.beta_1), splat(simd, step.beta_2));
        let rest_1 = splat(simd, (1.0 - step.beta_1) * step.gradient_scale);
        let rest_2 = splat(simd, (1.0 - step.beta_2) * step.gradient_scale * step.gradient_scale);
        rows::fill(
            simd,
            new_first,
            [first, gradient],
            #[inline(always)]
            |[m, g]| m.mul_add(beta_1, g * rest_1),
        );
        rows::fill(
            simd,
            new_second,
            [second, gradient],
            #[inline(always)]
            |[v, g]| v.mul_add(beta_2, g * g * rest_2),
        );

        let time = step.time as i32;
        let rate = splat(simd, -step.learning_rate / (1.0 - step.beta_1.powi(time)));
        let unbias = splat(simd, (1.0 - step.beta_2.powi(time)).sqrt().recip());
        let epsilon = splat(simd, step.epsilon);
        let kept = splat(simd, 1.0 - step.learning_rate * step.weight_decay);
        rows::fill(
            simd,
            moved,
            [weight, new_first, new_second],
            #[inline(always)]
            |[w, m, v]| {
                let deviation = v.sqrt().mul_add(unbias, epsilon);
                (m / deviation).mul_add(rate, w * kept)
            },
        );
    }
}

#[derive(Debug, Clone, Copy)]
struct Blend(f32);

impl run::Formula<2> for Blend {
    #[inline(always)]
    fn apply<S: Simd>(self, [old, new]: [Lanes<S>; 2]) -> Lanes<S> {
        (old - new).mul_add(Lanes::splat(old.0, self.0), new)
    }
}

/// A number times a constant.
#[derive(Clone, Copy)]
struct Times(f32);

impl run::Formula<1> for Times {
    #[inline(always)]
    fn apply<S: Simd>(self, [x]: [Lanes<S>; 1]) -> Lanes<S> {
        x * self.0
    }
}

impl Kernel<2> for Blend {
    fn forward(&self, [old, new]: [&FlexTensor; 2]) -> FlexTensor {
        run::tensor_like(run::each(*self, [run::numbers(old), run::numbers(new)]), old)
    }

    fn backward(
        &self,
        _inputs: [&FlexTensor; 2],
        gradient: &FlexTensor,
        wanted: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let times = |factor| run::tensor_like(run::each(Times(factor), [run::numbers(gradient)]), gradient);
        [wanted[0].then(|| times(self.0)), wanted[1].then(|| times(1.0 - self.0))]
    }
}

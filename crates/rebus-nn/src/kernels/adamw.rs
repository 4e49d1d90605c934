//! A step of AdamW with the moving average behind it, in one pass over the numbers, and the norm before it in another. What
//! nobody else holds is written over, since new memory for every weight costs more than the arithmetic.

use burn::{
    backend::{Backend, Dispatch, Flex, backend_extension, flex::FlexTensor, tensor::FloatTensor},
    tensor::Tensor,
};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{AdamWStep, lanes::Lanes, op, rows, run, sum::by_chunks};

/// Numbers that one task takes.
const CHUNK: usize = 8 * 1024;
/// Numbers that go through all formulas before the next ones: five rows of them stay nearest to the processor.
const NEAR: usize = 1024;

/// Weight, mean gradient and mean squared gradient after a step, and the average if there is one, on the processor.
pub(super) fn adamw(
    tensors: [Tensor<1>; 4],
    average: Option<Tensor<1>>,
    step: AdamWStep,
) -> ([Tensor<1>; 3], Option<Tensor<1>>) {
    let [weight, gradient, first, second] = tensors.map(Tensor::into_dispatch);
    let Some(average) = average.map(Tensor::into_dispatch) else {
        let (weight, first, second) =
            <Dispatch as OptimizerOps>::adamw(weight, gradient, first, second, step);
        return ([weight, first, second].map(Tensor::from_dispatch), None);
    };
    let (weight, first, second, average) =
        <Dispatch as OptimizerOps>::adamw_averaged(weight, gradient, first, second, average, step);
    ([weight, first, second].map(Tensor::from_dispatch), Some(Tensor::from_dispatch(average)))
}

/// The sum of the squares of all numbers, on the processor.
pub(super) fn square_sum(tensor: Tensor<1>) -> f64 {
    let sums: Tensor<1> =
        Tensor::from_dispatch(<Dispatch as OptimizerOps>::square_sums(tensor.into_dispatch()));
    sums.into_data().iter::<f64>().sum()
}

/// `old * share + new * (1 - share)`, on the processor.
pub(super) fn blend(old: Tensor<1>, new: Tensor<1>, share: f64) -> Tensor<1> {
    let (old, new) = (old.into_dispatch(), new.into_dispatch());
    Tensor::from_dispatch(<Dispatch as OptimizerOps>::blend(old, new, share))
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

    fn adamw_averaged(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        average: FloatTensor<Self>,
        step: AdamWStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// One sum a chunk, so that many numbers do not lose the small ones.
    fn square_sums(tensor: FloatTensor<Self>) -> FloatTensor<Self>;

    fn blend(old: FloatTensor<Self>, new: FloatTensor<Self>, share: f64) -> FloatTensor<Self>;
}

impl OptimizerOps for Flex {
    fn adamw(
        weight: FlexTensor,
        gradient: FlexTensor,
        first: FlexTensor,
        second: FlexTensor,
        step: AdamWStep,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let [weight, first, second] = advance([weight, first, second], &gradient, None, step);
        (weight, first, second)
    }

    fn adamw_averaged(
        weight: FlexTensor,
        gradient: FlexTensor,
        first: FlexTensor,
        second: FlexTensor,
        average: FlexTensor,
        step: AdamWStep,
    ) -> (FlexTensor, FlexTensor, FlexTensor, FlexTensor) {
        let mut average = op::contiguous(average);
        let [weight, first, second] =
            advance([weight, first, second], &gradient, Some(run::numbers_mut(&mut average)), step);
        (weight, first, second, average)
    }

    fn square_sums(tensor: FlexTensor) -> FlexTensor {
        let sums = by_chunks(run::numbers(&op::contiguous(tensor)), true);
        let count = sums.len();
        run::tensor(sums, &[count])
    }

    fn blend(old: FlexTensor, new: FlexTensor, share: f64) -> FlexTensor {
        let [mut old, new] = [old, new].map(op::contiguous);
        let (moving, new) = (run::numbers_mut(&mut old), run::numbers(&new));
        assert_eq!(moving.len(), new.len(), "tensors of different lengths");
        let chunks = moving.par_chunks_mut(CHUNK).zip(new.par_chunks(CHUNK));
        chunks.for_each(|(old, new)| run::dispatch(Blend { old, new, share }));
        old
    }
}

/// Weight, mean gradient and mean squared gradient after a step; the average is moved where it lies.
fn advance(
    moving: [FlexTensor; 3],
    gradient: &FlexTensor,
    average: Option<&mut [f32]>,
    step: AdamWStep,
) -> [FlexTensor; 3] {
    let gradient = op::contiguous(gradient.clone());
    let gradient = run::numbers(&gradient);
    let mut moving = moving.map(op::contiguous);
    let numbers = moving.each_mut().map(run::numbers_mut);
    let averaged = average.as_ref().map(|average| average.len());
    let mut lengths = numbers.iter().map(|numbers| numbers.len()).chain(averaged);
    assert!(lengths.all(|length| length == gradient.len()), "tensors of different lengths");
    let averages: Vec<_> = match average {
        Some(average) => average.chunks_mut(CHUNK).map(Some).collect(),
        None => gradient.chunks(CHUNK).map(|_| None).collect(),
    };
    let [weights, firsts, seconds] = numbers.map(|numbers| numbers.par_chunks_mut(CHUNK));
    let chunks = weights.zip(firsts).zip(seconds).zip(averages).zip(gradient.par_chunks(CHUNK));
    chunks.for_each(|((((weight, first), second), average), gradient)| {
        run::dispatch(Move { weight, first, second, average, gradient, step });
    });
    moving
}

#[inline(always)]
fn splat<S: Simd>(simd: S, value: f64) -> Lanes<S> {
    Lanes::splat(simd, value as f32)
}

struct Move<'a> {
    weight: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    average: Option<&'a mut [f32]>,
    gradient: &'a [f32],
    step: AdamWStep,
}

impl WithSimd for Move<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { weight, first, second, mut average, gradient, step } = self;
        let rows = weight.chunks_mut(NEAR).zip(first.chunks_mut(NEAR)).zip(second.chunks_mut(NEAR));
        for (((weight, first), second), gradient) in rows.zip(gradient.chunks(NEAR)) {
            let average = average.as_mut().and_then(|average| average.split_off_mut(..weight.len()));
            Move { weight, first, second, average, gradient, step }.at_once(simd);
        }
    }
}

impl Move<'_> {
    #[inline(always)]
    fn at_once<S: Simd>(self, simd: S) {
        let Self { weight, first, second, average, gradient, step } = self;
        let (beta_1, beta_2) = (splat(simd, step.beta_1), splat(simd, step.beta_2));
        let rest_1 = splat(simd, (1.0 - step.beta_1) * step.gradient_scale);
        let rest_2 = splat(simd, (1.0 - step.beta_2) * step.gradient_scale * step.gradient_scale);
        rows::update(
            simd,
            first,
            [gradient],
            #[inline(always)]
            |m, [g]| m.mul_add(beta_1, g * rest_1),
        );
        rows::update(
            simd,
            second,
            [gradient],
            #[inline(always)]
            |v, [g]| v.mul_add(beta_2, g * g * rest_2),
        );

        let time = step.time as i32;
        let rate = splat(simd, -step.learning_rate / (1.0 - step.beta_1.powi(time)));
        let unbias = splat(simd, (1.0 - step.beta_2.powi(time)).sqrt().recip());
        let epsilon = splat(simd, step.epsilon);
        let kept = splat(simd, 1.0 - step.learning_rate * step.weight_decay);
        rows::update(
            simd,
            weight,
            [first, second],
            #[inline(always)]
            |w, [m, v]| {
                let deviation = v.sqrt().mul_add(unbias, epsilon);
                (m / deviation).mul_add(rate, w * kept)
            },
        );
        if let Some(old) = average {
            Blend { old, new: weight, share: step.average }.with_simd(simd);
        }
    }
}

struct Blend<'a> {
    old: &'a mut [f32],
    new: &'a [f32],
    share: f64,
}

impl WithSimd for Blend<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let share = splat(simd, self.share);
        rows::update(
            simd,
            self.old,
            [self.new],
            #[inline(always)]
            |old, [new]| (old - new).mul_add(share, new),
        );
    }
}

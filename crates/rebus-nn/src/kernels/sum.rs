//! The sum of all numbers, whose gradient is one number everywhere.

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    op::{self, Kernel},
    rows, run,
};

/// Numbers that one task takes: the same on any number of threads.
const CHUNK: usize = 16 * 1024;

/// `[1]`, on the processor.
pub(super) fn sum<const D: usize>(input: Tensor<D>) -> Tensor<1> {
    op::apply1(Sum, input)
}

#[derive(Debug)]
struct Sum;

impl Kernel<1> for Sum {
    fn forward(&self, [input]: [&FlexTensor; 1]) -> FlexTensor {
        let chunks = run::numbers(input).par_chunks(CHUNK);
        let sums: Vec<f32> = chunks.map(|chunk| run::dispatch(SumOf(chunk))).collect();
        let total: f64 = sums.into_iter().map(f64::from).sum();
        run::tensor(vec![total as f32], &[1])
    }

    fn backward(
        &self,
        [input]: [&FlexTensor; 1],
        gradient: &FlexTensor,
        [wanted]: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        let gradient = run::numbers(gradient)[0];
        let everywhere = || {
            run::filled(run::numbers(input).len(), |everywhere| {
                everywhere.par_chunks_mut(CHUNK).for_each(|chunk| chunk.fill(gradient));
            })
        };
        [wanted.then(|| run::tensor_like(everywhere(), input))]
    }
}

/// The sum of a row.
pub(super) struct SumOf<'a>(pub &'a [f32]);

impl WithSimd for SumOf<'_> {
    type Output = f32;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        rows::sum(
            simd,
            [self.0],
            #[inline(always)]
            |[x]| x,
        )
    }
}

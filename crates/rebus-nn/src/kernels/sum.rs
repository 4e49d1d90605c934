//! Sums of many numbers in an order that depends on how many there are; and the sum of all numbers as an operation, whose
//! gradient is one number everywhere.

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    lanes::Lanes,
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
        let total: f64 = by_chunks(run::numbers(input), false).into_iter().map(f64::from).sum();
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

/// The sum of each chunk's numbers, or of their squares.
pub(super) fn by_chunks(numbers: &[f32], squared: bool) -> Vec<f32> {
    numbers.par_chunks(CHUNK).map(|chunk| distances(chunk, 0.0, squared)).collect()
}

/// The sum of a row's distances from a number, or of their squares.
pub(super) fn distances(row: &[f32], center: f32, squared: bool) -> f32 {
    run::dispatch(Distances { row, center, squared })
}

struct Distances<'a> {
    row: &'a [f32],
    center: f32,
    squared: bool,
}

/// Numbers that are added up in 32 bits, before 64 take over: where a vector is one number, a longer sum would lose more
/// than the kernels may.
const IN_SHORT: usize = 512;

impl WithSimd for Distances<'_> {
    type Output = f32;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let center = Lanes::splat(simd, self.center);
        let mut total = 0.0;
        for part in self.row.chunks(IN_SHORT) {
            let sum = if self.squared {
                rows::sum(
                    simd,
                    [part],
                    #[inline(always)]
                    |[x]| (x - center) * (x - center),
                )
            } else {
                rows::sum(
                    simd,
                    [part],
                    #[inline(always)]
                    |[x]| x - center,
                )
            };
            total += f64::from(sum);
        }
        total as f32
    }
}

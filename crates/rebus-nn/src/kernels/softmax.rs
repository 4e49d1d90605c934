//! Softmax over rows: a tensor's last dimension, or the scores of attention.

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    lanes::Lanes,
    op::{self, Kernel},
    rows::{largest, sum, update},
    run,
};

/// Rows that a task takes together.
const ROWS: usize = 64;

/// `[rows, width]`, on the processor.
pub(super) fn softmax(input: Tensor<2>) -> Tensor<2> {
    op::apply1(Softmax, input)
}

/// One row in place: `e^x / sum(e^x)`, with the largest number taken off first.
#[inline(always)]
pub(super) fn softmax_row<S: Simd>(simd: S, row: &mut [f32]) {
    let top = Lanes::splat(simd, largest(simd, row));
    update(
        simd,
        row,
        [],
        #[inline(always)]
        |x, []| (x - top).exp(),
    );
    let total = sum(
        simd,
        [&*row],
        #[inline(always)]
        |[x]| x,
    );
    let share = Lanes::splat(simd, total.recip());
    update(
        simd,
        row,
        [],
        #[inline(always)]
        |x, []| x * share,
    );
}

#[derive(Debug)]
struct Softmax;

impl Kernel<1> for Softmax {
    fn forward(&self, [input]: [&FlexTensor; 1]) -> FlexTensor {
        let [_, width] = run::sides(input);
        let numbers = run::numbers(input);
        let output = run::filled(numbers.len(), |output| {
            output
                .par_chunks_mut(ROWS * width)
                .with_min_len(run::pieces_a_task(ROWS * width))
                .zip(numbers.par_chunks(ROWS * width))
                .for_each(|(output, input)| run::dispatch(Forward { input, width, output }));
        });
        run::tensor_like(output, input)
    }

    fn backward(
        &self,
        [input]: [&FlexTensor; 1],
        gradient: &FlexTensor,
        _wanted: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        let [_, width] = run::sides(input);
        let numbers = run::numbers(input);
        let of_input = run::filled(numbers.len(), |of_input| {
            of_input
                .par_chunks_mut(ROWS * width)
                .with_min_len(run::pieces_a_task(ROWS * width))
                .zip(numbers.par_chunks(ROWS * width))
                .zip(run::numbers(gradient).par_chunks(ROWS * width))
                .for_each(|((of_input, input), gradient)| {
                    run::dispatch(Back { input, gradient, width, of_input });
                });
        });
        [Some(run::tensor_like(of_input, input))]
    }

    fn is_cheap(&self) -> bool {
        true
    }
}

struct Forward<'a> {
    input: &'a [f32],
    width: usize,
    output: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.output.copy_from_slice(self.input);
        for row in self.output.chunks_exact_mut(self.width) {
            softmax_row(simd, row);
        }
    }
}

struct Back<'a> {
    input: &'a [f32],
    gradient: &'a [f32],
    width: usize,
    of_input: &'a mut [f32],
}

impl WithSimd for Back<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.of_input.copy_from_slice(self.input);
        for (row, gradient) in
            self.of_input.chunks_exact_mut(self.width).zip(self.gradient.chunks_exact(self.width))
        {
            softmax_row(simd, row);
            let mean = sum(
                simd,
                [gradient, &*row],
                #[inline(always)]
                |[g, share]| g * share,
            );
            let mean = Lanes::splat(simd, mean);
            update(
                simd,
                row,
                [gradient],
                #[inline(always)]
                |share, [g]| share * (g - mean),
            );
        }
    }
}

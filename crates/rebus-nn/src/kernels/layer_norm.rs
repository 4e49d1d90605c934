//! Layer norm and RMS norm over the last dimension, with one scale and shift for all rows or one for each sample's: one read
//! of each row forward, two backward.

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    group_norm::{EPSILON, statistics},
    lanes::Lanes,
    op::{self, Kernel},
    rows::{fill, sum, update},
    run,
};

/// Rows whose shares of the gradients of scale and shift are summed first: the same on any number of threads.
const ROWS: usize = 64;

/// `[rows, width]`, scale and shift `[samples, width]`, on the processor; each sample has as many rows.
pub(super) fn layer_norm(input: Tensor<2>, scale: Tensor<2>, shift: Tensor<2>) -> Tensor<2> {
    check(&input, &scale);
    assert_eq!(scale.dims(), shift.dims(), "a scale and a shift of different shapes");
    op::apply3(RowNorm::Layer, input, scale, shift)
}

/// `[rows, width]`, scale `[samples, width]`, on the processor; each sample has as many rows.
pub(super) fn rms_norm(input: Tensor<2>, scale: Tensor<2>) -> Tensor<2> {
    check(&input, &scale);
    op::apply2(RowNorm::Rms, input, scale)
}

fn check(input: &Tensor<2>, scale: &Tensor<2>) {
    let ([rows, width], [samples, scales]) = (input.dims(), scale.dims());
    assert_eq!(scales, width, "a scale of rows of {width}");
    assert!(samples > 0 && rows.is_multiple_of(samples), "{rows} rows of {samples} samples");
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum RowNorm {
    /// Mean 0 and variance 1.
    Layer,
    /// Mean square 1.
    Rms,
}

impl RowNorm {
    /// What is taken off a row, and by what the rest is multiplied.
    #[inline(always)]
    fn statistics<S: Simd>(self, simd: S, row: &[f32]) -> (f32, f32) {
        if self == Self::Layer {
            return statistics(simd, row);
        }
        let square = sum(
            simd,
            [row],
            #[inline(always)]
            |[x]| x * x,
        );
        (0.0, (square / row.len() as f32 + EPSILON).sqrt().recip())
    }
}

impl Kernel<2> for RowNorm {
    fn forward(&self, [input, scale]: [&FlexTensor; 2]) -> FlexTensor {
        let no_shift = run::tensor_like(vec![0.0; run::numbers(scale).len()], scale);
        Kernel::<3>::forward(self, [input, scale, &no_shift])
    }

    fn backward(
        &self,
        [input, scale]: [&FlexTensor; 2],
        gradient: &FlexTensor,
        [of_input, of_scale]: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let wanted = [of_input, of_scale, false];
        let [of_input, of_scale, _] = Kernel::<3>::backward(self, [input, scale, scale], gradient, wanted);
        [of_input, of_scale]
    }

    fn is_cheap(&self) -> bool {
        true
    }
}

impl Kernel<3> for RowNorm {
    fn forward(&self, [input, scale, shift]: [&FlexTensor; 3]) -> FlexTensor {
        let ([rows, width], [samples, _]) = (run::sides(input), run::sides(scale));
        let sample = (rows / samples * width).max(1);
        let output = run::filled(rows * width, |output| {
            output
                .par_chunks_mut(sample)
                .with_min_len(run::pieces_a_task(sample))
                .zip(run::numbers(input).par_chunks(sample))
                .zip(run::numbers(scale).par_chunks(width))
                .zip(run::numbers(shift).par_chunks(width))
                .for_each(|(((output, input), scale), shift)| {
                    output
                        .par_chunks_mut(ROWS * width)
                        .with_min_len(run::pieces_a_task(ROWS * width))
                        .zip(input.par_chunks(ROWS * width))
                        .for_each(|(output, input)| {
                            run::dispatch(Forward { norm: *self, input, scale, shift, output });
                        });
                });
        });
        run::tensor_like(output, input)
    }

    fn backward(
        &self,
        [input, scale, _]: [&FlexTensor; 3],
        gradient: &FlexTensor,
        _wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let ([rows, width], [samples, _]) = (run::sides(input), run::sides(scale));
        let sample = (rows / samples * width).max(1);
        let (mut of_scale, mut of_shift) = (vec![0.0; samples * width], vec![0.0; samples * width]);
        let of_input = run::filled(rows * width, |of_input| {
            of_input
                .par_chunks_mut(sample)
                .with_min_len(run::pieces_a_task(sample))
                .zip(of_scale.par_chunks_mut(width).zip(of_shift.par_chunks_mut(width)))
                .zip(run::numbers(input).par_chunks(sample))
                .zip(run::numbers(gradient).par_chunks(sample))
                .zip(run::numbers(scale).par_chunks(width))
                .for_each(|((((of_input, (of_scale, of_shift)), input), gradient), scale)| {
                    let mut shares = vec![0.0; sample.div_ceil(ROWS * width) * 2 * width];
                    of_input
                        .par_chunks_mut(ROWS * width)
                        .with_min_len(run::pieces_a_task(ROWS * width))
                        .zip(shares.par_chunks_mut(2 * width))
                        .zip(input.par_chunks(ROWS * width))
                        .zip(gradient.par_chunks(ROWS * width))
                        .for_each(|(((of_input, share), input), gradient)| {
                            let (of_scale, of_shift) = share.split_at_mut(width);
                            let norm = *self;
                            run::dispatch(Back {
                                norm,
                                input,
                                gradient,
                                scale,
                                of_input,
                                of_scale,
                                of_shift,
                            });
                        });
                    let total = run::sum_of_chunks(&shares, 2 * width);
                    of_scale.copy_from_slice(&total[..width]);
                    of_shift.copy_from_slice(&total[width..]);
                });
        });
        [
            Some(run::tensor_like(of_input, input)),
            Some(run::tensor_like(of_scale, scale)),
            Some(run::tensor_like(of_shift, scale)),
        ]
    }

    fn is_cheap(&self) -> bool {
        true
    }
}

struct Forward<'a> {
    norm: RowNorm,
    input: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    output: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.scale.len();
        for (input, output) in self.input.chunks_exact(width).zip(self.output.chunks_exact_mut(width)) {
            let (mean, inverse) = self.norm.statistics(simd, input);
            let center = -mean * inverse;
            fill(
                simd,
                output,
                [input, self.scale, self.shift],
                #[inline(always)]
                |[x, scale, shift]| x.affine(inverse, center).mul_add(scale, shift),
            );
        }
    }
}

struct Back<'a> {
    norm: RowNorm,
    input: &'a [f32],
    gradient: &'a [f32],
    scale: &'a [f32],
    of_input: &'a mut [f32],
    of_scale: &'a mut [f32],
    of_shift: &'a mut [f32],
}

impl WithSimd for Back<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.scale.len();
        let rows = self.input.chunks_exact(width).zip(self.gradient.chunks_exact(width));
        for ((input, gradient), of_input) in rows.zip(self.of_input.chunks_exact_mut(width)) {
            let (mean, inverse) = self.norm.statistics(simd, input);
            let center = -mean * inverse;
            update(
                simd,
                self.of_scale,
                [input, gradient],
                #[inline(always)]
                |sum, [x, g]| g.mul_add(x.affine(inverse, center), sum),
            );
            update(
                simd,
                self.of_shift,
                [gradient],
                #[inline(always)]
                |sum, [g]| sum + g,
            );
            let plain = match self.norm {
                RowNorm::Layer => sum(
                    simd,
                    [gradient, self.scale],
                    #[inline(always)]
                    |[g, scale]| g * scale,
                ),
                RowNorm::Rms => 0.0,
            };
            let along = sum(
                simd,
                [gradient, self.scale, input],
                #[inline(always)]
                |[g, scale, x]| g * scale * x.affine(inverse, center),
            );
            let lowered = Lanes::splat(simd, -inverse * plain / width as f32);
            let tilted = Lanes::splat(simd, -inverse * along / width as f32);
            fill(
                simd,
                of_input,
                [gradient, self.scale, input],
                #[inline(always)]
                |[g, scale, x]| {
                    (g * scale).mul_add(g.all(inverse), x.affine(inverse, center).mul_add(tilted, lowered))
                },
            );
        }
    }
}

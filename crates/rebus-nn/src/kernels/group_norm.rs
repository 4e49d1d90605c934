//! Group norm with a scale and a shift for each sample and channel and an activation behind it: two passes over the
//! picture forward, three backward.

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    Activation,
    lanes::Lanes,
    op::{self, Kernel},
    rows::{fill, sum, update},
    run,
};

pub(super) const EPSILON: f32 = 1e-5;

/// `[batch, channels, height, width]`, scale and shift `[batch, channels]`, on the processor.
pub(super) fn group_norm(
    input: Tensor<4>,
    scale: Tensor<2>,
    shift: Tensor<2>,
    groups: usize,
    activation: Option<Activation>,
) -> Tensor<4> {
    let [batch, channels, ..] = input.dims();
    assert!(
        groups > 0 && channels.is_multiple_of(groups),
        "{groups} groups do not divide {channels} channels"
    );
    let sides = [scale.dims(), shift.dims()];
    assert_eq!(sides, [[batch, channels]; 2], "scale and shift of {batch} pictures of {channels} channels");
    op::apply3(GroupNorm { groups, activation }, input, scale, shift)
}

#[derive(Debug)]
struct GroupNorm {
    groups: usize,
    activation: Option<Activation>,
}

impl GroupNorm {
    /// Channels of a group, and numbers of a group of one sample.
    fn row(&self, input: &FlexTensor) -> (usize, usize) {
        let [_, channels, height, width] = run::sides(input);
        let per_group = channels / self.groups;
        (per_group, per_group * height * width)
    }
}

impl Kernel<3> for GroupNorm {
    fn forward(&self, [input, scale, shift]: [&FlexTensor; 3]) -> FlexTensor {
        let (per_group, row) = self.row(input);
        let numbers = run::numbers(input);
        let output = run::filled(numbers.len(), |output| {
            output
                .par_chunks_mut(row)
                .with_min_len(run::pieces_a_task(row))
                .zip(numbers.par_chunks(row))
                .zip(run::numbers(scale).par_chunks(per_group))
                .zip(run::numbers(shift).par_chunks(per_group))
                .for_each(|(((output, input), scale), shift)| {
                    run::dispatch(Forward { input, scale, shift, output, activation: self.activation });
                });
        });
        run::tensor_like(output, input)
    }

    fn backward(
        &self,
        [input, scale, shift]: [&FlexTensor; 3],
        gradient: &FlexTensor,
        _wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let (per_group, row) = self.row(input);
        let numbers = run::numbers(input);
        let mut of_scale = vec![0.0; run::numbers(scale).len()];
        let mut of_shift = of_scale.clone();
        let of_input = run::filled(numbers.len(), |of_input| {
            of_input
                .par_chunks_mut(row)
                .with_min_len(run::pieces_a_task(row))
                .zip(of_scale.par_chunks_mut(per_group))
                .zip(of_shift.par_chunks_mut(per_group))
                .zip(numbers.par_chunks(row))
                .zip(run::numbers(gradient).par_chunks(row))
                .zip(run::numbers(scale).par_chunks(per_group))
                .zip(run::numbers(shift).par_chunks(per_group))
                .for_each(|((((((of_input, of_scale), of_shift), input), gradient), scale), shift)| {
                    let gradients = Gradients { of_input, of_scale, of_shift };
                    run::dispatch(Back {
                        input,
                        gradient,
                        scale,
                        shift,
                        gradients,
                        activation: self.activation,
                    });
                });
        });
        [
            Some(run::tensor_like(of_input, input)),
            Some(run::tensor_like(of_scale, scale)),
            Some(run::tensor_like(of_shift, shift)),
        ]
    }

    fn is_cheap(&self) -> bool {
        true
    }
}

/// Mean and inverse deviation of a row.
#[inline(always)]
pub(super) fn statistics<S: Simd>(simd: S, row: &[f32]) -> (f32, f32) {
    let count = row.len() as f32;
    let mean = sum(
        simd,
        [row],
        #[inline(always)]
        |[x]| x,
    ) / count;
    let center = Lanes::splat(simd, mean);
    let variance = sum(
        simd,
        [row],
        #[inline(always)]
        |[x]| (x - center) * (x - center),
    ) / count;
    (mean, (variance + EPSILON).sqrt().recip())
}

/// One group of one sample.
struct Forward<'a> {
    input: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    output: &'a mut [f32],
    activation: Option<Activation>,
}

impl WithSimd for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (mean, inverse) = statistics(simd, self.input);
        let places = self.input.len() / self.scale.len();
        let channels = self.input.chunks_exact(places).zip(self.output.chunks_exact_mut(places));
        for ((input, output), (scale, shift)) in channels.zip(self.scale.iter().zip(self.shift)) {
            let (factor, offset) = (inverse * scale, shift - mean * inverse * scale);
            match self.activation {
                None => fill(
                    simd,
                    output,
                    [input],
                    #[inline(always)]
                    |[x]| x.affine(factor, offset),
                ),
                Some(activation) => fill(
                    simd,
                    output,
                    [input],
                    #[inline(always)]
                    |[x]| activation.value(x.affine(factor, offset)),
                ),
            }
        }
    }
}

struct Gradients<'a> {
    of_input: &'a mut [f32],
    of_scale: &'a mut [f32],
    of_shift: &'a mut [f32],
}

/// One group of one sample, back.
struct Back<'a> {
    input: &'a [f32],
    gradient: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    gradients: Gradients<'a>,
    activation: Option<Activation>,
}

impl WithSimd for Back<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { input, gradient, scale, shift, gradients, activation } = self;
        let (mean, inverse) = statistics(simd, input);
        let places = input.len() / scale.len();
        let center = -mean * inverse;

        // The gradient before the activation goes where the result will be; its sums are those of scale and shift.
        let (mut sum_plain, mut sum_normal) = (0.0, 0.0); // of the gradient by the normalised value, and times it
        for channel in 0..scale.len() {
            let range = channel * places..(channel + 1) * places;
            let (input, gradient) = (&input[range.clone()], &gradient[range.clone()]);
            let before = &mut gradients.of_input[range];
            match activation {
                None => before.copy_from_slice(gradient),
                Some(activation) => {
                    let factor = inverse * scale[channel];
                    let offset = shift[channel] - mean * factor;
                    fill(
                        simd,
                        before,
                        [input, gradient],
                        #[inline(always)]
                        |[x, gradient]| gradient * activation.slope(x.affine(factor, offset)),
                    );
                }
            }
            let before: &[f32] = before;
            let of_shift = sum(
                simd,
                [before],
                #[inline(always)]
                |[g]| g,
            );
            let of_scale = sum(
                simd,
                [before, input],
                #[inline(always)]
                |[g, x]| g * x.affine(inverse, center),
            );
            gradients.of_shift[channel] = of_shift;
            gradients.of_scale[channel] = of_scale;
            sum_plain += of_shift * scale[channel];
            sum_normal += of_scale * scale[channel];
        }

        // dx = inverse * (g * scale - mean(g * scale) - normal * mean(g * scale * normal))
        let count = input.len() as f32;
        let lowered = Lanes::splat(simd, -inverse * sum_plain / count);
        let tilted = Lanes::splat(simd, -inverse * sum_normal / count);
        let channels = gradients.of_input.chunks_exact_mut(places).zip(input.chunks_exact(places));
        for ((result, input), scale) in channels.zip(scale) {
            let factor = Lanes::splat(simd, inverse * scale);
            update(
                simd,
                result,
                [input],
                #[inline(always)]
                |g, [x]| g.mul_add(factor, x.affine(inverse, center).mul_add(tilted, lowered)),
            );
        }
    }
}

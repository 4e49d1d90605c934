//! Squares of equal pixels, and means over squares: each is the other's gradient up to a factor.

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use rayon::prelude::*;

use super::{
    op::{self, Kernel},
    run,
};

/// `[batch, channels, height, width]` on the processor, sides times `factor`.
pub(super) fn upsample_nearest(input: Tensor<4>, factor: usize) -> Tensor<4> {
    op::apply1(Upsample { factor }, input)
}

/// `[batch, channels, height, width]` on the processor, sides divided by `factor`.
pub(super) fn downsample_mean(input: Tensor<4>, factor: usize) -> Tensor<4> {
    let [_, _, height, width] = input.dims();
    let fits = factor > 0 && height.is_multiple_of(factor) && width.is_multiple_of(factor);
    assert!(fits, "{factor} does not divide {height}x{width} pixels");
    op::apply1(Downsample { factor }, input)
}

#[derive(Debug)]
struct Upsample {
    factor: usize,
}

#[derive(Debug)]
struct Downsample {
    factor: usize,
}

impl Kernel<1> for Upsample {
    fn forward(&self, [input]: [&FlexTensor; 1]) -> FlexTensor {
        spread(input, self.factor, 1.0)
    }

    fn backward(
        &self,
        _: [&FlexTensor; 1],
        gradient: &FlexTensor,
        [wanted]: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        [wanted.then(|| gather(gradient, self.factor, 1.0))]
    }

    fn is_cheap(&self) -> bool {
        true
    }
}

impl Kernel<1> for Downsample {
    fn forward(&self, [input]: [&FlexTensor; 1]) -> FlexTensor {
        gather(input, self.factor, share(self.factor))
    }

    fn backward(
        &self,
        _: [&FlexTensor; 1],
        gradient: &FlexTensor,
        [wanted]: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        [wanted.then(|| spread(gradient, self.factor, share(self.factor)))]
    }

    fn is_cheap(&self) -> bool {
        true
    }
}

/// What a pixel of a square counts in its mean.
fn share(factor: usize) -> f32 {
    1.0 / (factor * factor) as f32
}

/// Each pixel times `scale` becomes a square of them.
fn spread(input: &FlexTensor, factor: usize, scale: f32) -> FlexTensor {
    let [batch, channels, height, width] = run::sides(input);
    let sides = [batch, channels, height * factor, width * factor];
    let (line, wide) = (width.max(1), (width * factor * factor).max(1));
    let output = run::filled(sides.iter().product(), |output| {
        let lines = output.par_chunks_mut(wide).zip(run::numbers(input).par_chunks(line));
        lines.with_min_len(run::pieces_a_task(wide)).for_each(|(output, input)| match factor {
            2 => spread_line(input, output, 2, scale), // with a constant, the compiler knows what to do
            _ => spread_line(input, output, factor, scale),
        });
    });
    run::tensor(output, &sides)
}

#[inline(always)]
fn spread_line(input: &[f32], output: &mut [f32], factor: usize, scale: f32) {
    let (first, others) = output.split_at_mut(input.len() * factor);
    for (square, pixel) in first.chunks_exact_mut(factor).zip(input) {
        square.fill(pixel * scale);
    }
    others.chunks_exact_mut(first.len()).for_each(|line| line.copy_from_slice(first));
}

/// The sum over each square, times `scale`.
fn gather(input: &FlexTensor, factor: usize, scale: f32) -> FlexTensor {
    let [batch, channels, height, width] = run::sides(input);
    let sides = [batch, channels, height / factor, width / factor];
    let (line, wide) = ((width / factor).max(1), (width * factor).max(1));
    let output = run::filled(sides.iter().product(), |output| {
        let lines = output.par_chunks_mut(line).zip(run::numbers(input).par_chunks(wide));
        lines.with_min_len(run::pieces_a_task(wide)).for_each(|(output, input)| match factor {
            2 => gather_line(input, output, 2, scale),
            _ => gather_line(input, output, factor, scale),
        });
    });
    run::tensor(output, &sides)
}

#[inline(always)]
fn gather_line(input: &[f32], output: &mut [f32], factor: usize, scale: f32) {
    output.fill(0.0);
    for line in input.chunks_exact(output.len() * factor) {
        for (sum, square) in output.iter_mut().zip(line.chunks_exact(factor)) {
            *sum += square.iter().sum::<f32>();
        }
    }
    output.iter_mut().for_each(|sum| *sum *= scale);
}

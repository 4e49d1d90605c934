//! A branch added to the line that it left, by a gate for each sample and channel: the end of a block that is modulated
//! by time (Peebles and Xie 2023, section 3.2).

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    op::{self, Kernel},
    rows::{fill, update},
    run,
};

/// `[batch, length, width]` twice and a gate `[batch, width]`, on the processor.
pub(super) fn gated_add(line: Tensor<3>, branch: Tensor<3>, gate: Tensor<2>) -> Tensor<3> {
    let [batch, _, width] = line.dims();
    assert_eq!(branch.dims(), line.dims(), "a branch of another shape than its line");
    assert_eq!(gate.dims(), [batch, width], "a gate for {batch} samples of width {width}");
    op::apply3(GatedAdd, line, branch, gate)
}

#[derive(Debug)]
struct GatedAdd;

impl Kernel<3> for GatedAdd {
    fn forward(&self, [line, branch, gate]: [&FlexTensor; 3]) -> FlexTensor {
        let [_, length, width] = run::sides(line);
        let sample = length * width;
        let output = run::filled(run::numbers(line).len(), |output| {
            output
                .par_chunks_mut(sample)
                .with_min_len(run::pieces_a_task(sample))
                .zip(run::numbers(line).par_chunks(sample))
                .zip(run::numbers(branch).par_chunks(sample))
                .zip(run::numbers(gate).par_chunks(width))
                .for_each(|(((output, line), branch), gate)| {
                    run::dispatch(Forward { line, branch, gate, output });
                });
        });
        run::tensor_like(output, line)
    }

    fn backward(
        &self,
        [_, branch, gate]: [&FlexTensor; 3],
        gradient: &FlexTensor,
        _wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let [_, length, width] = run::sides(branch);
        let sample = length * width;
        let mut of_gate = vec![0.0; run::numbers(gate).len()];
        let of_branch = run::filled(run::numbers(branch).len(), |of_branch| {
            of_branch
                .par_chunks_mut(sample)
                .with_min_len(run::pieces_a_task(sample))
                .zip(run::numbers(branch).par_chunks(sample))
                .zip(run::numbers(gradient).par_chunks(sample))
                .zip(run::numbers(gate).par_chunks(width))
                .zip(of_gate.par_chunks_mut(width))
                .for_each(|((((of_branch, branch), gradient), gate), of_gate)| {
                    run::dispatch(Back { branch, gradient, gate, of_branch, of_gate });
                });
        });
        [
            Some(gradient.clone()),
            Some(run::tensor_like(of_branch, branch)),
            Some(run::tensor_like(of_gate, gate)),
        ]
    }
}

/// One sample.
struct Forward<'a> {
    line: &'a [f32],
    branch: &'a [f32],
    gate: &'a [f32],
    output: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.gate.len();
        let rows = self.line.chunks_exact(width).zip(self.branch.chunks_exact(width));
        for ((line, branch), output) in rows.zip(self.output.chunks_exact_mut(width)) {
            fill(
                simd,
                output,
                [line, branch, self.gate],
                #[inline(always)]
                |[line, branch, gate]| branch.mul_add(gate, line),
            );
        }
    }
}

/// One sample.
struct Back<'a> {
    branch: &'a [f32],
    gradient: &'a [f32],
    gate: &'a [f32],
    of_branch: &'a mut [f32],
    of_gate: &'a mut [f32],
}

impl WithSimd for Back<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.gate.len();
        let rows = self.branch.chunks_exact(width).zip(self.gradient.chunks_exact(width));
        for ((branch, gradient), of_branch) in rows.zip(self.of_branch.chunks_exact_mut(width)) {
            fill(
                simd,
                of_branch,
                [gradient, self.gate],
                #[inline(always)]
                |[g, gate]| g * gate,
            );
            update(
                simd,
                self.of_gate,
                [gradient, branch],
                #[inline(always)]
                |total, [g, branch]| g.mul_add(branch, total),
            );
        }
    }
}

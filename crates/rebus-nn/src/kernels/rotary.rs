//! Rotary positions (Su et al. 2021, equation 34): a turn of pairs of numbers, whose way back is the turn the other way.

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    op::{self, Kernel},
    rows::fill,
    run,
};

/// `[batch, length, width]` and angles `[length, head width / 2]`, on the processor.
pub(super) fn rotate(input: Tensor<3>, angles: Tensor<2>) -> Tensor<3> {
    let ([_, length, width], [places, half]) = (input.dims(), angles.dims());
    assert_eq!(places, length, "angles for {places} places of {length}");
    assert!(half > 0 && width.is_multiple_of(2 * half), "heads of {} do not divide {width}", 2 * half);
    let (cos, sin) = (angles.clone().cos(), angles.sin());
    op::apply3(Rotate, input, cos, sin)
}

#[derive(Debug)]
struct Rotate;

impl Kernel<3> for Rotate {
    fn forward(&self, [input, cos, sin]: [&FlexTensor; 3]) -> FlexTensor {
        turned(input, [cos, sin], 1.0)
    }

    fn backward(
        &self,
        [_, cos, sin]: [&FlexTensor; 3],
        gradient: &FlexTensor,
        _wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        [Some(turned(gradient, [cos, sin], -1.0)), None, None]
    }
}

fn turned(input: &FlexTensor, [cos, sin]: [&FlexTensor; 2], sign: f32) -> FlexTensor {
    let ([_, length, width], [_, half]) = (run::sides(input), run::sides::<2>(cos));
    let (cos, sin) = (run::numbers(cos), run::numbers(sin));
    let output = run::filled(run::numbers(input).len(), |output| {
        output
            .par_chunks_mut(width)
            .with_min_len(run::pieces_a_task(width))
            .zip(run::numbers(input).par_chunks(width))
            .enumerate()
            .for_each(|(row, (output, input))| {
                let place = row % length * half..(row % length + 1) * half;
                run::dispatch(Turn { input, cos: &cos[place.clone()], sin: &sin[place], sign, output });
            });
    });
    run::tensor_like(output, input)
}

/// One place of one sample.
struct Turn<'a> {
    input: &'a [f32],
    cos: &'a [f32],
    sin: &'a [f32],
    /// -1 turns the other way.
    sign: f32,
    output: &'a mut [f32],
}

impl WithSimd for Turn<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { cos, sin, sign, .. } = self;
        let half = cos.len();
        for (input, output) in self.input.chunks_exact(2 * half).zip(self.output.chunks_exact_mut(2 * half)) {
            let ((first, second), (to_first, to_second)) = (input.split_at(half), output.split_at_mut(half));
            fill(
                simd,
                to_first,
                [first, second, cos, sin],
                #[inline(always)]
                |[first, second, cos, sin]| first * cos - second * (sin * sign),
            );
            fill(
                simd,
                to_second,
                [first, second, cos, sin],
                #[inline(always)]
                |[first, second, cos, sin]| first * (sin * sign) + second * cos,
            );
        }
    }
}

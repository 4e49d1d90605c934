//! A linear layer on flat rows, whose results are not copied.

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    PackedWeight,
    affine::{self, Affine},
    bf16,
    matrix::{Matrix, MatrixMut, multiply_large},
    rows::update,
    run,
};

/// `[rows, d_input]`, `[d_input, d_output]`, `[d_output]`, on the processor. A weight in bf16 is laid out once, and kept.
pub(super) fn linear(
    input: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    packed: &PackedWeight,
) -> Tensor<2> {
    let ([_, inner], [rows, out]) = (input.dims(), weight.dims());
    assert_eq!(inner, rows, "a weight for rows of {inner}");
    assert!(bias.iter().all(|bias| bias.dims() == [out]), "a bias for {out} numbers");
    affine::apply(Linear(packed.clone()), input, weight, bias)
}

#[derive(Debug)]
struct Linear(PackedWeight);

/// `left right`
fn product(left: Matrix<'_>, right: Matrix<'_>, [rows, columns]: [usize; 2]) -> Vec<f32> {
    run::filled(rows * columns, |output| {
        multiply_large(left, right, MatrixMut::new(output, rows, columns, columns));
    })
}

fn matrix(tensor: &FlexTensor) -> Matrix<'_> {
    let [rows, columns] = run::sides(tensor);
    Matrix::new(run::numbers(tensor), rows, columns, columns)
}

impl Affine for Linear {
    fn output(&self, input: &FlexTensor, weight: &FlexTensor, bias: &[f32]) -> FlexTensor {
        let ([rows, _], [_, columns]) = (run::sides(input), run::sides(weight));
        let sides = [rows, columns];
        let mut output = match run::halves(weight) {
            Some(halves) => {
                let weight = self.0.of(weight, || bf16::Right::new(halves, columns));
                bf16::multiply_large(
                    &bf16::Left::new(run::numbers(input), run::sides::<2>(input)[1]),
                    &weight,
                )
            }
            None => product(matrix(input), matrix(weight), sides),
        };
        if !bias.is_empty() {
            // After the product: added to it from the start, it would be rounded otherwise for one row than for many.
            output
                .par_chunks_mut(ROWS * columns)
                .with_min_len(run::pieces_a_task(ROWS * columns))
                .for_each(|rows| run::dispatch(AddBias { rows, bias }));
        }
        run::tensor(output, &sides)
    }

    fn gradients(
        &self,
        input: &FlexTensor,
        weight: &FlexTensor,
        gradient: &FlexTensor,
        [of_input, of_weight]: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let (input_sides, weight_sides) = (run::sides(input), run::sides(weight));
        let gradient = matrix(gradient);
        [
            of_input.then(|| {
                run::tensor(product(gradient, matrix(weight).transposed(), input_sides), &input_sides)
            }),
            of_weight.then(|| {
                run::tensor(product(matrix(input).transposed(), gradient, weight_sides), &weight_sides)
            }),
        ]
    }

    fn gradient_of_bias(&self, gradient: &FlexTensor) -> FlexTensor {
        sum_of_rows(gradient)
    }
}

/// Rows whose sum is one share: the same on any number of threads.
const ROWS: usize = 128;

/// `[columns]`: the sum over rows.
fn sum_of_rows(gradient: &FlexTensor) -> FlexTensor {
    let [rows, columns] = run::sides(gradient);
    let mut shares = vec![0.0; rows.div_ceil(ROWS) * columns];
    shares
        .par_chunks_mut(columns)
        .with_min_len(run::pieces_a_task(ROWS * columns))
        .zip(run::numbers(gradient).par_chunks(ROWS * columns))
        .for_each(|(share, rows)| run::dispatch(AddRows { rows, share }));
    run::tensor(run::sum_of_chunks(&shares, columns), &[columns])
}

struct AddBias<'a> {
    rows: &'a mut [f32],
    bias: &'a [f32],
}

impl WithSimd for AddBias<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for row in self.rows.chunks_exact_mut(self.bias.len()) {
            update(
                simd,
                row,
                [self.bias],
                #[inline(always)]
                |x, [bias]| x + bias,
            );
        }
    }
}

struct AddRows<'a> {
    rows: &'a [f32],
    share: &'a mut [f32],
}

impl WithSimd for AddRows<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for row in self.rows.chunks_exact(self.share.len()) {
            update(
                simd,
                self.share,
                [row],
                #[inline(always)]
                |sum, [x]| sum + x,
            );
        }
    }
}

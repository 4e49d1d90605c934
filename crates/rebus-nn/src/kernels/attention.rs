//! Attention head by head, without the scores of all heads in memory: each head's are made, used and dropped while they
//! are in the cache, and made again on the way back (as in FlashAttention, Dao et al. 2022, in one tile).

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    lanes::Lanes,
    matrix::{Matrix, MatrixMut, multiply},
    op::{self, Kernel},
    rows::{sum, update},
    run,
    softmax::softmax_row,
};

/// `[batch, length, width]`, `[batch, keys, 2 * width]` and a bias on the scores `[batch, keys]`, on the processor.
pub(super) fn attention(query: Tensor<3>, key_value: Tensor<3>, bias: Tensor<2>, heads: usize) -> Tensor<3> {
    let [batch, _, width] = query.dims();
    let [_, keys] = bias.dims();
    assert!(heads > 0 && width.is_multiple_of(heads), "{heads} heads do not divide a width of {width}");
    assert_eq!(key_value.dims(), [batch, keys, 2 * width], "keys and values for {batch} queries of {width}");
    assert_eq!(bias.dims(), [batch, keys], "a bias for {batch} times {keys} keys");
    op::apply3(Attention { heads }, query, key_value, bias)
}

#[derive(Debug)]
struct Attention {
    heads: usize,
}

/// One sample of the batch.
struct Sample<'a> {
    query: &'a [f32],
    key_value: &'a [f32],
    bias: &'a [f32],
    width: usize,
    heads: usize,
}

impl<'a> Sample<'a> {
    fn length(&self) -> usize {
        self.query.len() / self.width
    }

    fn keys(&self) -> usize {
        self.bias.len()
    }

    fn head_width(&self) -> usize {
        self.width / self.heads
    }

    /// What the products of queries and keys are multiplied by.
    fn scale(&self) -> f32 {
        (self.head_width() as f32).sqrt().recip()
    }

    /// `[length, head width]`
    fn query(&self, head: usize) -> Matrix<'a> {
        let [rows, columns] = [self.length(), self.head_width()];
        Matrix::new(&self.query[head * columns..], rows, columns, self.width)
    }

    /// `[keys, head width]`
    fn key(&self, head: usize) -> Matrix<'a> {
        let [rows, columns] = [self.keys(), self.head_width()];
        Matrix::new(&self.key_value[head * columns..], rows, columns, 2 * self.width)
    }

    /// `[keys, head width]`
    fn value(&self, head: usize) -> Matrix<'a> {
        let [rows, columns] = [self.keys(), self.head_width()];
        Matrix::new(&self.key_value[self.width + head * columns..], rows, columns, 2 * self.width)
    }

    /// The softmax of a head's scores, `[length, keys]`.
    fn weights(&self, head: usize, scores: &mut [f32]) {
        let (length, keys) = (self.length(), self.keys());
        let all = MatrixMut::new(scores, length, keys, keys);
        multiply(self.query(head), self.key(head).transposed(), all, self.scale());
        run::dispatch(Softmax { scores, bias: self.bias });
    }
}

impl Attention {
    fn samples<'a>(
        &self,
        query: &'a FlexTensor,
        key_value: &'a FlexTensor,
        bias: &'a FlexTensor,
    ) -> impl IndexedParallelIterator<Item = Sample<'a>> {
        let [_, length, width] = run::sides(query);
        let [_, keys] = run::sides(bias);
        let heads = self.heads;
        run::numbers(query)
            .par_chunks(length * width)
            .zip(run::numbers(key_value).par_chunks(keys * 2 * width))
            .zip(run::numbers(bias).par_chunks(keys))
            .map(move |((query, key_value), bias)| Sample { query, key_value, bias, width, heads })
    }
}

impl Kernel<3> for Attention {
    fn forward(&self, [query, key_value, bias]: [&FlexTensor; 3]) -> FlexTensor {
        let [_, length, width] = run::sides(query);
        let output = run::filled(run::numbers(query).len(), |output| {
            output.par_chunks_mut(length * width).zip(self.samples(query, key_value, bias)).for_each(
                |(output, sample)| {
                    let (keys, head_width) = (sample.keys(), sample.head_width());
                    let mut scores = vec![0.0; length * keys];
                    for head in 0..self.heads {
                        sample.weights(head, &mut scores);
                        let mixed =
                            MatrixMut::new(&mut output[head * head_width..], length, head_width, width);
                        multiply(Matrix::new(&scores, length, keys, keys), sample.value(head), mixed, 1.0);
                    }
                },
            );
        });
        run::tensor_like(output, query)
    }

    fn backward(
        &self,
        [query, key_value, bias]: [&FlexTensor; 3],
        gradient: &FlexTensor,
        _wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let [_, length, width] = run::sides(query);
        let [_, keys] = run::sides(bias);
        let mut of_query = vec![0.0; run::numbers(query).len()];
        let mut of_key_value = vec![0.0; run::numbers(key_value).len()];
        let mut of_bias = vec![0.0; run::numbers(bias).len()];
        of_query
            .par_chunks_mut(length * width)
            .zip(of_key_value.par_chunks_mut(keys * 2 * width))
            .zip(of_bias.par_chunks_mut(keys))
            .zip(run::numbers(gradient).par_chunks(length * width))
            .zip(self.samples(query, key_value, bias))
            .for_each(|((((of_query, of_key_value), of_bias), gradient), sample)| {
                let d = sample.head_width();
                let mut weights = vec![0.0; length * keys];
                let mut slopes = vec![0.0; length * keys];
                for head in 0..self.heads {
                    sample.weights(head, &mut weights);
                    let gradient = Matrix::new(&gradient[head * d..], length, d, width);
                    let of_weights = MatrixMut::new(&mut slopes, length, keys, keys);
                    multiply(gradient, sample.value(head).transposed(), of_weights, 1.0);
                    let weights_matrix = Matrix::new(&weights, length, keys, keys);
                    let of_value = MatrixMut::new(&mut of_key_value[width + head * d..], keys, d, 2 * width);
                    multiply(weights_matrix.transposed(), gradient, of_value, 1.0);

                    run::dispatch(SoftmaxBack { weights: &weights, slopes: &mut slopes, of_bias });
                    let slopes = Matrix::new(&slopes, length, keys, keys);
                    let of_query = MatrixMut::new(&mut of_query[head * d..], length, d, width);
                    multiply(slopes, sample.key(head), of_query, sample.scale());
                    let of_key = MatrixMut::new(&mut of_key_value[head * d..], keys, d, 2 * width);
                    multiply(slopes.transposed(), sample.query(head), of_key, sample.scale());
                }
            });
        [
            Some(run::tensor_like(of_query, query)),
            Some(run::tensor_like(of_key_value, key_value)),
            Some(run::tensor_like(of_bias, bias)),
        ]
    }
}

/// `softmax(scores + bias)` in place, row by row.
struct Softmax<'a> {
    scores: &'a mut [f32],
    bias: &'a [f32],
}

impl WithSimd for Softmax<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for row in self.scores.chunks_exact_mut(self.bias.len()) {
            update(
                simd,
                row,
                [self.bias],
                #[inline(always)]
                |score, [bias]| score + bias,
            );
            softmax_row(simd, row);
        }
    }
}

/// The gradient of the scores, in place of that of the weights; that of the bias is added up.
struct SoftmaxBack<'a> {
    weights: &'a [f32],
    slopes: &'a mut [f32],
    of_bias: &'a mut [f32],
}

impl WithSimd for SoftmaxBack<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let keys = self.of_bias.len();
        for (slopes, weights) in self.slopes.chunks_exact_mut(keys).zip(self.weights.chunks_exact(keys)) {
            let mean = Lanes::splat(
                simd,
                sum(
                    simd,
                    [&*slopes, weights],
                    #[inline(always)]
                    |[g, w]| g * w,
                ),
            );
            update(
                simd,
                slopes,
                [weights],
                #[inline(always)]
                |g, [w]| w * (g - mean),
            );
            update(
                simd,
                self.of_bias,
                [&*slopes],
                #[inline(always)]
                |total, [g]| total + g,
            );
        }
    }
}

//! Batch norm over the batch at hand. Mean and variance take two passes over it and are kept for the way back: three
//! passes forward in all, three back.

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use pulp::{Simd, WithSimd};

use super::{
    channels::Channels,
    lanes::Lanes,
    op::{self, Kernel},
    rows::{fill, sum},
    run,
};

/// `[batch, channels, places]`, scale and shift `[channels]`, on the processor: the output, and mean and variance of each
/// channel, which are no part of a graph.
pub(super) fn batch_norm(
    input: Tensor<3>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    epsilon: f64,
) -> (Tensor<3>, [Tensor<1>; 2]) {
    let [_, channels, _] = input.dims();
    assert_eq!([scale.dims(), shift.dims()], [[channels]; 2], "scale and shift of {channels} channels");
    let statistics: Tensor<2> = op::apply1(Statistics, input.clone().detach()); // [2, channels]
    let [mean, variance] = [0, 1].map(|row| statistics.clone().narrow(0, row, 1).reshape([channels]));
    let numbers = |tensor: &Tensor<1>| tensor.to_data().iter::<f32>().collect::<Vec<_>>();
    let inverse = |variance: f32| (f64::from(variance) + epsilon).sqrt().recip() as f32;
    let norm =
        BatchNorm { mean: numbers(&mean), inverse: numbers(&variance).into_iter().map(inverse).collect() };
    (op::apply3(norm, input, scale, shift), [mean, variance])
}

fn channels(input: &FlexTensor) -> Channels<'_> {
    let [_, count, places] = run::sides(input);
    Channels { numbers: run::numbers(input), count, places }
}

/// Mean and variance of each channel, `[2, channels]`.
#[derive(Debug)]
struct Statistics;

impl Kernel<1> for Statistics {
    fn forward(&self, [input]: [&FlexTensor; 1]) -> FlexTensor {
        let channels = channels(input);
        let count = channels.length() as f64;
        let moments = channels.each(|channel| {
            let mean = channels.total(channel, 0.0, false) / count;
            [mean, channels.total(channel, mean as f32, true) / count]
        });
        let rows = [0, 1].map(|row| moments.iter().map(move |moments| moments[row] as f32));
        run::tensor(rows.into_iter().flatten().collect(), &[2, channels.count])
    }

    fn backward(&self, _: [&FlexTensor; 1], _: &FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        [None] // they are of a tensor without a graph
    }
}

/// With each channel's mean and inverse deviation.
#[derive(Debug)]
struct BatchNorm {
    mean: Vec<f32>,
    inverse: Vec<f32>,
}

impl Kernel<3> for BatchNorm {
    fn forward(&self, [input, scale, shift]: [&FlexTensor; 3]) -> FlexTensor {
        let channels = channels(input);
        let (scale, shift) = (run::numbers(scale), run::numbers(shift));
        let output = channels.planes(|channel, range, output| {
            let (mean, shift) = (self.mean[channel], shift[channel]);
            let factor = self.inverse[channel] * scale[channel];
            run::dispatch(Line { input: &channels.numbers[range], mean, factor, shift, output });
        });
        run::tensor_like(output, input)
    }

    fn backward(
        &self,
        [input, scale, shift]: [&FlexTensor; 3],
        gradient: &FlexTensor,
        _wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let channels = channels(input);
        let (scales, gradients) = (run::numbers(scale), run::numbers(gradient));
        // For each channel the sums of the gradient by the normalised value, and of it times that value.
        let sums = channels.each(|channel| {
            let (mean, inverse) = (self.mean[channel], self.inverse[channel]);
            let mut sums = [0.0; 2];
            for range in channels.ranges(channel) {
                let (gradient, input) = (&gradients[range.clone()], &channels.numbers[range]);
                let of_plane = run::dispatch(Sums { gradient, input, mean, inverse });
                sums[0] += f64::from(of_plane[0]);
                sums[1] += f64::from(of_plane[1]);
            }
            sums
        });
        let count = channels.length() as f64;
        let of_input = channels.planes(|channel, range, output| {
            let (mean, inverse) = (self.mean[channel], self.inverse[channel]);
            let (gradient, input) = (&gradients[range.clone()], &channels.numbers[range]);
            let means = sums[channel].map(|sum| (sum / count) as f32);
            let scale = inverse * scales[channel];
            run::dispatch(Back { gradient, input, mean, inverse, means, scale, output });
        });
        let of_channels = |index: usize| sums.iter().map(|sums| sums[index] as f32).collect::<Vec<f32>>();
        [
            Some(run::tensor_like(of_input, input)),
            Some(run::tensor_like(of_channels(1), scale)),
            Some(run::tensor_like(of_channels(0), shift)),
        ]
    }

    fn is_cheap(&self) -> bool {
        true
    }
}

/// `(input - mean) * factor + shift`
struct Line<'a> {
    input: &'a [f32],
    mean: f32,
    factor: f32,
    shift: f32,
    output: &'a mut [f32],
}

impl WithSimd for Line<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mean = Lanes::splat(simd, self.mean);
        fill(
            simd,
            self.output,
            [self.input],
            #[inline(always)]
            |[x]| (x - mean).affine(self.factor, self.shift),
        );
    }
}

/// The sums of the gradient and of the gradient times the normalised value.
struct Sums<'a> {
    gradient: &'a [f32],
    input: &'a [f32],
    mean: f32,
    inverse: f32,
}

impl WithSimd for Sums<'_> {
    type Output = [f32; 2];
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f32; 2] {
        let mean = Lanes::splat(simd, self.mean);
        let plain = sum(
            simd,
            [self.gradient],
            #[inline(always)]
            |[g]| g,
        );
        let normal = sum(
            simd,
            [self.gradient, self.input],
            #[inline(always)]
            |[g, x]| g * ((x - mean) * self.inverse),
        );
        [plain, normal]
    }
}

/// `scale * (g - mean(g) - normal * mean(g * normal))`
struct Back<'a> {
    gradient: &'a [f32],
    input: &'a [f32],
    mean: f32,
    inverse: f32,
    means: [f32; 2],
    scale: f32,
    output: &'a mut [f32],
}

impl WithSimd for Back<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { gradient, input, mean, inverse, means: [plain, normal], scale, output } = self;
        let mean = Lanes::splat(simd, mean);
        let (lowered, tilted) = (Lanes::splat(simd, -plain), Lanes::splat(simd, -normal));
        fill(
            simd,
            output,
            [gradient, input],
            #[inline(always)]
            |[g, x]| (g + ((x - mean) * inverse).mul_add(tilted, lowered)) * scale,
        );
    }
}

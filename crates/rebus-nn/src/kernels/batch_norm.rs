//! Batch norm over the batch at hand: two passes over it forward, two back.

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
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
    let row = |index| statistics.clone().narrow(0, index, 1).reshape([channels]);
    (op::apply3(BatchNorm { epsilon }, input, scale, shift), [row(0), row(1)])
}

/// Mean and variance of each channel.
#[derive(Debug)]
struct Statistics;

impl Kernel<1> for Statistics {
    fn forward(&self, [input]: [&FlexTensor; 1]) -> FlexTensor {
        let channels = Channels::of(input);
        let statistics = channels.each(|channel| channels.moments(channel));
        let rows = [0, 1].map(|row| statistics.iter().map(move |moments| moments[row] as f32));
        run::tensor(rows.into_iter().flatten().collect(), &[2, channels.count])
    }

    fn backward(&self, _: [&FlexTensor; 1], _: &FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        [None] // they are of a tensor without a graph
    }
}

#[derive(Debug)]
struct BatchNorm {
    epsilon: f64,
}

impl Kernel<3> for BatchNorm {
    fn forward(&self, [input, scale, shift]: [&FlexTensor; 3]) -> FlexTensor {
        let channels = Channels::of(input);
        let (scale, shift) = (run::numbers(scale), run::numbers(shift));
        let lines = channels.each(|channel| {
            let [mean, inverse] = self.normal(channels.moments(channel));
            [mean, inverse * scale[channel]]
        });
        let output = channels.planes(|channel, range, output| {
            let ([mean, factor], shift) = (lines[channel], shift[channel]);
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
        let channels = Channels::of(input);
        let (scales, gradients) = (run::numbers(scale), run::numbers(gradient));
        let backs = channels.each(|channel| {
            let [mean, inverse] = self.normal(channels.moments(channel));
            let mut sums = [0.0; 2]; // of the gradient by the normalised value, and times it
            for range in channels.ranges(channel) {
                let (gradient, input) = (&gradients[range.clone()], &channels.numbers[range]);
                let of_plane = run::dispatch(Sums { gradient, input, mean, inverse });
                sums[0] += f64::from(of_plane[0]);
                sums[1] += f64::from(of_plane[1]);
            }
            ([mean, inverse], sums)
        });
        let count = channels.length() as f64;
        let of_input = channels.planes(|channel, range, output| {
            let ([mean, inverse], [plain, normal]) = backs[channel];
            let (gradient, input) = (&gradients[range.clone()], &channels.numbers[range]);
            let means = [(plain / count) as f32, (normal / count) as f32];
            let scale = inverse * scales[channel];
            run::dispatch(Back { gradient, input, mean, inverse, means, scale, output });
        });
        let of_channels =
            |index: usize| backs.iter().map(|(_, sums)| sums[index] as f32).collect::<Vec<f32>>();
        [
            Some(run::tensor_like(of_input, input)),
            Some(run::tensor_like(of_channels(1), scale)),
            Some(run::tensor_like(of_channels(0), shift)),
        ]
    }
}

impl BatchNorm {
    /// Mean and inverse deviation.
    fn normal(&self, [mean, variance]: [f64; 2]) -> [f32; 2] {
        [mean as f32, (variance + self.epsilon).sqrt().recip() as f32]
    }
}

/// `[batch][channel][place]`
#[derive(Clone, Copy)]
struct Channels<'a> {
    numbers: &'a [f32],
    count: usize,
    places: usize,
}

impl<'a> Channels<'a> {
    fn of(input: &'a FlexTensor) -> Self {
        let [_, count, places] = run::sides(input);
        Self { numbers: run::numbers(input), count, places }
    }

    /// Numbers of a channel.
    fn length(&self) -> usize {
        self.numbers.len() / self.count.max(1)
    }

    /// The planes of a channel.
    fn ranges(self, channel: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
        let starts = (channel * self.places..self.numbers.len()).step_by((self.count * self.places).max(1));
        starts.map(move |start| start..start + self.places)
    }

    /// `work` for each channel.
    fn each<T: Send>(&self, work: impl Fn(usize) -> T + Send + Sync) -> Vec<T> {
        let channels = (0..self.count).into_par_iter().with_min_len(run::pieces_a_task(self.length()));
        channels.map(work).collect()
    }

    /// New numbers, plane by plane: `work` is given a plane's channel, where it lies, and room for it.
    fn planes(&self, work: impl Fn(usize, std::ops::Range<usize>, &mut [f32]) + Sync) -> Vec<f32> {
        let places = self.places.max(1);
        run::filled(self.numbers.len(), |output| {
            let planes = output.par_chunks_mut(places).with_min_len(run::pieces_a_task(places)).enumerate();
            planes.for_each(|(plane, output)| {
                work(plane % self.count, plane * places..(plane + 1) * places, output);
            });
        })
    }

    /// Mean and variance of a channel; the planes' sums are added up in 64 bits.
    fn moments(&self, channel: usize) -> [f64; 2] {
        let count = self.length() as f64;
        let total = |center: f64, squared: bool| {
            let sum = |range| {
                let plane = &self.numbers[range];
                f64::from(run::dispatch(Moment { plane, center: center as f32, squared }))
            };
            self.ranges(channel).map(sum).sum::<f64>()
        };
        let mean = total(0.0, false) / count;
        [mean, total(mean, true) / count]
    }
}

/// The sum of the distances from a number, or of their squares.
struct Moment<'a> {
    plane: &'a [f32],
    center: f32,
    squared: bool,
}

impl WithSimd for Moment<'_> {
    type Output = f32;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let center = Lanes::splat(simd, self.center);
        if self.squared {
            return sum(
                simd,
                [self.plane],
                #[inline(always)]
                |[x]| (x - center) * (x - center),
            );
        }
        sum(
            simd,
            [self.plane],
            #[inline(always)]
            |[x]| x - center,
        )
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

//! 3x3 convolution with stride 1 and one zero around, by Winograd's F(4x4, 3x3).
//!
//! Pictures are cut into tiles of 4x4 outputs. A block of tiles is transformed, multiplied by the transformed kernels,
//! one product of matrices for each of the 36 points, and transformed back, while it stays in the cache. Lanes hold
//! tiles. A number of the result depends on nothing but its own inputs and is summed in one order, so that neither the
//! batch nor the threads change a bit of it.

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    channels::sum_of_planes,
    conv3x3_weight::gradient_of_weight,
    lanes::Lanes,
    matrix::{self, VECTORS},
    op::{self, Kernel},
    run,
    tiles::{MOST_LANES, PAD, Tile, Tiles, lanes_of},
    winograd::{Input, Output, PATCH, POINTS, TILE, Transform, Weight},
};

/// `[batch, channels_in, height, width]`, `[channels_out, channels_in, 3, 3]`, `[channels_out]`, on the processor.
pub(super) fn conv3x3(input: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
    let ([_, channels, ..], [out, channels_in, rows, columns]) = (input.dims(), weight.dims());
    assert_eq!([channels_in, rows, columns], [channels, 3, 3], "a 3x3 kernel for {channels} channels");
    assert!(bias.iter().all(|bias| bias.dims() == [out]), "a bias for {out} channels");
    match bias {
        Some(bias) => op::apply3(Conv3x3, input, weight, bias),
        None => op::apply2(Conv3x3, input, weight),
    }
}

#[derive(Debug)]
struct Conv3x3;

impl Kernel<2> for Conv3x3 {
    fn forward(&self, [input, weight]: [&FlexTensor; 2]) -> FlexTensor {
        convolve(input, weight, &[], Taps::AsTheyStand)
    }

    fn backward(
        &self,
        [input, weight]: [&FlexTensor; 2],
        gradient: &FlexTensor,
        [of_input, of_weight]: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        [
            of_input.then(|| convolve(gradient, weight, &[], Taps::Turned)),
            of_weight.then(|| gradient_of_weight(input, gradient)),
        ]
    }
}

impl Kernel<3> for Conv3x3 {
    fn forward(&self, [input, weight, bias]: [&FlexTensor; 3]) -> FlexTensor {
        convolve(input, weight, run::numbers(bias), Taps::AsTheyStand)
    }

    fn backward(
        &self,
        [input, weight, _]: [&FlexTensor; 3],
        gradient: &FlexTensor,
        [of_input, of_weight, of_bias]: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let [of_input, of_weight] = self.backward([input, weight], gradient, [of_input, of_weight]);
        [of_input, of_weight, of_bias.then(|| sum_of_planes(gradient))]
    }
}

/// How the kernel's taps are read.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Taps {
    /// From channels in to channels out.
    AsTheyStand,
    /// From channels out to channels in, turned by half a turn: the gradient of the input.
    Turned,
}

/// `bias` is empty or has a number a channel.
fn convolve(input: &FlexTensor, weight: &FlexTensor, bias: &[f32], taps: Taps) -> FlexTensor {
    let [batch, channels_in, height, width] = run::sides(input);
    let [first, second, ..]: [usize; 4] = run::sides(weight);
    let channels_out = if taps == Taps::Turned { second } else { first };
    let weights = run::dispatch(Pack { weight: run::numbers(weight), sides: [first, second], taps });

    let tiles = Tiles { height, width };
    let (picture_in, picture_out) = (channels_in * height * width, channels_out * height * width);
    let (pictures, channels) = share_out(batch, channels_out, tiles.count(), weights.lanes);
    let output = run::filled(batch * picture_out, |output| {
        let tasks = output
            .par_chunks_mut(pictures * picture_out)
            .zip(run::numbers(input).par_chunks(pictures * picture_in));
        tasks.for_each(|(output, input)| {
            // With several pictures a task has all channels.
            output.par_chunks_mut(pictures * channels * height * width).enumerate().for_each(
                |(share, output)| {
                    let stride = channels_in * VECTORS * weights.lanes + PAD;
                    run::filled(POINTS * stride, |transformed| {
                        let (weights, first) = (&weights, share * channels);
                        run::dispatch(Convolve { tiles, input, weights, bias, first, output, transformed });
                    });
                },
            );
        });
    });
    run::tensor(output, &[batch, channels_out, height, width])
}

/// How many pictures a task takes, all channels out of each; or, where there are fewer pictures than threads, one
/// picture and some of its channels.
fn share_out(batch: usize, channels_out: usize, tiles: usize, lanes: usize) -> (usize, usize) {
    let threads = rayon::current_num_threads();
    if batch < threads {
        let shares = threads.div_ceil(batch.max(1));
        return (1, channels_out.div_ceil(shares).next_multiple_of(lanes).min(channels_out));
    }
    // What a block costs with so many vectors of tiles in it: fewer use the processor less well.
    const COST: [usize; VECTORS + 1] = [0, 14, 22, 30];
    let block = VECTORS * lanes;
    let cost = |pictures: usize| {
        let tiles = pictures * tiles;
        let task = tiles / block * COST[VECTORS] + COST[(tiles % block).div_ceil(lanes)];
        batch.div_ceil(pictures).div_ceil(threads) * task
    };
    // Two tasks a thread at least, where there are as many pictures, so that none waits long for another.
    let most = (batch / (2 * threads)).clamp(1, block);
    let pictures = (1..=most).min_by_key(|pictures| cost(*pictures)).unwrap_or(1);
    (pictures, channels_out)
}

/// Kernels transformed: `[point][channels_out / lanes][channels_in][lanes]`, the last group filled up with zeros.
struct Packed {
    lanes: usize,
    channels_in: usize,
    numbers: Vec<f32>,
}

/// Transforms the kernels.
struct Pack<'a> {
    weight: &'a [f32],
    sides: [usize; 2],
    taps: Taps,
}

impl WithSimd for Pack<'_> {
    type Output = Packed;
    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> Packed {
        let lanes = S::F32_LANES;
        let [first, second] = self.sides;
        let (channels_out, channels_in) =
            if self.taps == Taps::Turned { (second, first) } else { (first, second) };
        let groups = channels_out.div_ceil(lanes);
        // Each group by itself, `[group][point][channels_in][lanes]`, since groups are what threads share out.
        let group = POINTS * (channels_in * lanes + PAD);
        let mut numbers = vec![0.0; groups * group];
        numbers.par_chunks_mut(group).enumerate().with_min_len(1).for_each(|(index, packed)| {
            let (weight, taps) = (self.weight, self.taps);
            run::dispatch(PackGroup { weight, sides: self.sides, taps, first: index * lanes, packed });
        });
        Packed { lanes, channels_in, numbers }
    }
}

struct PackGroup<'a> {
    weight: &'a [f32],
    sides: [usize; 2],
    taps: Taps,
    first: usize,
    packed: &'a mut [f32],
}

impl WithSimd for PackGroup<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::F32_LANES;
        let [first, second] = self.sides;
        let turned = self.taps == Taps::Turned;
        let (channels_out, channels_in) = if turned { (second, first) } else { (first, second) };
        let here = lanes.min(channels_out - self.first);
        let mut scratch = [0.0; 9 * MOST_LANES];
        for channel_in in 0..channels_in {
            for lane in 0..here {
                let channel_out = self.first + lane;
                let kernel = if turned {
                    channel_in * second + channel_out
                } else {
                    channel_out * second + channel_in
                };
                let kernel = &self.weight[kernel * 9..][..9];
                for (tap, value) in kernel.iter().enumerate() {
                    scratch[if turned { 8 - tap } else { tap } * lanes + lane] = *value;
                }
            }
            Weight::square(
                simd,
                #[inline(always)]
                |tap| lanes_of(simd, &scratch, tap),
                #[inline(always)]
                |point, value| {
                    value.store_whole(
                        &mut self.packed[point * (channels_in * lanes + PAD) + channel_in * lanes..],
                    )
                },
            );
        }
    }
}

/// Some pictures, and all of the channels out or some of one picture's.
struct Convolve<'a> {
    tiles: Tiles,
    input: &'a [f32],
    weights: &'a Packed,
    bias: &'a [f32],
    /// The first channel of `output`, a multiple of the lanes.
    first: usize,
    output: &'a mut [f32],
    /// Room for a block: `[point][channel in][tile]`.
    transformed: &'a mut [f32],
}

impl WithSimd for Convolve<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tiles, input, weights, bias, first, output, transformed } = self;
        let lanes = S::F32_LANES;
        let block = VECTORS * lanes;
        let plane = tiles.height * tiles.width;
        let channels_in = weights.channels_in;
        let pictures = input.len() / (channels_in * plane);
        let channels_out = output.len() / (pictures * plane);
        let groups = channels_out.div_ceil(lanes);
        let (weight_stride, stride) = (channels_in * lanes + PAD, channels_in * block + PAD);
        let weights = &weights.numbers[first / lanes * POINTS * weight_stride..];

        let mut products = vec![0.0; POINTS * lanes * block]; // [point][channel out of a group][tile]
        let all: Vec<Tile> = tiles.of(pictures).collect();
        for block_tiles in all.chunks(block) {
            for (vector, vector_tiles) in block_tiles.chunks(lanes).enumerate() {
                let mut scratch = [0.0; POINTS * MOST_LANES];
                for channel in 0..channels_in {
                    for (lane, tile) in vector_tiles.iter().enumerate() {
                        let plane = &input[(tile.picture * channels_in + channel) * plane..][..plane];
                        tiles.gather::<PATCH>(tile, plane, &mut scratch, lanes, lane);
                    }
                    let place = channel * block + vector * lanes;
                    Input::square(
                        simd,
                        #[inline(always)]
                        |place| lanes_of(simd, &scratch, place),
                        #[inline(always)]
                        |point, value| value.store_whole(&mut transformed[point * stride + place..]),
                    );
                }
            }
            let vectors = block_tiles.len().div_ceil(lanes);
            // Groups outermost: weights stream by once, and a group's products are turned into pictures in the cache.
            for group in 0..groups {
                for point in 0..POINTS {
                    let weights = &weights[(group * POINTS + point) * weight_stride..][..channels_in * lanes];
                    let transformed = &transformed[point * stride..][..channels_in * block];
                    let products = &mut products[point * lanes * block..][..lanes * block];
                    matrix::product(simd, vectors, weights, transformed, products);
                }
                for row in 0..lanes.min(channels_out - group * lanes) {
                    let channel = group * lanes + row;
                    let bias = Lanes::splat(simd, bias.get(first + channel).copied().unwrap_or(0.0));
                    for (vector, vector_tiles) in block_tiles.chunks(lanes).enumerate() {
                        let place = row * block + vector * lanes;
                        let mut scratch = [0.0; TILE * TILE * MOST_LANES];
                        Output::square(
                            simd,
                            #[inline(always)]
                            |point| Lanes::load_whole(simd, &products[point * lanes * block + place..]),
                            #[inline(always)]
                            |place, value| (value + bias).store_whole(&mut scratch[place * lanes..]),
                        );
                        for (lane, tile) in vector_tiles.iter().enumerate() {
                            let plane =
                                &mut output[(tile.picture * channels_out + channel) * plane..][..plane];
                            tiles.scatter(tile, plane, &scratch, lanes, lane);
                        }
                    }
                }
            }
        }
    }
}

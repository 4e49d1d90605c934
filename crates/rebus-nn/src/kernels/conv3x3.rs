//! 3x3 convolution with stride 1 and one zero around, by Winograd's F(4x4, 3x3) or F(2x2, 3x3).
//!
//! Pictures are cut into tiles of outputs. A block of tiles is transformed, multiplied by the transformed kernels,
//! one product of matrices for each point, and transformed back, while it stays in the cache. Lanes hold
//! tiles. A number of the result depends on nothing but its own inputs and is summed in one order, so that neither the
//! batch nor the threads change a bit of it.

use std::{borrow::Cow, marker::PhantomData, sync::Arc};

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use rayon::prelude::*;

use super::{
    Activation, PackedWeight,
    affine::{self, Affine},
    channels::sum_of_planes,
    conv3x3_block::{MultiplyBlock, TransformBlock, block, room},
    conv3x3_pack::{Taps, pack, pack_group},
    conv3x3_weight::gradient_of_weight,
    matrix::VECTORS,
    run,
    tiles::{Tile, Tiles},
    winograd::Winograd,
};

/// `[batch, channels_in, height, width]`, `[channels_out, channels_in, 3, 3]`, `[channels_out]`, on the processor. The
/// activation bends the output; the gradient does not go through it. With `kept`, transformed kernels are kept there.
pub(super) fn conv3x3<W: Winograd>(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    activation: Option<Activation>,
    kept: Option<PackedWeight>,
) -> Tensor<4> {
    let ([_, channels, ..], [out, channels_in, rows, columns]) = (input.dims(), weight.dims());
    assert_eq!([channels_in, rows, columns], [channels, 3, 3], "a 3x3 kernel for {channels} channels");
    assert!(bias.iter().all(|bias| bias.dims() == [out]), "a bias for {out} channels");
    affine::apply(Conv3x3::<W> { winograd: PhantomData, activation, kept }, input, weight, bias)
}

#[derive(Debug)]
struct Conv3x3<W> {
    winograd: PhantomData<W>,
    activation: Option<Activation>,
    kept: Option<PackedWeight>,
}

impl<W: Winograd> Affine for Conv3x3<W> {
    fn output(&self, input: &FlexTensor, weight: &FlexTensor, bias: &[f32]) -> FlexTensor {
        convolve::<W>(input, weight, bias, Taps::AsTheyStand, self.activation, self.kept.as_ref())
    }

    fn gradients(
        &self,
        input: &FlexTensor,
        weight: &FlexTensor,
        gradient: &FlexTensor,
        [of_input, of_weight]: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        [
            of_input.then(|| convolve::<W>(gradient, weight, &[], Taps::Turned, None, None)),
            of_weight.then(|| gradient_of_weight::<W>(input, gradient)),
        ]
    }

    fn gradient_of_bias(&self, gradient: &FlexTensor) -> FlexTensor {
        sum_of_planes(gradient)
    }
}

/// `bias` is empty or has a number a channel.
fn convolve<W: Winograd>(
    input: &FlexTensor,
    weight: &FlexTensor,
    bias: &[f32],
    taps: Taps,
    activation: Option<Activation>,
    kept: Option<&PackedWeight>,
) -> FlexTensor {
    let [batch, channels_in, height, width] = run::sides(input);
    let [first, second, ..]: [usize; 4] = run::sides(weight);
    let channels_out = if taps == Taps::Turned { second } else { first };
    let tiles = Tiles { height, width, side: W::TILE };
    let work = Work::<W> {
        winograd: PhantomData,
        batch,
        channels: [channels_in, channels_out],
        tiles,
        input: run::numbers(input),
        bias,
        activation,
        lanes: run::lanes(),
    };
    let packed = kept.map(|kept| kept.of(weight, || pack::<W>(&run::widened(weight), taps)));
    let output = if batch * tiles.count() <= FEW_BLOCKS * block(work.lanes) {
        work.by_channels(|index| match &packed {
            Some(packed) => Cow::Borrowed(packed.group(index)),
            None => Cow::Owned(pack_group::<W>(weight, taps, index)),
        })
    } else {
        let packed = packed.unwrap_or_else(|| Arc::new(pack::<W>(weight, taps)));
        work.by_pictures(|index| packed.group(index))
    };
    run::tensor(output, &[batch, channels_out, height, width])
}

/// Blocks of tiles up to which threads share out the channels: with so few of them, the kernels are most of the memory
/// that must be gone through.
const FEW_BLOCKS: usize = 4;

/// A convolution to do.
struct Work<'a, W> {
    winograd: PhantomData<W>,
    batch: usize,
    /// In and out.
    channels: [usize; 2],
    tiles: Tiles,
    input: &'a [f32],
    bias: &'a [f32],
    activation: Option<Activation>,
    lanes: usize,
}

impl<W: Winograd> Work<'_, W> {
    fn plane(&self) -> usize {
        self.tiles.height * self.tiles.width
    }

    /// The bias of a group of channels.
    fn bias(&self, group: usize) -> &[f32] {
        self.bias.chunks(self.lanes).nth(group).unwrap_or_default()
    }

    /// Threads share out the groups of channels; the kernels of a group are used as soon as they are transformed.
    fn by_channels<'w>(&self, weights: impl Fn(usize) -> Cow<'w, [f32]> + Sync) -> Vec<f32> {
        let &Self { batch, channels: [channels_in, channels_out], tiles, input, activation, lanes, .. } =
            self;
        let (plane, room, block) = (self.plane(), room::<W>(channels_in, lanes), block(lanes));
        let all: Vec<Tile> = tiles.of(batch).collect();
        let transformed = run::filled(all.len().div_ceil(block) * room, |transformed| {
            transformed.par_chunks_mut(room).zip(all.par_chunks(block)).for_each(|(transformed, block)| {
                run::dispatch(TransformBlock {
                    winograd: self.winograd,
                    tiles,
                    block,
                    channels_in,
                    input,
                    transformed,
                });
            });
        });
        let parts: Vec<Vec<f32>> = (0..channels_out.div_ceil(lanes))
            .into_par_iter()
            .with_max_len(1)
            .map(|group| {
                let (weights, bias) = (&*weights(group), self.bias(group));
                let count = lanes.min(channels_out - group * lanes);
                let mut products = vec![0.0; W::POINTS * lanes * block];
                run::filled(batch * count * plane, |output| {
                    for (transformed, block) in transformed.chunks(room).zip(all.chunks(block)) {
                        run::dispatch(MultiplyBlock {
                            winograd: self.winograd,
                            tiles,
                            block,
                            channels_in,
                            transformed,
                            weights,
                            products: &mut products,
                            bias,
                            activation,
                            output,
                            channels: (count, 0, count),
                        });
                    }
                })
            })
            .collect();
        run::filled(batch * channels_out * plane, |output| {
            output.par_chunks_mut(channels_out * plane).enumerate().for_each(|(picture, output)| {
                for (output, part) in output.chunks_mut(lanes * plane).zip(&parts) {
                    output.copy_from_slice(&part[picture * output.len()..][..output.len()]);
                }
            });
        })
    }

    /// Threads share out the pictures; kernels stream by once a block.
    fn by_pictures<'w>(&self, weights: impl Fn(usize) -> &'w [f32] + Sync) -> Vec<f32> {
        let &Self { batch, channels: [channels_in, channels_out], tiles, input, activation, lanes, .. } =
            self;
        let plane = self.plane();
        let (pictures, channels) = share_out(batch, channels_out, tiles.count(), lanes);
        run::filled(batch * channels_out * plane, |output| {
            let tasks = output
                .par_chunks_mut(pictures * channels_out * plane)
                .zip(input.par_chunks(pictures * channels_in * plane));
            tasks.for_each(|(output, input)| {
                let all: Vec<Tile> = tiles.of(input.len() / (channels_in * plane)).collect();
                // With several pictures a task has all channels.
                let shares = output.par_chunks_mut(pictures * channels * plane).enumerate();
                shares.for_each(|(share, output)| {
                    let channels_out = channels.min(output.len() / plane);
                    let mut products = vec![0.0; W::POINTS * lanes * block(lanes)];
                    run::filled(room::<W>(channels_in, lanes), |transformed| {
                        for block in all.chunks(block(lanes)) {
                            run::dispatch(TransformBlock {
                                winograd: self.winograd,
                                tiles,
                                block,
                                channels_in,
                                input,
                                transformed,
                            });
                            for first in (0..channels_out).step_by(lanes) {
                                let group = (share * channels + first) / lanes;
                                run::dispatch(MultiplyBlock {
                                    winograd: self.winograd,
                                    tiles,
                                    block,
                                    channels_in,
                                    transformed,
                                    weights: weights(group),
                                    products: &mut products,
                                    bias: self.bias(group),
                                    activation,
                                    output,
                                    channels: (channels_out, first, lanes.min(channels_out - first)),
                                });
                            }
                        }
                    });
                });
            });
        })
    }
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

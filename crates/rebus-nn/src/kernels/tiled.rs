//! Convolutions in tiles, by Winograd's transforms.
//!
//! Pictures are cut into tiles of outputs. A block of tiles is transformed, multiplied by the transformed kernels,
//! one product of matrices for each point, and transformed back, while it stays in the cache. Lanes hold
//! tiles. A number of the result depends on nothing but its own inputs and is summed in one order, so that neither the
//! batch nor the threads change a bit of it.

use std::{borrow::Cow, marker::PhantomData, sync::Arc};

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use rayon::prelude::*;

use super::{
    Activation, Convolution, PackedWeight,
    affine::{self, Affine},
    channels::sum_of_planes,
    matrix::VECTORS,
    run,
    tiled_block::{MultiplyBlock, TransformBlock, block, room},
    tiled_pack::{inputs, pack, pack_group},
    tiled_plan::{Pass, Plan, Way},
    tiled_weight::gradient_of_weight,
    tiles::Tile,
    winograd::Winograd,
};

/// `[batch, channels_in, height, width]`, `[channels_out, channels_in, kernel, kernel]`, `[channels_out]`, on the processor. The
/// activation bends the output; the gradient does not go through it. With `kept`, transformed kernels are kept there.
pub(super) fn convolution<W: Winograd>(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    convolution: Convolution,
    kept: Option<PackedWeight>,
) -> Tensor<4> {
    let ([_, channels, height, width], [out, channels_in, rows, columns]) = (input.dims(), weight.dims());
    let Convolution { stride, before, after, .. } = convolution;
    assert_eq!(channels_in, channels, "a kernel for {channels} channels");
    assert!(bias.iter().all(|bias| bias.dims() == [out]), "a bias for {out} channels");
    let fits = rows <= height + before + after && columns <= width + before + after;
    assert!(
        fits && rows == columns && rows <= stride * W::KERNEL,
        "{rows}x{columns} taps at stride {stride} on {height}x{width} pixels"
    );
    affine::apply(Tiled::<W> { winograd: PhantomData, convolution, kept }, input, weight, bias)
}

#[derive(Debug)]
pub(super) struct Tiled<W> {
    winograd: PhantomData<W>,
    convolution: Convolution,
    kept: Option<PackedWeight>,
}

impl<W: Winograd> Affine for Tiled<W> {
    fn output(&self, input: &FlexTensor, weight: &FlexTensor, bias: &[f32]) -> FlexTensor {
        let plan = Plan::new(self.convolution, run::sides(input), weight, W::KERNEL);
        convolve::<W>(
            input,
            weight,
            bias,
            (plan, Way::Forward),
            self.convolution.activation,
            self.kept.as_ref(),
        )
    }

    fn gradients(
        &self,
        input: &FlexTensor,
        weight: &FlexTensor,
        gradient: &FlexTensor,
        [of_input, of_weight]: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let plan = Plan::new(self.convolution, run::sides(input), weight, W::KERNEL);
        [
            of_input.then(|| convolve::<W>(gradient, weight, &[], (plan, Way::Back), None, None)),
            of_weight.then(|| gradient_of_weight::<W>(input, gradient, &plan)),
        ]
    }

    fn gradient_of_bias(&self, gradient: &FlexTensor) -> FlexTensor {
        sum_of_planes(gradient)
    }
}

/// `bias` is empty or has a number a channel.
fn convolve<W: Winograd>(
    source: &FlexTensor,
    weight: &FlexTensor,
    bias: &[f32],
    (plan, way): (Plan, Way),
    activation: Option<Activation>,
    kept: Option<&PackedWeight>,
) -> FlexTensor {
    let work = Work::<W> {
        winograd: PhantomData,
        plan,
        way,
        passes: plan.passes(way, W::TILE),
        source: run::numbers(source),
        bias,
        activation,
        lanes: run::lanes(),
    };
    let packed = kept.map(|kept| kept.of(weight, || pack::<W>(&run::widened(weight), &plan, way)));
    let few = plan.batch * work.tiles() <= FEW_BLOCKS * block(work.lanes);
    let result = if few {
        work.by_channels(|pass, index| match &packed {
            Some(packed) => Cow::Borrowed(packed.group(pass, index)),
            None => Cow::Owned(pack_group::<W>(weight, &plan, way, pass, index)),
        })
    } else {
        let packed = packed.unwrap_or_else(|| Arc::new(pack::<W>(weight, &plan, way)));
        work.by_pictures(|pass, index| packed.group(pass, index))
    };
    run::tensor(result, &plan.shapes()[usize::from(way == Way::Forward)])
}

/// Blocks of tiles up to which threads share out the channels: with so few of them, the kernels are most of the memory
/// that must be gone through.
const FEW_BLOCKS: usize = 4;

/// A convolution to do.
struct Work<'a, W> {
    winograd: PhantomData<W>,
    plan: Plan,
    way: Way,
    passes: Vec<Pass>,
    source: &'a [f32],
    bias: &'a [f32],
    activation: Option<Activation>,
    lanes: usize,
}

impl<W: Winograd> Work<'_, W> {
    /// Tiles of a picture in the largest pass.
    fn tiles(&self) -> usize {
        self.passes.iter().map(|pass| pass.tiles.count()).max().unwrap_or(0)
    }

    /// The bias of a group of channels.
    fn bias(&self, group: usize) -> &[f32] {
        self.bias.chunks(self.lanes).nth(group).unwrap_or_default()
    }

    /// Threads share out the groups of channels; the kernels of a group are used as soon as they are transformed.
    fn by_channels<'w>(&self, weights: impl Fn(usize, usize) -> Cow<'w, [f32]> + Sync) -> Vec<f32> {
        let &Self { ref plan, way, source, activation, lanes, .. } = self;
        let ([channels, channels_out], [_, plane]) = (plan.channels(way), plan.planes(way));
        let (channels_in, block, batch) = (inputs(plan, way), block(lanes), plan.batch);
        let room = room::<W>(channels_in, lanes);
        let passes = self.passes.iter().map(|pass| {
            let all: Vec<Tile> = pass.tiles.of(batch).collect();
            let transformed = run::filled(all.len().div_ceil(block) * room, |transformed| {
                transformed.par_chunks_mut(room).zip(all.par_chunks(block)).for_each(
                    |(transformed, block)| {
                        let winograd = self.winograd;
                        run::dispatch(TransformBlock {
                            winograd,
                            pass,
                            block,
                            channels,
                            source,
                            transformed,
                        });
                    },
                );
            });
            (pass, all, transformed)
        });
        let passes: Vec<_> = passes.collect();
        let parts: Vec<Vec<f32>> = (0..channels_out.div_ceil(lanes))
            .into_par_iter()
            .with_max_len(1)
            .map(|group| {
                let bias = self.bias(group);
                let count = lanes.min(channels_out - group * lanes);
                let mut products = vec![0.0; W::POINTS * lanes * block];
                run::filled(batch * count * plane, |result| {
                    for (index, (pass, all, transformed)) in passes.iter().enumerate() {
                        let weights = &*weights(index, group);
                        for (transformed, block) in transformed.chunks(room).zip(all.chunks(block)) {
                            run::dispatch(MultiplyBlock {
                                winograd: self.winograd,
                                pass,
                                block,
                                channels_in,
                                transformed,
                                weights,
                                products: &mut products,
                                bias,
                                activation,
                                result,
                                channels: (count, 0, count),
                            });
                        }
                    }
                })
            })
            .collect();
        run::filled(batch * channels_out * plane, |result| {
            result.par_chunks_mut(channels_out * plane).enumerate().for_each(|(picture, result)| {
                for (result, part) in result.chunks_mut(lanes * plane).zip(&parts) {
                    result.copy_from_slice(&part[picture * result.len()..][..result.len()]);
                }
            });
        })
    }

    /// Threads share out the pictures; kernels stream by once a block.
    fn by_pictures<'w>(&self, weights: impl Fn(usize, usize) -> &'w [f32] + Sync) -> Vec<f32> {
        let &Self { ref plan, way, source, activation, lanes, .. } = self;
        let ([channels, channels_out], [plane_in, plane]) = (plan.channels(way), plan.planes(way));
        let channels_in = inputs(plan, way);
        let (pictures, share) = share_out(plan.batch, channels_out, self.tiles(), lanes);
        run::filled(plan.batch * channels_out * plane, |result| {
            let tasks = result
                .par_chunks_mut(pictures * channels_out * plane)
                .zip(source.par_chunks(pictures * channels * plane_in));
            tasks.for_each(|(result, source)| {
                let count = source.len() / (channels * plane_in);
                // With several pictures a task has all channels.
                let shares = result.par_chunks_mut(pictures * share * plane).enumerate();
                shares.for_each(|(index, result)| {
                    let channels_out = share.min(result.len() / plane);
                    let mut products = vec![0.0; W::POINTS * lanes * block(lanes)];
                    let transform = |transformed: &mut [f32]| {
                        for (number, pass) in self.passes.iter().enumerate() {
                            let all: Vec<Tile> = pass.tiles.of(count).collect();
                            for block in all.chunks(block(lanes)) {
                                run::dispatch(TransformBlock {
                                    winograd: self.winograd,
                                    pass,
                                    block,
                                    channels,
                                    source,
                                    transformed,
                                });
                                for first in (0..channels_out).step_by(lanes) {
                                    let group = (index * share + first) / lanes;
                                    run::dispatch(MultiplyBlock {
                                        winograd: self.winograd,
                                        pass,
                                        block,
                                        channels_in,
                                        transformed,
                                        weights: weights(number, group),
                                        products: &mut products,
                                        bias: self.bias(group),
                                        activation,
                                        result,
                                        channels: (channels_out, first, lanes.min(channels_out - first)),
                                    });
                                }
                            }
                        }
                    };
                    run::filled(room::<W>(channels_in, lanes), transform);
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

//! The gradient of a 3x3 convolution's kernels.
//!
//! The gradient of the kernels sums over tiles, and so lanes hold channels: input patches and gradient tiles are
//! transformed, and for each point their outer products are added up, tile by tile in their order, whatever
//! the threads.

use std::{marker::PhantomData, ops::Range};

use burn::backend::flex::FlexTensor;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    lanes::Lanes,
    matrix, run,
    tiles::{MOST_LANES, PAD, Tile, Tiles, lanes_of},
    winograd::{MOST_POINTS, Winograd},
};

/// Tiles whose products are summed before the next are transformed: enough to be worth the threads, few enough to
/// stay in the cache.
const ROUND: usize = 128;
/// Tiles that one task transforms.
const SHARE: usize = 16;

/// `[channels_out, channels_in, 3, 3]` from the input and the gradient of the output.
pub(super) fn gradient_of_weight<W: Winograd>(input: &FlexTensor, gradient: &FlexTensor) -> FlexTensor {
    let [batch, channels_in, height, width] = run::sides(input);
    let [_, channels_out, ..]: [usize; 4] = run::sides(gradient);
    let (input, gradient) = (run::numbers(input), run::numbers(gradient));
    let tiles = Tiles { height, width, side: W::TILE };
    let lanes = run::lanes();
    let (padded_in, padded_out) = (channels_in.next_multiple_of(lanes), channels_out.next_multiple_of(lanes));
    let all: Vec<Tile> = tiles.of(batch).collect();

    // [share][point][tile][channel]
    let [share_in, share_out] = [padded_in, padded_out].map(|padded| W::POINTS * (SHARE * padded + PAD));
    let shares = ROUND.min(all.len()).div_ceil(SHARE);
    let (mut of_input, mut of_gradient) = (vec![0.0; shares * share_in], vec![0.0; shares * share_out]);
    let transform = |round: &[Tile], of_input: &mut [f32], of_gradient: &mut [f32]| {
        of_input
            .par_chunks_mut(share_in)
            .zip(of_gradient.par_chunks_mut(share_out))
            .zip(round.par_chunks(SHARE))
            .for_each(|((of_input, of_gradient), share)| {
                run::dispatch(Squares::<W, false> {
                    winograd: PhantomData,
                    tiles,
                    share,
                    planes: input,
                    channels: channels_in,
                    transformed: of_input,
                });
                let (planes, channels) = (gradient, channels_out);
                run::dispatch(Squares::<W, true> {
                    winograd: PhantomData,
                    tiles,
                    share,
                    planes,
                    channels,
                    transformed: of_gradient,
                });
            });
    };
    // Adds up the products of a round at one point, for some channels out.
    let add = |round: &[Tile],
               (of_input, of_gradient): (&[f32], &[f32]),
               point: usize,
               channels: Range<usize>,
               sums: &mut [f32]| {
        let parts = round.chunks(SHARE).enumerate().map(|(index, share)| {
            let of_share = |padded: usize| {
                let start = (index * W::POINTS + point) * (SHARE * padded + PAD);
                start..start + share.len() * padded
            };
            (&of_gradient[of_share(padded_out)], &of_input[of_share(padded_in)])
        });
        let parts: Vec<_> = parts.collect();
        run::dispatch(matrix::AddOuter {
            parts: &parts,
            sums,
            rows: channels,
            stride: padded_out,
            columns: padded_in,
        });
    };
    let point_sums = |channels: usize| channels * padded_in + PAD;
    let mut of_weight = vec![0.0; channels_out * channels_in * 9];
    if all.len() <= ROUND {
        // With one round the sums of some channels are kernels at once, and never leave the cache.
        transform(&all, &mut of_input, &mut of_gradient);
        of_weight.par_chunks_mut(lanes * channels_in * 9).enumerate().with_max_len(1).for_each(
            |(group, kernels)| {
                // [point][channel out of the group][channel in]
                let mut sums = vec![0.0; W::POINTS * point_sums(lanes)];
                for (point, sums) in sums.chunks_exact_mut(point_sums(lanes)).enumerate() {
                    let channels = group * lanes..(group + 1) * lanes;
                    add(&all, (&of_input, &of_gradient), point, channels, sums);
                }
                for (channel, kernels) in kernels.chunks_exact_mut(channels_in * 9).enumerate() {
                    run::dispatch(Unpack::<W> {
                        winograd: PhantomData,
                        sums: &sums,
                        channel,
                        padded: [lanes, padded_in],
                        kernels,
                    });
                }
            },
        );
    } else {
        // [point][channel out][channel in]
        let mut sums = vec![0.0; W::POINTS * point_sums(padded_out)];
        for round in all.chunks(ROUND) {
            transform(round, &mut of_input, &mut of_gradient);
            sums.par_chunks_mut(point_sums(padded_out)).enumerate().for_each(|(point, sums)| {
                add(round, (&of_input, &of_gradient), point, 0..padded_out, sums);
            });
        }
        of_weight.par_chunks_mut(channels_in * 9).enumerate().for_each(|(channel, kernels)| {
            run::dispatch(Unpack::<W> {
                winograd: PhantomData,
                sums: &sums,
                channel,
                padded: [padded_out, padded_in],
                kernels,
            });
        });
    }
    run::tensor(of_weight, &[channels_out, channels_in, 3, 3])
}

/// Transforms squares around some tiles, with channels as lanes: the input's patches, or the gradient's tiles.
struct Squares<'a, W, const GRADIENT: bool> {
    winograd: PhantomData<W>,
    tiles: Tiles,
    share: &'a [Tile],
    planes: &'a [f32],
    channels: usize,
    transformed: &'a mut [f32],
}

impl<W: Winograd, const GRADIENT: bool> WithSimd for Squares<'_, W, GRADIENT> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tiles, share, planes, channels, transformed, .. } = self;
        by_channels::<S, W, GRADIENT>(simd, tiles, share, planes, channels, transformed);
    }
}

/// `[point][tile][channel]` of some tiles.
#[inline(always)]
fn by_channels<S: Simd, W: Winograd, const GRADIENT: bool>(
    simd: S,
    tiles: Tiles,
    share: &[Tile],
    planes: &[f32],
    channels: usize,
    transformed: &mut [f32],
) {
    let lanes = S::F32_LANES;
    let padded = channels.next_multiple_of(lanes);
    let plane = tiles.height * tiles.width;
    let side = if GRADIENT { W::TILE } else { W::PATCH };
    for (index, tile) in share.iter().enumerate() {
        let mut scratch = [0.0; MOST_POINTS * MOST_LANES];
        for first in (0..channels).step_by(lanes) {
            let here = lanes.min(channels - first);
            if here < lanes {
                scratch.fill(0.0);
            }
            for lane in 0..here {
                let plane = &planes[(tile.picture * channels + first + lane) * plane..][..plane];
                tiles.gather(side, tile, plane, &mut scratch, lanes, lane);
            }
            transform::<S, W, GRADIENT>(
                simd,
                #[inline(always)]
                |place| lanes_of(simd, &scratch, place),
                #[inline(always)]
                |point, value| {
                    value.store_whole(
                        &mut transformed[point * (SHARE * padded + PAD) + index * padded + first..],
                    )
                },
            );
        }
    }
}

#[inline(always)]
fn transform<S: Simd, W: Winograd, const GRADIENT: bool>(
    simd: S,
    load: impl Fn(usize) -> Lanes<S>,
    store: impl FnMut(usize, Lanes<S>),
) {
    if GRADIENT { W::output_adjoint(simd, load, store) } else { W::input(simd, load, store) }
}

/// Transforms the sums of one channel out back to kernels.
struct Unpack<'a, W> {
    winograd: PhantomData<W>,
    sums: &'a [f32],
    channel: usize,
    padded: [usize; 2],
    kernels: &'a mut [f32],
}

impl<W: Winograd> WithSimd for Unpack<'_, W> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::F32_LANES;
        let [padded_out, padded_in] = self.padded;
        for (group, kernels) in self.kernels.chunks_mut(9 * lanes).enumerate() {
            let place = self.channel * padded_in + group * lanes;
            let mut scratch = [0.0; 9 * MOST_LANES];
            W::weight_adjoint(
                simd,
                #[inline(always)]
                |point| Lanes::load_whole(simd, &self.sums[point * (padded_out * padded_in + PAD) + place..]),
                #[inline(always)]
                |tap, value| value.store_whole(&mut scratch[tap * lanes..]),
            );
            for (lane, kernel) in kernels.chunks_exact_mut(9).enumerate() {
                for (tap, value) in kernel.iter_mut().enumerate() {
                    *value = scratch[tap * lanes + lane];
                }
            }
        }
    }
}

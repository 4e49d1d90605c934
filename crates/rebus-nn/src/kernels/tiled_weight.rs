//! The gradient of the kernels of a convolution in tiles.
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
    tiled_plan::{MOST_PHASES, MOST_TAPS, Pass, Plan, Way},
    tiles::{Lattice, MOST_LANES, PAD, Tile, Tiles, lanes_of},
    winograd::{MOST_POINTS, Winograd},
};

/// Tiles whose products are summed before the next are transformed: enough to be worth the threads, few enough to
/// stay in the cache.
const ROUND: usize = 128;
/// Tiles that one task transforms.
const SHARE: usize = 16;

/// `[channels_out, channels_in, kernel, kernel]` from the input and the gradient of the output.
pub(super) fn gradient_of_weight<W: Winograd>(
    input: &FlexTensor,
    gradient: &FlexTensor,
    plan: &Plan,
) -> FlexTensor {
    let [channels, channels_out] = plan.channels;
    let (input, gradient) = (run::numbers(input), run::numbers(gradient));
    let (lanes, channels_in) = (run::lanes(), channels * plan.phases());
    // Forward there is one pass, and its output lies as the gradient does.
    let passes = plan.passes(Way::Forward, W::TILE);
    let Pass { inputs, output, tiles } = &passes[0];
    let outputs = [*output];
    let (padded_in, padded_out) = (channels_in.next_multiple_of(lanes), channels_out.next_multiple_of(lanes));
    let all: Vec<Tile> = tiles.of(plan.batch).collect();

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
                    lattices: inputs,
                    share,
                    planes: input,
                    channels,
                    transformed: of_input,
                });
                run::dispatch(Squares::<W, true> {
                    winograd: PhantomData,
                    lattices: &outputs,
                    share,
                    planes: gradient,
                    channels: channels_out,
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
    let kernels = channels * plan.taps();
    let mut of_weight = vec![0.0; channels_out * kernels];
    if all.len() <= ROUND {
        // With one round the sums of some channels are kernels at once, and never leave the cache.
        transform(&all, &mut of_input, &mut of_gradient);
        of_weight.par_chunks_mut(lanes * kernels).enumerate().with_max_len(1).for_each(
            |(group, of_weight)| {
                // [point][channel out of the group][channel in]
                let mut sums = vec![0.0; W::POINTS * point_sums(lanes)];
                for (point, sums) in sums.chunks_exact_mut(point_sums(lanes)).enumerate() {
                    let channels = group * lanes..(group + 1) * lanes;
                    add(&all, (&of_input, &of_gradient), point, channels, sums);
                }
                for (channel, kernels) in of_weight.chunks_exact_mut(kernels).enumerate() {
                    run::dispatch(Unpack::<W> {
                        winograd: PhantomData,
                        plan,
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
        of_weight.par_chunks_mut(kernels).enumerate().for_each(|(channel, kernels)| {
            run::dispatch(Unpack::<W> {
                winograd: PhantomData,
                plan,
                sums: &sums,
                channel,
                padded: [padded_out, padded_in],
                kernels,
            });
        });
    }
    let [kernel_rows, kernel_columns] = plan.kernel_sides();
    run::tensor(of_weight, &[channels_out, channels, kernel_rows, kernel_columns])
}

/// Transforms squares around some tiles, with channels as lanes: the input's patches, or the gradient's tiles.
struct Squares<'a, W, const GRADIENT: bool> {
    winograd: PhantomData<W>,
    /// Each channel of the planes is one on each lattice.
    lattices: &'a [Lattice],
    share: &'a [Tile],
    planes: &'a [f32],
    channels: usize,
    transformed: &'a mut [f32],
}

impl<W: Winograd, const GRADIENT: bool> WithSimd for Squares<'_, W, GRADIENT> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { lattices, share, planes, channels, transformed, .. } = self;
        by_channels::<S, W, GRADIENT>(simd, lattices, share, planes, channels, transformed);
    }
}

/// `[point][tile][channel]` of some tiles.
#[inline(always)]
fn by_channels<S: Simd, W: Winograd, const GRADIENT: bool>(
    simd: S,
    lattices: &[Lattice],
    share: &[Tile],
    planes: &[f32],
    channels: usize,
    transformed: &mut [f32],
) {
    let (lanes, kinds) = (S::F32_LANES, lattices.len());
    let all = channels * kinds;
    let padded = all.next_multiple_of(lanes);
    let plane = lattices[0].plane();
    let side = if GRADIENT { W::TILE } else { W::PATCH };
    for (index, tile) in share.iter().enumerate() {
        let mut scratch = [0.0; MOST_POINTS * MOST_LANES];
        for first in (0..all).step_by(lanes) {
            let here = lanes.min(all - first);
            // What lies outside stays as it is, so a lane must keep its lattice.
            if here < lanes || !lanes.is_multiple_of(kinds) {
                scratch.fill(0.0);
            }
            for lane in 0..here {
                let (channel, lattice) = ((first + lane) / kinds, lattices[(first + lane) % kinds]);
                let plane = &planes[(tile.picture * channels + channel) * plane..][..plane];
                Tiles::gather(side, lattice, tile, plane, &mut scratch, lanes, lane);
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
    plan: &'a Plan,
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
        let kinds = self.plan.phases();
        let mut taps = [[None; MOST_TAPS]; MOST_PHASES];
        for (kind, taps) in taps[..kinds].iter_mut().enumerate() {
            *taps = self.plan.small_taps(Way::Forward, 0, kind);
        }
        let all = self.plan.channels[0] * kinds;
        for first in (0..all).step_by(lanes) {
            let place = self.channel * padded_in + first;
            let mut scratch = [0.0; MOST_TAPS * MOST_LANES];
            W::weight_adjoint(
                simd,
                #[inline(always)]
                |point| Lanes::load_whole(simd, &self.sums[point * (padded_out * padded_in + PAD) + place..]),
                #[inline(always)]
                |tap, value| value.store_whole(&mut scratch[tap * lanes..]),
            );
            for lane in 0..lanes.min(all - first) {
                let (channel, taps) = ((first + lane) / kinds, &taps[(first + lane) % kinds]);
                let kernel = &mut self.kernels[channel * self.plan.taps()..][..self.plan.taps()];
                for (tap, place) in taps[..W::KERNEL * W::KERNEL].iter().enumerate() {
                    if let Some(place) = place {
                        kernel[*place] = scratch[tap * lanes + lane];
                    }
                }
            }
        }
    }
}

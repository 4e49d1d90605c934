//! The kernels of a 3x3 convolution, transformed for Winograd's products.

use std::marker::PhantomData;

use burn::backend::flex::FlexTensor;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    conv3x3_block, run,
    tiles::{MOST_LANES, PAD, lanes_of},
    winograd::Winograd,
};

/// How the kernel's taps are read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Taps {
    /// From channels in to channels out.
    AsTheyStand,
    /// From channels out to channels in, turned by half a turn: the gradient of the input.
    Turned,
}

impl Taps {
    /// Channels in and out.
    fn channels(self, weight: &FlexTensor) -> [usize; 2] {
        let [first, second, ..]: [usize; 4] = run::sides(weight);
        if self == Self::Turned { [first, second] } else { [second, first] }
    }
}

/// Kernels transformed, by groups of as many channels out as there are lanes: `[group][point][channels_in][lanes]`, the
/// last group filled up with zeros.
#[derive(Debug)]
pub(super) struct Packed<W> {
    winograd: PhantomData<W>,
    /// Numbers of a group.
    group: usize,
    numbers: Vec<f32>,
}

impl<W> Packed<W> {
    /// The kernels of one group.
    pub fn group(&self, index: usize) -> &[f32] {
        &self.numbers[index * self.group..][..self.group]
    }
}

/// The kernels `[first][second][3][3]`, transformed.
pub(super) fn pack<W: Winograd>(weight: &FlexTensor, taps: Taps) -> Packed<W> {
    let (lanes, [channels_in, channels_out]) = (run::lanes(), taps.channels(weight));
    let group = conv3x3_block::group::<W>(channels_in, lanes);
    let numbers = run::filled(channels_out.div_ceil(lanes) * group, |numbers| {
        numbers.par_chunks_mut(group).enumerate().for_each(|(index, packed)| {
            run::dispatch(PackGroup::<W> {
                winograd: PhantomData,
                weight,
                taps,
                first: index * lanes,
                packed,
            })
        });
    });
    Packed { winograd: PhantomData, group, numbers }
}

/// One group alone.
pub(super) fn pack_group<W: Winograd>(weight: &FlexTensor, taps: Taps, index: usize) -> Vec<f32> {
    let (lanes, [channels_in, _]) = (run::lanes(), taps.channels(weight));
    run::filled(conv3x3_block::group::<W>(channels_in, lanes), |packed| {
        run::dispatch(PackGroup::<W> { winograd: PhantomData, weight, taps, first: index * lanes, packed });
    })
}

struct PackGroup<'a, W> {
    winograd: PhantomData<W>,
    weight: &'a FlexTensor,
    taps: Taps,
    /// The first channel out.
    first: usize,
    packed: &'a mut [f32],
}

impl<W: Winograd> WithSimd for PackGroup<'_, W> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::F32_LANES;
        let (weight, [_, second, ..]): (_, [usize; 4]) = (run::numbers(self.weight), run::sides(self.weight));
        let turned = self.taps == Taps::Turned;
        let [channels_in, channels_out] = self.taps.channels(self.weight);
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
                let kernel = &weight[kernel * 9..][..9];
                for (tap, value) in kernel.iter().enumerate() {
                    scratch[if turned { 8 - tap } else { tap } * lanes + lane] = *value;
                }
            }
            W::weight(
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

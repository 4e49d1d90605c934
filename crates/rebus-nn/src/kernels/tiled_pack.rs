//! The kernels of a convolution in tiles, transformed for Winograd's products.

use std::marker::PhantomData;

use burn::backend::flex::FlexTensor;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    run, tiled_block,
    tiled_plan::{MOST_TAPS, Plan, Way},
    tiles::{MOST_LANES, PAD, lanes_of},
    winograd::Winograd,
};

/// Kernels transformed, by passes and groups of as many channels out as there are lanes: `[pass][group][point][input][lanes]`,
/// the last group filled up with zeros.
#[derive(Debug)]
pub(super) struct Packed<W> {
    winograd: PhantomData<W>,
    /// Numbers of a group.
    group: usize,
    groups: usize,
    numbers: Vec<f32>,
}

impl<W> Packed<W> {
    /// The kernels of one group.
    pub fn group(&self, pass: usize, index: usize) -> &[f32] {
        &self.numbers[(pass * self.groups + index) * self.group..][..self.group]
    }
}

/// The kernels `[channels_out][channels_in][kernel][kernel]`, transformed.
pub(super) fn pack<W: Winograd>(weight: &FlexTensor, plan: &Plan, way: Way) -> Packed<W> {
    let lanes = run::lanes();
    let (inputs, groups) = (inputs(plan, way), plan.channels(way)[1].div_ceil(lanes));
    let passes = if way == Way::Forward { 1 } else { plan.phases() };
    let group = tiled_block::group::<W>(inputs, lanes);
    let numbers = run::filled(passes * groups * group, |numbers| {
        numbers.par_chunks_mut(group).enumerate().for_each(|(index, packed)| {
            let (pass, group) = (index / groups, index % groups);
            run::dispatch(PackGroup::<W>::new(weight, plan, way, (pass, group * lanes), packed));
        });
    });
    Packed { winograd: PhantomData, group, groups, numbers }
}

/// One group alone.
pub(super) fn pack_group<W: Winograd>(
    weight: &FlexTensor,
    plan: &Plan,
    way: Way,
    pass: usize,
    index: usize,
) -> Vec<f32> {
    let lanes = run::lanes();
    run::filled(tiled_block::group::<W>(inputs(plan, way), lanes), |packed| {
        run::dispatch(PackGroup::<W>::new(weight, plan, way, (pass, index * lanes), packed));
    })
}

/// Inputs of a pass.
pub(super) fn inputs(plan: &Plan, way: Way) -> usize {
    plan.channels(way)[0] * plan.inputs_a_channel(way)
}

struct PackGroup<'a, W> {
    winograd: PhantomData<W>,
    weight: &'a [f32],
    plan: &'a Plan,
    way: Way,
    pass: usize,
    /// The first channel out.
    first: usize,
    packed: &'a mut [f32],
}

impl<'a, W> PackGroup<'a, W> {
    fn new(
        weight: &'a FlexTensor,
        plan: &'a Plan,
        way: Way,
        (pass, first): (usize, usize),
        packed: &'a mut [f32],
    ) -> Self {
        Self { winograd: PhantomData, weight: run::numbers(weight), plan, way, pass, first, packed }
    }
}

impl<W: Winograd> WithSimd for PackGroup<'_, W> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { plan, way, .. } = self;
        let (lanes, inputs) = (S::F32_LANES, inputs(plan, way));
        let here = lanes.min(plan.channels(way)[1] - self.first);
        for kind in 0..plan.inputs_a_channel(way) {
            let taps = plan.small_taps(way, self.pass, kind);
            let mut scratch = [0.0; MOST_TAPS * MOST_LANES];
            for input in (kind..inputs).step_by(plan.inputs_a_channel(way)) {
                for lane in 0..here {
                    let kernel = plan.kernel(way, input, self.first + lane);
                    let kernel = &self.weight[kernel..][..plan.taps()];
                    for (tap, place) in taps[..W::KERNEL * W::KERNEL].iter().enumerate() {
                        if let Some(place) = place {
                            scratch[tap * lanes + lane] = kernel[*place];
                        }
                    }
                }
                W::weight(
                    simd,
                    #[inline(always)]
                    |tap| lanes_of(simd, &scratch, tap),
                    #[inline(always)]
                    |point, value| {
                        value.store_whole(&mut self.packed[point * (inputs * lanes + PAD) + input * lanes..])
                    },
                );
            }
        }
    }
}

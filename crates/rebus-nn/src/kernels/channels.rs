//! Numbers `[batch][channel][place]`, seen channel by channel.

use std::ops::Range;

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::{run, sum::distances};

/// `[batch][channel][place]`
#[derive(Clone, Copy)]
pub(super) struct Channels<'a> {
    pub numbers: &'a [f32],
    pub count: usize,
    pub places: usize,
}

impl Channels<'_> {
    /// Numbers of a channel.
    pub fn length(&self) -> usize {
        self.numbers.len() / self.count.max(1)
    }

    /// The planes of a channel.
    pub fn ranges(self, channel: usize) -> impl Iterator<Item = Range<usize>> {
        let starts = (channel * self.places..self.numbers.len()).step_by((self.count * self.places).max(1));
        starts.map(move |start| start..start + self.places)
    }

    /// `work` for each channel.
    pub fn each<T: Send>(&self, work: impl Fn(usize) -> T + Send + Sync) -> Vec<T> {
        let channels = (0..self.count).into_par_iter().with_min_len(run::pieces_a_task(self.length()));
        channels.map(work).collect()
    }

    /// New numbers, plane by plane: `work` is given a plane's channel, where it lies, and room for it.
    pub fn planes(&self, work: impl Fn(usize, Range<usize>, &mut [f32]) + Sync) -> Vec<f32> {
        let places = self.places.max(1);
        run::filled(self.numbers.len(), |output| {
            let planes = output.par_chunks_mut(places).with_min_len(run::pieces_a_task(places)).enumerate();
            planes.for_each(|(plane, output)| {
                work(plane % self.count, plane * places..(plane + 1) * places, output);
            });
        })
    }

    /// The sum of a channel's distances from a number, or of their squares; planes are added up in 64 bits.
    pub fn total(&self, channel: usize, center: f32, squared: bool) -> f64 {
        let planes = self.ranges(channel).map(|range| distances(&self.numbers[range], center, squared));
        planes.map(f64::from).sum()
    }
}

/// `[channels]`: the sum of `[batch, channels, height, width]` over pictures and places.
pub(super) fn sum_of_planes(gradient: &FlexTensor) -> FlexTensor {
    let [_, count, height, width] = run::sides(gradient);
    let channels = Channels { numbers: run::numbers(gradient), count, places: height * width };
    run::tensor(channels.each(|channel| channels.total(channel, 0.0, false) as f32), &[count])
}

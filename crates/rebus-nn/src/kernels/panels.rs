//! The sides of a convolution's products in panels, `[panel][row][column]`, where columns are channels: weights on their
//! way there and back, and planes of pictures.

use burn::backend::flex::FlexTensor;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{Activation, convolution_plan::Pass, indirect::panel, lanes::Lanes, run, tiles::MOST_LANES};

/// Rows that go into lanes and back at once.
const ROWS: usize = 4;

/// Channels as columns of panels, as wide as an [`indirect`](super::indirect) product takes; the last is filled up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panels {
    pub channels: usize,
    /// Numbers of a row of a panel.
    pub width: usize,
    lanes: usize,
}

/// Which channels a panel holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panel {
    /// The first, and how many there are.
    pub first: usize,
    pub channels: usize,
    /// The channels filled up to whole vectors.
    pub columns: usize,
}

impl Panels {
    pub fn new(channels: usize) -> Self {
        let lanes = run::lanes();
        Self { channels, width: panel(lanes), lanes }
    }

    pub fn panel(self, index: usize) -> Panel {
        let first = index * self.width;
        let channels = (self.channels - first).min(self.width);
        Panel { first, channels, columns: channels.next_multiple_of(self.lanes) }
    }

    /// Numbers of a row of all panels.
    pub fn row(self) -> usize {
        self.channels.next_multiple_of(self.width)
    }

    /// One panel of some numbers in panels.
    pub fn of(self, numbers: &[f32], index: usize) -> &[f32] {
        let panel = numbers.len() / self.row() * self.width;
        &numbers[index * panel..][..panel]
    }
}

/// The weights of a pass, a row a step.
pub(super) fn pack(weight: &FlexTensor, pass: &Pass, panels: Panels) -> Vec<f32> {
    let (weight, rows) = (run::numbers(weight), pass.weights.len());
    run::filled(rows * panels.row(), |packed| {
        packed.par_chunks_mut(rows * panels.width).enumerate().for_each(|(index, packed)| {
            let Panel { first, channels, .. } = panels.panel(index);
            for (row, from) in packed.chunks_exact_mut(panels.width).zip(&pass.weights) {
                let (here, rest) = row.split_at_mut(channels);
                for (channel, number) in here.iter_mut().enumerate() {
                    *number = weight[from + (first + channel) * pass.column];
                }
                rest.fill(0.0);
            }
        });
    })
}

/// The way back from [`pack`], to weights that have all of a channel in a row.
pub(super) fn unpack(packed: &[f32], pass: &Pass, panels: Panels, weight: &mut [f32]) {
    weight.par_chunks_mut(panels.width * pass.column).enumerate().for_each(|(index, weight)| {
        let packed = panels.of(packed, index);
        for (row, to) in packed.chunks_exact(panels.width).zip(&pass.weights) {
            for (weight, number) in weight.chunks_exact_mut(pass.column).zip(row) {
                weight[*to] = *number;
            }
        }
    });
}

/// Planes `[channel][place]`, a row a place.
pub(super) fn rows_of(planes: &[f32], places: usize, panels: Panels) -> Vec<f32> {
    let mut rows = vec![0.0; places * panels.row()];
    rows.par_chunks_mut(places * panels.width).enumerate().for_each(|(index, rows)| {
        let Panel { first, channels, columns } = panels.panel(index);
        let planes = &planes[first * places..(first + channels) * places];
        run::dispatch(Take { planes, places, columns, width: panels.width, rows });
    });
    rows
}

/// The channel of each four numbers that [`ROWS`] rows of channels, one number behind the other from row to row, fall into.
/// Each instruction set has an order of its own.
#[inline(always)]
fn order<S: Simd>(simd: S) -> [usize; MOST_LANES] {
    let mut channels = [0.0; MOST_LANES];
    channels.iter_mut().enumerate().for_each(|(lane, channel)| *channel = lane as f32);
    let numbers = by_rows(simd, [Lanes::load_whole(simd, &channels).1; ROWS]);
    let mut order = [0; MOST_LANES];
    for (channel, number) in order.iter_mut().zip(numbers.chunks_exact(ROWS)) {
        *channel = number[0] as usize;
    }
    order
}

#[inline(always)]
fn by_rows<S: Simd>(simd: S, rows: [S::f32s; ROWS]) -> [f32; ROWS * MOST_LANES] {
    let mut numbers = [0.0; ROWS * MOST_LANES];
    for (numbers, vector) in numbers.chunks_exact_mut(S::F32_LANES).zip(simd.interleave_shfl_f32s(rows)) {
        Lanes(simd, vector).store_whole(numbers);
    }
    numbers
}

struct Take<'a> {
    planes: &'a [f32],
    places: usize,
    columns: usize,
    width: usize,
    rows: &'a mut [f32],
}

impl WithSimd for Take<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { planes, places, columns, width, rows } = self;
        let (lanes, order, channels) = (S::F32_LANES, order(simd), planes.len() / places);
        for (index, rows) in rows.chunks_mut(ROWS * width).enumerate() {
            let first = index * ROWS;
            for vector in (0..columns).step_by(lanes) {
                let mut numbers = [[0.0; ROWS]; MOST_LANES];
                for (numbers, channel) in numbers.iter_mut().zip(&order[..lanes]) {
                    if vector + channel < channels {
                        let line = &planes[(vector + channel) * places + first..];
                        // What stands behind the last place gets into no row.
                        match line.first_chunk::<ROWS>() {
                            Some(line) => *numbers = *line,
                            None => numbers.iter_mut().zip(line).for_each(|(number, pixel)| *number = *pixel),
                        }
                    }
                }
                let mut vectors = [simd.splat_f32s(0.0); ROWS];
                for (vector, numbers) in vectors.iter_mut().zip(numbers.as_flattened().chunks_exact(lanes)) {
                    *vector = Lanes::load_whole(simd, numbers).1;
                }
                let vectors = simd.deinterleave_shfl_f32s(vectors);
                for (row, value) in rows.chunks_exact_mut(width).zip(vectors) {
                    Lanes(simd, value).store_whole(&mut row[vector..]);
                }
            }
        }
    }
}

/// Rows of a panel onto planes, at a pixel each, with a bias and an activation.
pub(super) struct Put<'a> {
    /// `[row][width]`, of which so many columns are put.
    pub rows: &'a [f32],
    pub width: usize,
    pub columns: usize,
    pub pixels: &'a [usize],
    /// A number for each channel of the panel, or none.
    pub bias: &'a [f32],
    pub activation: Option<Activation>,
    /// `[channel][pixel]`
    pub planes: &'a mut [f32],
    /// Pixels of a plane.
    pub plane: usize,
}

impl WithSimd for Put<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { columns, width, bias, plane, .. } = self;
        let (lanes, order, channels) = (S::F32_LANES, order(simd), self.planes.len() / plane);
        for (rows, pixels) in self.rows.chunks(ROWS * width).zip(self.pixels.chunks(ROWS)) {
            let is_line = pixels.len() == ROWS && pixels[ROWS - 1] == pixels[0] + ROWS - 1;
            for vector in (0..columns).step_by(lanes) {
                let bias = Lanes::load(simd, bias.get(vector..).unwrap_or_default());
                let mut vectors = [simd.splat_f32s(0.0); ROWS];
                for (value, row) in vectors.iter_mut().zip(rows.chunks_exact(width)) {
                    let sum = Lanes::load_whole(simd, &row[vector..]) + bias;
                    *value = match self.activation {
                        Some(activation) => activation.value(sum).1,
                        None => sum.1,
                    };
                }
                let numbers = by_rows(simd, vectors);
                for (numbers, channel) in numbers.chunks_exact(ROWS).zip(&order[..lanes]) {
                    if vector + channel >= channels {
                        continue;
                    }
                    let plane = &mut self.planes[(vector + channel) * plane..][..plane];
                    if is_line {
                        plane[pixels[0]..pixels[0] + ROWS].copy_from_slice(numbers);
                    } else {
                        for (pixel, number) in pixels.iter().zip(numbers) {
                            plane[*pixel] = *number;
                        }
                    }
                }
            }
        }
    }
}

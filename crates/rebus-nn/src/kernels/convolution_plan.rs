//! Where a convolution's numbers lie: which pixels and which weights each number of a result is summed from.
//!
//! With a padded source every place of the result takes the same steps from a pixel of its own, so that two short lists
//! tell all: where the places begin, and where the steps lead. The adjoint with stride `s` falls into `s * s` such passes, one
//! for each of the phases in which the taps meet the pixels.

use std::borrow::Cow;

use burn::backend::flex::FlexTensor;

use super::{Convolution, run};

/// All sides of one convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub batch: usize,
    pub channels_in: usize,
    pub channels_out: usize,
    /// Height and width of the input.
    pub side_in: [usize; 2],
    /// Height and width of the output.
    pub side_out: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    stride: usize,
    before: usize,
}

/// A part of a result, each number of which is `sum over steps of source[starts[place] + steps[step]] * weight[weights[step] +
/// channel * column]`.
#[derive(Debug)]
pub(super) struct Pass {
    pub source: Padded,
    pub starts: Vec<usize>,
    pub steps: Vec<usize>,
    pub weights: Vec<usize>,
    pub column: usize,
    /// The pixel of each place on the result's plane.
    pub pixels: Vec<usize>,
    /// How many places lie side by side both in the source and in the result, if any do; they cover the plane then.
    pub line: Option<usize>,
}

/// Pictures with zeros around them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Padded {
    pub channels: usize,
    /// Height and width as they are.
    pub sides: [usize; 2],
    /// Zeros before each side.
    pub before: usize,
    /// Height and width with zeros, which may leave pixels out at the end.
    pub padded: [usize; 2],
}

impl Padded {
    /// Numbers of a picture without zeros.
    pub fn picture(self) -> usize {
        self.channels * self.sides[0] * self.sides[1]
    }

    /// One picture with them.
    pub fn pad(self, picture: &[f32]) -> Cow<'_, [f32]> {
        let Self { sides: [height, width], before, padded: [rows, columns], .. } = self;
        if (before, [height, width]) == (0, [rows, columns]) {
            return Cow::Borrowed(picture);
        }
        // Of wide margins the places may use no more than the zeros.
        let here = width.min(columns.saturating_sub(before));
        let mut padded = vec![0.0; self.channels * rows * columns];
        let planes = padded.chunks_exact_mut(rows * columns).zip(picture.chunks_exact(height * width));
        for (padded, plane) in planes {
            let lines = padded.chunks_exact_mut(columns).skip(before).zip(plane.chunks_exact(width));
            for (padded, line) in lines {
                if here > 0 {
                    padded[before..before + here].copy_from_slice(&line[..here]);
                }
            }
        }
        Cow::Owned(padded)
    }
}

/// One direction of a pass.
struct Line {
    /// How many places there are, and how many pixels of the source from one to the next.
    places: usize,
    stride: usize,
    /// How far a tap lies from its place's first pixel, and which it is.
    taps: Vec<(usize, usize)>,
    /// The pixel of the first place, and how many from one to the next.
    pixel: usize,
    pixel_stride: usize,
}

impl Shape {
    /// Of an input `[batch, channels_in, height, width]`.
    pub fn new(
        convolution: Convolution,
        [batch, channels_in, height, width]: [usize; 4],
        weight: &FlexTensor,
    ) -> Self {
        let Convolution { stride, before, after, .. } = convolution;
        let [channels_out, _, rows, columns] = run::sides(weight);
        let out = |side: usize, kernel: usize| (side + before + after - kernel) / stride + 1;
        Self {
            batch,
            channels_in,
            channels_out,
            side_in: [height, width],
            side_out: [out(height, rows), out(width, columns)],
            kernel: [rows, columns],
            stride,
            before,
        }
    }

    /// From the input to the output.
    pub fn forward(&self) -> Pass {
        let &Self { channels_in, side_in, side_out, kernel, stride, before, .. } = self;
        let line = |d: usize| Line {
            places: side_out[d],
            stride,
            taps: (0..kernel[d]).map(|tap| (tap, tap)).collect(),
            pixel: 0,
            pixel_stride: 1,
        };
        let padded = [0, 1].map(|d| (side_out[d] - 1) * stride + kernel[d]);
        let source = Padded { channels: channels_in, sides: side_in, before, padded };
        let taps = kernel[0] * kernel[1];
        self.pass(source, [line(0), line(1)], (taps, channels_in * taps), side_out[1])
    }

    /// From the output's gradient to the input's: the passes that have any taps, and whether they reach all pixels.
    pub fn back(&self) -> (Vec<Pass>, bool) {
        let &Self { channels_in, channels_out, side_in, side_out, kernel, stride, before, .. } = self;
        // Places before the first that a tap may ask for.
        let zeros = [0, 1].map(|d| kernel[d].div_ceil(stride) - 1);
        let zeros = zeros[0].max(zeros[1]);
        let padded = [0, 1].map(|d| zeros + side_out[d].max((side_in[d] + before - 1) / stride + 1));
        let source = Padded { channels: channels_out, sides: side_out, before: zeros, padded };
        // Pixel `i` and tap `t` meet at place `(i + before - t) / stride`, where that is whole.
        let line = |d: usize, phase: usize| {
            let pixel = (phase + stride - before % stride) % stride;
            let first = (pixel + before) / stride;
            Line {
                places: side_in[d].saturating_sub(pixel).div_ceil(stride),
                stride: 1,
                taps: (phase..kernel[d])
                    .step_by(stride)
                    .enumerate()
                    .map(|(back, tap)| (first + zeros - back, tap))
                    .collect(),
                pixel,
                pixel_stride: stride,
            }
        };
        let taps = kernel[0] * kernel[1];
        let phases = (0..stride).flat_map(|row| (0..stride).map(move |column| [row, column]));
        let passes: Vec<_> = phases
            .map(|[row, column]| {
                let lines = [line(0, row), line(1, column)];
                self.pass(source, lines, (channels_in * taps, taps), side_in[1])
            })
            .filter(|pass| !pass.steps.is_empty() && !pass.starts.is_empty())
            .collect();
        let reached: usize = passes.iter().map(|pass| pass.starts.len()).sum();
        (passes, reached == side_in[0] * side_in[1])
    }

    /// `weights` are the numbers of the weight from one channel of the source to the next, and of the result.
    fn pass(
        &self,
        source: Padded,
        [down, right]: [Line; 2],
        (weight, column): (usize, usize),
        width: usize,
    ) -> Pass {
        let [height_padded, width_padded] = source.padded;
        let places = || (0..down.places).flat_map(|row| (0..right.places).map(move |column| [row, column]));
        // How far a tap lies from a place's first pixel, and where it stands in the kernel.
        let taps: Vec<[usize; 2]> = (down.taps.iter())
            .flat_map(|row| right.taps.iter().map(move |column| [row, column]))
            .map(|[row, column]| [row.0 * width_padded + column.0, row.1 * self.kernel[1] + column.1])
            .collect();
        let of_channels = |which: usize, step: usize| {
            let channels = (0..source.channels).map(|channel| channel * step);
            channels.flat_map(|start| taps.iter().map(move |tap| start + tap[which])).collect()
        };
        let whole = width_padded == right.places && width == right.places;
        let line = match (down.stride, right.stride, right.pixel_stride) {
            (1, 1, 1) if whole => Some(down.places * right.places),
            (1, 1, 1) => Some(right.places),
            _ => None,
        };
        Pass {
            source,
            line,
            starts: places()
                .map(|[row, column]| row * down.stride * width_padded + column * right.stride)
                .collect(),
            steps: of_channels(0, height_padded * width_padded),
            weights: of_channels(1, weight),
            column,
            pixels: places()
                .map(|[row, column]| {
                    (down.pixel + row * down.pixel_stride) * width + right.pixel + column * right.pixel_stride
                })
                .collect(),
        }
    }
}

//! A convolution as a few of stride 1 with as small a kernel as Winograd's transforms know.
//!
//! With stride 1 it is one. With stride 2 the pixels of even and of odd rows and columns never meet the same taps: these are
//! the phases, and a kernel of 4x4 is the sum of four of 2x2, one on each phase of the input. On the way back each phase of
//! the input has a convolution of its own.

use burn::backend::flex::FlexTensor;

use super::{
    Convolution, run,
    tiles::{Lattice, Tiles},
};

/// Taps of the largest small kernel, and phases of the largest stride.
pub(super) const MOST_TAPS: usize = 9;
pub(super) const MOST_PHASES: usize = 4;

/// Which way the numbers go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the input to the output.
    Forward,
    /// From the output's gradient to the input's.
    Back,
}

/// All sides of a convolution in tiles.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub batch: usize,
    /// In and out.
    pub channels: [usize; 2],
    /// Height and width, in and out.
    sides: [[usize; 2]; 2],
    /// Taps of a side of the kernel, and of the small ones.
    kernel: [usize; 2],
    stride: usize,
    before: usize,
}

/// One convolution of stride 1.
#[derive(Debug)]
pub(super) struct Pass {
    /// Where its inputs lie: each channel of the source is one of them on each lattice.
    pub inputs: Vec<Lattice>,
    /// Where its outputs lie.
    pub output: Lattice,
    pub tiles: Tiles,
}

impl Plan {
    /// Of an input `[batch, channels_in, height, width]`, with small kernels of so many taps a side and tiles of this side.
    pub fn new(
        convolution: Convolution,
        [batch, channels_in, height, width]: [usize; 4],
        weight: &FlexTensor,
        small: usize,
    ) -> Self {
        let Convolution { stride, before, after, .. } = convolution;
        let [channels_out, _, kernel, _]: [usize; 4] = run::sides(weight);
        let out = |side: usize| (side + before + after - kernel) / stride + 1;
        Self {
            batch,
            channels: [channels_in, channels_out],
            sides: [[height, width], [out(height), out(width)]],
            kernel: [kernel, small],
            stride,
            before,
        }
    }

    /// Lattices of the input that do not meet, in one direction squared.
    pub fn phases(&self) -> usize {
        self.stride * self.stride
    }

    /// Taps of a whole kernel.
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[0]
    }

    /// Taps of the sides of a kernel.
    pub fn kernel_sides(&self) -> [usize; 2] {
        [self.kernel[0]; 2]
    }

    /// Numbers of a plane, of the source and of the result.
    pub fn planes(&self, way: Way) -> [usize; 2] {
        let [input, output] = self.sides.map(|[height, width]| height * width);
        if way == Way::Forward { [input, output] } else { [output, input] }
    }

    /// Channels of the source and of the result.
    pub fn channels(&self, way: Way) -> [usize; 2] {
        let [input, output] = self.channels;
        if way == Way::Forward { [input, output] } else { [output, input] }
    }

    /// Shape of the input and of the output.
    pub fn shapes(&self) -> [[usize; 4]; 2] {
        [0, 1].map(|end| [self.batch, self.channels[end], self.sides[end][0], self.sides[end][1]])
    }

    /// The convolutions of stride 1, whose results do not meet.
    pub fn passes(&self, way: Way, side: usize) -> Vec<Pass> {
        let [input, output] = self.sides;
        let phases = (0..self.phases()).map(|phase| [phase / self.stride, phase % self.stride]);
        let (step, before) = (self.stride as isize, self.before as isize);
        let whole = |sides| Lattice::new(sides, 1, [0, 0]);
        match way {
            Way::Forward => {
                let inputs =
                    phases.map(|phase| Lattice::new(input, step, phase.map(|p| p as isize - before)));
                let [height, width] = output;
                vec![Pass {
                    inputs: inputs.collect(),
                    output: whole(output),
                    tiles: Tiles { height, width, side },
                }]
            }
            Way::Back => phases
                .map(|phase| {
                    // The first place of the phase whose pixel is in the picture.
                    let first =
                        phase.map(|p| ((before - p as isize).max(0) as usize).div_ceil(self.stride) as isize);
                    let start = [0, 1].map(|d| first[d] * step + phase[d] as isize - before);
                    let back = first.map(|first| first - (self.kernel[1] as isize - 1));
                    let count =
                        [0, 1].map(|d| input[d].saturating_sub(start[d] as usize).div_ceil(self.stride));
                    let [height, width] = count;
                    Pass {
                        inputs: vec![Lattice::new(output, 1, back)],
                        output: Lattice::new(input, step, start),
                        tiles: Tiles { height, width, side },
                    }
                })
                .collect(),
        }
    }

    /// How many inputs a pass has for each channel of its source.
    pub fn inputs_a_channel(&self, way: Way) -> usize {
        if way == Way::Forward { self.phases() } else { 1 }
    }

    /// Where the small kernel from one input of a pass to one of its outputs stands in the weight: the kernel's first number.
    pub fn kernel(&self, way: Way, input: usize, output: usize) -> usize {
        let (channel_in, channel_out) = match way {
            Way::Forward => (input / self.phases(), output),
            Way::Back => (output, input),
        };
        (channel_out * self.channels[0] + channel_in) * self.taps()
    }

    /// Which numbers of the kernel are the taps of that small one; a tap past the kernel's edge is none.
    pub fn small_taps(&self, way: Way, pass: usize, input: usize) -> [Option<usize>; MOST_TAPS] {
        let [kernel, small] = self.kernel;
        let phase = if way == Way::Forward { input % self.phases() } else { pass };
        let phase = [phase / self.stride, phase % self.stride];
        let mut taps = [None; MOST_TAPS];
        for (tap, place) in taps.iter_mut().take(small * small).enumerate() {
            let at = [tap / small, tap % small];
            let [row, column] = [0, 1].map(|d| {
                let turned = if way == Way::Forward { at[d] } else { small - 1 - at[d] };
                turned * self.stride + phase[d]
            });
            *place = (row < kernel && column < kernel).then_some(row * kernel + column);
        }
        taps
    }
}

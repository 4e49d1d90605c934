//! Convolutions of any kernel, stride and padding, as products of matrices.
//!
//! A picture unfolded has a row for each tap of the kernel in each channel and a column for each place of the output
//! (Chellapilla et al. 2006). Few pictures at a time are unfolded side by side, so that a product has columns enough and
//! no batch is ever unfolded whole. How many depends on sizes, never on threads, and a number of the result is summed in
//! one order.

use std::{borrow::Cow, ops::Range};

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    Activation, Convolution,
    affine::{self, Affine},
    bf16,
    channels::sum_of_planes,
    lanes::Lanes,
    matrix::{Matrix, MatrixMut, multiply, multiply_add},
    rows::update,
    run,
};

/// Columns that make a product of matrices worth its packing.
const COLUMNS: usize = 256;
/// Numbers of unfolded pictures that the kernels' gradient multiplies at once: few enough to stay in the cache.
const UNFOLDED: usize = 64 * 1024;
/// Rows below which a product would use the processor badly.
const FEW_ROWS: usize = 24;
/// Parts of a batch whose shares of the kernels' gradient are summed apart, at the most.
const PARTS: usize = 16;
/// Numbers that these sums may have together.
const MOST_SUMS: usize = 4 * 1024 * 1024;

/// `[batch, channels_in, height, width]`, `[channels_out, channels_in, kernel, kernel]`, `[channels_out]`, on the
/// processor. The activation bends the output; the gradient does not go through it.
pub(super) fn convolution(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    convolution: Convolution,
) -> Tensor<4> {
    let ([_, channels, height, width], [out, channels_in, rows, columns]) = (input.dims(), weight.dims());
    let Convolution { stride, before, after, .. } = convolution;
    assert_eq!(channels_in, channels, "a kernel for {channels} channels");
    assert!(bias.iter().all(|bias| bias.dims() == [out]), "a bias for {out} channels");
    let fits = rows <= height + before + after && columns <= width + before + after;
    assert!(stride > 0 && fits, "{rows}x{columns} taps at stride {stride} on {height}x{width} pixels");
    affine::apply(convolution, input, weight, bias)
}

impl Affine for Convolution {
    fn output(&self, input: &FlexTensor, weight: &FlexTensor, bias: &[f32]) -> FlexTensor {
        Shape::new(*self, run::sides(input), weight).output(input, weight, bias, self.activation)
    }

    fn gradients(
        &self,
        input: &FlexTensor,
        weight: &FlexTensor,
        gradient: &FlexTensor,
        [of_input, of_weight]: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let shape = Shape::new(*self, run::sides(input), weight);
        [
            of_input.then(|| shape.gradient_of_input(weight, gradient)),
            of_weight.then(|| shape.gradient_of_weight(input, gradient)),
        ]
    }

    fn gradient_of_bias(&self, gradient: &FlexTensor) -> FlexTensor {
        sum_of_planes(gradient)
    }
}

/// All sides of one convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    batch: usize,
    channels_in: usize,
    channels_out: usize,
    /// Height and width of the input.
    side_in: [usize; 2],
    /// Height and width of the output.
    side_out: [usize; 2],
    /// Height and width of the kernel.
    kernel: [usize; 2],
    stride: usize,
    before: usize,
    /// Whether the picture is its own unfolding: one tap, everywhere.
    flat: bool,
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
            flat: (rows, columns, stride, before, after) == (1, 1, 1, 0, 0),
        }
    }

    /// Taps of one channel.
    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Pixels of a plane of the input.
    fn pixels(&self) -> usize {
        self.side_in[0] * self.side_in[1]
    }

    /// Places of a plane of the output.
    fn places(&self) -> usize {
        self.side_out[0] * self.side_out[1]
    }

    /// Numbers of one picture, in and out.
    fn picture(&self) -> [usize; 2] {
        [self.channels_in * self.pixels(), self.channels_out * self.places()]
    }

    /// How many pictures have `columns` places together.
    fn together(&self, columns: usize) -> usize {
        columns.div_ceil(self.places().max(1)).min(self.batch).max(1)
    }

    /// The kernels, a row a channel out.
    fn weight<'a>(&self, weight: &'a FlexTensor) -> Matrix<'a> {
        let rows = self.channels_in * self.taps();
        Matrix::new(run::numbers(weight), self.channels_out, rows, rows)
    }

    pub fn output(
        &self,
        input: &FlexTensor,
        weight: &FlexTensor,
        bias: &[f32],
        activation: Option<Activation>,
    ) -> FlexTensor {
        let ([picture_in, picture_out], places) = (self.picture(), self.places());
        let (together, inner) = (self.together(COLUMNS), self.channels_in * self.taps());
        let halves = run::halves(weight).map(|halves| bf16::Left::new(halves, inner));
        let output = run::filled(self.batch * picture_out, |output| {
            let tasks = output
                .par_chunks_mut(together * picture_out)
                .zip(run::numbers(input).par_chunks(together * picture_in));
            tasks.for_each(|(output, input)| {
                let pictures = input.len() / picture_in;
                let count = pictures * places;
                let unfolded = self.unfold(input, 0..self.channels_in);
                let product = |room: &mut [f32]| match &halves {
                    Some(weight) => bf16::multiply(weight, &bf16::Right::new(&unfolded, count), room),
                    None => {
                        let columns = Matrix::new(&unfolded, inner, count, count);
                        let room = MatrixMut::new(room, self.channels_out, count, count);
                        multiply(self.weight(weight), columns, room, 1.0);
                    }
                };
                if pictures == 1 {
                    product(output);
                } else {
                    let products = run::filled(self.channels_out * count, product);
                    swap(&products, [self.channels_out, pictures], output);
                }
                if !bias.is_empty() || activation.is_some() {
                    run::dispatch(Finish { output, places, bias, activation });
                }
            });
        });
        let [rows, columns] = self.side_out;
        run::tensor(output, &[self.batch, self.channels_out, rows, columns])
    }

    pub fn gradient_of_input(&self, weight: &FlexTensor, gradient: &FlexTensor) -> FlexTensor {
        let ([picture_in, picture_out], places) = (self.picture(), self.places());
        let (together, weight) = (self.together(COLUMNS), self.weight(weight).transposed());
        let rows = self.channels_in * self.taps();
        let of_input = run::filled(self.batch * picture_in, |of_input| {
            let tasks = of_input
                .par_chunks_mut(together * picture_in)
                .zip(run::numbers(gradient).par_chunks(together * picture_out));
            tasks.for_each(|(of_input, gradient)| {
                let pictures = gradient.len() / picture_out;
                let count = pictures * places;
                let gradient = swapped(gradient, [pictures, self.channels_out]);
                let gradient = Matrix::new(&gradient, self.channels_out, count, count);
                let product = |room: &mut [f32]| {
                    multiply(weight, gradient, MatrixMut::new(room, rows, count, count), 1.0);
                };
                if self.flat && pictures == 1 {
                    product(of_input);
                } else {
                    self.fold(&run::filled(rows * count, product), of_input);
                }
            });
        });
        let [height, width] = self.side_in;
        run::tensor(of_input, &[self.batch, self.channels_in, height, width])
    }

    pub fn gradient_of_weight(&self, input: &FlexTensor, gradient: &FlexTensor) -> FlexTensor {
        let ([picture_in, picture_out], places) = (self.picture(), self.places());
        let (input, gradient) = (run::numbers(input), run::numbers(gradient));
        let (together, rows) = (self.together(COLUMNS), self.channels_in * self.taps());
        let weights = self.channels_out * rows;
        // A task sums over a part of the batch, for a share of the channels in, and the parts are added up in their
        // order. How many there are depends on sizes alone.
        let part = self.batch.div_ceil((MOST_SUMS / weights.max(1)).clamp(1, PARTS));
        let share = (UNFOLDED / (together * places).max(1)).max(FEW_ROWS).div_ceil(self.taps());
        let share = share.min(self.channels_in).max(1);
        let shares: Vec<Range<usize>> = (0..self.channels_in)
            .step_by(share)
            .map(|first| first..(first + share).min(self.channels_in))
            .collect();
        let parts: Vec<_> =
            input.chunks(part * picture_in).zip(gradient.chunks(part * picture_out)).collect();
        let tasks = (0..parts.len() * shares.len()).into_par_iter();
        let sums: Vec<Vec<f32>> = tasks
            .map(|task| {
                let ((input, gradient), channels) =
                    (parts[task / shares.len()], &shares[task % shares.len()]);
                let rows = channels.len() * self.taps();
                let mut sums = vec![0.0; self.channels_out * rows];
                let groups = input.chunks(together * picture_in).zip(gradient.chunks(together * picture_out));
                for (input, gradient) in groups {
                    let pictures = input.len() / picture_in;
                    let count = pictures * places;
                    let gradient = swapped(gradient, [pictures, self.channels_out]);
                    let gradient = Matrix::new(&gradient, self.channels_out, count, count);
                    let unfolded = self.unfold(input, channels.clone());
                    let columns = Matrix::new(&unfolded, rows, count, count).transposed();
                    multiply_add(gradient, columns, MatrixMut::new(&mut sums, self.channels_out, rows, rows));
                }
                sums
            })
            .collect();
        let of_weight = run::filled(weights, |of_weight| {
            let per_task = run::pieces_a_task(rows * parts.len());
            let channels_out = of_weight.par_chunks_mut(rows).enumerate().with_min_len(per_task);
            channels_out.for_each(|(channel_out, line)| {
                for (index, channels) in shares.iter().enumerate() {
                    let line = &mut line[channels.start * self.taps()..channels.end * self.taps()];
                    let range = channel_out * line.len()..(channel_out + 1) * line.len();
                    line.fill(0.0);
                    for sums in sums.iter().skip(index).step_by(shares.len()) {
                        for (total, number) in line.iter_mut().zip(&sums[range.clone()]) {
                            *total += number;
                        }
                    }
                }
            });
        });
        let [kernel_rows, columns] = self.kernel;
        run::tensor(of_weight, &[self.channels_out, self.channels_in, kernel_rows, columns])
    }

    /// Some channels of some pictures: `[channel][tap][picture][place]`.
    fn unfold<'a>(&self, pictures: &'a [f32], channels: Range<usize>) -> Cow<'a, [f32]> {
        let (pixels, places, taps) = (self.pixels(), self.places(), self.taps());
        let count = pictures.len() / (self.channels_in * pixels);
        if self.flat && count == 1 {
            return Cow::Borrowed(&pictures[channels.start * pixels..channels.end * pixels]);
        }
        Cow::Owned(run::filled(channels.len() * taps * count * places, |unfolded| {
            for (row, line) in unfolded.chunks_exact_mut(count * places).enumerate() {
                let (channel, tap) = (channels.start + row / taps, row % taps);
                for (picture, line) in line.chunks_exact_mut(places).enumerate() {
                    let plane = &pictures[(picture * self.channels_in + channel) * pixels..][..pixels];
                    if !self.flat {
                        line.fill(0.0);
                    }
                    for Run { place, pixel, length } in self.runs(tap) {
                        let line = &mut line[place..place + length];
                        match self.stride {
                            1 => line.copy_from_slice(&plane[pixel..pixel + length]),
                            stride => {
                                for (to, from) in line.iter_mut().zip(plane[pixel..].iter().step_by(stride)) {
                                    *to = *from;
                                }
                            }
                        }
                    }
                }
            }
        }))
    }

    /// The adjoint of [`unfold`](Self::unfold) for all channels: each pixel is the sum of the places that it went to.
    fn fold(&self, unfolded: &[f32], pictures: &mut [f32]) {
        let (pixels, places, taps) = (self.pixels(), self.places(), self.taps());
        let count = pictures.len() / (self.channels_in * pixels);
        pictures.fill(0.0);
        for (row, line) in unfolded.chunks_exact(count * places).enumerate() {
            let (channel, tap) = (row / taps, row % taps);
            for (picture, line) in line.chunks_exact(places).enumerate() {
                let plane = &mut pictures[(picture * self.channels_in + channel) * pixels..][..pixels];
                for Run { place, pixel, length } in self.runs(tap) {
                    let to = plane[pixel..].iter_mut().step_by(self.stride);
                    for (to, from) in to.zip(&line[place..place + length]) {
                        *to += from;
                    }
                }
            }
        }
    }

    /// Where a tap meets the picture.
    fn runs(self, tap: usize) -> impl Iterator<Item = Run> {
        let [down, right] = [tap / self.kernel[1], tap % self.kernel[1]];
        let [_, width] = self.side_in;
        let [rows, columns] = [0, 1].map(|side| self.inside(side, [down, right][side]));
        let rows = if columns.is_empty() { 0..0 } else { rows };
        rows.map(move |row| {
            let (y, x) = (row * self.stride + down, columns.start * self.stride + right);
            Run {
                place: row * self.side_out[1] + columns.start,
                pixel: (y - self.before) * width + x - self.before,
                length: columns.len(),
            }
        })
    }

    /// The rows (side 0) or columns (side 1) of the output at which a tap this far in lies in the picture.
    fn inside(&self, side: usize, tap: usize) -> Range<usize> {
        let end = (self.side_in[side] + self.before).saturating_sub(tap).div_ceil(self.stride);
        let end = end.min(self.side_out[side]);
        let start = self.before.saturating_sub(tap).div_ceil(self.stride);
        start.min(end)..end
    }
}

/// Adds a bias to each plane, if there is one, and bends what comes out.
pub(super) struct Finish<'a> {
    pub output: &'a mut [f32],
    pub places: usize,
    pub bias: &'a [f32],
    pub activation: Option<Activation>,
}

impl WithSimd for Finish<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { output, places, bias, activation } = self;
        for (plane, values) in output.chunks_exact_mut(places).enumerate() {
            let bias = if bias.is_empty() { 0.0 } else { bias[plane % bias.len()] };
            let bias = Lanes::splat(simd, bias);
            update(
                simd,
                values,
                [],
                #[inline(always)]
                |value, []| match activation {
                    Some(activation) => activation.value(value + bias),
                    None => value + bias,
                },
            );
        }
    }
}

/// Places in a row of the output, and the pixels, a stride apart, that a tap meets there.
struct Run {
    place: usize,
    pixel: usize,
    length: usize,
}

/// `[first][second][...]` to `[second][first][...]`.
fn swap(numbers: &[f32], [first, second]: [usize; 2], swapped: &mut [f32]) {
    let length = numbers.len() / (first * second).max(1);
    for (index, line) in numbers.chunks_exact(length.max(1)).enumerate() {
        let (outer, inner) = (index / second, index % second);
        swapped[(inner * first + outer) * length..][..length].copy_from_slice(line);
    }
}

/// As [`swap`], which changes nothing where there is but one.
fn swapped(numbers: &[f32], sides: [usize; 2]) -> Cow<'_, [f32]> {
    if sides.contains(&1) {
        return Cow::Borrowed(numbers);
    }
    Cow::Owned(run::filled(numbers.len(), |room| swap(numbers, sides, room)))
}

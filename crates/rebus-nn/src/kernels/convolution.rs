//! Convolutions of any kernel, stride and padding, as products that read the picture where it lies.
//!
//! Forward, a product has a row for each place and a column for each channel out, and steps through the taps of all
//! channels in. The way back is the same with other lists (`convolution_plan.rs`). In the gradient of the kernels rows and
//! steps change places. Where pixels stand side by side they are columns as they are, and rows are the channels out.

use std::sync::Arc;

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use rayon::prelude::*;

use super::{
    Activation, Convolution, PackedWeight,
    affine::{self, Affine},
    bf16,
    channels::sum_of_planes,
    convolution_plan::{Pass, Shape},
    finish::Finish,
    indirect::Product,
    panels::{self, Panel, Panels, Put},
    run,
};

/// Places that are made before they go onto planes.
const PLACES: usize = 64;
/// Rows of the kernels' gradient that a task sums up.
const TAPS: usize = 64;
/// Parts of a batch whose shares of the kernels' gradient are summed apart, at the most.
const PARTS: usize = 16;
/// Numbers that these sums may have together.
const MOST_SUMS: usize = 256 * 1024;

/// `[batch, channels_in, height, width]`, `[channels_out, channels_in, kernel, kernel]`, `[channels_out]`, on the
/// processor. The activation bends the output; the gradient does not go through it. With `kept`, what is made of the weight
/// is kept there.
pub(super) fn convolution(
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
    assert!(stride > 0 && fits, "{rows}x{columns} taps at stride {stride} on {height}x{width} pixels");
    affine::apply(Direct { convolution, kept }, input, weight, bias)
}

#[derive(Debug)]
struct Direct {
    convolution: Convolution,
    kept: Option<PackedWeight>,
}

impl Affine for Direct {
    fn output(&self, input: &FlexTensor, weight: &FlexTensor, bias: &[f32]) -> FlexTensor {
        let shape = Shape::new(self.convolution, run::sides(input), weight);
        shape.output(input, weight, bias, self.convolution.activation, self.kept.as_ref())
    }

    fn gradients(
        &self,
        input: &FlexTensor,
        weight: &FlexTensor,
        gradient: &FlexTensor,
        [of_input, of_weight]: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let shape = Shape::new(self.convolution, run::sides(input), weight);
        [
            of_input.then(|| shape.gradient_of_input(weight, gradient, &[], None)),
            of_weight.then(|| shape.gradient_of_weight(input, gradient)),
        ]
    }

    fn gradient_of_bias(&self, gradient: &FlexTensor) -> FlexTensor {
        sum_of_planes(gradient)
    }
}

/// The weights of a pass, laid out for its product.
type Packed = Vec<f32>;

impl Shape {
    /// `bias` is empty or has a number a channel out.
    pub fn output(
        &self,
        input: &FlexTensor,
        weight: &FlexTensor,
        bias: &[f32],
        activation: Option<Activation>,
        kept: Option<&PackedWeight>,
    ) -> FlexTensor {
        let (pass, plane) = (self.forward(), self.places());
        let finish = Finish { bias, activation };
        let input = run::numbers(input);
        let output = if let Some(halves) = run::halves(weight) {
            self.output_in_bf16(&pass, input, halves, finish)
        } else if let Some(line) = whole_vectors(&pass) {
            self.by_pixels((&pass, line), input, weight, (self.channels_out, finish))
        } else {
            let panels = Panels::new(self.channels_out);
            let pack = || -> Packed { panels::pack(weight, &pass, panels) };
            let packed = kept.map_or_else(|| Arc::new(pack()), |kept| kept.of(weight, pack));
            let passes = [(&pass, &packed[..])];
            run::filled(self.batch * self.channels_out * plane, |output| {
                by_channels(&passes, input, panels, finish, (output, plane));
            })
        };
        let [rows, columns] = self.side_out;
        run::tensor(output, &[self.batch, self.channels_out, rows, columns])
    }

    /// With a bias, for whoever uses it as a way forward; it is empty or has a number a channel in.
    pub fn gradient_of_input(
        &self,
        weight: &FlexTensor,
        gradient: &FlexTensor,
        bias: &[f32],
        kept: Option<&PackedWeight>,
    ) -> FlexTensor {
        let ((passes, reached), plane) = (self.back(), self.side_in[0] * self.side_in[1]);
        let finish = Finish { bias, activation: None };
        let gradient = run::numbers(gradient);
        let of_input = if let [pass] = &passes[..]
            && let Some(line) = whole_vectors(pass)
        {
            self.by_pixels((pass, line), gradient, weight, (self.channels_in, finish))
        } else {
            let panels = Panels::new(self.channels_in);
            let pack = || passes.iter().map(|pass| panels::pack(weight, pass, panels)).collect();
            let packed: Arc<Vec<Packed>> =
                kept.map_or_else(|| Arc::new(pack()), |kept| kept.of(weight, pack));
            let passes: Vec<_> = passes.iter().zip(packed.iter().map(|packed| &packed[..])).collect();
            run::filled(self.batch * self.channels_in * plane, |of_input| {
                if !reached {
                    of_input.fill(0.0);
                    for picture in of_input.chunks_exact_mut(self.channels_in * plane) {
                        finish.of_planes(0, picture, plane);
                    }
                }
                by_channels(&passes, gradient, panels, finish, (of_input, plane));
            })
        };
        let [height, width] = self.side_in;
        run::tensor(of_input, &[self.batch, self.channels_in, height, width])
    }

    pub fn gradient_of_weight(&self, input: &FlexTensor, gradient: &FlexTensor) -> FlexTensor {
        let (pass, places, panels) = (self.forward(), self.places(), Panels::new(self.channels_out));
        let (input, gradient) = (run::numbers(input), run::numbers(gradient));
        let [picture_in, picture_out] = [pass.source.picture(), self.channels_out * places];
        let (taps, row) = (pass.steps.len(), panels.row());
        let steps = with_rows(&pass.starts, panels.width);
        // Some pictures are summed apart from others, which depends on sizes alone.
        let parts = (MOST_SUMS / (taps * row).max(1)).clamp(1, PARTS);
        let part = self.batch.div_ceil(parts).max(1);
        let parts = input.par_chunks(part * picture_in).zip(gradient.par_chunks(part * picture_out));
        let sums: Vec<Vec<f32>> = parts
            .map(|(input, gradient)| {
                let mut sums = vec![0.0; taps * row];
                let pictures = input.chunks_exact(picture_in).zip(gradient.chunks_exact(picture_out));
                for (input, gradient) in pictures {
                    let (padded, rows) = (pass.source.pad(input), panels::rows_of(gradient, places, panels));
                    sums.par_chunks_mut(taps * panels.width).enumerate().for_each(|(index, sums)| {
                        let tasks = sums.par_chunks_mut(TAPS * panels.width).zip(pass.steps.par_chunks(TAPS));
                        tasks.for_each(|(sums, taps)| {
                            run::dispatch(Product {
                                left: &padded,
                                rows: taps,
                                steps: &steps,
                                right: panels.of(&rows, index),
                                columns: panels.panel(index).columns,
                                output: sums,
                                pitch: panels.width,
                                add: true,
                            });
                        });
                    });
                }
                sums
            })
            .collect();
        let mut total = run::total(sums);
        total.resize(taps * row, 0.0); // without a picture there is nothing
        let of_weight = run::filled(self.channels_out * taps, |of_weight| {
            panels::unpack(&total, &pass, panels, of_weight);
        });
        let [rows, columns] = self.kernel;
        run::tensor(of_weight, &[self.channels_out, self.channels_in, rows, columns])
    }

    /// Places of a plane of the output.
    fn places(&self) -> usize {
        self.side_out[0] * self.side_out[1]
    }

    /// Lines of places as columns, which are not laid out.
    fn by_pixels(
        &self,
        (pass, line): (&Pass, usize),
        source: &[f32],
        weight: &FlexTensor,
        (channels, finish): (usize, Finish<'_>),
    ) -> Vec<f32> {
        let (plane, picture) = (pass.pixels.len(), pass.source.picture());
        let rows: Vec<usize> = (0..channels).map(|channel| channel * pass.column).collect();
        let steps: Vec<_> =
            pass.weights.iter().zip(&pass.steps).map(|(left, right)| [*left, *right]).collect();
        let weight = run::numbers(weight);
        run::filled(self.batch * channels * plane, |result| {
            let tasks = result.par_chunks_mut(channels * plane).zip(source.par_chunks(picture));
            tasks.for_each(|(result, source)| {
                let padded = pass.source.pad(source);
                let shares = result.par_chunks_mut(TAPS * plane).zip(rows.par_chunks(TAPS)).enumerate();
                shares.for_each(|(index, (result, rows))| {
                    for (starts, pixels) in pass.starts.chunks(line).zip(pass.pixels.chunks(line)) {
                        run::dispatch(Product {
                            left: weight,
                            rows,
                            steps: &steps,
                            right: &padded[starts[0]..],
                            columns: line,
                            output: &mut result[pixels[0]..],
                            pitch: plane,
                            add: false,
                        });
                    }
                    finish.of_planes(index * TAPS, result, plane);
                });
            });
        })
    }

    fn output_in_bf16(
        &self,
        pass: &Pass,
        source: &[f32],
        weight: &[half::bf16],
        finish: Finish<'_>,
    ) -> Vec<f32> {
        let (places, picture) = (self.places(), pass.source.picture());
        let weight = bf16::Left::new(weight, pass.steps.len());
        run::filled(self.batch * self.channels_out * places, |output| {
            let tasks = output.par_chunks_mut(self.channels_out * places).zip(source.par_chunks(picture));
            tasks.for_each(|(output, source)| {
                let padded = pass.source.pad(source);
                let mut columns = Vec::with_capacity(pass.steps.len() * places);
                for step in &pass.steps {
                    columns.extend(pass.starts.iter().map(|row| padded[row + step]));
                }
                bf16::multiply(&weight, &bf16::Right::new(&columns, places), output);
                finish.of_planes(0, output, places);
            });
        })
    }
}

/// The places that lie side by side, if they fill vectors.
fn whole_vectors(pass: &Pass) -> Option<usize> {
    pass.line.filter(|line| line.is_multiple_of(run::lanes()))
}

/// Steps on the left, each a row of so many numbers further on the right.
fn with_rows(steps: &[usize], row: usize) -> Vec<[usize; 2]> {
    steps.iter().enumerate().map(|(index, step)| [*step, index * row]).collect()
}

/// Passes from the same source, one picture at a time, with weights laid out for each.
fn by_channels(
    passes: &[(&Pass, &[f32])],
    source: &[f32],
    panels: Panels,
    finish: Finish<'_>,
    (result, plane): (&mut [f32], usize),
) {
    let Some(padding) = passes.first().map(|(pass, _)| pass.source) else { return };
    let steps: Vec<_> = passes.iter().map(|(pass, _)| with_rows(&pass.steps, panels.width)).collect();
    let tasks = result.par_chunks_mut(panels.channels * plane).zip(source.par_chunks(padding.picture()));
    tasks.for_each(|(result, source)| {
        let padded = padding.pad(source);
        result.par_chunks_mut(panels.width * plane).enumerate().for_each(|(index, planes)| {
            let Panel { first, channels, columns } = panels.panel(index);
            let mut room = vec![0.0; PLACES * panels.width];
            for ((pass, packed), steps) in passes.iter().zip(&steps) {
                for (starts, pixels) in pass.starts.chunks(PLACES).zip(pass.pixels.chunks(PLACES)) {
                    let made = &mut room[..starts.len() * panels.width];
                    run::dispatch(Product {
                        left: &padded,
                        rows: starts,
                        steps,
                        right: panels.of(packed, index),
                        columns,
                        output: made,
                        pitch: panels.width,
                        add: false,
                    });
                    run::dispatch(Put {
                        rows: made,
                        width: panels.width,
                        columns,
                        pixels,
                        bias: finish.bias(first, channels),
                        activation: finish.activation,
                        planes,
                        plane,
                    });
                }
            }
        });
    });
}

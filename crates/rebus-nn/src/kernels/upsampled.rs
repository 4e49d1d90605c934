//! A convolution of 3x3 over a picture of twice the size, whose pixels are four equal ones each, as one operation.
//!
//! Two taps that meet the same pixel may be added up first. What is left is a transposed convolution of stride 2 whose kernel
//! of 4x4 has sums of up to four taps: four products a place instead of nine, and no large picture in memory.

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use rayon::prelude::*;

use super::{
    Convolution, PackedWeight,
    affine::{self, Affine},
    channels::sum_of_planes,
    conv_transpose::Transposed,
    run,
};

/// `[batch, channels_in, height, width]`, `[channels_out, channels_in, 3, 3]`, `[channels_out]`, on the processor.
/// With `kept`, the sums of taps are kept there.
pub(super) fn conv2d_upsampled(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    kept: Option<PackedWeight>,
) -> Tensor<4> {
    let ([_, channels, ..], [out, channels_in, ..]) = (input.dims(), weight.dims());
    assert_eq!(channels_in, channels, "a kernel for {channels} channels");
    assert!(bias.iter().all(|bias| bias.dims() == [out]), "a bias for {out} channels");
    affine::apply(Upsampled(kept), input, weight, bias)
}

#[derive(Debug)]
struct Upsampled(Option<PackedWeight>);

/// What is kept of a weight: the sums of its taps, and what is made of them in turn.
struct Sums {
    sums: FlexTensor,
    packed: PackedWeight,
}

fn transposed(kept: Option<PackedWeight>) -> Transposed {
    Transposed { convolution: Convolution::new(2, (1, 1)), kept }
}

impl Affine for Upsampled {
    fn output(&self, input: &FlexTensor, weight: &FlexTensor, bias: &[f32]) -> FlexTensor {
        let Some(kept) = &self.0 else { return transposed(None).output(input, &summed(weight), bias) };
        let Sums { sums, packed } =
            &*kept.of(weight, || Sums { sums: summed(weight), packed: PackedWeight::default() });
        transposed(Some(packed.clone())).output(input, sums, bias)
    }

    fn gradients(
        &self,
        input: &FlexTensor,
        weight: &FlexTensor,
        gradient: &FlexTensor,
        wanted: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let [of_input, of_sums] = transposed(None).gradients(input, &summed(weight), gradient, wanted);
        [of_input, of_sums.map(|of_sums| shared_out(&of_sums))]
    }

    fn gradient_of_bias(&self, gradient: &FlexTensor) -> FlexTensor {
        sum_of_planes(gradient)
    }
}

/// The taps that are added up to place `(row, column)` of the kernel of 4x4, which is turned round.
fn taps(row: usize, column: usize) -> impl Iterator<Item = usize> {
    let of = |place: usize| 2_usize.saturating_sub(place)..=(3 - place).min(2);
    of(row).flat_map(move |row| of(column).map(move |column| row * 3 + column))
}

/// `[channels_out, channels_in, 3, 3]` to `[channels_in, channels_out, 4, 4]`.
fn summed(weight: &FlexTensor) -> FlexTensor {
    let [out, channels, _, _] = run::sides(weight);
    let weight = run::numbers(weight);
    let sums = run::filled(channels * out * 16, |sums| {
        sums.par_chunks_mut(out * 16).enumerate().for_each(|(channel, sums)| {
            for (channel_out, sums) in sums.chunks_exact_mut(16).enumerate() {
                let kernel = &weight[(channel_out * channels + channel) * 9..][..9];
                for (place, sum) in sums.iter_mut().enumerate() {
                    *sum = taps(place / 4, place % 4).map(|tap| kernel[tap]).sum();
                }
            }
        });
    });
    run::tensor(sums, &[channels, out, 4, 4])
}

/// The adjoint of [`summed`].
fn shared_out(of_sums: &FlexTensor) -> FlexTensor {
    let [channels, out, _, _] = run::sides(of_sums);
    let of_sums = run::numbers(of_sums);
    let of_weight = run::filled(out * channels * 9, |of_weight| {
        of_weight.par_chunks_mut(channels * 9).enumerate().for_each(|(channel_out, of_weight)| {
            for (channel, kernel) in of_weight.chunks_exact_mut(9).enumerate() {
                kernel.fill(0.0);
                let sums = &of_sums[(channel * out + channel_out) * 16..][..16];
                for (place, sum) in sums.iter().enumerate() {
                    taps(place / 4, place % 4).for_each(|tap| kernel[tap] += sum);
                }
            }
        });
    });
    run::tensor(of_weight, &[out, channels, 3, 3])
}

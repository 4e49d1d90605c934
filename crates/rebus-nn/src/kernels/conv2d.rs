//! Convolutions: what a layer asks for, and which kernel answers.

use burn::tensor::Tensor;

use super::{Activation, PackedWeight, plain};
#[cfg(feature = "cpu")]
use super::{
    activate, activation, conv_transpose, convolution, run, tiled, upsampled,
    winograd::{Fast, Fine, MOST_TILE, Small},
};

/// How a kernel moves over a picture, and what becomes of the result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Convolution {
    /// Pixels from one place of the kernel to the next.
    pub stride: usize,
    /// Zeros before each side.
    pub before: usize,
    /// Zeros after each side.
    pub after: usize,
    /// Bends the output.
    pub activation: Option<Activation>,
    /// Kernels of 3x3 with stride 1 by Winograd's F(2x2, 3x3), whose relative error is at most 2e-6, instead of F(4x4, 3x3),
    /// whose error is at most 1e-5 and which takes 2.25 products for a pixel instead of four; kernels of 4x4 with stride 2 as
    /// they stand, instead of by F(4x4, 2x2), whose error is at most 5e-6.
    pub accurate: bool,
}

impl Convolution {
    /// With zeros before and after each side, as fast as can be.
    pub fn new(stride: usize, (before, after): (usize, usize)) -> Self {
        Self { stride, before, after, activation: None, accurate: false }
    }
}

/// Channels below which a product over the taps is faster than Winograd's transforms.
#[cfg(feature = "cpu")]
const FEW_CHANNELS: usize = 8;
/// From so many channels on, products are most of the work.
#[cfg(feature = "cpu")]
const MANY_CHANNELS: usize = 128;

/// `[batch, channels_in, height, width]` with a kernel `[channels_out, channels_in, kernel, kernel]`, and a bias
/// `[channels_out]`, to `[batch, channels_out, height_out, width_out]`, where a side is
/// `(side + before + after - kernel) / stride + 1`. A weight in bf16 is multiplied by an input rounded to that, but where
/// Winograd's transforms save more than that would.
pub fn conv2d(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    convolution: Convolution,
) -> Tensor<4> {
    conv2d_packed(input, weight, bias, convolution, &PackedWeight::default())
}

/// As [`conv2d`]; outside of a graph, what is made of the weight on the way is kept in `packed` and used again for as long
/// as the weight stays the same.
pub fn conv2d_packed(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    convolution: Convolution,
    packed: &PackedWeight,
) -> Tensor<4> {
    #[cfg(feature = "cpu")]
    if run::takes_both(&input, &weight) {
        let [input, weight] = run::as_learned(input, weight);
        let [channels_out, channels_in, rows, columns] = weight.dims();
        let Convolution { stride, activation, accurate, .. } = convolution;
        let tracked = run::is_tracked(&input) || run::is_tracked(&weight);
        // A gradient needs what goes into an activation, but for a leaky ReLU, whose output tells enough.
        let fused = activation.filter(|activation| match activation {
            Activation::Leaky(slope) => *slope >= 0.0,
            Activation::Silu | Activation::Gelu => !tracked,
        });
        let kept = (!tracked).then(|| packed.clone());
        let few = channels_out.min(channels_in) < FEW_CHANNELS;
        let direct = few || rows == 3 && ragged(input.dims(), channels_out);
        let convolution = Convolution { activation: fused, ..convolution };
        let output = match (rows, columns, stride, accurate) {
            (3, 3, 1, true) if !direct => tiled::convolution::<Fine>(input, weight, bias, convolution, kept),
            (3, 3, 1, false) if !direct => tiled::convolution::<Fast>(input, weight, bias, convolution, kept),
            (4, 4, 2, false) if !direct => {
                tiled::convolution::<Small>(input, weight, bias, convolution, kept)
            }
            _ => convolution::convolution(input, weight, bias, convolution, kept),
        };
        return match (activation, fused) {
            (Some(Activation::Leaky(slope)), Some(_)) => activation::leaky_behind(output, slope),
            (Some(activation), None) => activate(output, activation),
            _ => output,
        };
    }
    #[cfg(not(feature = "cpu"))]
    let _ = packed;
    plain::conv2d(input, weight, bias, convolution)
}

/// Whether the tiles of a picture are so empty at its edges, and the products so small, that the transforms cost more than they
/// save.
#[cfg(feature = "cpu")]
fn ragged([_, channels_in, height, width]: [usize; 4], channels_out: usize) -> bool {
    let whole = |side: usize| side.next_multiple_of(MOST_TILE);
    channels_in.max(channels_out) < MANY_CHANNELS && 4 * height * width < 3 * whole(height) * whole(width)
}

/// The adjoint of [`conv2d`] of the same stride and padding: `[batch, channels_in, height, width]` with a kernel
/// `[channels_in, channels_out, kernel, kernel]` to `[batch, channels_out, height_out, width_out]`, where a side is
/// `(side - 1) * stride + kernel - before - after`.
pub fn conv_transpose2d(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: (usize, usize),
) -> Tensor<4> {
    #[cfg(feature = "cpu")]
    if run::takes(&input) && run::takes(&weight) {
        let convolution = Convolution::new(stride, padding);
        return conv_transpose::conv_transpose2d(input, weight, bias, convolution);
    }
    plain::conv_transpose2d(input, weight, bias, stride, padding)
}

/// [`conv2d`] with a kernel of 3x3, stride 1 and a zero around, over a picture each of whose pixels becomes four equal ones:
/// `[batch, channels_in, height, width]` with a kernel `[channels_out, channels_in, 3, 3]` to
/// `[batch, channels_out, 2 * height, 2 * width]`, in one operation.
pub fn conv2d_upsampled(input: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
    conv2d_upsampled_packed(input, weight, bias, &PackedWeight::default())
}

/// As [`conv2d_upsampled`]; outside of a graph, what is made of the weight on the way is kept in `packed`.
pub fn conv2d_upsampled_packed(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    packed: &PackedWeight,
) -> Tensor<4> {
    let [channels_out, channels_in, rows, columns] = weight.dims();
    assert_eq!((rows, columns), (3, 3), "a kernel of 3x3");
    #[cfg(feature = "cpu")]
    if run::takes(&input) && run::takes(&weight) && channels_out.min(channels_in) >= FEW_CHANNELS {
        let tracked = run::is_tracked(&input) || run::is_tracked(&weight);
        return upsampled::conv2d_upsampled(input, weight, bias, (!tracked).then(|| packed.clone()));
    }
    let _ = (channels_out, channels_in, packed);
    conv2d(super::upsample_nearest(input, 2), weight, bias, Convolution::new(1, (1, 1)))
}

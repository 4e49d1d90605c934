//! Convolutions of all kinds, and transposed ones.

use burn::tensor::{FloatDType, Tensor};
use proptest::prelude::*;
use rebus_nn::{
    burn,
    kernels::{self, Activation, Convolution, PackedWeight},
};

use super::{SUM, cases, error, errors, noise, within};

proptest! {
    #![proptest_config(cases())]

    /// Small pictures leave their tiles half empty, so that only many channels go in tiles.
    #[test]
    fn convolutions(
        batch in 1usize..7,
        channels_in in 1usize..34,
        channels_out in prop_oneof![2 => 1usize..34, 1 => 128usize..132],
        height in 1usize..20,
        width in 1usize..20,
    ) {
        for (accurate, bound) in [(false, 1e-5), (true, 2e-6)] {
            let found = errors(
                (
                    noise([batch, channels_in, height, width], 1),
                    noise([channels_out, channels_in, 3, 3], 2),
                    noise([channels_out], 3),
                ),
                |x, weight, bias| {
                    let convolution = Convolution { accurate, ..Convolution::new(1, (1, 1)) };
                    kernels::conv2d(x, weight, Some(bias), convolution)
                },
            );
            within(found, [bound, bound, 2e-5, SUM]);
        }
    }

    #[test]
    fn convolutions_of_any_kernel_and_stride(
        (batch, channels_in, channels_out) in (1usize..7, 1usize..40, 1usize..20),
        (height, width) in (1usize..20, 1usize..20),
        (kernel, stride, before, after) in (1usize..5, 1usize..4, 0usize..3, 0usize..3),
    ) {
        let smallest = kernel.saturating_sub(before + after);
        let (height, width) = (height.max(smallest), width.max(smallest));
        let found = errors(
            (
                noise([batch, channels_in, height, width], 1),
                noise([channels_out, channels_in, kernel, kernel], 2),
                noise([channels_out], 3),
            ),
            |x, weight, bias| kernels::conv2d(x, weight, Some(bias), Convolution::new(stride, (before, after))),
        );
        let tiled = (kernel, stride) == (3, 1);
        within(found, if tiled { [1e-5, 1e-5, 2e-5, SUM] } else { [1e-6, 1e-6, 2e-6, SUM] });
    }

    /// Kernels that are taken apart into the phases of the input, and the way back from each.
    #[test]
    fn convolutions_of_pictures_of_twice_the_size(
        batch in 1usize..4,
        channels_in in 1usize..30,
        channels_out in 1usize..30,
        (height, width) in (1usize..12, 1usize..20),
    ) {
        let inputs = (
            noise([batch, channels_in, height, width], 1),
            noise([channels_out, channels_in, 3, 3], 2),
            noise([channels_out], 3),
        );
        let found = errors(inputs.clone(), |x, weight, bias| kernels::conv2d_upsampled(x, weight, Some(bias)));
        within(found, [1e-6, 1e-6, 2e-6, SUM]);
        let without = errors(inputs, |x, weight, _| kernels::conv2d_upsampled(x, weight, None));
        within(without, [1e-6, 1e-6, 2e-6, 0.0]);
    }

    #[test]
    fn convolutions_by_phases(
        (batch, channels_in, channels_out) in (1usize..7, 8usize..40, 8usize..40),
        (height, width) in (1usize..36, 1usize..36),
        (before, after) in (0usize..4, 0usize..4),
    ) {
        let smallest = 4usize.saturating_sub(before + after);
        let (height, width) = (height.max(smallest), width.max(smallest));
        let weight = noise([channels_out, channels_in, 4, 4], 2);
        for (accurate, bound) in [(false, 5e-6), (true, 1e-6)] {
            let inputs = (noise([batch, channels_in, height, width], 1), weight.clone(), noise([channels_out], 3));
            let found = errors(inputs, |x, weight, bias| {
                let convolution = Convolution { accurate, ..Convolution::new(2, (before, after)) };
                kernels::conv2d(x, weight, Some(bias), convolution)
            });
            within(found, [bound, bound, 2.0 * bound, SUM]);
        }
        let (height, width) = (height.max(4), width.max(4));
        let inputs = (noise([batch, channels_out, height, width], 1), weight, noise([channels_in], 3));
        let found = errors(inputs, |x, weight, bias| {
            kernels::conv_transpose2d(x, weight, Some(bias), 2, (before, after))
        });
        within(found, [1e-6, 1e-6, 2e-6, SUM]);
    }

    #[test]
    fn transposed_convolutions(
        (batch, channels_in, channels_out) in (1usize..7, 1usize..20, 1usize..40),
        (height, width) in (1usize..12, 1usize..12),
        (kernel, stride, before, after) in (2usize..5, 1usize..4, 0usize..2, 0usize..2),
    ) {
        let [height, width] = [height, width].map(|side| if kernel > before + after { side } else { side.max(3) });
        let found = errors(
            (
                noise([batch, channels_in, height, width], 1),
                noise([channels_in, channels_out, kernel, kernel], 2),
                noise([channels_out], 3),
            ),
            |x, weight, bias| kernels::conv_transpose2d(x, weight, Some(bias), stride, (before, after)),
        );
        within(found, [1e-6, 1e-6, 2e-6, SUM]);
    }
}

/// Pictures wide enough for whole vectors of a row, many and few, with channels that fill no vector.
#[test]
fn convolutions_by_rows() {
    for (batch, height, width) in [(1, 4, 16), (3, 8, 32), (5, 32, 32), (2, 16, 48)] {
        let inputs = (noise([batch, 9, height, width], 1), noise([21, 9, 3, 3], 2), noise([21], 3));
        let conv = |x, weight, bias| kernels::conv2d(x, weight, Some(bias), Convolution::new(1, (1, 1)));
        within(errors(inputs, conv), [1e-5, 1e-5, 2e-5, SUM]);
    }
}

#[test]
fn a_convolution_without_a_bias() {
    let found = errors((noise([3, 9, 8, 7], 1), noise([10, 9, 3, 3], 2), noise([1], 3)), |x, weight, _| {
        kernels::conv2d(x, weight, None, Convolution::new(1, (1, 1)))
    });
    within(found, [1e-5, 1e-5, 2e-5, 0.0]);
}

/// The activation in the same pass: in a graph, and outside of one, where nothing is kept for a way back.
#[test]
fn a_convolution_with_an_activation() {
    for activation in
        [0.2, 0.0].map(Activation::Leaky).into_iter().chain([Activation::Silu, Activation::Gelu])
    {
        for (kernel, stride, padding) in [(3, 1, (1, 1)), (3, 2, (0, 1)), (1, 1, (0, 0))] {
            let weight = noise([10, 9, kernel, kernel], 2) * 0.3;
            let inputs = (noise([3, 9, 8, 7], 1), weight, noise([10], 3));
            let convolution =
                Convolution { activation: Some(activation), ..Convolution::new(stride, padding) };
            let conv = |x, weight, bias| kernels::conv2d(x, weight, Some(bias), convolution);
            within(errors(inputs.clone(), conv), [1e-5, 1e-5, 2e-5, SUM]);
            let (x, weight, bias) = inputs;
            let wide = FloatDType::F64;
            let exact = conv(x.clone().cast(wide), weight.clone().cast(wide), bias.clone().cast(wide));
            assert!(error(conv(x, weight, bias), exact) < 1e-5, "{activation:?}, {kernel} taps");
        }
    }
}

/// What is kept of a weight serves that weight alone, also where another is learned.
#[test]
fn a_weight_that_changes_is_packed_anew() {
    let (input, weight) = (noise([2, 12, 8, 8], 1), noise([10, 12, 3, 3], 2));
    let packed = PackedWeight::default();
    let fast = Convolution::new(1, (1, 1));
    let kept = |weight: Tensor<4>, convolution| {
        kernels::conv2d_packed(input.clone(), weight, None, convolution, &packed).into_data()
    };
    let fresh = |weight, convolution| kernels::conv2d(input.clone(), weight, None, convolution).into_data();
    for weight in [weight.clone(), weight.clone(), weight.clone() * 2.0, weight.clone()] {
        for convolution in [fast, Convolution { accurate: true, ..fast }] {
            assert_eq!(kept(weight.clone(), convolution), fresh(weight.clone(), convolution));
        }
    }
    // Of a picture of twice the size too, whose taps are summed first.
    for weight in [weight.clone(), weight.clone(), weight.clone() * 2.0, weight.clone()] {
        let (input, own) = (input.clone(), weight.clone());
        let kept = kernels::conv2d_upsampled_packed(input.clone(), weight, None, &packed);
        assert_eq!(kept.into_data(), kernels::conv2d_upsampled(input, own, None).into_data());
    }
    let learned = weight.clone().autodiff().require_grad();
    let output = kernels::conv2d_packed(input.clone().autodiff(), learned, None, fast, &packed);
    assert_eq!(output.into_data(), fresh(weight, fast));
}

#[test]
fn a_picture_has_the_same_bits_alone_and_among_others() {
    // Nine of the larger pictures have so many tiles that threads share them out otherwise than one's.
    for (kernel, stride, padding, side) in [
        (3, 1, (1, 1), 8),
        (3, 1, (1, 1), 32),
        (1, 1, (0, 0), 8),
        (3, 2, (0, 1), 8),
        (4, 2, (1, 1), 8),
        (4, 2, (1, 1), 32),
    ] {
        let (input, weight) = (noise([9, 20, side, side + 4], 1), noise([24, 20, kernel, kernel], 2));
        let conv = |input| kernels::conv2d(input, weight.clone(), None, Convolution::new(stride, padding));
        let all = conv(input.clone());
        for picture in [0, 4, 8] {
            let alone = conv(input.clone().narrow(0, picture, 1));
            assert_eq!(all.clone().narrow(0, picture, 1).into_data(), alone.into_data(), "kernel {kernel}");
        }
    }
}

/// Lines of pixels that fill vectors, as they are read where they lie: many and few channels, one tap and more, other margins
/// before than after.
#[test]
fn convolutions_along_whole_lines() {
    for (batch, channels, kernel, side, before, after) in [
        (2, [3, 70], 3, [5, 16], 1, 1),
        (1, [70, 3], 3, [4, 32], 1, 1),
        (3, [70, 130], 1, [4, 16], 0, 0),
        (2, [9, 20], 5, [6, 16], 1, 3),
        (2, [9, 20], 5, [7, 20], 0, 0),
    ] {
        let [channels_in, channels_out] = channels;
        let inputs = (
            noise([batch, channels_in, side[0], side[1]], 1),
            noise([channels_out, channels_in, kernel, kernel], 2),
            noise([channels_out], 3),
        );
        for activation in [None, Some(Activation::Silu)] {
            let convolution = Convolution { activation, ..Convolution::new(1, (before, after)) };
            let conv = |x, weight, bias| kernels::conv2d(x, weight, Some(bias), convolution);
            within(errors(inputs.clone(), conv), [1e-6, 2e-6, 2e-6, SUM]);
        }
    }
}

//! Weights in bf16: their products against Burn's own in 64-bit numbers that were rounded alike, and networks of them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "cpu")]

use burn::{
    module::Module,
    tensor::{DType, Device, Tensor},
};
use proptest::prelude::*;
use rebus_nn::{
    Conv2d, Embedding, Init, Linear, burn,
    kernels::{self, Activation, Convolution, PackedWeight},
    precision::ComputePrecision,
    random::{self, Key, Purpose},
};

fn noise<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    random::normal(shape, Key { seed, step: 0, first: 0 }, Purpose::Other, &Device::flex())
}

fn rounded<const D: usize>(tensor: &Tensor<D>) -> Tensor<D> {
    tensor.clone().cast(DType::BF16).cast(DType::F64)
}

/// `rms(a - b) / rms(b)`
fn error<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f64 {
    let numbers = |tensor: Tensor<D>| tensor.into_data().iter::<f64>().collect::<Vec<_>>();
    let (a, b) = (numbers(a), numbers(b));
    assert_eq!(a.len(), b.len());
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    square(&mut a.iter().zip(&b).map(|(a, b)| a - b)) / square(&mut b.iter().copied()).max(1.0)
}

/// The same cases every time.
fn cases() -> ProptestConfig {
    ProptestConfig {
        cases: 48,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(0),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn linears(rows in 1usize..100, inner in 1usize..90, columns in 1usize..120) {
        let (input, weight, bias) = (noise([rows, inner], 1), noise([inner, columns], 2), noise([columns], 3));
        let exact = rounded(&input).matmul(rounded(&weight)) + bias.clone().cast(DType::F64).unsqueeze();
        let found = kernels::linear(input, weight.cast(DType::BF16), Some(bias));
        prop_assert!(error(found, exact) < 1e-6);
    }

    #[test]
    fn convolutions(
        (batch, channels_in, channels_out) in (1usize..7, 1usize..40, 1usize..40),
        (height, width) in (4usize..20, 4usize..20),
        (kernel, stride, before, after) in (1usize..5, 1usize..4, 0usize..3, 0usize..3),
    ) {
        let input = noise([batch, channels_in, height, width], 1);
        let weight = noise([channels_out, channels_in, kernel, kernel], 2);
        let bias = noise([channels_out], 3);
        let convolution =
            Convolution { activation: Some(Activation::Silu), ..Convolution::new(stride, (before, after)) };
        let found = kernels::conv2d(input.clone(), weight.clone().cast(DType::BF16), Some(bias.clone()), convolution);
        // Winograd's transforms take the input as it stands.
        let winograd =
            [(3, 1), (4, 2)].contains(&(kernel, stride)) && channels_in.min(channels_out) >= 8;
        let exact_input = if winograd { input.cast(DType::F64) } else { rounded(&input) };
        let exact = kernels::conv2d(exact_input, rounded(&weight), Some(bias.cast(DType::F64)), convolution);
        let bound = if winograd { 1e-5 } else { 1e-6 };
        prop_assert!(error(found, exact) < bound);
    }
}

#[test]
fn a_kernel_of_3x3_has_the_bits_of_its_weight_in_32() {
    let (input, weight) = (noise([2, 12, 8, 8], 1), noise([10, 12, 3, 3], 2).cast(DType::BF16));
    let conv = |weight| kernels::conv2d(input.clone(), weight, None, Convolution::new(1, (1, 1))).into_data();
    assert_eq!(conv(weight.clone()), conv(weight.cast(DType::F32)));
}

#[test]
fn a_row_has_the_same_bits_alone_and_among_others() {
    let (input, weight) = (noise([77, 67], 1), noise([67, 130], 2).cast(DType::BF16));
    let linear = |input| kernels::linear(input, weight.clone(), None);
    let all = linear(input.clone());
    for row in [0, 5, 39, 76] {
        let alone = linear(input.clone().narrow(0, row, 1));
        assert_eq!(all.clone().narrow(0, row, 1).into_data(), alone.into_data(), "row {row}");
    }
}

#[test]
fn what_is_kept_serves_its_own_weight_alone() {
    let (input, weight) = (noise([9, 20], 1), noise([20, 30], 2));
    let packed = PackedWeight::default();
    for weight in [weight.clone(), weight.clone() * 2.0, weight] {
        let weight = weight.cast(DType::BF16);
        let kept = kernels::linear_packed(input.clone(), weight.clone(), None, &packed);
        assert_eq!(kept.into_data(), kernels::linear(input.clone(), weight, None).into_data());
    }
}

#[test]
fn numbers_are_rounded_to_the_nearest_and_what_is_none_stays_none() {
    let one = |value: f32| {
        let input = Tensor::<1>::from_floats([value], &Device::flex()).reshape([1, 1]);
        let weight = Tensor::<2>::ones([1, 1], &Device::flex()).cast(DType::BF16);
        kernels::linear(input, weight, None).into_scalar::<f32>()
    };
    // 1 + 2^-8 lies midway between two, of which the lower is even; 1 + 3 * 2^-8 likewise, and the upper is.
    for (value, nearest) in [(1.003_906_2, 1.0), (1.011_718_8, 1.015_625), (-3.13, -3.125)] {
        assert_eq!(one(value), nearest);
    }
    assert_eq!(one(f32::INFINITY), f32::INFINITY);
    assert!(one(f32::NAN).is_nan() && one(f32::from_bits(0x7fff_ffff)).is_nan());
}

#[test]
fn layers_alone_take_the_precision_and_learn_in_32_bits() {
    #[derive(Module, Debug)]
    struct Network {
        words: Embedding,
        linear: Linear,
        convolution: Conv2d,
    }
    let mut init = Init::new(&Device::flex(), 1);
    let network = Network {
        words: Embedding::new(10, 4, 0.02, &mut init),
        linear: Linear::new(4, 6, &mut init),
        convolution: Conv2d::new([2, 3], 3, &mut init),
    };
    let halved = ComputePrecision::Bfloat16.apply(network.clone());
    let wanted = if kernels::multiplies_bf16(&Device::flex()) { DType::BF16 } else { DType::F32 };
    assert_eq!(halved.linear.weight.val().dtype(), wanted);
    assert_eq!(halved.convolution.weight.val().dtype(), wanted);
    assert_eq!(halved.linear.bias.unwrap().val().dtype(), DType::F32);
    assert_eq!(halved.words.weight.val().dtype(), DType::F32);
    let same = ComputePrecision::Float32.apply(network);
    assert_eq!(same.linear.weight.val().dtype(), DType::F32);
}

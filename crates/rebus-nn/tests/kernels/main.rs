//! Kernels against Burn's own operations in 64-bit numbers: values and gradients, for any shape.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![cfg(feature = "cpu")]

mod convolutions;

use burn::tensor::{Device, FloatDType, Tensor};
use proptest::prelude::*;
use rebus_nn::{
    burn,
    kernels::{self, Activation, AdamWStep},
    random::{self, Key, Purpose},
};

/// Normal numbers that depend on the shape and `seed` alone.
fn noise<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let key = Key { seed, step: 0, first: 0 };
    random::normal(shape, key, Purpose::Other, &Device::flex())
}

/// `rms(a - b) / rms(b)`, where numbers that cancelled out to less than one count as one.
fn error<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f64 {
    let numbers = |tensor: Tensor<D>| tensor.into_data().iter::<f64>().collect::<Vec<_>>();
    let (a, b) = (numbers(a), numbers(b));
    assert_eq!(a.len(), b.len());
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    square(&mut a.iter().zip(&b).map(|(a, b)| a - b))
        / square(&mut b.iter().copied()).max((b.len() as f64).sqrt())
}

/// The errors of the value and of the gradients of up to three inputs, of `f` with 32-bit numbers, which takes the
/// kernel, from `f` with 64-bit numbers, which takes Burn's own operations.
fn errors<const A: usize, const B: usize, const C: usize, const O: usize>(
    inputs: (Tensor<A>, Tensor<B>, Tensor<C>),
    f: impl Fn(Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<O>,
) -> [f64; 4] {
    let run = |dtype: FloatDType| {
        let device = Device::flex().autodiff();
        let a = Tensor::<A>::from_data(inputs.0.to_data(), &device).cast(dtype).detach().require_grad();
        let b = Tensor::<B>::from_data(inputs.1.to_data(), &device).cast(dtype).detach().require_grad();
        let c = Tensor::<C>::from_data(inputs.2.to_data(), &device).cast(dtype).detach().require_grad();
        let output = f(a.clone(), b.clone(), c.clone());
        let weights = Tensor::<O>::from_data(noise(output.dims(), 99).into_data(), &device).cast(dtype);
        let gradients = (output.clone() * weights).sum().backward();
        (output.detach(), a.grad(&gradients), b.grad(&gradients), c.grad(&gradients))
    };
    let (fast, exact) = (run(FloatDType::F32), run(FloatDType::F64));
    fn optional<const D: usize>(a: Option<Tensor<D>>, b: Option<Tensor<D>>) -> f64 {
        match (a, b) {
            (Some(a), Some(b)) => error(a, b),
            (None, None) => 0.0,
            _ => panic!("one has a gradient and the other has none"),
        }
    }
    [error(fast.0, exact.0), optional(fast.1, exact.1), optional(fast.2, exact.2), optional(fast.3, exact.3)]
}

/// The bound where hundreds of random numbers are added up to one, which may come out near zero.
const SUM: f64 = 1e-5;

/// The same cases every time: a bound that holds for these is no accident of the day.
fn cases() -> ProptestConfig {
    ProptestConfig {
        cases: 24,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(0),
        ..ProptestConfig::default()
    }
}

#[track_caller]
fn within(errors: [f64; 4], bounds: [f64; 4]) {
    for (index, (error, bound)) in errors.iter().zip(bounds).enumerate() {
        assert!(*error <= bound, "error {index} of {errors:?} is over {bound:e}");
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn activations(rows in 1usize..40, columns in 1usize..900, slope in 0.0f32..0.5) {
        for activation in [Activation::Silu, Activation::Gelu, Activation::Leaky(slope)] {
            let input = noise([rows, columns], 1) * 4.0;
            let found = errors((input, noise([1], 2), noise([1], 3)), |x, _, _| kernels::activate(x, activation));
            within(found, [1e-6, 1e-6, 0.0, 0.0]);
        }
    }

    #[test]
    fn group_norms(batch in 1usize..5, groups in 1usize..5, per_group in 1usize..6, height in 1usize..9, width in 2usize..9) {
        let channels = groups * per_group;
        for activation in [None, Some(Activation::Silu), Some(Activation::Leaky(0.2))] {
            let input = noise([batch, channels, height, width], 1) * 2.0 + 0.5;
            let found = errors(
                (input, noise([batch, channels], 2) + 1.0, noise([batch, channels], 3)),
                |x, scale, shift| kernels::group_norm(x, scale, shift, groups, activation),
            );
            within(found, [1e-6, 2e-6, SUM, SUM]);
        }
    }

    #[test]
    fn batch_norms(batch in 2usize..9, channels in 1usize..20, places in 1usize..70) {
        let inputs = (
            noise([batch, channels, places], 1) * 2.0 + 0.5,
            noise([channels], 2) + 1.0,
            noise([channels], 3),
        );
        let norm = |x, scale, shift| kernels::batch_norm(x, scale, shift, 1e-3);
        within(errors(inputs.clone(), |x, scale, shift| norm(x, scale, shift).0), [1e-6, 4e-6, SUM, SUM]);
        for index in [0, 1] {
            let (x, scale, shift) = inputs.clone();
            let wide = FloatDType::F64;
            let exact = norm(x.clone().cast(wide), scale.clone().cast(wide), shift.clone().cast(wide));
            let [fast, exact] = [norm(x, scale, shift).1, exact.1].map(|moments| moments[index].clone());
            prop_assert!(error(fast, exact) < 1e-6);
        }
    }

    #[test]
    fn layer_norms(rows in 1usize..200, width in 2usize..300) {
        let found = errors(
            (noise([rows, width], 1) * 3.0 + 1.0, noise([width], 2) + 1.0, noise([width], 3)),
            kernels::layer_norm,
        );
        within(found, [1e-6, 4e-6, SUM, SUM]);
    }

    #[test]
    fn rms_norms(rows in 1usize..200, width in 2usize..300) {
        let inputs = (noise([rows, width], 1) * 3.0 + 1.0, noise([width], 2) + 1.0, noise([1], 3));
        let found = errors(inputs, |x: Tensor<2>, scale, _| kernels::rms_norm(x, scale));
        within(found, [1e-6, 4e-6, SUM, 0.0]);
    }

    #[test]
    fn norms_with_scales_of_each_samples_own(batch in 1usize..6, length in 1usize..150, width in 2usize..200) {
        let shape = [batch, length, width];
        let inputs =
            (noise(shape, 1) * 3.0 + 1.0, noise([batch, width], 2) + 1.0, noise([batch, width], 3));
        within(errors(inputs.clone(), kernels::modulated_layer_norm), [1e-6, 4e-6, SUM, SUM]);
        let found = errors(inputs, |x: Tensor<3>, scale, _| kernels::modulated_rms_norm(x, scale));
        within(found, [1e-6, 4e-6, SUM, 0.0]);
    }

    #[test]
    fn rotations(batch in 1usize..5, length in 1usize..40, heads in 1usize..5, half in 1usize..40) {
        let angles = noise([length, half], 2) * 3.0;
        let inputs = (noise([batch, length, heads * 2 * half], 1), noise([1], 2), noise([1], 3));
        let turn = |x: Tensor<3>, _, _| {
            let angles = angles.clone().cast(x.dtype());
            kernels::rotate(x, angles)
        };
        within(errors(inputs, turn), [1e-6, 1e-6, 0.0, 0.0]);
    }

    #[test]
    fn softmaxes(rows in 1usize..200, width in 1usize..300) {
        let inputs = (noise([rows, width], 1) * 4.0, noise([1], 2), noise([1], 3));
        within(errors(inputs, |x: Tensor<2>, _, _| kernels::softmax(x)), [1e-6, 1e-6, 0.0, 0.0]);
    }

    #[test]
    fn adds(batch in 1usize..5, length in 1usize..70, width in 1usize..170) {
        let shape = [batch, length, width];
        let inputs = (noise(shape, 1), noise(shape, 2), noise([1], 3));
        let found = errors(inputs, |left: Tensor<3>, right: Tensor<3>, _| kernels::add(left, right));
        within(found, [1e-6, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn gated_adds(batch in 1usize..5, length in 1usize..70, width in 1usize..70) {
        let shape = [batch, length, width];
        let inputs = (noise(shape, 1), noise(shape, 2), noise([batch, width], 3));
        within(errors(inputs, kernels::gated_add), [1e-6, 1e-6, 1e-6, SUM]);
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn changes_of_size(
        (batch, channels) in (1usize..4, 1usize..5),
        (height, width) in (1usize..9, 1usize..9),
        factor in 1usize..4,
    ) {
        let [nothing, none] = [noise([1], 2), noise([1], 3)];
        let inputs = (noise([batch, channels, height, width], 1), nothing.clone(), none.clone());
        let found = errors(inputs, |x, _, _| kernels::upsample_nearest(x, factor));
        within(found, [1e-6, 1e-6, 0.0, 0.0]);
        let inputs = (noise([batch, channels, height * factor, width * factor], 1), nothing, none);
        let found = errors(inputs, |x, _, _| kernels::downsample_mean(x, factor));
        within(found, [1e-6, 1e-6, 0.0, 0.0]);
    }

    #[test]
    fn linears(rows in 1usize..300, inner in 1usize..70, columns in 1usize..70) {
        let inputs = (noise([rows, inner], 1), noise([inner, columns], 2), noise([columns], 3));
        let found = errors(inputs, |x, weight, bias| kernels::linear(x, weight, Some(bias)));
        within(found, [1e-6, 1e-6, 2e-6, SUM]);
    }

    #[test]
    fn attentions(batch in 1usize..4, heads in 1usize..4, head_width in 1usize..20, length in 1usize..40, keys in 1usize..40) {
        let width = heads * head_width;
        let inputs = (
            noise([batch, length, width], 1),
            noise([batch, keys, 2 * width], 2),
            noise([batch, keys], 3) * 2.0,
        );
        let found = errors(inputs, |query, key_value, bias| kernels::attention(query, key_value, bias, heads));
        within(found, [1e-6, 2e-6, 2e-6, SUM]);
    }
}

#[test]
fn a_key_that_does_not_count_has_no_say() {
    let (query, key_value) = (noise([2, 5, 8], 1), noise([2, 7, 16], 2));
    let bias = Tensor::cat(
        vec![Tensor::zeros([2, 4], &Device::flex()), Tensor::full([2, 3], -1e4, &Device::flex())],
        1,
    );
    let few =
        kernels::attention(query.clone(), key_value.clone().narrow(1, 0, 4), bias.clone().narrow(1, 0, 4), 2);
    assert!(error(kernels::attention(query, key_value, bias, 2), few) < 1e-6);
}

const STEP: AdamWStep = AdamWStep {
    learning_rate: 0.01,
    beta_1: 0.9,
    beta_2: 0.99,
    epsilon: 1e-8,
    weight_decay: 0.1,
    gradient_scale: 0.5,
    time: 3,
    average: 0.75,
};

#[test]
fn a_step_of_adamw() {
    for length in [1, 7, 40_000] {
        let run = |dtype: FloatDType, averaged: bool| {
            let [weight, gradient, first] = [1, 2, 3].map(|seed| noise([length], seed).cast(dtype));
            let second = noise([length], 4).square().cast(dtype);
            let average = averaged.then(|| noise([length], 5).cast(dtype));
            let (moved, average) = kernels::adamw([weight, gradient, first, second], average, STEP);
            moved.into_iter().chain(average).collect::<Vec<_>>()
        };
        let [fast, exact] = [FloatDType::F32, FloatDType::F64].map(|dtype| run(dtype, true));
        assert_eq!((fast.len(), exact.len()), (4, 4));
        for (fast, exact) in fast.iter().zip(exact) {
            assert!(error(fast.clone(), exact) < 1e-6);
        }
        // With an average or without, the weights move by the same bits; and the average is that of the moved weight.
        for (with, without) in fast.iter().zip(run(FloatDType::F32, false)) {
            assert_eq!(with.clone().into_data(), without.into_data());
        }
        let average = kernels::blend(noise([length], 5), fast[0].clone(), STEP.average);
        assert_eq!(fast[3].clone().into_data(), average.into_data());
    }
}

#[test]
fn sums() {
    for length in [1, 5, 50_000] {
        for f in [kernels::sum, kernels::mean] {
            let inputs = (noise([length, 3], 1), noise([1], 2), noise([1], 3));
            within(errors(inputs, |x: Tensor<2>, _, _| f(x)), [1e-6, 1e-6, 0.0, 0.0]);
        }
    }
}

#[test]
fn square_sums_and_blends() {
    let (old, new) = (noise([50_000], 1), noise([50_000], 2));
    let exact: f64 = old.clone().into_data().iter::<f64>().map(|x| x * x).sum();
    assert!((kernels::square_sum(old.clone()) / exact - 1.0).abs() < 1e-6);
    let blended = kernels::blend(old.clone(), new.clone(), 0.75);
    assert!(error(blended, old * 0.75 + new * 0.25) < 1e-6);
}

/// What nobody else holds is written over, which changes nothing that anybody sees.
#[test]
fn sums_of_two_leave_what_others_hold() {
    let fresh = |seed: u64| Tensor::<2>::from_data(noise([70, 500], seed).into_data(), &Device::flex());
    let numbers = |tensor: Tensor<2>| tensor.into_data().iter::<f32>().collect::<Vec<_>>();
    let exact: Vec<f32> =
        numbers(fresh(1)).iter().zip(numbers(fresh(2))).map(|(left, right)| left + right).collect();
    let (left, right) = (fresh(1), fresh(2));
    assert_eq!(numbers(kernels::add(left.clone(), right.clone())), exact);
    assert_eq!(numbers(kernels::add(fresh(1), right.clone())), exact);
    assert_eq!(numbers(kernels::add(left.clone(), fresh(2))), exact);
    assert_eq!(numbers(kernels::add(fresh(1), fresh(2))), exact);
    let part = left.clone().narrow(0, 3, 40);
    assert_eq!(numbers(kernels::add(part, right.clone().narrow(0, 3, 40))), exact[1_500..21_500]);
    let twice: Vec<f32> = numbers(left.clone()).iter().map(|x| 2.0 * x).collect();
    let own = fresh(1);
    assert_eq!(numbers(kernels::add(own.clone(), own)), twice);
    assert_eq!((numbers(left), numbers(right)), (numbers(fresh(1)), numbers(fresh(2))));
}

/// What somebody else holds is not written over, nor are the numbers around a part of a tensor.
#[test]
fn numbers_that_others_hold_stay() {
    let step = AdamWStep { time: 1, ..STEP };
    let whole = [1, 2, 3, 4].map(|seed| noise([3_000], seed).abs());
    let before = whole.each_ref().map(|tensor| tensor.clone().into_data());
    let part = whole.each_ref().map(|tensor| tensor.clone().narrow(0, 1_000, 777));
    let alone = part.each_ref().map(|tensor| Tensor::from_data(tensor.clone().into_data(), &Device::flex()));
    let blended = kernels::blend(part[0].clone(), part[1].clone(), 0.5);
    let [moved, moved_alone] = [&part, &alone].map(|tensors| {
        let (moved, average) = kernels::adamw(tensors.clone(), Some(tensors[3].clone()), step);
        moved.into_iter().chain(average).map(Tensor::into_data).collect::<Vec<_>>()
    });
    assert_eq!(moved, moved_alone);
    let [old, new, ..] = alone;
    assert_eq!(blended.into_data(), kernels::blend(old, new, 0.5).into_data());
    assert_eq!(whole.map(Tensor::into_data), before);
}

#[test]
fn what_is_not_a_number_stays_so() {
    let holed = |length| {
        noise([2, length], 1).slice_assign([0..1, 2..3], Tensor::full([1, 1], f32::NAN, &Device::flex()))
    };
    for length in [5, 64] {
        for activation in [Activation::Silu, Activation::Gelu, Activation::Leaky(0.2)] {
            let output = kernels::activate(holed(length), activation).into_data();
            let found: Vec<usize> = output
                .iter::<f32>()
                .enumerate()
                .filter(|(_, x)| x.is_nan())
                .map(|(place, _)| place)
                .collect();
            assert_eq!(found, [2], "{activation:?}");
        }
        let query = holed(length).reshape([1, 2, length]);
        let (key_value, bias) = (noise([1, 3, 2 * length], 2), noise([1, 3], 3));
        let output = kernels::attention(query, key_value, bias, 1).into_data();
        assert_eq!(output.iter::<f32>().filter(|x| x.is_nan()).count(), length);
    }
}

#[test]
#[should_panic(expected = "3 groups do not divide 8 channels")]
fn shapes_that_do_not_fit_are_refused() {
    let ones = || noise([1, 8], 2);
    kernels::group_norm(noise([1, 8, 2, 2], 1), ones(), ones(), 3, None);
}

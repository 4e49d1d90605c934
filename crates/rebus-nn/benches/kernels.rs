//! The kernels alone, and Burn's own operations beside them: `cargo bench -p rebus-nn`.
//!
//! Each is measured forward, and forward with all gradients. `REBUS_SIMD=portable` or `avx2` takes fewer instructions than
//! the processor has.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use burn::tensor::{DType, Device, Tensor};
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime};
use rebus_nn::{
    burn,
    kernels::{self, Activation, AdamWStep, Convolution, PackedWeight, plain},
    random::{self, Key, Purpose},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Normal numbers that depend on the shape and `seed` alone.
fn noise<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    random::normal(shape, Key { seed, step: 0, first: 0 }, Purpose::Other, device)
}

/// A function of three tensors.
type Function<const A: usize, const B: usize, const C: usize, const O: usize> =
    fn(Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<O>;

/// A kernel forward, with its weight in 32 bits and in bf16, as a network that draws has it.
fn halved<const D: usize>(
    criterion: &mut Criterion,
    name: &str,
    (input, weight): ([usize; D], [usize; D]),
    kernel: fn(Tensor<D>, Tensor<D>, &PackedWeight) -> Tensor<D>,
) {
    let mut group = criterion.benchmark_group(name);
    let [input, weight] = [(input, 1), (weight, 2)].map(|(shape, seed)| noise(shape, seed, &Device::flex()));
    for (which, weight) in [("f32", weight.clone()), ("bf16", weight.cast(DType::BF16))] {
        let packed = PackedWeight::default();
        group.bench_function(format!("{which}/forward"), |bencher| {
            bencher.iter(|| black_box(kernel(input.clone(), weight.clone(), &packed)));
        });
    }
}

/// A kernel and what it stands for, on inputs of these shapes.
fn compare<const A: usize, const B: usize, const C: usize, const O: usize>(
    criterion: &mut Criterion,
    name: &str,
    shapes: ([usize; A], [usize; B], [usize; C]),
    kernel: Function<A, B, C, O>,
    plain: Function<A, B, C, O>,
) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(20);
    measure(&mut group, shapes, [("kernel", kernel), ("plain", plain)]);
}

/// Functions on inputs of these shapes, forward and with gradients.
fn measure<const A: usize, const B: usize, const C: usize, const O: usize>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    (a, b, c): ([usize; A], [usize; B], [usize; C]),
    functions: impl IntoIterator<Item = (&'static str, Function<A, B, C, O>)>,
) {
    for (which, function) in functions {
        let device = Device::flex();
        let inputs = (noise(a, 1, &device), noise(b, 2, &device), noise(c, 3, &device));
        group.bench_function(format!("{which}/forward"), |bencher| {
            bencher.iter(|| black_box(function(inputs.0.clone(), inputs.1.clone(), inputs.2.clone())));
        });
        let device = device.autodiff();
        let inputs = (
            noise(a, 1, &device).require_grad(),
            noise(b, 2, &device).require_grad(),
            noise(c, 3, &device).require_grad(),
        );
        group.bench_function(format!("{which}/gradients"), |bencher| {
            bencher.iter(|| {
                let output = function(inputs.0.clone(), inputs.1.clone(), inputs.2.clone());
                black_box(kernels::sum(output).backward())
            });
        });
    }
}

fn fast<const STRIDE: usize>(x: Tensor<4>, w: Tensor<4>, b: Tensor<1>) -> Tensor<4> {
    kernels::conv2d(x, w, Some(b), Convolution::new(STRIDE, (1, 1)))
}

fn accurate<const STRIDE: usize>(x: Tensor<4>, w: Tensor<4>, b: Tensor<1>) -> Tensor<4> {
    kernels::conv2d(x, w, Some(b), Convolution { accurate: true, ..Convolution::new(STRIDE, (1, 1)) })
}

fn burns<const STRIDE: usize>(x: Tensor<4>, w: Tensor<4>, b: Tensor<1>) -> Tensor<4> {
    plain::conv2d(x, w, Some(b), Convolution::new(STRIDE, (1, 1)))
}

fn convolutions(criterion: &mut Criterion) {
    for (channels_in, channels_out, kernel, stride) in [(64, 64, 3, 1), (128, 256, 3, 2), (64, 128, 4, 2)] {
        let mut group = criterion
            .benchmark_group(format!("conv{kernel}x{kernel}/{stride} 16x{channels_in}->{channels_out}@32"));
        group.sample_size(20);
        let shapes = ([16, channels_in, 32, 32], [channels_out, channels_in, kernel, kernel], [channels_out]);
        let functions: [(_, Function<4, 4, 1, 4>); 3] = match stride {
            1 => [("kernel", fast::<1>), ("accurate", accurate::<1>), ("plain", burns::<1>)],
            _ => [("kernel", fast::<2>), ("accurate", accurate::<2>), ("plain", burns::<2>)],
        };
        measure(&mut group, shapes, functions);
    }
    compare(
        criterion,
        "conv1x1 16x64->64@32",
        ([16, 64, 32, 32], [64, 64, 1, 1], [64]),
        |x, w, b| kernels::conv2d(x, w, Some(b), Convolution::new(1, (0, 0))),
        |x, w, b| plain::conv2d(x, w, Some(b), Convolution::new(1, (0, 0))),
    );
    compare(
        criterion,
        "transposed conv4x4/2 16x64->64@16",
        ([16, 64, 16, 16], [64, 64, 4, 4], [64]),
        |x, w, b| kernels::conv_transpose2d(x, w, Some(b), 2, (1, 1)),
        |x, w, b| plain::conv_transpose2d(x, w, Some(b), 2, (1, 1)),
    );
}

fn products(criterion: &mut Criterion) {
    compare(
        criterion,
        "linear 1024x384->1536",
        ([1024, 384], [384, 1536], [1536]),
        |x, w, b| kernels::linear(x, w, Some(b)),
        |x, w, b| plain::linear(x, w, Some(b)),
    );
    for rows in [2, 64, 1024] {
        halved(
            criterion,
            &format!("linear {rows}x384->1536 by precision"),
            ([rows, 384], [384, 1536]),
            |x, w, packed| kernels::linear_packed(x, w, None, packed),
        );
    }
    for (kernel, stride) in [(1, 1), (3, 2), (4, 2)] {
        halved(
            criterion,
            &format!("conv{kernel}x{kernel}/{stride} 16x64->64@32 by precision"),
            ([16, 64, 32, 32], [64, 64, kernel, kernel]),
            match kernel {
                1 => |x, w, packed| kernels::conv2d_packed(x, w, None, Convolution::new(1, (0, 0)), packed),
                _ => |x, w, packed| kernels::conv2d_packed(x, w, None, Convolution::new(2, (1, 1)), packed),
            },
        );
    }
    compare(
        criterion,
        "attention 16x64x384, 6 heads",
        ([16, 64, 384], [16, 64, 768], [16, 64]),
        |query, key_value, bias| kernels::attention(query, key_value, bias, 6),
        |query, key_value, bias| plain::attention(query, key_value, bias, 6),
    );
}

fn rows(criterion: &mut Criterion) {
    compare(
        criterion,
        "group norm + silu 16x64@32, 8 groups",
        ([16, 64, 32, 32], [16, 64], [16, 64]),
        |x, scale, shift| kernels::group_norm(x, scale, shift, 8, Some(Activation::Silu)),
        |x, scale, shift| plain::group_norm(x, scale, shift, 8, Some(Activation::Silu)),
    );
    compare(
        criterion,
        "layer norm 1024x384",
        ([1024, 384], [384], [384]),
        kernels::layer_norm,
        plain::layer_norm,
    );
    compare(
        criterion,
        "rms norm 1024x384",
        ([1024, 384], [384], [1]),
        |x, scale, _| kernels::rms_norm(x, scale),
        |x, scale, _| plain::rms_norm(x, scale),
    );
    compare(
        criterion,
        "softmax 6144x64",
        ([6144, 64], [1], [1]),
        |x, _, _| kernels::softmax(x),
        |x, _, _| plain::softmax(x),
    );
    compare(
        criterion,
        "silu 1024x1536",
        ([1024, 1536], [1], [1]),
        |x, _, _| kernels::silu(x),
        |x, _, _| plain::activate(x, Activation::Silu),
    );
    compare(
        criterion,
        "gelu 1024x1536",
        ([1024, 1536], [1], [1]),
        |x, _, _| kernels::gelu(x),
        |x, _, _| plain::activate(x, Activation::Gelu),
    );
}

fn optimizer(criterion: &mut Criterion) {
    let step = AdamWStep {
        learning_rate: 1e-4,
        beta_1: 0.9,
        beta_2: 0.99,
        epsilon: 1e-8,
        weight_decay: 0.01,
        gradient_scale: 1.0,
        time: 3,
        average: 0.999,
    };
    type Step = fn([Tensor<1>; 4], Option<Tensor<1>>, AdamWStep) -> ([Tensor<1>; 3], Option<Tensor<1>>);
    let mut group = criterion.benchmark_group("adamw and average, 4 million");
    group.sample_size(20);
    let steps: [(&str, Step); 2] = [("kernel", kernels::adamw), ("plain", plain::adamw)];
    for (which, advance) in steps {
        let device = Device::flex();
        let [weight, gradient, first] = [1, 2, 3].map(|seed| noise([4_000_000], seed, &device));
        let second = gradient.clone().square();
        let mut moving = Some(([weight.clone(), first, second], Some(weight)));
        group.bench_function(which, |bencher| {
            bencher.iter(|| {
                moving = moving.take().map(|([weight, first, second], average)| {
                    advance([weight, gradient.clone(), first, second], average, step)
                });
            });
        });
    }
}

criterion_group!(benches, convolutions, products, rows, optimizer);
criterion_main!(benches);

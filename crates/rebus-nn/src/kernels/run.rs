//! How a kernel runs: which instructions, on how many threads, and from which tensors.
//!
//! `REBUS_KERNELS=plain` takes Burn's own operations instead; `REBUS_SIMD=portable` or `avx2` takes fewer instructions
//! than the processor has. Both are for comparing, and read once.

use std::{borrow::Cow, sync::LazyLock};

use burn::{
    backend::{
        DispatchDevice,
        flex::{FlexTensor, Layout},
    },
    tensor::{Bytes, DType, Device, Shape, Tensor},
};
use half::bf16;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{lanes::Lanes, plain, rows};

/// Below this many numbers, waking other threads costs more than they save.
pub(super) const WORTH_A_THREAD: usize = 16 * 1024;

/// Whether tensors of this device lie on the processor.
pub(super) fn is_processor(device: &Device) -> bool {
    match device.as_dispatch() {
        DispatchDevice::Flex(_) => true,
        DispatchDevice::Autodiff(device) => matches!(device.clone().inner(), DispatchDevice::Flex(_)),
        #[allow(unreachable_patterns, reason = "with a GPU's feature there are others")]
        _ => false,
    }
}

/// Whether kernels serve this device.
pub(super) fn serves(device: &Device) -> bool {
    static PLAIN: LazyLock<bool> =
        LazyLock::new(|| std::env::var("REBUS_KERNELS").is_ok_and(|value| value == "plain"));
    is_processor(device) && !*PLAIN
}

/// Whether a kernel can take this tensor: 32-bit numbers on the processor.
pub(super) fn takes<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32 && serves(&tensor.device())
}

/// Whether a kernel can take an input and the weight that it is multiplied by.
pub(super) fn takes_both<const D: usize>(input: &Tensor<D>, weight: &Tensor<D>) -> bool {
    takes(input) && [DType::F32, DType::BF16].contains(&weight.dtype())
}

/// An input that a kernel takes, and the weight that it is multiplied by: of those in bf16 a kernel knows no gradient, but
/// 32-bit numbers that have been rounded to bf16 have the same products.
pub(super) fn as_learned<const D: usize>(input: Tensor<D>, weight: Tensor<D>) -> [Tensor<D>; 2] {
    match is_tracked(&input) || is_tracked(&weight) {
        true => plain::rounded_alike(input, weight),
        false => [input, weight],
    }
}

/// Whether a tensor is of a device that differentiates.
pub(super) fn is_tracked<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.device().is_autodiff()
}

/// Runs a kernel with the widest instructions that there are.
pub(super) fn dispatch<K: WithSimd>(kernel: K) -> K::Output {
    static ARCH: LazyLock<Arch> = LazyLock::new(|| {
        let best = Arch::new();
        match std::env::var("REBUS_SIMD").as_deref() {
            Ok("portable") => Arch::Scalar,
            #[cfg(target_arch = "x86_64")]
            Ok("avx2") => pulp::x86::V3::try_new().map_or(best, Arch::V3),
            _ => best,
        }
    });
    ARCH.dispatch(kernel)
}

/// Numbers in a vector of the widest instructions that there are.
pub(super) fn lanes() -> usize {
    struct Count;
    impl WithSimd for Count {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _simd: S) -> usize {
            S::F32_LANES
        }
    }
    dispatch(Count)
}

/// The numbers of a tensor that stands in a row.
#[allow(
    clippy::expect_used,
    reason = "a kernel is given 32-bit numbers in a row, or it is a mistake in this room"
)]
pub(super) fn numbers(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice::<f32>().expect("32-bit numbers in a row")
}

/// The numbers of a weight, if they are in bf16.
pub(super) fn halves(weight: &FlexTensor) -> Option<&[bf16]> {
    (weight.dtype() == DType::BF16).then(|| weight.as_slice::<bf16>()).flatten()
}

/// A weight in 32 bits.
pub(super) fn widened(weight: &FlexTensor) -> Cow<'_, FlexTensor> {
    match halves(weight) {
        Some(halves) => Cow::Owned(tensor_like(halves.iter().map(|half| half.to_f32()).collect(), weight)),
        None => Cow::Borrowed(weight),
    }
}

/// As [`numbers`], to be written over: the tensor's own where no other shares them, else a copy.
pub(super) fn numbers_mut(tensor: &mut FlexTensor) -> &mut [f32] {
    let (start, count) = (tensor.layout().start_offset(), tensor.layout().num_elements());
    &mut tensor.storage_mut::<f32>()[start..start + count]
}

/// The sides of a tensor, `D` of them.
#[allow(clippy::expect_used, reason = "as above")]
pub(super) fn sides<const D: usize>(tensor: &FlexTensor) -> [usize; D] {
    let shape: &[usize] = tensor.layout().shape();
    shape.try_into().expect("as many sides as the kernel's signature says")
}

/// Numbers as a tensor.
pub(super) fn tensor(numbers: Vec<f32>, sides: &[usize]) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(numbers), Layout::contiguous(Shape::from(sides.to_vec())), DType::F32)
}

/// As [`tensor`], shaped as another.
pub(super) fn tensor_like(numbers: Vec<f32>, other: &FlexTensor) -> FlexTensor {
    FlexTensor::new(
        Bytes::from_elems(numbers),
        Layout::contiguous(other.layout().shape().clone()),
        DType::F32,
    )
}

/// How many pieces of `piece` numbers one task takes, so that a task is worth its thread.
pub(super) fn pieces_a_task(piece: usize) -> usize {
    WORTH_A_THREAD.div_ceil(piece.max(1))
}

/// `count` numbers, all of them written by `fill`, which is given room with anything in it: zeros that are written over
/// at once cost as much as the cheaper kernels.
#[allow(unsafe_code, reason = "the standard library has no safe way to leave numbers unwritten")]
pub(super) fn filled(count: usize, fill: impl FnOnce(&mut [f32])) -> Vec<f32> {
    let mut numbers = Vec::with_capacity(count);
    if cfg!(debug_assertions) {
        // What a kernel forgot shows as not a number.
        numbers.resize(count, f32::NAN);
        fill(&mut numbers);
        return numbers;
    }
    // SAFETY: the room for `count` numbers has just been made, any bits are a number, and `fill` writes each before
    // anything reads it: with checks on, the tests run on room full of NaN.
    unsafe {
        fill(std::slice::from_raw_parts_mut(numbers.as_mut_ptr(), count));
        numbers.set_len(count);
    }
    numbers
}

/// Chunks of `length` numbers added up, in their order.
pub(super) fn sum_of_chunks(chunks: &[f32], length: usize) -> Vec<f32> {
    let mut total = vec![0.0; length];
    for chunk in chunks.chunks_exact(length) {
        for (total, number) in total.iter_mut().zip(chunk) {
            *total += number;
        }
    }
    total
}

/// Rows of one length added up, in their order.
pub(super) fn total(rows: Vec<Vec<f32>>) -> Vec<f32> {
    let mut rows = rows.into_iter();
    let mut total = rows.next().unwrap_or_default();
    let rest: Vec<_> = rows.collect();
    total.par_chunks_mut(WORTH_A_THREAD).enumerate().for_each(|(index, total)| {
        for row in &rest {
            let row = &row[index * WORTH_A_THREAD..][..total.len()];
            total.iter_mut().zip(row).for_each(|(total, number)| *total += number);
        }
    });
    total
}

/// A formula from one number to one, lane by lane.
pub(super) trait Formula<const N: usize>: Copy + Sync {
    fn apply<S: Simd>(self, inputs: [Lanes<S>; N]) -> Lanes<S>;
}

/// The formula for each place of `N` tensors of the same shape.
pub(super) fn each<const N: usize, F: Formula<N>>(formula: F, inputs: [&[f32]; N]) -> Vec<f32> {
    let length = inputs[0].len();
    assert!(inputs.iter().all(|input| input.len() == length), "tensors of different shapes");
    let run = |start: usize, output: &mut [f32]| {
        let inputs = inputs.map(|input| &input[start..start + output.len()]);
        dispatch(Each { formula, inputs, output });
    };
    filled(inputs[0].len(), |output| {
        if output.len() <= WORTH_A_THREAD {
            run(0, output);
        } else {
            let chunks = output.par_chunks_mut(WORTH_A_THREAD).enumerate();
            chunks.for_each(|(index, output)| run(index * WORTH_A_THREAD, output));
        }
    })
}

struct Each<'a, const N: usize, F> {
    formula: F,
    inputs: [&'a [f32]; N],
    output: &'a mut [f32],
}

impl<const N: usize, F: Formula<N>> WithSimd for Each<'_, N, F> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        rows::fill(
            simd,
            self.output,
            self.inputs,
            #[inline(always)]
            |values| self.formula.apply(values),
        );
    }
}

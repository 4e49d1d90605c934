//! Fused and faster operations for the processor, each with its own gradient, behind functions that any layer calls.
//!
//! Each function takes tensors of any device. Where they hold 32-bit numbers on the processor it runs a kernel of this
//! room; elsewhere, and where `REBUS_KERNELS=plain` asks for it, Burn's own operations (in [`plain`]). So no layer and no
//! model knows which it is.
//!
//! A kernel is a file: its formula forward and back on slices, on all threads, with the processor's widest
//! instructions (`lanes.rs`); `op.rs` makes an operation of Burn out of it. Sums run in an order that depends on their
//! length alone, so that the same numbers come out of any number of threads.

use burn::tensor::{Device, Tensor};

mod conv2d;
mod kept;
pub mod plain;

#[cfg(feature = "cpu")]
mod activation;
#[cfg(feature = "cpu")]
mod adamw;
#[cfg(feature = "cpu")]
mod add;
#[cfg(feature = "cpu")]
mod affine;
#[cfg(feature = "cpu")]
mod attention;
#[cfg(feature = "cpu")]
mod batch_norm;
#[cfg(feature = "cpu")]
mod bf16;
#[cfg(feature = "cpu")]
mod channels;
#[cfg(feature = "cpu")]
mod conv_transpose;
#[cfg(feature = "cpu")]
mod convolution;
#[cfg(feature = "cpu")]
mod convolution_plan;
#[cfg(feature = "cpu")]
mod finish;
#[cfg(feature = "cpu")]
mod gated_add;
#[cfg(feature = "cpu")]
mod group_norm;
#[cfg(feature = "cpu")]
mod guarded;
#[cfg(feature = "cpu")]
mod indirect;
#[cfg(feature = "cpu")]
mod lanes;
#[cfg(feature = "cpu")]
mod layer_norm;
#[cfg(feature = "cpu")]
mod linear;
#[cfg(feature = "cpu")]
mod matrix;
#[cfg(feature = "mimalloc")]
mod memory;
#[cfg(feature = "cpu")]
mod op;
#[cfg(feature = "cpu")]
mod panels;
#[cfg(feature = "cpu")]
mod resample;
#[cfg(feature = "cpu")]
mod rotary;
#[cfg(feature = "cpu")]
mod rows;
#[cfg(feature = "cpu")]
mod run;
#[cfg(feature = "cpu")]
mod sample_norms;
#[cfg(feature = "cpu")]
mod softmax;
#[cfg(feature = "cpu")]
mod sum;
#[cfg(feature = "cpu")]
mod tiled;
#[cfg(feature = "cpu")]
mod tiled_block;
#[cfg(feature = "cpu")]
mod tiled_pack;
#[cfg(feature = "cpu")]
mod tiled_plan;
#[cfg(feature = "cpu")]
mod tiled_weight;
#[cfg(feature = "cpu")]
mod tiles;
#[cfg(feature = "cpu")]
mod upsampled;
#[cfg(feature = "cpu")]
mod winograd;

pub use conv2d::{
    Convolution, conv_transpose2d, conv2d, conv2d_packed, conv2d_upsampled, conv2d_upsampled_packed,
};
pub use kept::PackedWeight;
#[cfg(feature = "mimalloc")]
pub use memory::keep_freed_memory;

/// A function of one number that a network bends its values by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// `x * sigmoid(x)` (Elfwing et al. 2018)
    Silu,
    /// `x * Phi(x)` in its tanh form (Hendrycks and Gimpel 2016)
    Gelu,
    /// `x` above zero and `slope * x` below (Maas et al. 2013); slope 0 is ReLU
    Leaky(f32),
}

/// The activation of each number.
pub fn activate<const D: usize>(input: Tensor<D>, activation: Activation) -> Tensor<D> {
    #[cfg(feature = "cpu")]
    if run::takes(&input) {
        return activation::activate(input, activation);
    }
    plain::activate(input, activation)
}

/// `x * sigmoid(x)`
pub fn silu<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    activate(input, Activation::Silu)
}

/// `x * Phi(x)` in its tanh form
pub fn gelu<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    activate(input, Activation::Gelu)
}

/// `x` above zero, `slope * x` below
pub fn leaky_relu<const D: usize>(input: Tensor<D>, slope: f64) -> Tensor<D> {
    activate(input, Activation::Leaky(slope as f32))
}

/// `x` above zero, zero below
pub fn relu<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    activate(input, Activation::Leaky(0.0))
}

/// Mean 0 and variance 1 over `groups` of channels and all places of `[batch, channels, height, width]`, then
/// `x * scale + shift`, both `[batch, channels]`, then the activation.
pub fn group_norm(
    input: Tensor<4>,
    scale: Tensor<2>,
    shift: Tensor<2>,
    groups: usize,
    activation: Option<Activation>,
) -> Tensor<4> {
    #[cfg(feature = "cpu")]
    if run::takes(&input) && run::takes(&scale) && run::takes(&shift) {
        return group_norm::group_norm(input, scale, shift, groups, activation);
    }
    plain::group_norm(input, scale, shift, groups, activation)
}

/// Mean 0 and variance 1 over batch and places of each channel of `[batch, channels, places]`, then `x * scale + shift`,
/// both `[channels]`. With it come each channel's mean and biased variance, which are no part of a graph.
pub fn batch_norm(
    input: Tensor<3>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    epsilon: f64,
) -> (Tensor<3>, [Tensor<1>; 2]) {
    #[cfg(feature = "cpu")]
    if run::takes(&input) && run::takes(&scale) && run::takes(&shift) {
        return batch_norm::batch_norm(input, scale, shift, epsilon);
    }
    plain::batch_norm(input, scale, shift, epsilon)
}

/// Mean 0 and variance 1 over the last dimension, then `x * scale + shift`, both `[width]`.
pub fn layer_norm<const D: usize>(input: Tensor<D>, scale: Tensor<1>, shift: Tensor<1>) -> Tensor<D> {
    #[cfg(feature = "cpu")]
    if run::takes(&input) && run::takes(&scale) && run::takes(&shift) {
        let shape = input.dims();
        return layer_norm::layer_norm(rows_of(input), scale.unsqueeze(), shift.unsqueeze()).reshape(shape);
    }
    plain::layer_norm(input, scale, shift)
}

/// As [`layer_norm`] with a scale and a shift of each sample's own: `[batch, length, width]`, both `[batch, width]`.
pub fn modulated_layer_norm(input: Tensor<3>, scale: Tensor<2>, shift: Tensor<2>) -> Tensor<3> {
    #[cfg(feature = "cpu")]
    if run::takes(&input) && run::takes(&scale) && run::takes(&shift) {
        let shape = input.dims();
        assert_eq!(scale.dims()[0], shape[0], "a scale for {} samples", shape[0]);
        return layer_norm::layer_norm(rows_of(input), scale, shift).reshape(shape);
    }
    plain::modulated_layer_norm(input, scale, shift)
}

/// Root mean square 1 over the last dimension, then `x * scale`, `[width]` (Zhang and Sennrich 2019, equation 4).
pub fn rms_norm<const D: usize>(input: Tensor<D>, scale: Tensor<1>) -> Tensor<D> {
    #[cfg(feature = "cpu")]
    if run::takes(&input) && run::takes(&scale) {
        let shape = input.dims();
        return layer_norm::rms_norm(rows_of(input), scale.unsqueeze()).reshape(shape);
    }
    plain::rms_norm(input, scale)
}

/// As [`rms_norm`] with a scale of each sample's own: `[batch, length, width]` and `[batch, width]`.
pub fn modulated_rms_norm(input: Tensor<3>, scale: Tensor<2>) -> Tensor<3> {
    #[cfg(feature = "cpu")]
    if run::takes(&input) && run::takes(&scale) {
        let shape = input.dims();
        assert_eq!(scale.dims()[0], shape[0], "a scale for {} samples", shape[0]);
        return layer_norm::rms_norm(rows_of(input), scale).reshape(shape);
    }
    plain::modulated_rms_norm(input, scale)
}

/// Pairs of numbers turned by angles (rotary positions, Su et al. 2021): each head of `[batch, length, width]` is cut in halves,
/// and pair `i` of a place, one number of each half, is turned by `angles[place][i]`, `[length, head width / 2]`. The angles
/// are no part of a graph.
pub fn rotate(input: Tensor<3>, angles: Tensor<2>) -> Tensor<3> {
    #[cfg(feature = "cpu")]
    if run::takes(&input) && run::takes(&angles) {
        return rotary::rotate(input, angles);
    }
    plain::rotate(input, angles)
}

/// `e^x / sum(e^x)` over the last dimension.
pub fn softmax<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "cpu")]
    if run::takes(&input) {
        let shape = input.dims();
        return softmax::softmax(rows_of(input)).reshape(shape);
    }
    plain::softmax(input)
}

/// The sum of two tensors of one shape.
pub fn add<const D: usize>(left: Tensor<D>, right: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "cpu")]
    if run::takes(&left) && run::takes(&right) {
        return add::add(left, right);
    }
    plain::add(left, right)
}

/// `line + gate * branch`: two `[batch, length, width]` and a gate for each sample, `[batch, width]`.
pub fn gated_add(line: Tensor<3>, branch: Tensor<3>, gate: Tensor<2>) -> Tensor<3> {
    #[cfg(feature = "cpu")]
    if run::takes(&line) && run::takes(&branch) && run::takes(&gate) {
        return gated_add::gated_add(line, branch, gate);
    }
    plain::gated_add(line, branch, gate)
}

/// Each pixel of `[batch, channels, height, width]` becomes a square of `factor` times `factor` equal ones.
pub fn upsample_nearest(input: Tensor<4>, factor: usize) -> Tensor<4> {
    #[cfg(feature = "cpu")]
    if run::takes(&input) {
        return resample::upsample_nearest(input, factor);
    }
    plain::upsample_nearest(input, factor)
}

/// Squares of `factor` times `factor` pixels of `[batch, channels, height, width]` become one mean pixel.
pub fn downsample_mean(input: Tensor<4>, factor: usize) -> Tensor<4> {
    #[cfg(feature = "cpu")]
    if run::takes(&input) {
        return resample::downsample_mean(input, factor);
    }
    plain::downsample_mean(input, factor)
}

/// `[rows, d_input]` times `[d_input, d_output]`, plus the bias `[d_output]`. A weight in bf16 is multiplied by an input
/// rounded to that.
pub fn linear(input: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    linear_packed(input, weight, bias, &PackedWeight::default())
}

/// As [`linear`]; what is made of a weight in bf16 is kept in `packed` and used again for as long as the weight stays the
/// same.
pub fn linear_packed(
    input: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    packed: &PackedWeight,
) -> Tensor<2> {
    #[cfg(feature = "cpu")]
    if run::takes_both(&input, &weight) {
        let [input, weight] = run::as_learned(input, weight);
        return linear::linear(input, weight, bias, packed);
    }
    let _ = packed;
    plain::linear(input, weight, bias)
}

/// Whether this device multiplies weights in bf16 faster than others.
pub fn multiplies_bf16(device: &Device) -> bool {
    #[cfg(feature = "cpu")]
    if is_processor(device) {
        return run::serves(device) && bf16::is_fast();
    }
    plain::multiplies_alone(device)
}

/// Whether tensors of this device lie on the processor.
fn is_processor(device: &Device) -> bool {
    #[cfg(feature = "cpu")]
    return run::is_processor(device);
    #[cfg(not(feature = "cpu"))]
    {
        let _ = device;
        false
    }
}

/// `softmax(query keyᵀ / sqrt(head width) + bias) value`, head by head (Vaswani et al. 2017, equation 1): queries
/// `[batch, length, width]`, keys and values side by side `[batch, keys, 2 * width]`, the bias on the scores of a key
/// `[batch, keys]`, to `[batch, length, width]`.
pub fn attention(query: Tensor<3>, key_value: Tensor<3>, bias: Tensor<2>, heads: usize) -> Tensor<3> {
    #[cfg(feature = "cpu")]
    if run::takes(&query) && run::takes(&key_value) && run::takes(&bias) {
        return attention::attention(query, key_value, bias, heads);
    }
    plain::attention(query, key_value, bias, heads)
}

/// The sum of all numbers, `[1]`.
pub fn sum<const D: usize>(input: Tensor<D>) -> Tensor<1> {
    #[cfg(feature = "cpu")]
    if run::takes(&input) {
        return sum::sum(input);
    }
    plain::sum(input)
}

/// The mean of all numbers, `[1]`.
pub fn mean<const D: usize>(input: Tensor<D>) -> Tensor<1> {
    let count = input.dims().iter().product::<usize>();
    sum(input) / count as f64
}

/// What a step of AdamW (Loshchilov and Hutter 2019, algorithm 2) does to a weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWStep {
    /// How far a weight moves.
    pub learning_rate: f64,
    /// Memory of the mean gradient, 0..1.
    pub beta_1: f64,
    /// Memory of the mean squared gradient, 0..1.
    pub beta_2: f64,
    /// Keeps the quotient finite.
    pub epsilon: f64,
    /// Pull towards zero, times the learning rate.
    pub weight_decay: f64,
    /// The gradient is multiplied by this first: what clipping leaves of it.
    pub gradient_scale: f64,
    /// The number of this step, from 1.
    pub time: usize,
    /// What stays of the old average of weights, 0..1.
    pub average: f64,
}

/// A step of AdamW: weight, mean gradient and mean squared gradient from those before and the gradient, and the moving
/// average of the weight if one is given, all flat and no part of a graph. Those that nobody else holds are written over.
pub fn adamw(
    [weight, gradient, first, second]: [Tensor<1>; 4],
    average: Option<Tensor<1>>,
    step: AdamWStep,
) -> ([Tensor<1>; 3], Option<Tensor<1>>) {
    let tensors = [weight, gradient, first, second];
    #[cfg(feature = "cpu")]
    if tensors.iter().chain(&average).all(|tensor| run::takes(tensor) && !tensor.device().is_autodiff()) {
        return adamw::adamw(tensors, average, step);
    }
    plain::adamw(tensors, average, step)
}

/// The sum of the squares of all numbers of a tensor that is no part of a graph.
pub fn square_sum(tensor: Tensor<1>) -> f64 {
    #[cfg(feature = "cpu")]
    if run::takes(&tensor) && !tensor.device().is_autodiff() {
        return adamw::square_sum(tensor);
    }
    plain::square_sum(tensor)
}

/// `old * share + new * (1 - share)`, no part of a graph; `old` is written over where nobody else holds it.
pub fn blend(old: Tensor<1>, new: Tensor<1>, share: f64) -> Tensor<1> {
    #[cfg(feature = "cpu")]
    if [&old, &new].into_iter().all(|tensor| run::takes(tensor) && !tensor.device().is_autodiff()) {
        return adamw::blend(old, new, share);
    }
    plain::blend(old, new, share)
}

/// `[..., width]` as `[rows, width]`.
#[cfg(feature = "cpu")]
fn rows_of<const D: usize>(input: Tensor<D>) -> Tensor<2> {
    let shape = input.dims();
    let width = shape[D - 1];
    let rows = shape.iter().product::<usize>() / width.max(1);
    input.reshape([rows, width])
}

/// Runs `work`, a way back through a network for a batch of so many samples, and gives with its result the squared norm of
/// each sample's own gradient over the weights and biases of all linear layers and convolutions, as far as they learn. The
/// first side of what goes through a layer must be shared out to the samples in equal parts, in their order.
///
/// `None` where no kernel of this room ran on the way, as on another device. Costs about as much again as these layers'
/// gradients. With an adapter, the weight is what it makes of the base.
///
/// # Panics
/// A layer's input cannot be shared out to so many samples.
pub fn sample_norms<T>(samples: usize, work: impl FnOnce() -> T) -> (T, Option<Vec<f64>>) {
    #[cfg(feature = "cpu")]
    return sample_norms::watch(samples, work);
    #[cfg(not(feature = "cpu"))]
    {
        let _ = samples;
        (work(), None)
    }
}

/// Runs work on one of the threads that kernels share: a kernel then begins at once, where it would wait until another
/// thread has woken. A drawing takes a tenth less time.
///
/// Work that waits for kernels which somebody else runs might wait for ever, where there is but one such thread.
pub fn on_threads<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    #[cfg(feature = "cpu")]
    return rayon::scope(|_| work());
    #[cfg(not(feature = "cpu"))]
    work()
}

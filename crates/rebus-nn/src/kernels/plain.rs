//! The same operations out of Burn's own: for other devices, and to compare with.

use burn::tensor::{
    DType, Device, FloatDType, Tensor, activation, module,
    ops::{ConvOptions, ConvTransposeOptions},
};

use super::{Activation, AdamWStep, Convolution, is_processor};

/// As [`super::activate`].
pub fn activate<const D: usize>(input: Tensor<D>, activation: Activation) -> Tensor<D> {
    match activation {
        Activation::Silu => activation::silu(input),
        Activation::Gelu => activation::gelu_approximate(input),
        Activation::Leaky(slope) => activation::leaky_relu(input, f64::from(slope)),
    }
}

/// As [`super::group_norm`].
///
/// The statistics are folded into one scale and one shift a channel, so that the picture is passed over twice: once for
/// its sums, once for `x * a + b`.
pub fn group_norm(
    input: Tensor<4>,
    scale: Tensor<2>,
    shift: Tensor<2>,
    groups: usize,
    activation: Option<Activation>,
) -> Tensor<4> {
    let [batch, channels, height, width] = input.dims();
    let per_group = channels / groups;
    let grouped = input.clone().reshape([batch * groups, per_group * height * width]);
    let mean = grouped.clone().mean_dim(1); // [batch * groups, 1]
    let variance = (grouped - mean.clone()).square().mean_dim(1);
    let inverse = (variance + 1e-5).sqrt().recip();
    let spread = |values: Tensor<2>| {
        values.reshape([batch, groups, 1]).repeat_dim(2, per_group).reshape([batch, channels])
    };
    let factor = spread(inverse) * scale; // [batch, channels]
    let offset = shift - spread(mean) * factor.clone();
    let output = input * factor.reshape([batch, channels, 1, 1]) + offset.reshape([batch, channels, 1, 1]);
    match activation {
        Some(activation) => activate(output, activation),
        None => output,
    }
}

/// As [`super::batch_norm`].
pub fn batch_norm(
    input: Tensor<3>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    epsilon: f64,
) -> (Tensor<3>, [Tensor<1>; 2]) {
    let batch = module::batch_norm_train(input, scale, shift, epsilon);
    (batch.output, [batch.mean, batch.variance])
}

/// As [`super::layer_norm`].
pub fn layer_norm<const D: usize>(input: Tensor<D>, scale: Tensor<1>, shift: Tensor<1>) -> Tensor<D> {
    module::layer_norm(input, scale, Some(shift), 1e-5)
}

/// As [`super::modulated_layer_norm`].
pub fn modulated_layer_norm(input: Tensor<3>, scale: Tensor<2>, shift: Tensor<2>) -> Tensor<3> {
    let centered = input.clone() - input.mean_dim(2);
    modulated_rms_norm(centered, scale) + shift.unsqueeze_dim(1)
}

/// As [`super::rms_norm`].
pub fn rms_norm<const D: usize>(input: Tensor<D>, scale: Tensor<1>) -> Tensor<D> {
    let square = input.clone().square().mean_dim(D - 1); // [..., 1]
    input * (square + 1e-5).sqrt().recip() * scale.unsqueeze()
}

/// As [`super::modulated_rms_norm`].
pub fn modulated_rms_norm(input: Tensor<3>, scale: Tensor<2>) -> Tensor<3> {
    let square = input.clone().square().mean_dim(2); // [batch, length, 1]
    input * (square + 1e-5).sqrt().recip() * scale.unsqueeze_dim(1)
}

/// As [`super::rotate`].
pub fn rotate(input: Tensor<3>, angles: Tensor<2>) -> Tensor<3> {
    let ([batch, length, width], [_, half]) = (input.dims(), angles.dims());
    let halves = input.reshape([batch, length, width / (2 * half), 2 * half]);
    let [first, second] = [0, half].map(|start| halves.clone().narrow(3, start, half));
    let angles = angles.reshape([1, length, 1, half]);
    let (cos, sin) = (angles.clone().cos(), angles.sin());
    let turned = Tensor::cat(
        vec![first.clone() * cos.clone() - second.clone() * sin.clone(), first * sin + second * cos],
        3,
    );
    turned.reshape([batch, length, width])
}

/// As [`super::softmax`].
pub fn softmax<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    activation::softmax(input, D - 1)
}

/// As [`super::add`].
pub fn add<const D: usize>(left: Tensor<D>, right: Tensor<D>) -> Tensor<D> {
    left + right
}

/// As [`super::gated_add`].
pub fn gated_add(line: Tensor<3>, branch: Tensor<3>, gate: Tensor<2>) -> Tensor<3> {
    line + branch * gate.unsqueeze_dim(1)
}

/// As [`super::conv2d`].
pub fn conv2d(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    convolution: Convolution,
) -> Tensor<4> {
    let Convolution { stride, before, after, activation, .. } = convolution;
    let wide = input.dtype();
    let [input, weight] = rounded_alike(input, weight);
    let options = ConvOptions::new_with_padding([stride; 2], [(before, after); 2], [1; 2], 1);
    let output = match input.dtype() == wide {
        true => module::conv2d(input, weight, bias, options),
        false => {
            let product = module::conv2d(input, weight, None, options).cast(wide);
            bias.into_iter().fold(product, |sum, bias| sum + bias.unsqueeze_dims(&[0, 2, 3]))
        }
    };
    match activation {
        Some(activation) => activate(output, activation),
        None => output,
    }
}

/// As [`super::conv_transpose2d`].
pub fn conv_transpose2d(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    (before, after): (usize, usize),
) -> Tensor<4> {
    let options = ConvTransposeOptions::new([stride; 2], [0; 2], [0; 2], [1; 2], 1);
    let whole = module::conv_transpose2d(input, weight, bias, options);
    let [_, _, height, width] = whole.dims();
    whole.narrow(2, before, height - before - after).narrow(3, before, width - before - after)
}

/// As [`super::upsample_nearest`].
pub fn upsample_nearest(input: Tensor<4>, factor: usize) -> Tensor<4> {
    let [batch, channels, height, width] = input.dims();
    input
        .reshape([batch, channels, height, 1, width, 1])
        .expand([batch, channels, height, factor, width, factor])
        .reshape([batch, channels, height * factor, width * factor])
}

/// As [`super::downsample_mean`].
pub fn downsample_mean(input: Tensor<4>, factor: usize) -> Tensor<4> {
    let [batch, channels, height, width] = input.dims();
    let (height, width) = (height / factor, width / factor);
    input
        .reshape([batch, channels, height, factor, width, factor])
        .sum_dim(5)
        .sum_dim(3)
        .reshape([batch, channels, height, width])
        / (factor * factor) as f64
}

/// As [`super::linear`].
pub fn linear(input: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let wide = input.dtype();
    let [input, weight] = rounded_alike(input, weight);
    let output = input.matmul(weight).cast(wide);
    match bias {
        Some(bias) => output + bias.unsqueeze(),
        None => output,
    }
}

/// As [`super::attention`].
pub fn attention(query: Tensor<3>, key_value: Tensor<3>, bias: Tensor<2>, heads: usize) -> Tensor<3> {
    let [batch, length, width] = query.dims();
    let keys = key_value.dims()[1];
    let head_width = width / heads;
    // `[batch, length, width]` to `[batch, heads, length, head width]`
    let split = |input: Tensor<3>| {
        let [batch, length, width] = input.dims();
        input.reshape([batch, length, heads, width / heads]).swap_dims(1, 2)
    };
    let key = split(key_value.clone().narrow(2, 0, width));
    let value = split(key_value.narrow(2, width, width));
    let scores = split(query).matmul(key.swap_dims(2, 3)) * (head_width as f64).powf(-0.5);
    let scores = scores + bias.reshape([batch, 1, 1, keys]);
    let mixed = activation::softmax(scores, 3).matmul(value); // [batch, heads, length, head width]
    mixed.swap_dims(1, 2).reshape([batch, length, width])
}

/// As [`super::sum`].
pub fn sum<const D: usize>(input: Tensor<D>) -> Tensor<1> {
    input.sum()
}

/// As [`super::adamw`].
pub fn adamw(
    [weight, gradient, first, second]: [Tensor<1>; 4],
    average: Option<Tensor<1>>,
    step: AdamWStep,
) -> ([Tensor<1>; 3], Option<Tensor<1>>) {
    let gradient = gradient * step.gradient_scale;
    let first = first * step.beta_1 + gradient.clone() * (1.0 - step.beta_1);
    let second = second * step.beta_2 + gradient.square() * (1.0 - step.beta_2);
    let time = step.time as i32;
    let mean = first.clone() / (1.0 - step.beta_1.powi(time));
    let deviation = (second.clone() / (1.0 - step.beta_2.powi(time))).sqrt() + step.epsilon;
    let kept = weight * (1.0 - step.learning_rate * step.weight_decay);
    let moved = kept - mean / deviation * step.learning_rate;
    let average = average.map(|average| blend(average, moved.clone(), step.average));
    ([moved, first, second], average)
}

/// As [`super::square_sum`].
pub fn square_sum(tensor: Tensor<1>) -> f64 {
    f64::from(tensor.square().sum().into_scalar::<f32>())
}

/// As [`super::blend`].
pub fn blend(old: Tensor<1>, new: Tensor<1>, share: f64) -> Tensor<1> {
    old * share + new * (1.0 - share)
}

/// With a weight in bf16, the input rounded to that; and both in the input's precision, unless the device multiplies in the
/// other.
pub(super) fn rounded_alike<const D: usize>(input: Tensor<D>, weight: Tensor<D>) -> [Tensor<D>; 2] {
    let wide = input.dtype();
    match weight.dtype() {
        DType::BF16 if multiplies_alone(&input.device()) => [input.cast(DType::BF16), weight],
        DType::BF16 => [input.cast(DType::BF16).cast(wide), weight.cast(wide)],
        _ => [input, weight],
    }
}

/// Whether a device multiplies in bf16 without a kernel of ours.
pub(super) fn multiplies_alone(device: &Device) -> bool {
    !is_processor(device) && device.supports_dtype(FloatDType::BF16)
}

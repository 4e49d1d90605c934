//! Two-dimensional convolution.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

use crate::{
    ComputePrecision, Init,
    kernels::{self, Activation, Convolution, PackedWeight},
};

/// A convolution over `[batch, channel, height, width]`.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[channels_out, channels_in, kernel, kernel]`
    pub weight: Param<Tensor<4>>,
    /// `[channels_out]`
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    convolution: Convolution,
    #[module(skip)]
    precision: ComputePrecision,
    #[module(skip)]
    packed: PackedWeight,
}

impl Conv2d {
    /// An odd kernel with stride 1 that keeps the size. Weights uniform in `±1/sqrt(fan_in)`, bias zero.
    pub fn new(channels: [usize; 2], kernel: usize, init: &mut Init) -> Self {
        let fan_in = channels[0] * kernel * kernel;
        let weight = init.uniform(shape(channels, kernel), (fan_in as f64).powf(-0.5));
        Self::from_weight(weight, init)
    }

    /// As [`new`](Self::new), with weights uniform in `±sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio 2010,
    /// equation 16), Keras's first values.
    pub fn glorot(channels: [usize; 2], kernel: usize, init: &mut Init) -> Self {
        let fans = (channels[0] + channels[1]) * kernel * kernel;
        let weight = init.uniform(shape(channels, kernel), (6.0 / fans as f64).sqrt());
        Self::from_weight(weight, init)
    }

    /// As [`new`](Self::new), with weights normal with standard deviation `gain / sqrt(fan_in)` (He et al. 2015,
    /// equation 10): the outputs vary `gain` times as much as the inputs.
    pub fn fan_in(channels: [usize; 2], kernel: usize, gain: f64, init: &mut Init) -> Self {
        let fan_in = channels[0] * kernel * kernel;
        let weight = init.normal(shape(channels, kernel), gain * (fan_in as f64).powf(-0.5));
        Self::from_weight(weight, init)
    }

    /// As [`new`](Self::new), with weights zero: a branch that starts silent.
    pub fn zeroed(channels: [usize; 2], kernel: usize, init: &mut Init) -> Self {
        let weight = init.constant(shape(channels, kernel), 0.0);
        Self::from_weight(weight, &mut Init::empty(init.device()).with_precision(init.precision()))
    }

    fn from_weight(weight: Param<Tensor<4>>, init: &mut Init) -> Self {
        let [channels_out, _, kernel, _] = weight.dims();
        let bias = Some(init.constant([channels_out], 0.0));
        let convolution = Convolution::new(1, (kernel / 2, kernel / 2));
        Self { weight, bias, convolution, precision: init.precision(), packed: PackedWeight::default() }
    }

    /// Another stride, with the padding that goes before and after each side.
    pub fn with_stride(self, stride: usize, (before, after): (usize, usize)) -> Self {
        Self { convolution: Convolution { stride, before, after, ..self.convolution }, ..self }
    }

    /// With a smaller error, where a faster way would have a larger one: see [`Convolution::accurate`].
    pub fn accurate(self) -> Self {
        Self { convolution: Convolution { accurate: true, ..self.convolution }, ..self }
    }

    /// Without a bias.
    pub fn without_bias(self) -> Self {
        Self { bias: None, ..self }
    }

    /// `[batch, channels_in, height, width]` to `[batch, channels_out, height / stride, width / stride]`
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.convolve(input, None)
    }

    /// The same with an activation behind it, which a kernel gives in the same pass.
    pub fn activated(&self, input: Tensor<4>, activation: Activation) -> Tensor<4> {
        self.convolve(input, Some(activation))
    }

    /// [`forward`](Self::forward) of a picture of twice the size whose pixels are four equal ones each, as one operation: for a
    /// kernel of 3x3 that keeps the size.
    pub fn upsampled(&self, input: Tensor<4>) -> Tensor<4> {
        let weight = self.precision.of(self.weight.val());
        let kernel = weight.dims()[2];
        if self.convolution != Convolution::new(1, (1, 1)) || kernel != 3 {
            return self.forward(kernels::upsample_nearest(input, 2));
        }
        kernels::conv2d_upsampled_packed(input, weight, self.bias.as_ref().map(Param::val), &self.packed)
    }

    fn convolve(&self, input: Tensor<4>, activation: Option<Activation>) -> Tensor<4> {
        let bias = self.bias.as_ref().map(Param::val);
        let weight = self.precision.of(self.weight.val());
        kernels::conv2d_packed(
            input,
            weight,
            bias,
            Convolution { activation, ..self.convolution },
            &self.packed,
        )
    }
}

fn shape(channels: [usize; 2], kernel: usize) -> [usize; 4] {
    [channels[1], channels[0], kernel, kernel]
}

/// Zeros before and after a side so that `ceil(side / stride)` places come out, the odd one after: what Keras and
/// TensorFlow call `same`.
pub fn same_padding(side: usize, kernel: usize, stride: usize) -> (usize, usize) {
    let reach = (side.div_ceil(stride).max(1) - 1) * stride + kernel;
    let zeros = reach.saturating_sub(side);
    (zeros / 2, zeros - zeros / 2)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn same_padding_puts_the_odd_zero_after() {
        assert_eq!(same_padding(4, 3, 2), (0, 1));
        assert_eq!(same_padding(2, 3, 2), (0, 1));
        assert_eq!(same_padding(1, 3, 2), (1, 1));
        assert_eq!(same_padding(5, 3, 2), (1, 1));
        assert_eq!(same_padding(7, 3, 1), (1, 1));
    }

    #[test]
    fn a_stride_of_two_with_same_padding_starts_at_the_first_pixel() {
        // Pixel (row, column) is 4 * row + column + 1; a kernel of ones sums three by three of them.
        let device = Device::flex();
        let pixels: Vec<f32> = (1..=16).map(|value| value as f32).collect();
        let input = Tensor::<1>::from_floats(pixels.as_slice(), &device).reshape([1, 1, 4, 4]);
        let conv = Conv2d::new([1, 1], 3, &mut Init::empty(&device)).with_stride(2, same_padding(4, 3, 2));
        let conv = Conv2d { weight: conv.weight.map(|weight| weight + 1.0), ..conv };
        let output: Vec<f32> = conv.forward(input).into_data().iter::<f32>().collect();
        let top_left = 1.0 + 2.0 + 3.0 + 5.0 + 6.0 + 7.0 + 9.0 + 10.0 + 11.0;
        let top_right = 3.0 + 4.0 + 7.0 + 8.0 + 11.0 + 12.0;
        let bottom_left = 9.0 + 10.0 + 11.0 + 13.0 + 14.0 + 15.0;
        let bottom_right = 11.0 + 12.0 + 15.0 + 16.0;
        assert_eq!(output, [top_left, top_right, bottom_left, bottom_right]);
    }
}

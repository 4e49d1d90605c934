//! Layers that several of these networks share: convolutions of any shape, and pooling.

use burn::tensor::{
    Tensor, activation, module,
    ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions},
};
use rebus_nn::kernels::{self, Activation, Convolution, PackedWeight};

use super::weights::Weights;

/// A convolution with a bias and a ReLU behind it.
pub(super) struct Conv {
    /// `[channels_out, channels_in, kernel_height, kernel_width]`
    weight: Tensor<4>,
    /// `[channels_out]`
    bias: Tensor<1>,
    stride: usize,
    /// Zeros above and below, left and right.
    padding: [usize; 2],
    packed: PackedWeight,
}

/// What a convolution looks like before its weights are known.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) channels: [usize; 2],
    pub(super) kernel: [usize; 2],
    pub(super) stride: usize,
    pub(super) padding: [usize; 2],
}

impl Shape {
    /// A square kernel with stride 1 that keeps the size.
    pub(super) fn same(channels_in: usize, channels_out: usize, kernel: usize) -> Self {
        let channels = [channels_in, channels_out];
        Self { channels, kernel: [kernel; 2], stride: 1, padding: [kernel / 2; 2] }
    }
}

impl Conv {
    pub(super) fn new(weight: Tensor<4>, bias: Tensor<1>, shape: Shape) -> Self {
        let Shape { stride, padding, .. } = shape;
        Self { weight, bias, stride, padding, packed: PackedWeight::default() }
    }

    /// `NAME.weight` and `NAME.bias`.
    pub(super) fn biased(weights: &mut Weights, name: &str, shape: Shape) -> Self {
        let [channels_in, channels_out] = shape.channels;
        let [height, width] = shape.kernel;
        let weight = weights.take(&format!("{name}.weight"), [channels_out, channels_in, height, width]);
        let bias = weights.take(&format!("{name}.bias"), [channels_out]);
        Self::new(weight, bias, shape)
    }

    /// `[batch, channels_in, height, width]` to `[batch, channels_out, height_out, width_out]`
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = self.weight.dims();
        let [vertical, horizontal] = self.padding;
        if height == width && vertical == horizontal {
            let convolution = Convolution {
                activation: Some(Activation::Leaky(0.0)),
                ..Convolution::new(self.stride, (vertical, vertical))
            };
            let (weight, bias) = (self.weight.clone(), Some(self.bias.clone()));
            return kernels::conv2d_packed(input, weight, bias, convolution, &self.packed);
        }
        let options = ConvOptions::new([self.stride; 2], self.padding, [1, 1], 1);
        let output = module::conv2d(input, self.weight.clone(), Some(self.bias.clone()), options);
        activation::relu(output)
    }
}

/// The largest of 3x3.
pub(super) fn max_pool(input: Tensor<4>, stride: usize, padding: usize) -> Tensor<4> {
    let options = MaxPoolOptions {
        stride: [stride; 2],
        padding: [(padding, padding); 2],
        ..MaxPoolOptions::new([3, 3])
    };
    module::max_pool2d(input, options)
}

/// The largest of 2x2.
pub(super) fn halve(input: Tensor<4>) -> Tensor<4> {
    module::max_pool2d(input, MaxPoolOptions::new([2, 2]))
}

/// The mean of 3x3 that keeps the size; what lies outside of the picture does not count.
pub(super) fn mean_pool(input: Tensor<4>) -> Tensor<4> {
    let options = AvgPoolOptions {
        stride: [1, 1],
        padding: [(1, 1); 2],
        count_include_pad: false,
        ..AvgPoolOptions::new([3, 3])
    };
    module::avg_pool2d(input, options)
}

//! The generator and the discriminator, in Keras's meaning: first values by Glorot and Bengio (2010), activation
//! before normalisation, pictures flattened in the order height, width, channel, `same` padding.

use burn::{module::Module, tensor::Tensor};
use rebus_nn::{
    BatchNorm, Conv2d, Init, Linear, Statistics,
    conv::same_padding,
    kernels::{Activation, leaky_relu, relu},
};

use super::{ClassicConfig, config::START};

/// The weight of a norm's old average behind a dense layer.
const DENSE_MOMENTUM: f64 = 0.8;
/// The weight of a norm's old average behind a convolution.
const CONV_MOMENTUM: f64 = 0.99;

/// Noise to pictures. The last convolution is linear: pictures are clamped to -1..1 where they are handed out.
#[derive(Module, Debug)]
pub struct Generator {
    dense: Vec<DenseBlock>,
    project: Linear,
    convolutions: Vec<ConvBlock>,
    output: Conv2d,
    #[module(skip)]
    doublings: usize,
}

/// Pictures to logits: how real each looks.
#[derive(Module, Debug)]
pub struct Discriminator {
    convolutions: Vec<ConvBlock>,
    output: Linear,
}

#[derive(Module, Debug)]
struct DenseBlock {
    dense: Linear,
    norm: BatchNorm,
}

#[derive(Module, Debug)]
struct ConvBlock {
    convolution: Conv2d,
    norm: BatchNorm,
}

impl Generator {
    /// The network at its start, for pictures `[channel, height, width]` that `config` has been validated for.
    pub fn new(config: &ClassicConfig, picture_shape: [usize; 3], init: &mut Init) -> Self {
        let [pixels, side, _] = picture_shape;
        let channels = config.channels;
        let doublings = config.doublings(side);
        let inputs = std::iter::once(&config.noise_width).chain(&config.hidden);
        Self {
            dense: inputs
                .zip(&config.hidden)
                .map(|(&from, &to)| DenseBlock {
                    dense: Linear::glorot(from, to, init),
                    norm: BatchNorm::new(to, DENSE_MOMENTUM, init),
                })
                .collect(),
            project: Linear::glorot(
                config.hidden.last().copied().unwrap_or(config.noise_width),
                START * START * channels,
                init,
            ),
            convolutions: (1..doublings.max(3)).map(|_| ConvBlock::new([channels; 2], init)).collect(),
            output: Conv2d::glorot([channels, pixels], 3, init),
            doublings,
        }
    }

    /// `[batch, noise width]` to `[batch, channel, height, width]`. The statistics of the batch move the averages.
    pub fn forward(&mut self, noise: Tensor<2>, statistics: Statistics) -> Tensor<4> {
        let mut x = noise;
        for block in &mut self.dense {
            x = block.norm.forward(leaky_relu(block.dense.forward(x), 0.2), statistics); // [b, hidden]
        }
        let x = relu(self.project.forward(x)); // [b, 4 * 4 * c]
        let mut x = unflatten(x, START); // [b, c, 4, 4]

        // The last convolutions, the output's among them, are those that double the sides before them.
        let single = self.convolutions.len() + 1 - self.doublings;
        for (place, block) in self.convolutions.iter_mut().enumerate() {
            x = block.forward(x, place >= single, statistics); // [b, c, side, side]
        }
        match self.doublings {
            0 => self.output.forward(x),
            _ => self.output.upsampled(x),
        } // [b, channel, height, width]
    }

    /// The same over the averages: each picture depends on its own noise alone.
    pub fn draw(&self, noise: Tensor<2>) -> Tensor<4> {
        self.clone().forward(noise, Statistics::Average)
    }
}

impl Discriminator {
    /// The network at its start, for pictures `[channel, height, width]`.
    pub fn new(config: &ClassicConfig, picture_shape: [usize; 3], init: &mut Init) -> Self {
        let [pixels, mut side, _] = picture_shape;
        let mut from = pixels;
        let convolutions = (0..3)
            .map(|_| {
                let mut block = ConvBlock::new([from, config.channels], init);
                block.convolution = block.convolution.with_stride(2, same_padding(side, 3, 2));
                (from, side) = (config.channels, side.div_ceil(2));
                block
            })
            .collect();
        Self { convolutions, output: Linear::glorot(side * side * config.channels, 1, init) }
    }

    /// `[batch, channel, height, width]` to logits `[batch, 1]`. The statistics of the batch move the averages.
    pub fn forward(&mut self, pictures: Tensor<4>, statistics: Statistics) -> Tensor<2> {
        let mut x = pictures;
        for block in &mut self.convolutions {
            x = block.forward(x, false, statistics); // [b, c, side / 2, side / 2]
        }
        self.output.forward(flatten(x)) // [b, 1]
    }
}

impl ConvBlock {
    fn new(channels: [usize; 2], init: &mut Init) -> Self {
        Self {
            convolution: Conv2d::glorot(channels, 3, init),
            norm: BatchNorm::new(channels[1], CONV_MOMENTUM, init),
        }
    }

    /// Of a picture, or of one of twice the size.
    fn forward(&mut self, x: Tensor<4>, doubled: bool, statistics: Statistics) -> Tensor<4> {
        let x = match doubled {
            true => relu(self.convolution.upsampled(x)),
            false => self.convolution.activated(x, Activation::Leaky(0.0)),
        };
        self.norm.forward(x, statistics)
    }
}

/// `[batch, channel, height, width]` to `[batch, height * width * channel]`, the channel innermost.
fn flatten(x: Tensor<4>) -> Tensor<2> {
    x.permute([0, 2, 3, 1]).flatten(1, 3)
}

/// The inverse of [`flatten`] for squares.
fn unflatten(x: Tensor<2>, side: usize) -> Tensor<4> {
    let [batch, numbers] = x.dims();
    x.reshape([batch, side, side, numbers / (side * side)]).permute([0, 3, 1, 2])
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn the_channel_is_innermost_where_pictures_are_flat() {
        // Two channels of 2x2: red 0 1 / 2 3, green 10 11 / 12 13.
        let values = [0.0f32, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0, 13.0];
        let x = Tensor::<1>::from_floats(values, &Device::flex()).reshape([1, 2, 2, 2]);
        let flat = flatten(x.clone());
        let expected = [0.0f32, 10.0, 1.0, 11.0, 2.0, 12.0, 3.0, 13.0];
        assert_eq!(flat.clone().into_data().iter::<f32>().collect::<Vec<_>>(), expected);
        assert_eq!(unflatten(flat, 2).into_data(), x.into_data());
    }

    #[test]
    fn the_article_has_three_convolutions_and_each_further_doubling_of_32_one_more() {
        let config = ClassicConfig { hidden: vec![2], channels: 2, ..ClassicConfig::default() };
        for (side, convolutions) in [(4, 3), (8, 3), (32, 3), (64, 4), (128, 5)] {
            let shape = [3, side, side];
            config.validate(shape).unwrap();
            let generator = Generator::new(&config, shape, &mut Init::new(&Device::flex(), 1));
            assert_eq!(generator.convolutions.len() + 1, convolutions, "{side}");
            let noise = Tensor::zeros([2, config.noise_width], &Device::flex());
            assert_eq!(generator.draw(noise).dims(), [2, 3, side, side]);
        }
    }
}

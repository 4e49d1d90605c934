//! The encoder and the decoder.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use rebus_nn::{Init, resample};

use super::AutoencoderConfig;
use crate::{
    picture::levels::{Levels, Way},
    vae::Gaussian,
};

/// The share of the old averages of latents in the new ones, after a step.
const MOMENTUM: f64 = 0.99;

/// Pictures to small latents and back. What it calls a latent has mean 0 and variance 1 in each channel, over pictures such as it
/// learned from.
#[derive(Module, Debug)]
pub struct Autoencoder {
    encoder: Way,
    decoder: Way,
    /// `[channels]`, of what the encoder says
    running_mean: Param<Tensor<1>>,
    /// `[channels]`
    running_variance: Param<Tensor<1>>,
    #[module(skip)]
    patch: usize,
}

impl Autoencoder {
    /// The network at its start; `config` has been validated.
    pub fn new(config: &AutoencoderConfig, channels: usize, init: &mut Init) -> Self {
        let AutoencoderConfig { latent_channels, patch, ref widths, blocks, groups } = *config;
        let levels = |widths| Levels { widths, blocks, groups, condition_width: None };
        let up: Vec<usize> = widths.iter().rev().copied().collect();
        let pixels = channels * patch * patch;
        Self {
            encoder: Way::new([pixels, 2 * latent_channels], levels(widths), init),
            decoder: Way::new([latent_channels, pixels], levels(&up), init),
            running_mean: init.constant([latent_channels], 0.0).set_require_grad(false),
            running_variance: init.constant([latent_channels], 1.0).set_require_grad(false),
            patch,
        }
    }

    /// What the encoder says of pictures `[batch, channel, height, width]` in -1..1: a distribution at each place, whose scale is
    /// the encoder's own.
    pub fn posterior(&self, pictures: Tensor<4>) -> Gaussian {
        Gaussian::from_channels(self.encoder.down(resample::pixel_unshuffle(pictures, self.patch), None))
    }

    /// Pictures out of what the encoder says.
    pub fn draw(&self, said: Tensor<4>) -> Tensor<4> {
        resample::pixel_shuffle(self.decoder.up(said, None), self.patch)
    }

    /// The likeliest latents of pictures, `[batch, latent channel, height / factor, width / factor]`.
    pub fn encode(&self, pictures: Tensor<4>) -> Tensor<4> {
        let (mean, deviation) = self.scale();
        (self.posterior(pictures).mean - mean) / deviation
    }

    /// Pictures in -1..1 out of latents.
    pub fn decode(&self, latents: Tensor<4>) -> Tensor<4> {
        let (mean, deviation) = self.scale();
        self.draw(latents * deviation + mean)
    }

    /// Moves the averages towards those of a batch of what the encoder said.
    pub fn observe(&mut self, said: Tensor<4>) {
        let [batch, channels, height, width] = said.dims();
        let rows = said.detach().swap_dims(0, 1).reshape([channels, batch * height * width]);
        let (variance, mean) = rows.var_mean_bias(1); // [channels, 1]
        let moved = |average: &Param<Tensor<1>>, new: Tensor<2>| {
            let new = new.reshape([channels]);
            average.clone().map(|average| (average * MOMENTUM + new * (1.0 - MOMENTUM)).detach())
        };
        self.running_mean = moved(&self.running_mean, mean);
        self.running_variance = moved(&self.running_variance, variance);
    }

    /// Mean and deviation of what the encoder says, `[1, channels, 1, 1]`.
    fn scale(&self) -> (Tensor<4>, Tensor<4>) {
        let channels = self.running_mean.dims()[0];
        let shaped = |average: &Param<Tensor<1>>| average.val().reshape([1, channels, 1, 1]);
        (shaped(&self.running_mean), (shaped(&self.running_variance) + 1e-6).sqrt())
    }
}

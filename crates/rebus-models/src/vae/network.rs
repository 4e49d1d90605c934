//! The encoder, the prior and the decoder.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use rebus_nn::{
    Conv2d, GroupNorm, Init, Joint, LayerNorm, Linear, Residual, TransformerBlock,
    kernels::{Activation::Silu, silu},
    resample,
};

use super::{Gaussian, Likelihood, VaeConfig};
use crate::{Embedding, text::TextEncoder};

/// A conditional variational autoencoder.
#[derive(Module, Debug)]
pub struct VaeNetwork {
    /// The text encoder, trained with the rest.
    pub text: TextEncoder,
    pooled: Linear,
    prior: Prior,
    encoder: Way,
    decoder: Way,
    /// How likely a picture is.
    pub likelihood: Likelihood,
    #[module(skip)]
    latent_shape: [usize; 3],
}

/// Places of a latent that read the words.
#[derive(Module, Debug)]
struct Prior {
    places: Param<Tensor<2>>,
    condition: Linear,
    blocks: Vec<TransformerBlock>,
    norm: LayerNorm,
    output: Linear,
}

/// A way through the levels: down from pictures to latents, or up.
#[derive(Module, Debug)]
struct Way {
    input: Conv2d,
    stages: Vec<Stage>,
    norm: GroupNorm,
    output: Conv2d,
}

/// The blocks of one level; `change` takes the channels from the level before.
#[derive(Module, Debug)]
struct Stage {
    change: Option<Conv2d>,
    blocks: Vec<Residual>,
}

impl VaeNetwork {
    /// The network at its start; `config` has been validated for pictures of this shape.
    pub fn new(config: &VaeConfig, picture_shape: [usize; 3], init: &mut Init) -> Self {
        let channels = picture_shape[0];
        let latent_shape = config.latent_shape(picture_shape);
        let said = Likelihood::channels(config.likelihood, channels);
        let down: Vec<usize> = config.widths.clone();
        let up: Vec<usize> = down.iter().rev().copied().collect();
        Self {
            text: TextEncoder::new(&config.text, init),
            pooled: Linear::new(config.text.width, config.condition_width, init),
            prior: Prior::new(config, latent_shape, init),
            encoder: Way::new([channels, 2 * config.latent_channels], &down, config, init),
            decoder: Way::new([config.latent_channels, said], &up, config, init),
            likelihood: Likelihood::new(config, init),
            latent_shape,
        }
    }

    /// What modulates the blocks, of a text of `batch` entries: `[batch, condition_width]`.
    pub fn condition(&self, text: &Embedding) -> Tensor<2> {
        silu(self.pooled.forward(text.pooled.clone()))
    }

    /// `p(z|c)`
    pub fn prior(&self, text: &Embedding, condition: &Tensor<2>) -> Gaussian {
        let [channels, height, width] = self.latent_shape;
        let both = self.prior.forward(text, condition); // [b, places, 2 * channels]
        let batch = both.dims()[0];
        Gaussian::from_channels(both.swap_dims(1, 2).reshape([batch, 2 * channels, height, width]))
    }

    /// `q(z|x,c)` of pictures `[batch, channel, height, width]` in -1..1.
    pub fn posterior(&self, pictures: Tensor<4>, condition: &Tensor<2>) -> Gaussian {
        Gaussian::from_channels(
            self.encoder
                .forward(pictures, condition, |change, x| change.forward(resample::downsample_mean(x, 2))),
        )
    }

    /// What [`Likelihood`] makes a distribution of, out of latents.
    pub fn decode(&self, latents: Tensor<4>, condition: &Tensor<2>) -> Tensor<4> {
        // One tap gives the same before as after, where it has four times the pixels.
        self.decoder.forward(latents, condition, |change, x| resample::upsample_nearest(change.forward(x), 2))
    }
}

impl Prior {
    fn new(config: &VaeConfig, [channels, height, width]: [usize; 3], init: &mut Init) -> Self {
        let VaeConfig { condition_width, prior_blocks, prior_heads, ref text, .. } = *config;
        let block =
            |init: &mut Init| TransformerBlock::new(condition_width, prior_heads, Some(text.width), 2, init);
        Self {
            places: init.normal([height * width, condition_width], 0.5),
            condition: Linear::new(condition_width, condition_width, init),
            blocks: (0..prior_blocks).map(|_| block(init)).collect(),
            norm: LayerNorm::new(condition_width, init),
            output: Linear::zeroed(condition_width, 2 * channels, init),
        }
    }

    fn forward(&self, text: &Embedding, condition: &Tensor<2>) -> Tensor<3> {
        let joint = Joint { sequence: text.sequence.clone(), mask: text.mask.clone() };
        let said = self.condition.forward(condition.clone()).unsqueeze_dim(1); // [b, 1, width]
        let x = said + self.places.val().unsqueeze(); // [b, places, width]
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x, None, Some(&joint)));
        self.output.forward(self.norm.forward(x)) // [b, places, 2 * channels]
    }
}

impl Way {
    fn new(channels: [usize; 2], widths: &[usize], config: &VaeConfig, init: &mut Init) -> Self {
        let [from, to] = channels;
        let last = widths[widths.len() - 1];
        let stage = |level: usize, init: &mut Init| Stage {
            change: level.checked_sub(1).map(|before| Conv2d::new([widths[before], widths[level]], 1, init)),
            blocks: (0..config.blocks)
                .map(|_| Residual::new(widths[level], config.groups, Some(config.condition_width), init))
                .collect(),
        };
        Self {
            input: Conv2d::new([from, widths[0]], 3, init),
            stages: (0..widths.len()).map(|level| stage(level, init)).collect(),
            norm: GroupNorm::new(config.groups, last, init),
            output: Conv2d::zeroed([last, to], 3, init),
        }
    }

    fn forward(
        &self,
        x: Tensor<4>,
        condition: &Tensor<2>,
        next: impl Fn(&Conv2d, Tensor<4>) -> Tensor<4>,
    ) -> Tensor<4> {
        let mut x = self.input.forward(x);
        for stage in &self.stages {
            if let Some(change) = &stage.change {
                x = next(change, x);
            }
            x = stage.blocks.iter().fold(x, |x, block| block.forward(x, Some(condition)));
        }
        self.output.forward(self.norm.forward(x, Silu))
    }
}

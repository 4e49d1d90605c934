//! The encoder, the prior and the decoder.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use rebus_nn::{Init, Joint, LayerNorm, Linear, TransformerBlock, kernels::silu};

use super::{Gaussian, Likelihood, VaeConfig};
use crate::{
    Embedding,
    picture::levels::{Levels, Way},
    text::TextEncoder,
};

/// A conditional variational autoencoder.
#[derive(Module, Debug)]
pub struct VaeNetwork {
    /// The text encoder, trained with the rest; none where the configuration has an encoder.
    pub text: Option<TextEncoder>,
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

impl VaeNetwork {
    /// The network at its start; `config` has been validated for pictures of this shape.
    pub fn new(config: &VaeConfig, picture_shape: [usize; 3], init: &mut Init) -> Self {
        let channels = picture_shape[0];
        let latent_shape = config.latent_shape(picture_shape);
        let said = Likelihood::channels(config.likelihood, channels);
        let (blocks, groups) = (config.blocks, config.groups);
        let levels =
            |widths| Levels { widths, blocks, groups, condition_width: Some(config.condition_width) };
        let up: Vec<usize> = config.widths.iter().rev().copied().collect();
        Self {
            text: config.encoder.is_none().then(|| TextEncoder::new(&config.text, init)),
            pooled: Linear::new(config.told_width(), config.condition_width, init),
            prior: Prior::new(config, latent_shape, init),
            encoder: Way::new([channels, 2 * config.latent_channels], levels(&config.widths), init),
            decoder: Way::new([config.latent_channels, said], levels(&up), init),
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
        Gaussian::from_channels(self.encoder.down(pictures, Some(condition)))
    }

    /// What [`Likelihood`] makes a distribution of, out of latents.
    pub fn decode(&self, latents: Tensor<4>, condition: &Tensor<2>) -> Tensor<4> {
        self.decoder.up(latents, Some(condition))
    }
}

impl Prior {
    fn new(config: &VaeConfig, [channels, height, width]: [usize; 3], init: &mut Init) -> Self {
        let VaeConfig { condition_width, prior_blocks, prior_heads, .. } = *config;
        let told = config.told_width();
        let block =
            |init: &mut Init| TransformerBlock::new(condition_width, prior_heads, Some(told), 2, init);
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

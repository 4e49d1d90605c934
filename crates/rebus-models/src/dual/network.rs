//! Two towers into one space, and a third where sounds are heard.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use rebus_nn::{Init, Linear};

use super::{DualConfig, Hearing};
use crate::{Embedding, modality::TextTokens, picture::PictureTower, sound::Heard, text::TextEncoder};

/// `exp` of this multiplies the cosine between embeddings at the start (Zhai et al. 2023, section 3.2: 10).
pub(super) const FIRST_SCALE: f64 = std::f64::consts::LN_10;
/// What is added to it at the start: most pairs do not belong together (there too).
pub(super) const FIRST_BIAS: f64 = -10.0;

/// Words and pictures to embeddings of length 1.
#[derive(Module, Debug)]
pub struct DualNetwork {
    /// The text tower.
    pub text: TextEncoder,
    pub(super) project: Linear,
    /// The picture tower.
    pub picture: PictureTower,
    /// The tower of sounds, where there is one.
    pub sound: Option<Hearing>,
    /// `[1]`: the logarithm of what multiplies a cosine.
    pub scale: Param<Tensor<1>>,
    /// `[1]`: what is added then.
    pub bias: Param<Tensor<1>>,
}

impl DualNetwork {
    /// The network at its start; `config` has been validated, `channels` are the pictures'.
    pub fn new(config: &DualConfig, channels: usize, init: &mut Init) -> Self {
        Self {
            text: TextEncoder::new(&config.text, init),
            project: Linear::new(config.text.width, config.width, init),
            picture: PictureTower::new(&config.picture, channels, config.width, init),
            sound: config.sound.as_ref().map(|sound| Hearing::new(sound, config.width, init)),
            scale: init.constant([1], FIRST_SCALE),
            bias: init.constant([1], FIRST_BIAS),
        }
    }

    /// Texts to `[batch, width]`, each row of length 1.
    pub fn texts(&self, text: TextTokens) -> Tensor<2> {
        unit(self.project.forward(self.text.forward(text).pooled))
    }

    /// Pictures `[batch, channel, height, width]` in -1..1 to `[batch, width]`, each row of length 1.
    pub fn pictures(&self, pictures: Tensor<4>) -> Tensor<2> {
        unit(self.picture.forward(pictures))
    }

    /// Texts as another network may be told of them: each token in the space of both towers, and the whole, whose numbers are
    /// about 1.
    pub fn read(&self, text: TextTokens) -> Embedding {
        let Embedding { sequence, mask, pooled } = self.text.forward(text);
        Embedding::new(self.project.forward(sequence), mask, about_one(self.project.forward(pooled)))
    }

    /// The same of sounds; nothing where it hears none.
    pub fn listen(&self, heard: Heard, length: usize) -> Option<Embedding> {
        Some(alone(about_one(self.sound.as_ref()?.tower.forward(heard)), length))
    }

    /// The same of pictures: one token, which is the whole, and `length - 1` that do not count.
    pub fn look(&self, pictures: Tensor<4>, length: usize) -> Embedding {
        alone(about_one(self.picture.forward(pictures)), length)
    }
}

/// One token, which is the whole, and `length - 1` that do not count.
fn alone(pooled: Tensor<2>, length: usize) -> Embedding {
    let ([batch, width], device) = (pooled.dims(), pooled.device());
    let token = pooled.clone().unsqueeze_dim::<3>(1); // [b, 1, width]
    let rest = Tensor::zeros([batch, length - 1, width], &device);
    let counts = [Tensor::<2>::ones([batch, 1], &device), Tensor::zeros([batch, length - 1], &device)];
    let mask = Tensor::cat(counts.to_vec(), 1).bool();
    Embedding::new(Tensor::cat(vec![token, rest], 1), mask, pooled)
}

/// Rows as long as their number of numbers has a root.
fn about_one(rows: Tensor<2>) -> Tensor<2> {
    let width = rows.dims()[1] as f64;
    unit(rows) * width.sqrt()
}

/// Rows of length 1.
pub(super) fn unit(rows: Tensor<2>) -> Tensor<2> {
    let length = (rows.clone().square().sum_dim(1) + 1e-12).sqrt(); // [b, 1]
    rows / length
}

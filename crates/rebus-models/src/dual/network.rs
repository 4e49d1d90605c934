//! Towers into one space: words, pictures and sounds, whichever there are.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use rebus_nn::{Init, Linear};

use super::DualConfig;
use crate::{
    Embedding,
    modality::TextTokens,
    picture::PictureTower,
    sound::{Heard, SoundTower, SoundTowerConfig},
    text::TextEncoder,
};

/// `exp` of this multiplies the cosine between embeddings at the start (Zhai et al. 2023, section 3.2: 10).
const FIRST_SCALE: f64 = std::f64::consts::LN_10;
/// What is added to it at the start: most pairs do not belong together (there too).
const FIRST_BIAS: f64 = -10.0;

/// Words, pictures and sounds to embeddings of length 1.
#[derive(Module, Debug)]
pub struct DualNetwork {
    /// The text tower.
    pub text: Option<TextEncoder>,
    pub(super) project: Option<Linear>,
    /// The picture tower.
    pub picture: Option<PictureTower>,
    /// The tower of sounds.
    pub sound: Option<Hearing>,
    /// `[1]`: the logarithm of what multiplies a cosine of words and pictures, where there are both.
    pub scale: Option<Param<Tensor<1>>>,
    /// `[1]`: what is added then.
    pub bias: Option<Param<Tensor<1>>>,
}

/// The tower of sounds, with the scale and the bias of its own pairs.
#[derive(Module, Debug)]
pub struct Hearing {
    /// The tower.
    pub tower: SoundTower,
    /// `[1]`: the logarithm of what multiplies a cosine.
    pub scale: Param<Tensor<1>>,
    /// `[1]`: what is added then.
    pub bias: Param<Tensor<1>>,
}

impl Hearing {
    /// The tower at its start, into a space of `width` numbers.
    pub fn new(config: &SoundTowerConfig, width: usize, init: &mut Init) -> Self {
        Self {
            tower: SoundTower::new(config, width, init),
            scale: init.constant([1], FIRST_SCALE),
            bias: init.constant([1], FIRST_BIAS),
        }
    }

    /// Sounds to `[batch, width]`, each row of length 1.
    pub fn sounds(&self, heard: Heard) -> Tensor<2> {
        unit(self.tower.forward(heard))
    }
}

impl DualNetwork {
    /// The network at its start; `config` has been validated, `channels` are the pictures'.
    pub fn new(config: &DualConfig, channels: usize, init: &mut Init) -> Self {
        let (text, picture) = (config.text.as_ref(), config.picture.as_ref());
        let both = text.and(picture);
        Self {
            text: text.map(|text| TextEncoder::new(text, init)),
            project: text.map(|text| Linear::new(text.width, config.width, init)),
            picture: picture.map(|picture| PictureTower::new(picture, channels, config.width, init)),
            sound: config.sound.as_ref().map(|sound| Hearing::new(sound, config.width, init)),
            scale: both.map(|_| init.constant([1], FIRST_SCALE)),
            bias: both.map(|_| init.constant([1], FIRST_BIAS)),
        }
    }

    /// Without any tower.
    pub(super) fn none() -> Self {
        Self { text: None, project: None, picture: None, sound: None, scale: None, bias: None }
    }

    /// Its towers, and those of another that it has not.
    pub(super) fn or(self, other: &Self) -> Self {
        Self {
            text: self.text.or_else(|| other.text.clone()),
            project: self.project.or_else(|| other.project.clone()),
            picture: self.picture.or_else(|| other.picture.clone()),
            sound: self.sound.or_else(|| other.sound.clone()),
            scale: self.scale.or_else(|| other.scale.clone()),
            bias: self.bias.or_else(|| other.bias.clone()),
        }
    }

    /// Texts to `[batch, width]`, each row of length 1, if it reads.
    pub fn texts(&self, text: TextTokens) -> Option<Tensor<2>> {
        let (tower, project) = (self.text.as_ref()?, self.project.as_ref()?);
        Some(unit(project.forward(tower.forward(text).pooled)))
    }

    /// Pictures `[batch, channel, height, width]` in -1..1 to `[batch, width]`, each row of length 1, if it sees.
    pub fn pictures(&self, pictures: Tensor<4>) -> Option<Tensor<2>> {
        Some(unit(self.picture.as_ref()?.forward(pictures)))
    }

    /// Sounds to `[batch, width]`, each row of length 1, if it hears.
    pub fn sounds(&self, heard: Heard) -> Option<Tensor<2>> {
        Some(self.sound.as_ref()?.sounds(heard))
    }

    /// Texts as another network may be told of them: each token in the space of both towers, and the whole, whose numbers are
    /// about 1.
    pub fn read(&self, text: TextTokens) -> Option<Embedding> {
        let (tower, project) = (self.text.as_ref()?, self.project.as_ref()?);
        let Embedding { sequence, mask, pooled } = tower.forward(text);
        Some(Embedding::new(project.forward(sequence), mask, about_one(project.forward(pooled))))
    }

    /// The same of sounds: one token, which is the whole, and `length - 1` that do not count.
    pub fn listen(&self, heard: Heard, length: usize) -> Option<Embedding> {
        Some(alone(about_one(self.sound.as_ref()?.tower.forward(heard)), length))
    }

    /// The same of pictures.
    pub fn look(&self, pictures: Tensor<4>, length: usize) -> Option<Embedding> {
        Some(alone(about_one(self.picture.as_ref()?.forward(pictures)), length))
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

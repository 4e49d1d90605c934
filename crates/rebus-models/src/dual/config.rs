//! The sizes of the towers and the settings of their loss.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::{ModelError, picture::PictureConfig, sound::SoundTowerConfig, text::TextConfig};

/// Sizes of a [`DualNetwork`](super::DualNetwork). A tower that is none is not there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DualConfig {
    /// Numbers of an embedding.
    pub width: usize,
    /// The picture tower.
    pub picture: Option<PictureConfig>,
    /// The text tower.
    pub text: Option<TextConfig>,
    /// The tower of sounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound: Option<SoundTowerConfig>,
}

impl Default for DualConfig {
    fn default() -> Self {
        let (picture, text) = (Some(PictureConfig::default()), Some(TextConfig::default()));
        Self { width: 128, picture, text, sound: None }
    }
}

impl DualConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), ModelError> {
        self.text.as_ref().map_or(Ok(()), TextConfig::validate)?;
        self.sound.as_ref().map_or(Ok(()), SoundTowerConfig::validate)?;
        if self.width == 0 {
            return Err(ModelError::Config {
                field: "model.width",
                value: "0".to_string(),
                rule: "it must be at least 1".to_string(),
            });
        }
        self.picture.as_ref().map_or(Ok(()), PictureConfig::validate)
    }

    /// Checks that the picture tower, if there is one, can look at pictures of a size.
    ///
    /// # Errors
    /// It cannot.
    pub(crate) fn validate_size(&self, height: usize, width: usize) -> Result<(), ModelError> {
        self.picture.as_ref().map_or(Ok(()), |picture| picture.validate_size(height, width))
    }

    /// How it hears, if it does.
    pub(crate) fn mel(&self) -> Option<rebus_data::MelConfig> {
        self.sound.as_ref().map(|sound| sound.mel)
    }
}

/// Two modalities that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Pair {
    /// A picture and its words.
    #[serde(rename = "picture+text")]
    PictureText,
    /// A sound and its words.
    #[serde(rename = "sound+text")]
    SoundText,
    /// A sound and its picture.
    #[serde(rename = "picture+sound")]
    PictureSound,
}

impl Pair {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::PictureText, Self::SoundText, Self::PictureSound];

    /// Whether pictures are one of the two.
    pub fn has_pictures(self) -> bool {
        self != Self::SoundText
    }

    /// Whether words are one of the two.
    pub fn has_texts(self) -> bool {
        self != Self::PictureSound
    }

    /// Whether sounds are one of the two.
    pub fn has_sounds(self) -> bool {
        self != Self::PictureText
    }
}

/// How a batch's pairs are told from all that do not belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DualLoss {
    /// Each pair by itself: does it belong together (SigLIP, Zhai et al. 2023, equation 1)?
    #[default]
    Sigmoid,
    /// Which of all texts is the picture's, and which of all pictures the text's (CLIP, Radford et al. 2021, figure 3)?
    Softmax,
}

/// Captions of earlier steps, at most.
const MOST_REMEMBERED: usize = 1 << 20;

/// Settings of the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DualObjectiveConfig {
    /// Which loss.
    pub loss: DualLoss,
    /// How much each pair of modalities counts; those that are not named do not count, and a modality of no pair gets no tower.
    /// Where none is named, all that the data has count 1.
    pub pairs: IndexMap<Pair, f64>,
    /// How often each token is left out, where the text tower learns.
    pub word_dropout: f32,
    /// How often a caption gets a wrong neighbour made of it, where the text tower learns: one of its words taken from another
    /// caption, which must rank below it (Yuksekgonul et al. 2023, section 4).
    pub hard_negatives: f32,
    /// How many captions of earlier steps each sound is told from besides those of its own, where the text tower stays.
    pub memory: usize,
}

impl Default for DualObjectiveConfig {
    fn default() -> Self {
        let (loss, pairs) = (DualLoss::default(), IndexMap::new());
        Self { loss, pairs, word_dropout: 0.1, hard_negatives: 0.5, memory: 0 }
    }
}

impl DualObjectiveConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), ModelError> {
        for weight in self.pairs.values() {
            if !(weight.is_finite() && *weight >= 0.0) {
                let rule = "each must be a number, at least 0".to_string();
                return Err(ModelError::Config { field: "objective.pairs", value: weight.to_string(), rule });
            }
        }
        if self.memory > MOST_REMEMBERED {
            let rule = format!("more than {MOST_REMEMBERED} cost a step more than they teach");
            return Err(ModelError::Config {
                field: "objective.memory",
                value: self.memory.to_string(),
                rule,
            });
        }
        ModelError::check_shares([
            ("objective.word_dropout", self.word_dropout),
            ("objective.hard_negatives", self.hard_negatives),
        ])
    }
}

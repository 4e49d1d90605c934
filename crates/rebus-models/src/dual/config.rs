//! The sizes of the two towers and the settings of their loss.

use serde::{Deserialize, Serialize};

use crate::{ModelError, picture::PictureConfig, sound::SoundTowerConfig, text::TextConfig};

/// Sizes of a [`DualNetwork`](super::DualNetwork).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DualConfig {
    /// Numbers of an embedding.
    pub width: usize,
    /// The picture tower.
    pub picture: PictureConfig,
    /// The text tower.
    pub text: TextConfig,
    /// The tower of sounds, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound: Option<SoundTowerConfig>,
}

impl Default for DualConfig {
    fn default() -> Self {
        Self { width: 128, picture: PictureConfig::default(), text: TextConfig::default(), sound: None }
    }
}

impl DualConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), ModelError> {
        self.text.validate()?;
        self.sound.as_ref().map(SoundTowerConfig::validate).transpose()?;
        if self.width == 0 {
            return Err(ModelError::Config {
                field: "model.width",
                value: "0".to_string(),
                rule: "it must be at least 1".to_string(),
            });
        }
        self.picture.validate()
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

/// Settings of the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DualObjectiveConfig {
    /// Which loss.
    pub loss: DualLoss,
    /// How often each token is left out.
    pub word_dropout: f32,
    /// How often a caption gets a wrong neighbour made of it: one of its words taken from another caption, which must
    /// rank below it (Yuksekgonul et al. 2023, section 4).
    pub hard_negatives: f32,
}

impl Default for DualObjectiveConfig {
    fn default() -> Self {
        Self { loss: DualLoss::default(), word_dropout: 0.1, hard_negatives: 0.5 }
    }
}

impl DualObjectiveConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), ModelError> {
        ModelError::check_shares([
            ("objective.word_dropout", self.word_dropout),
            ("objective.hard_negatives", self.hard_negatives),
        ])
    }
}

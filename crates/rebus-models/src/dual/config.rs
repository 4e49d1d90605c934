//! The sizes of the two towers and the settings of their loss.

use serde::{Deserialize, Serialize};

use crate::{ModelError, text::TextConfig};

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
}

/// Sizes of the picture tower.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PictureConfig {
    /// Channels of each level, the finest first; each level has half the side of the one before.
    pub widths: Vec<usize>,
    /// Residual blocks of each level.
    pub blocks: usize,
    /// Groups of the norms; they divide every width.
    pub groups: usize,
}

impl Default for DualConfig {
    fn default() -> Self {
        Self { width: 128, picture: PictureConfig::default(), text: TextConfig::default() }
    }
}

impl Default for PictureConfig {
    fn default() -> Self {
        Self { widths: vec![48, 96, 160, 224], blocks: 1, groups: 8 }
    }
}

impl DualConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), ModelError> {
        self.text.validate()?;
        let wrong = |field, value: String, rule: &str| {
            Err(ModelError::Config { field, value, rule: rule.to_string() })
        };
        let PictureConfig { widths, blocks, groups } = &self.picture;
        if self.width == 0 {
            return wrong("model.width", "0".to_string(), "it must be at least 1");
        }
        if *blocks == 0 {
            return wrong("model.picture.blocks", "0".to_string(), "it must be at least 1");
        }
        if widths.is_empty() || widths.len() > 8 || widths.contains(&0) {
            let rule = "it must have 1 to 8 levels, each at least 1";
            return wrong("model.picture.widths", format!("{widths:?}"), rule);
        }
        if *groups == 0 || widths.iter().any(|width| width % groups != 0) {
            return wrong(
                "model.picture.groups",
                groups.to_string(),
                "it must divide every one of model.picture.widths",
            );
        }
        Ok(())
    }

    /// Checks the size of pictures.
    ///
    /// # Errors
    /// A side does not halve as often as there are levels.
    pub fn validate_size(&self, height: usize, width: usize) -> Result<(), ModelError> {
        let multiple = 1 << (self.picture.widths.len() - 1);
        let fits = |side: usize| side > 0 && side.is_multiple_of(multiple);
        if fits(height) && fits(width) {
            return Ok(());
        }
        Err(ModelError::Config {
            field: "data.image_size",
            value: format!("{width}x{height}"),
            rule: format!(
                "both sides must be multiples of {multiple} for model.picture.widths of this length"
            ),
        })
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
        for (field, value) in
            [("objective.word_dropout", self.word_dropout), ("objective.hard_negatives", self.hard_negatives)]
        {
            if !(0.0..=1.0).contains(&value) {
                return Err(ModelError::Config {
                    field,
                    value: value.to_string(),
                    rule: "it must be from 0 to 1".to_string(),
                });
            }
        }
        Ok(())
    }
}

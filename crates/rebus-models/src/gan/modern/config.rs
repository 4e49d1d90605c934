//! The sizes of the two networks and the settings of their losses.

use serde::{Deserialize, Serialize};

use crate::{ModelError, gan::augment::AugmentConfig, reader::FrozenConfig, text::TextConfig};

/// Sizes of a [`Generator`](super::Generator) and of the [`Discriminator`](super::Discriminator) that teaches it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModernConfig {
    /// Numbers of the noise that becomes a picture.
    pub noise_width: usize,
    /// Numbers of the vector of noise and text that modulates every block.
    pub style_width: usize,
    /// Channels of each level, the coarsest first; each level has twice the side of the one before, the last that of
    /// the picture.
    pub widths: Vec<usize>,
    /// Residual blocks of each level.
    pub blocks: usize,
    /// The text encoders: one in the generator, one in the discriminator.
    pub text: TextConfig,
    /// An encoder of words and pictures that reads instead of both: that of the recipe's `[condition]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<FrozenConfig>,
}

impl Default for ModernConfig {
    fn default() -> Self {
        Self {
            noise_width: 64,
            style_width: 256,
            widths: vec![256, 160, 80, 40],
            blocks: 1,
            text: TextConfig::default(),
            encoder: None,
        }
    }
}

impl ModernConfig {
    /// Checks what the types cannot, the size of the pictures included.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self, [channels, height, width]: [usize; 3]) -> Result<(), ModelError> {
        self.text.validate()?;
        let wrong = |field, value: String, rule: String| Err(ModelError::Config { field, value, rule });
        if self.noise_width == 0 || self.style_width == 0 || self.blocks == 0 {
            let rule = "noise_width, style_width and blocks must be at least 1";
            return wrong("model.blocks", self.blocks.to_string(), rule.to_string());
        }
        if self.widths.is_empty() || self.widths.len() > 8 || self.widths.contains(&0) {
            let rule = "it must have 1 to 8 levels, each at least 1";
            return wrong("model.widths", format!("{:?}", self.widths), rule.to_string());
        }
        let multiple = 1 << (self.widths.len() - 1);
        let fits = |side: usize| side > 0 && side.is_multiple_of(multiple);
        if channels == 0 || !fits(height) || !fits(width) {
            let rule = format!("both sides must be multiples of {multiple} for model.widths of this length");
            return wrong("data.image_size", format!("{width}x{height}"), rule);
        }
        Ok(())
    }

    /// Numbers of a text, as the networks are told of it.
    pub fn told_width(&self) -> usize {
        self.encoder.as_ref().map_or(self.text.width, FrozenConfig::width)
    }

    /// Height and width of the coarsest level.
    pub(super) fn coarsest(&self, [_, height, width]: [usize; 3]) -> [usize; 2] {
        let levels = self.widths.len() - 1;
        [height >> levels, width >> levels]
    }
}

/// Settings of the losses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModernObjectiveConfig {
    /// Weight of the penalties on the discriminator's slope at real and at drawn pictures: half of this times the
    /// mean squared gradient (Huang et al. 2024, equations 3 and 4).
    pub gamma: f64,
    /// Steps from one penalty to the next; each counts that many times (Karras et al. 2020, "lazy regularization").
    pub penalty_every: u64,
    /// Standard deviation of the noise along which the slope is measured.
    pub penalty_step: f64,
    /// Weight of real pictures under another's caption, which the discriminator must rank below their own.
    pub mismatch_weight: f64,
    /// How often a caption is left out, which teaches drawing without a prompt.
    pub caption_dropout: f32,
    /// How often each token is left out.
    pub word_dropout: f32,
    /// Weight of the pair term, which draws towards the caption's own picture as far as its pictures are alike; 0
    /// leaves it and its second drawing out.
    pub pair_weight: f64,
    /// All are made smaller by this factor before they are compared.
    pub pair_factor: usize,
    /// What is done to all pictures that the discriminator sees.
    pub augment: AugmentConfig,
}

impl Default for ModernObjectiveConfig {
    fn default() -> Self {
        Self {
            gamma: 0.05,
            penalty_every: 4,
            penalty_step: 0.01,
            mismatch_weight: 0.5,
            caption_dropout: 0.05,
            word_dropout: 0.05,
            pair_weight: 0.0,
            pair_factor: 2,
            augment: AugmentConfig::default(),
        }
    }
}

impl ModernObjectiveConfig {
    /// Checks what the types cannot, for pictures of a size.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self, [_, height, width]: [usize; 3]) -> Result<(), ModelError> {
        self.augment.validate()?;
        ModelError::check_shares([
            ("objective.caption_dropout", self.caption_dropout),
            ("objective.word_dropout", self.word_dropout),
        ])?;
        let wrong = |field, value: String, rule: &str| {
            Err(ModelError::Config { field, value, rule: rule.to_string() })
        };
        if self.penalty_every == 0 {
            return wrong("objective.penalty_every", "0".to_string(), "it must be at least 1");
        }
        if !(self.penalty_step.is_finite() && self.penalty_step > 0.0) {
            return wrong("objective.penalty_step", self.penalty_step.to_string(), "it must be above 0");
        }
        let factor = self.pair_factor;
        if factor == 0 || height % factor != 0 || width % factor != 0 {
            return wrong(
                "objective.pair_factor",
                factor.to_string(),
                "it must divide both sides of the picture",
            );
        }
        Ok(())
    }
}

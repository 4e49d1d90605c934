//! The sizes of the flow's network and the settings of its loss.

use serde::{Deserialize, Serialize};

use crate::{ModelError, autoencoder::AutoencoderConfig, reader::FrozenConfig, text::TextConfig};

/// Sizes of a [`FlowUNet`](super::FlowUNet), or of a [`FlowTransformer`](super::FlowTransformer).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlowConfig {
    /// Squares of this many pixels a side become channels, or a transformer's places, first of all.
    pub patch: usize,
    /// Channels of each level; each level has half the side of the one before.
    pub widths: Vec<usize>,
    /// Residual blocks of each level, on the way down and again on the way up.
    pub blocks: usize,
    /// Levels from this one on attend to themselves and to the text.
    pub attention_from: usize,
    /// Numbers a head of attention; it divides the widths of the levels that attend.
    pub head_width: usize,
    /// Groups of group norm; they divide every width.
    pub groups: usize,
    /// Numbers of the vector that modulates every block: time and pooled text.
    pub condition_width: usize,
    /// The text encoder.
    pub text: TextConfig,
    /// An encoder of words and pictures that reads instead of the text encoder: that of the recipe's `[condition]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<FrozenConfig>,
    /// A transformer instead of the U-Net, whose widths, blocks, attention and groups are left aside then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transformer: Option<TransformerConfig>,
    /// It predicts the mean velocity over a step of a length that it is told, guidance included, as a student of `needs.teacher`.
    #[serde(skip_serializing_if = "is_false")]
    pub mean_velocity: bool,
    /// It makes a picture of another one as words say (InstructPix2Pix, Brooks et al. 2023), which it is shown behind the channels of
    /// the noisy one: that of the recipe's `[data.source]`.
    #[serde(skip_serializing_if = "is_false")]
    pub from_source: bool,
    /// The autoencoder in whose latents it draws instead of in pixels: that of the recipe's `needs.autoencoder`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latents: Option<AutoencoderConfig>,
}

/// Sizes of a [`FlowTransformer`](super::FlowTransformer).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransformerConfig {
    /// Numbers of a patch or a word.
    pub width: usize,
    /// Blocks, one after the other.
    pub blocks: usize,
    /// Numbers a head of attention: a multiple of four that divides the width.
    pub head_width: usize,
}

impl Default for TransformerConfig {
    fn default() -> Self {
        Self { width: 192, blocks: 4, head_width: 32 }
    }
}

impl Default for FlowConfig {
    fn default() -> Self {
        Self {
            patch: 2,
            widths: vec![64, 128, 160],
            blocks: 2,
            attention_from: 1,
            head_width: 32,
            groups: 16,
            condition_width: 192,
            text: TextConfig::default(),
            encoder: None,
            transformer: None,
            mean_velocity: false,
            from_source: false,
            latents: None,
        }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Pixels of the largest picture: a network as wide as the recipe's then takes some gigabytes.
const MOST_PIXELS: usize = 1024 * 1024;

impl FlowConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), ModelError> {
        self.text.validate()?;
        self.latents.as_ref().map_or(Ok(()), AutoencoderConfig::validate)?;
        let wrong = |field, value: usize, rule: &str| {
            Err(ModelError::Config { field, value: value.to_string(), rule: rule.to_string() })
        };
        if self.patch == 0 {
            return wrong("model.patch", 0, "it must be at least 1");
        }
        if let Some(TransformerConfig { width, blocks, head_width }) = self.transformer {
            if blocks == 0 || self.condition_width == 0 {
                let rule = "transformer.blocks and condition_width must be at least 1";
                return wrong("model.transformer.blocks", blocks, rule);
            }
            if head_width == 0 || head_width % 4 != 0 || width == 0 || width % head_width != 0 {
                let rule = "head_width must be a multiple of 4 and divide transformer.width";
                return wrong("model.transformer.head_width", head_width, rule);
            }
            return Ok(());
        }
        if self.widths.is_empty() || self.widths.len() > 6 {
            return wrong("model.widths", self.widths.len(), "it must have 1 to 6 levels");
        }
        if self.blocks == 0 || self.condition_width == 0 {
            return wrong("model.blocks", self.blocks, "blocks and condition_width must be at least 1");
        }
        for (level, &width) in self.widths.iter().enumerate() {
            if self.groups == 0 || width == 0 || width % self.groups != 0 {
                return wrong("model.widths", width, "model.groups must divide every width");
            }
            let attends = level >= self.attention_from;
            if attends && (self.head_width == 0 || width % self.head_width != 0) {
                return wrong("model.widths", width, "model.head_width must divide every width that attends");
            }
        }
        Ok(())
    }

    /// Numbers of each word that the network is told, and of all of a text.
    pub fn told_width(&self) -> usize {
        self.encoder.as_ref().map_or(self.text.width, FrozenConfig::width)
    }

    /// Channels that the network is shown, of a drawing of so many.
    pub fn shown_channels(&self, drawn: usize) -> usize {
        if self.from_source { 2 * drawn } else { drawn }
    }

    /// How many pixels a picture's side must be a multiple of.
    pub fn side_multiple(&self) -> usize {
        let places = match self.transformer {
            Some(_) => self.patch,
            None => self.patch << (self.widths.len() - 1),
        };
        places * self.latents.as_ref().map_or(1, AutoencoderConfig::factor)
    }

    /// `[channel, height, width]` of what is drawn for a picture of a shape: the picture itself, or its latent.
    ///
    /// # Errors
    /// As [`validate_size`](Self::validate_size).
    pub fn drawn_shape(&self, [channels, height, width]: [usize; 3]) -> Result<[usize; 3], ModelError> {
        self.validate_size(height, width)?;
        match &self.latents {
            Some(latents) => latents.latent_shape(height, width),
            None => Ok([channels, height, width]),
        }
    }

    /// Checks a picture's size.
    ///
    /// # Errors
    /// A side that the levels do not divide, or more pixels than memory has room for.
    pub fn validate_size(&self, height: usize, width: usize) -> Result<(), ModelError> {
        let multiple = self.side_multiple();
        let fits = |side: usize| side > 0 && side.is_multiple_of(multiple);
        let wrong = |rule| ModelError::Request { option: "size", value: format!("{width}x{height}"), rule };
        if !fits(height) || !fits(width) {
            return Err(wrong(format!("both sides must be multiples of {multiple} for this network")));
        }
        if height.saturating_mul(width) > MOST_PIXELS {
            return Err(wrong(format!(
                "a picture may have at most {MOST_PIXELS} pixels, or memory runs out"
            )));
        }
        Ok(())
    }
}

/// Settings of the flow's loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlowObjectiveConfig {
    /// Times are the logistic function of a normal number with this mean (Esser et al. 2024, equation 19): above 0
    /// for more noise.
    pub time_mean: f64,
    /// And with this standard deviation.
    pub time_deviation: f64,
    /// How often a caption is left out, which teaches the unconditional flow that guidance needs.
    pub caption_dropout: f32,
    /// How often the source is left out, where there is one; of these in a half the caption is left out too, as far as captions are
    /// left out as often (Brooks et al. 2023, section 3.2.1).
    pub source_dropout: f32,
    /// How often each token is left out.
    pub word_dropout: f32,
    /// Weight of the mean absolute difference between the picture and what one step from `x_t` gives.
    pub pair_weight: f64,
}

impl Default for FlowObjectiveConfig {
    fn default() -> Self {
        Self {
            time_mean: 0.0,
            time_deviation: 1.0,
            caption_dropout: 0.1,
            source_dropout: 0.1,
            word_dropout: 0.05,
            pair_weight: 0.0,
        }
    }
}

impl FlowObjectiveConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), ModelError> {
        ModelError::check_shares([
            ("objective.caption_dropout", self.caption_dropout),
            ("objective.source_dropout", self.source_dropout),
            ("objective.word_dropout", self.word_dropout),
        ])
    }
}

//! The sizes of the network and the settings of its bound.

use serde::{Deserialize, Serialize};

use crate::{ModelError, reader::FrozenConfig, text::TextConfig};

/// Sizes of a [`VaeNetwork`](super::VaeNetwork).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VaeConfig {
    /// Channels of a latent; its sides are those of the coarsest level.
    pub latent_channels: usize,
    /// Channels of each level, the finest first; each level has half the side of the one before.
    pub widths: Vec<usize>,
    /// Residual blocks of each level, in the encoder and again in the decoder.
    pub blocks: usize,
    /// Groups of group norm; they divide every width.
    pub groups: usize,
    /// Numbers of the vector of pooled text that modulates every block, and of each place of the prior.
    pub condition_width: usize,
    /// Blocks of the prior, in which the places of a latent attend to each other and to the words.
    pub prior_blocks: usize,
    /// Heads of its attention; they divide `condition_width`.
    pub prior_heads: usize,
    /// How likely a picture is, given what the decoder says.
    pub likelihood: LikelihoodKind,
    /// The standard deviation of a Gaussian likelihood that is not learned, of values in -1..1.
    pub deviation: f64,
    /// The text encoder.
    pub text: TextConfig,
    /// An encoder of words and pictures that reads instead of it: that of the recipe's `[condition]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<FrozenConfig>,
}

/// A distribution over pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LikelihoodKind {
    /// Normal with one deviation for all numbers, which is learned.
    GaussianLearned,
    /// Normal with the deviation of `model.deviation`.
    GaussianFixed,
    /// Logistic, a scale a number, summed over each of 256 steps (Salimans et al. 2017, section 2.1).
    #[default]
    DiscretizedLogistic,
    /// Each number as a probability: for pictures in black and white.
    Bernoulli,
}

impl Default for VaeConfig {
    fn default() -> Self {
        Self {
            latent_channels: 16,
            widths: vec![48, 96, 160, 224],
            blocks: 1,
            groups: 8,
            condition_width: 192,
            prior_blocks: 2,
            prior_heads: 6,
            likelihood: LikelihoodKind::default(),
            deviation: 0.1,
            text: TextConfig::default(),
            encoder: None,
        }
    }
}

impl VaeConfig {
    /// Checks what the types cannot, the size of the pictures included.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self, [channels, height, width]: [usize; 3]) -> Result<(), ModelError> {
        self.text.validate()?;
        let wrong = |field, value: String, rule: String| Err(ModelError::Config { field, value, rule });
        if self.latent_channels == 0 || self.blocks == 0 || self.condition_width == 0 {
            let rule = "latent_channels, blocks and condition_width must be at least 1";
            return wrong("model.latent_channels", self.latent_channels.to_string(), rule.to_string());
        }
        if self.prior_heads == 0 || !self.condition_width.is_multiple_of(self.prior_heads) {
            let rule = "it must divide model.condition_width";
            return wrong("model.prior_heads", self.prior_heads.to_string(), rule.to_string());
        }
        if self.widths.is_empty() || self.widths.len() > 8 || self.widths.contains(&0) {
            let rule = "it must have 1 to 8 levels, each at least 1";
            return wrong("model.widths", format!("{:?}", self.widths), rule.to_string());
        }
        if self.groups == 0 || self.widths.iter().any(|width| width % self.groups != 0) {
            let rule = "it must divide every one of model.widths";
            return wrong("model.groups", self.groups.to_string(), rule.to_string());
        }
        if !(self.deviation.is_finite() && self.deviation > 0.0) {
            return wrong("model.deviation", self.deviation.to_string(), "it must be above 0".to_string());
        }
        let multiple = 1 << (self.widths.len() - 1);
        let fits = |side: usize| side > 0 && side.is_multiple_of(multiple);
        if channels == 0 || !fits(height) || !fits(width) {
            let rule = format!("both sides must be multiples of {multiple} for model.widths of this length");
            return wrong("data.image_size", format!("{width}x{height}"), rule);
        }
        Ok(())
    }

    /// Numbers of each word that the network is told, and of all of a text.
    pub fn told_width(&self) -> usize {
        self.encoder.as_ref().map_or(self.text.width, FrozenConfig::width)
    }

    /// `[channel, height, width]` of a latent for pictures of a shape.
    pub fn latent_shape(&self, [_, height, width]: [usize; 3]) -> [usize; 3] {
        let halved = self.widths.len() - 1;
        [self.latent_channels, height >> halved, width >> halved]
    }
}

/// Settings of the bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VaeObjectiveConfig {
    /// What the divergence counts for; 1 is the bound itself (beta of Higgins et al. 2017).
    pub kl_weight: f64,
    /// Steps over which that weight rises from 0.
    pub kl_warmup_steps: u64,
    /// Nats of each latent channel that cost nothing, so that none falls silent at the start (Kingma et al. 2016, equation 15).
    pub free_bits: f64,
    /// How often a caption is left out.
    pub caption_dropout: f32,
    /// How often each token is left out.
    pub word_dropout: f32,
    /// Samples of the importance-weighted bound at evaluation (Burda et al. 2016).
    pub importance_samples: usize,
}

impl Default for VaeObjectiveConfig {
    fn default() -> Self {
        Self {
            kl_weight: 1.0,
            kl_warmup_steps: 1000,
            free_bits: 0.5,
            caption_dropout: 0.1,
            word_dropout: 0.05,
            importance_samples: 8,
        }
    }
}

impl VaeObjectiveConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), ModelError> {
        let wrong = |field, value: String, rule: &str| {
            Err(ModelError::Config { field, value, rule: rule.to_string() })
        };
        for (field, value) in
            [("objective.kl_weight", self.kl_weight), ("objective.free_bits", self.free_bits)]
        {
            if !(value.is_finite() && value >= 0.0) {
                return wrong(field, value.to_string(), "it must be at least 0");
            }
        }
        ModelError::check_shares([
            ("objective.caption_dropout", self.caption_dropout),
            ("objective.word_dropout", self.word_dropout),
        ])?;
        if self.importance_samples == 0 {
            return wrong("objective.importance_samples", "0".to_string(), "it must be at least 1");
        }
        Ok(())
    }
}

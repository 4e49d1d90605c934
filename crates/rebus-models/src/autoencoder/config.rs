//! The sizes of the network and the weights of its losses.

use serde::{Deserialize, Serialize};

use crate::{ModelError, gan::PatchDiscriminator};

/// Sizes of an [`Autoencoder`](super::Autoencoder).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AutoencoderConfig {
    /// Channels of a latent.
    pub latent_channels: usize,
    /// Squares of this many pixels a side become channels first of all, and channels become squares at the end.
    pub patch: usize,
    /// Channels of each level, the finest first; each level has half the side of the one before.
    pub widths: Vec<usize>,
    /// Residual blocks of each level, in the encoder and again in the decoder.
    pub blocks: usize,
    /// Groups of group norm; they divide every width.
    pub groups: usize,
}

impl Default for AutoencoderConfig {
    fn default() -> Self {
        Self { latent_channels: 4, patch: 2, widths: vec![64, 128], blocks: 2, groups: 8 }
    }
}

impl AutoencoderConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), ModelError> {
        let Self { latent_channels, patch, widths, blocks, groups } = self;
        let wrong = |field, value: String, rule: &str| {
            Err(ModelError::Config { field, value, rule: rule.to_string() })
        };
        for (field, value) in
            [("model.latent_channels", *latent_channels), ("model.patch", *patch), ("model.blocks", *blocks)]
        {
            if value == 0 || value > 256 {
                return wrong(field, value.to_string(), "it must be from 1 to 256");
            }
        }
        if widths.is_empty() || widths.len() > 6 || widths.contains(&0) {
            let rule = "it must have 1 to 6 levels, each at least 1";
            return wrong("model.widths", format!("{widths:?}"), rule);
        }
        if *groups == 0 || widths.iter().any(|width| width % groups != 0) {
            return wrong("model.groups", groups.to_string(), "it must divide every one of model.widths");
        }
        Ok(())
    }

    /// How many pixels of a side become one place of a latent.
    pub fn factor(&self) -> usize {
        self.patch << (self.widths.len() - 1)
    }

    /// `[channel, height, width]` of the latent of a picture.
    ///
    /// # Errors
    /// Sides that are no multiple of [`factor`](Self::factor).
    pub fn latent_shape(&self, height: usize, width: usize) -> Result<[usize; 3], ModelError> {
        let factor = self.factor();
        let fits = |side: usize| side > 0 && side.is_multiple_of(factor);
        if fits(height) && fits(width) {
            return Ok([self.latent_channels, height / factor, width / factor]);
        }
        Err(ModelError::Request {
            option: "size",
            value: format!("{width}x{height}"),
            rule: format!("both sides must be multiples of {factor} for this autoencoder"),
        })
    }
}

/// Weights of the losses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AutoencoderObjectiveConfig {
    /// What the divergence from a standard normal counts for, in nats a number of the picture.
    pub kl_weight: f64,
    /// What the distance as the encoder of `needs.encoder` sees it counts for; 0 needs no encoder.
    pub perceptual_weight: f64,
    /// What being taken for a real picture counts for; 0 leaves the discriminator out.
    pub adversarial_weight: f64,
    /// The step from which it counts.
    pub adversarial_start: u64,
    /// Channels of the discriminator's levels.
    pub discriminator_widths: Vec<usize>,
}

impl Default for AutoencoderObjectiveConfig {
    fn default() -> Self {
        Self {
            kl_weight: 1e-3,
            perceptual_weight: 0.0,
            adversarial_weight: 0.02,
            adversarial_start: 1000,
            discriminator_widths: vec![32, 64, 128],
        }
    }
}

impl AutoencoderObjectiveConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), ModelError> {
        let weights = [
            ("objective.kl_weight", self.kl_weight),
            ("objective.perceptual_weight", self.perceptual_weight),
            ("objective.adversarial_weight", self.adversarial_weight),
        ];
        if let Some((field, value)) = weights.into_iter().find(|(_, v)| !(v.is_finite() && *v >= 0.0)) {
            let rule = "it must be at least 0".to_string();
            return Err(ModelError::Config { field, value: value.to_string(), rule });
        }
        PatchDiscriminator::check("objective.discriminator_widths", &self.discriminator_widths)
    }
}

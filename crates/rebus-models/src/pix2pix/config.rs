//! The sizes of the network and the weights of its losses.

use serde::{Deserialize, Serialize};

use crate::{
    ModelError,
    gan::{PatchDiscriminator, loss::PatchLoss},
};

/// Sizes of a [`UNet`](super::UNet).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pix2PixConfig {
    /// Channels of each level, the finest first; the first has half the side of the picture, each other half that of the one before.
    /// Multiples of 8.
    pub widths: Vec<usize>,
    /// Channels at the picture's own size, a multiple of 8.
    pub full_width: usize,
}

impl Default for Pix2PixConfig {
    fn default() -> Self {
        Self { widths: vec![48, 96, 160, 192], full_width: 24 }
    }
}

impl Pix2PixConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), ModelError> {
        let eights = |width: &usize| *width > 0 && width.is_multiple_of(8);
        let wrong = |field, value: String, rule: &str| {
            Err(ModelError::Config { field, value, rule: rule.to_string() })
        };
        if self.widths.is_empty() || self.widths.len() > 8 || !self.widths.iter().all(eights) {
            let rule = "it must have 1 to 8 levels, each a multiple of 8";
            return wrong("model.widths", format!("{:?}", self.widths), rule);
        }
        if !eights(&self.full_width) {
            return wrong("model.full_width", self.full_width.to_string(), "it must be a multiple of 8");
        }
        Ok(())
    }

    /// Both sides of a picture are multiples of this.
    pub fn multiple(&self) -> usize {
        1 << self.widths.len()
    }

    /// Checks the size of pictures.
    ///
    /// # Errors
    /// A side that does not halve as often as there are levels.
    pub fn validate_size(&self, height: usize, width: usize) -> Result<(), ModelError> {
        let multiple = self.multiple();
        if [height, width].iter().all(|side| *side > 0 && side.is_multiple_of(multiple)) {
            return Ok(());
        }
        Err(ModelError::Config {
            field: "data.image_size",
            value: format!("{width}x{height}"),
            rule: format!("both sides must be multiples of {multiple} for model.widths of this length"),
        })
    }
}

/// Weights of the losses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pix2PixObjectiveConfig {
    /// What the mean absolute difference counts for (lambda of equation 4).
    pub absolute_weight: f64,
    /// What being taken for a real pair counts for; 0 leaves the discriminator out.
    pub adversarial_weight: f64,
    /// By which loss pairs are judged.
    pub loss: PatchLoss,
    /// Channels of the discriminator's levels.
    pub discriminator_widths: Vec<usize>,
}

impl Default for Pix2PixObjectiveConfig {
    fn default() -> Self {
        Self {
            absolute_weight: 100.0,
            adversarial_weight: 1.0,
            loss: PatchLoss::Logistic,
            discriminator_widths: vec![32, 64, 128],
        }
    }
}

impl Pix2PixObjectiveConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), ModelError> {
        for (field, value) in [
            ("objective.absolute_weight", self.absolute_weight),
            ("objective.adversarial_weight", self.adversarial_weight),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                let rule = "it must be at least 0".to_string();
                return Err(ModelError::Config { field, value: value.to_string(), rule });
            }
        }
        PatchDiscriminator::check("objective.discriminator_widths", &self.discriminator_widths)
    }
}

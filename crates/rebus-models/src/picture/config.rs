//! The sizes of a tower over pictures.

use rebus_data::Pictures;
use serde::{Deserialize, Serialize};

use crate::ModelError;

/// Sizes of a [`PictureTower`](super::PictureTower).
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

impl Default for PictureConfig {
    fn default() -> Self {
        Self { widths: vec![48, 96, 160, 224], blocks: 1, groups: 8 }
    }
}

impl PictureConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), ModelError> {
        let wrong = |field, value: String, rule: &str| {
            Err(ModelError::Config { field, value, rule: rule.to_string() })
        };
        let Self { widths, blocks, groups } = self;
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

    /// Checks pictures that a model of so many channels is to look at.
    ///
    /// # Errors
    /// Other channels, or a side that does not halve as often as there are levels.
    pub fn check(&self, pictures: &Pictures, channels: usize) -> Result<(), ModelError> {
        let [_, found, height, width] = pictures.shape;
        if found == channels {
            return self.validate_size(height, width);
        }
        Err(ModelError::Config {
            field: "data.channels",
            value: found.to_string(),
            rule: format!("this model reads pictures of {channels} channels"),
        })
    }

    /// Checks the size of pictures.
    ///
    /// # Errors
    /// A side does not halve as often as there are levels.
    pub fn validate_size(&self, height: usize, width: usize) -> Result<(), ModelError> {
        let multiple = 1 << (self.widths.len() - 1);
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

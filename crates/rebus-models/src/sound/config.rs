//! The size of the network that hears.

use rebus_data::MelConfig;
use serde::{Deserialize, Serialize};

use crate::ModelError;

/// Sizes of a [`SoundTower`](super::SoundTower).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SoundTowerConfig {
    /// Numbers of each moment.
    pub width: usize,
    /// Transformer blocks.
    pub layers: usize,
    /// Attention heads; they divide the width.
    pub heads: usize,
    /// How a sound becomes what the network sees; a recipe says it in `[data.sound.mel]`.
    pub mel: MelConfig,
}

impl Default for SoundTowerConfig {
    fn default() -> Self {
        Self { width: 128, layers: 3, heads: 4, mel: MelConfig::default() }
    }
}

impl SoundTowerConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), ModelError> {
        self.mel.validate()?;
        let wrong = |field, value: usize, rule: &str| {
            Err(ModelError::Config { field, value: value.to_string(), rule: rule.to_string() })
        };
        match self {
            Self { width: 0, .. } => wrong("model.sound.width", 0, "it must be at least 1"),
            Self { heads, width, .. } if *heads == 0 || width % heads != 0 => {
                wrong("model.sound.heads", *heads, "it must divide model.sound.width")
            }
            _ => Ok(()),
        }
    }

    /// Moments of a sound: a quarter of its frames.
    pub fn moments(&self) -> usize {
        self.mel.frames().div_ceil(4)
    }
}

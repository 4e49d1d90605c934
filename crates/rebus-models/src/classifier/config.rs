//! The sizes of the network, the names of its classes, and the settings of its loss.

use serde::{Deserialize, Serialize};

use crate::{ModelError, picture::PictureConfig};

/// A classifier's sizes and names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassifierConfig {
    /// The names of the classes; training takes them from the collection's captions.
    pub classes: Vec<String>,
    /// The network.
    pub picture: PictureConfig,
}

/// Settings of the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassifierObjectiveConfig {
    /// The share of certainty that is spread over all classes (Szegedy et al. 2016, section 7).
    pub label_smoothing: f64,
}

impl Default for ClassifierObjectiveConfig {
    fn default() -> Self {
        Self { label_smoothing: 0.1 }
    }
}

impl ClassifierConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), ModelError> {
        if self.classes.len() < 2 {
            return Err(ModelError::Config {
                field: "model.classes",
                value: format!("{:?}", self.classes),
                rule: "there must be at least two to tell apart".to_string(),
            });
        }
        self.picture.validate()
    }
}

impl ClassifierObjectiveConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), ModelError> {
        if (0.0..1.0).contains(&self.label_smoothing) {
            return Ok(());
        }
        Err(ModelError::Config {
            field: "objective.label_smoothing",
            value: self.label_smoothing.to_string(),
            rule: "it must be at least 0 and below 1".to_string(),
        })
    }
}

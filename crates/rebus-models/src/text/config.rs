//! The size of the text encoder.

use serde::{Deserialize, Serialize};

use crate::ModelError;

/// Sizes of a [`TextEncoder`](super::TextEncoder).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextConfig {
    /// Numbers a token.
    pub width: usize,
    /// Transformer blocks.
    pub layers: usize,
    /// Attention heads; they divide the width.
    pub heads: usize,
    /// The most tokens of a text; what is longer is cut.
    pub context: usize,
    /// Entries of the tokenizer. 0 means: as many as the tokenizer has.
    pub vocabulary: usize,
}

impl Default for TextConfig {
    fn default() -> Self {
        Self { width: 128, layers: 2, heads: 4, context: 32, vocabulary: 0 }
    }
}

impl TextConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), ModelError> {
        let wrong = |field, value: usize, rule: &str| {
            Err(ModelError::Config { field, value: value.to_string(), rule: rule.to_string() })
        };
        match self {
            Self { width: 0, .. } => wrong("model.text.width", 0, "it must be at least 1"),
            Self { context: 0, .. } => wrong("model.text.context", 0, "it must be at least 1"),
            Self { heads, width, .. } if *heads == 0 || width % heads != 0 => {
                wrong("model.text.heads", *heads, "it must divide model.text.width")
            }
            _ => Ok(()),
        }
    }
}

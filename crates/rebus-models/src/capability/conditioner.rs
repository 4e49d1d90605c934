//! What a person says or shows, as a condition.

use rebus_data::MelConfig;

use crate::{Condition, Input, ModelError};

/// Turns inputs of some modality into a condition that the model understands.
pub trait Conditioner: Send + Sync {
    /// One entry an input, `[inputs, ...]`. An empty text is the unconditional embedding.
    ///
    /// # Errors
    /// An input of a modality that this model does not understand.
    fn condition(&self, inputs: &[Input]) -> Result<Condition, ModelError>;

    /// `[channel, height, width]` of the pictures that it can be shown instead of a text, if it can be shown any.
    fn picture_shape(&self) -> Option<[usize; 3]> {
        None
    }

    /// How it hears sounds that it can be told by instead of a text, if it can be told by any.
    fn hears(&self) -> Option<MelConfig> {
        None
    }

    /// What of a text will be left out because the text is longer than the context, if anything.
    ///
    /// # Errors
    /// The tokenizer cannot read the text.
    fn truncation(&self, text: &str) -> Result<Option<String>, ModelError>;
}

//! What a person says or shows, as a condition.

use rebus_data::MelConfig;

use crate::{Condition, Input, Model, ModelError};

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

/// How a model hears the sounds that it is told by; `option` and `value` are what asks for it.
///
/// # Errors
/// It hears nothing.
pub fn heard_by(model: &dyn Model, option: &'static str, value: &str) -> Result<MelConfig, ModelError> {
    model.conditioner().and_then(|conditioner| conditioner.hears()).ok_or_else(|| ModelError::Request {
        option,
        value: value.to_string(),
        rule: "this model hears nothing; one that was trained with `[condition] encoder` of one that hears does, as emoji-dual-flow"
            .to_string(),
    })
}

//! Texts as conditions: a text encoder with the tokenizer that feeds it.

use std::sync::Arc;

use burn::{module::Module, tensor::Device};
use rebus_data::Tokenizer;

use super::TextEncoder;
use crate::{Condition, Conditioner, Input, ModelError, modality, sampling};

/// Reads the prompts of a model whose condition is one text.
pub struct TextConditioner {
    encoder: TextEncoder,
    tokenizer: Arc<Tokenizer>,
    context: usize,
    device: Device,
}

impl TextConditioner {
    /// `context` is the number of tokens that the encoder has positions for.
    pub fn new(encoder: TextEncoder, tokenizer: Arc<Tokenizer>, context: usize) -> Self {
        let device = encoder.devices().into_iter().next().unwrap_or_default();
        Self { encoder, tokenizer, context, device }
    }

    /// One entry a text, the same to the bit whatever the others say.
    ///
    /// # Errors
    /// The tokenizer cannot read a text.
    pub fn texts(&self, texts: &[String]) -> Result<Condition, ModelError> {
        sampling::condition_in_chunks(texts, |texts| {
            let tokens = modality::tokenize(
                &self.tokenizer,
                texts,
                modality::Length::Exactly(self.context),
                None,
                &self.device,
            )?;
            Ok(Condition::of("text", self.encoder.forward(tokens)))
        })
    }

    /// The unconditional embedding, `batch` times.
    ///
    /// # Errors
    /// As [`texts`](Self::texts).
    pub fn nothing(&self, batch: usize) -> Result<Condition, ModelError> {
        self.texts(&vec![String::new(); batch])
    }
}

impl Conditioner for TextConditioner {
    fn condition(&self, inputs: &[Input]) -> Result<Condition, ModelError> {
        let texts: Vec<String> = inputs.iter().map(|Input::Text(text)| text.clone()).collect();
        self.texts(&texts)
    }

    fn truncation(&self, text: &str) -> Result<Option<String>, ModelError> {
        Ok(self.tokenizer.truncation(text, self.context)?)
    }
}

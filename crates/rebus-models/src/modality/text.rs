//! Texts to the whole numbers that a text encoder reads.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use rebus_data::{DataError, Tokenizer, Tokens, random::uniform};
use rebus_nn::random::{Key, Purpose};

/// Texts as tokens.
#[derive(Debug, Clone)]
pub struct TextTokens {
    /// `[batch, length]`
    pub ids: Tensor<2, Int>,
    /// `[batch, length]`, true where a token counts; nowhere for an empty text.
    pub mask: Tensor<2, Bool>,
}

impl TextTokens {
    /// Those of some consecutive texts.
    pub fn narrow(&self, first: usize, count: usize) -> Self {
        Self {
            ids: self.ids.clone().narrow(0, first, count),
            mask: self.mask.clone().narrow(0, first, count),
        }
    }

    /// The same behind others of the same length.
    pub fn after(self, before: Self) -> Self {
        Self {
            ids: Tensor::cat(vec![before.ids, self.ids], 0),
            mask: Tensor::cat(vec![before.mask, self.mask], 0),
        }
    }

    /// The same on another device, such as one that differentiates.
    pub fn on(&self, device: &Device) -> Self {
        Self {
            ids: Tensor::from_data(self.ids.to_data(), device),
            mask: Tensor::from_data(self.mask.to_data(), device),
        }
    }
}

/// How many tokens each text of a batch gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// So many: the same computation whatever the texts, as drawing needs.
    Exactly(usize),
    /// As many as the longest text has, rounded up to a multiple of 8, and at most so many: less work, for training.
    Longest(usize),
}

/// Tokens of texts, cut at the length. With `word_dropout`, each token is left out with that probability, by a stream
/// of each sample's own.
///
/// # Errors
/// A tokenizer that the user gave has no token for some part of a text.
pub fn tokenize(
    tokenizer: &Tokenizer,
    texts: &[String],
    length: Length,
    word_dropout: Option<(f32, Key)>,
    device: &Device,
) -> Result<TextTokens, DataError> {
    let (Length::Exactly(context) | Length::Longest(context)) = length;
    let tokens = tokenizer.encode_batch(texts, context)?;
    let length = match length {
        Length::Exactly(length) => length,
        Length::Longest(most) => {
            let used = |tokens: &Tokens| tokens.mask.iter().filter(|counts| **counts).count();
            tokens.iter().map(used).max().unwrap_or(0).next_multiple_of(8).max(8).min(most)
        }
    };
    let mut ids = Vec::with_capacity(texts.len() * length);
    let mut mask = Vec::with_capacity(texts.len() * length);
    for (sample, (text, tokens)) in texts.iter().zip(tokens).enumerate() {
        ids.extend(tokens.ids[..length].iter().map(|&id| i64::from(id)));
        let mut counts = if text.is_empty() { vec![false; length] } else { tokens.mask[..length].to_vec() };
        if let Some((probability, key)) = word_dropout {
            let mut generator = key.stream(Purpose::Dropout, sample);
            for count in &mut counts {
                *count &= uniform(&mut generator) >= probability;
            }
        }
        mask.extend(counts);
    }
    let shape = [texts.len(), length];
    Ok(TextTokens {
        ids: Tensor::from_data(TensorData::new(ids, shape), device),
        mask: Tensor::from_data(TensorData::new(mask, shape), device),
    })
}

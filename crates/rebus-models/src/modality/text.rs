//! Texts to the whole numbers that a text encoder reads.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use rebus_data::{DataError, Tokenizer, random::uniform};
use rebus_nn::random::{Key, Purpose};

/// Texts as tokens.
#[derive(Debug, Clone)]
pub struct TextTokens {
    /// `[batch, length]`
    pub ids: Tensor<2, Int>,
    /// `[batch, length]`, true where a token counts; nowhere for an empty text.
    pub mask: Tensor<2, Bool>,
}

/// Tokens of texts, cut at `length`. With `word_dropout`, each token is left out with that probability, by a stream
/// of each sample's own.
///
/// # Errors
/// A tokenizer that the user gave has no token for some part of a text.
pub fn tokenize(
    tokenizer: &Tokenizer,
    texts: &[String],
    length: usize,
    word_dropout: Option<(f32, Key)>,
    device: &Device,
) -> Result<TextTokens, DataError> {
    let mut ids = Vec::with_capacity(texts.len() * length);
    let mut mask = Vec::with_capacity(texts.len() * length);
    for (sample, text) in texts.iter().enumerate() {
        let tokens = tokenizer.encode(text, length)?;
        ids.extend(tokens.ids.iter().map(|&id| i64::from(id)));
        let mut counts = if text.is_empty() { vec![false; length] } else { tokens.mask };
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

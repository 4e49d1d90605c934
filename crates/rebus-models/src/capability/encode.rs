//! Words and pictures to embeddings in one space.

use rebus_data::{MelConfig, Pictures, Sounds};

use crate::ModelError;

/// Puts what it is given into a space in which things that belong together lie close.
pub trait Encode: Send + Sync {
    /// Numbers of an embedding.
    fn width(&self) -> usize;

    /// `[channel, height, width]` that pictures should have; `None` where the model brings pictures of three channels to size
    /// itself.
    fn picture_shape(&self) -> Option<[usize; 3]>;

    /// Whether it looks at pictures.
    fn sees_pictures(&self) -> bool {
        true
    }

    /// How sounds should be heard, if it hears any.
    fn hears(&self) -> Option<MelConfig> {
        None
    }

    /// Whether it knows words.
    fn reads_texts(&self) -> bool;

    /// What cosines between words and pictures are multiplied with before a softmax says how likely each is; `None` where the
    /// model does not say.
    fn confidence_scale(&self) -> Option<f32> {
        None
    }

    /// One row an input, the same to the bit whatever is encoded beside it.
    ///
    /// # Errors
    /// A modality or a size that the model does not know, or a text that its tokenizer cannot read.
    fn encode(&self, inputs: Encoded<'_>) -> Result<Vectors, ModelError>;
}

/// How likely each of some cosines is the right one, if one of them is: a softmax of them times a scale, such as
/// [`Encode::confidence_scale`].
pub fn confidences(cosines: &[f32], scale: f64) -> Vec<f64> {
    let most = cosines.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = cosines.iter().map(|cosine| (f64::from(cosine - most) * scale).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

/// Many inputs of one modality.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Encoded<'a> {
    /// Texts.
    Texts(&'a [String]),
    /// Pictures in -1..1.
    Pictures(&'a Pictures),
    /// Sounds, heard as [`Encode::hears`] says.
    Sounds(&'a Sounds),
}

/// Embeddings, a row each.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    /// Numbers of a row.
    pub width: usize,
    /// `[input, width]`
    pub data: Vec<f32>,
}

impl Vectors {
    /// How many.
    pub fn len(&self) -> usize {
        self.data.len() / self.width.max(1)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The embedding of one input.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.data[row * self.width..][..self.width]
    }
}

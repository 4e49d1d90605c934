//! Columns to tensors, and tensors that condition a model.

mod condition;
mod picture;
mod text;

use rebus_data::{Pictures, Sounds};

pub use condition::{Condition, Embedding};
pub use picture::{from_tensor, to_tensor, values_of};
pub use text::{Length, TextTokens, tokenize};

/// What a person says or shows, of any modality.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Input {
    /// Words; the empty text is no condition at all.
    Text(String),
    /// A picture like which it is to be: one, in the shape that [`Conditioner::picture_shape`](crate::Conditioner::picture_shape)
    /// says.
    Picture(Pictures),
    /// A sound that tells what it is to be: one, heard as [`Conditioner::hears`](crate::Conditioner::hears) says.
    Sound(Sounds),
}

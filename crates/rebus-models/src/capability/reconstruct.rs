//! Pictures to latents and back.

use rebus_data::Pictures;

use super::Vectors;
use crate::{Condition, ModelError};

/// Puts pictures into a space from which they can be drawn again.
pub trait Reconstruct: Send + Sync {
    /// Numbers of a latent.
    fn latent_width(&self) -> usize;

    /// The likeliest latent of each picture, the same to the bit whatever stands beside it; no condition is the unconditional one.
    ///
    /// # Errors
    /// Pictures of another size than the model's.
    fn latents(&self, pictures: &Pictures, condition: Option<&Condition>) -> Result<Vectors, ModelError>;

    /// The picture of each latent.
    ///
    /// # Errors
    /// Latents of another width.
    fn decode(&self, latents: &Vectors, condition: Option<&Condition>) -> Result<Pictures, ModelError>;
}

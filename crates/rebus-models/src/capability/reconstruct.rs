//! Pictures to latents and back.

use rebus_data::Pictures;

use super::{Observer, Vectors};
use crate::{Condition, ModelError};

/// Puts pictures into a space from which they can be drawn again.
pub trait Reconstruct: Send + Sync {
    /// Numbers of a latent.
    fn latent_width(&self) -> usize;

    /// The likeliest latent of each picture, the same to the bit whatever stands beside it; no condition is the unconditional one.
    /// The observer is shown the pictures.
    ///
    /// # Errors
    /// Pictures of another size than the model's, or [`ModelError::Interrupted`].
    fn latents(
        &self,
        pictures: &Pictures,
        condition: Option<&Condition>,
        observer: &mut dyn Observer,
    ) -> Result<Vectors, ModelError>;

    /// The picture of each latent.
    ///
    /// # Errors
    /// Latents of another width.
    fn decode(&self, latents: &Vectors, condition: Option<&Condition>) -> Result<Pictures, ModelError>;
}

/// Refuses pictures of another shape than the model's.
pub(crate) fn check_pictures(pictures: &Pictures, shape: [usize; 3]) -> Result<(), ModelError> {
    check_shape(pictures, shape, "this model knows")
}

/// Refuses pictures of another shape than one; `what` begins the rule.
pub(crate) fn check_shape(pictures: &Pictures, shape: [usize; 3], what: &str) -> Result<(), ModelError> {
    let [_, channels, height, width] = pictures.shape;
    if [channels, height, width] == shape {
        return Ok(());
    }
    let [wanted, tall, wide] = shape;
    Err(ModelError::Request {
        option: "picture",
        value: format!("{width}x{height} with {channels} channels"),
        rule: format!("{what} pictures of {wide}x{tall} with {wanted} channels"),
    })
}

/// Refuses latents of another width than the model's.
pub(crate) fn check_latents(latents: &Vectors, width: usize) -> Result<(), ModelError> {
    if latents.width == width {
        return Ok(());
    }
    Err(ModelError::Request {
        option: "latent",
        value: format!("{} numbers", latents.width),
        rule: format!("a latent of this model has {width}"),
    })
}

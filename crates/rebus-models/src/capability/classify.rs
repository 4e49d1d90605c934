//! Pictures to names of a closed set.

use rebus_data::Pictures;

use crate::ModelError;

/// Tells which of its classes a picture is of.
pub trait Classify: Send + Sync {
    /// The names of the classes.
    fn classes(&self) -> &[String];

    /// `[channel, height, width]` that pictures should have.
    fn picture_shape(&self) -> [usize; 3];

    /// Logits `[picture, class]`, row by row, the same to the bit whatever is looked at beside.
    ///
    /// # Errors
    /// Pictures of a size or of channels that the model does not know.
    fn classify(&self, pictures: &Pictures) -> Result<Vec<f32>, ModelError>;
}

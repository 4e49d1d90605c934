//! How far two pictures look apart.

use rebus_data::Pictures;

use crate::ModelError;

/// Compares pictures by what a network sees in them (Zhang et al. 2018).
pub trait Perceive: Send + Sync {
    /// A distance a pair, 0 for equal ones; both batches have one shape.
    ///
    /// # Errors
    /// Pictures of a size or of channels that the model does not know.
    fn distances(&self, a: &Pictures, b: &Pictures) -> Result<Vec<f32>, ModelError>;
}

//! How likely a model takes pictures to be.

use rebus_data::Pictures;

use super::Observer;
use crate::{Condition, ModelError};

/// From one step of 256 to the next, of values in -1..1.
pub(crate) const STEP: f64 = 2.0 / 255.0;

/// Says how likely it takes pictures to be.
pub trait Likelihood: Send + Sync {
    /// A lower bound of the logarithm of the probability of each picture of 8 bits a number, in nats; no condition is the
    /// unconditional one.
    ///
    /// # Errors
    /// Pictures of another size than the model's, or an interruption.
    fn log_probability(
        &self,
        pictures: &Pictures,
        condition: Option<&Condition>,
        seed: u64,
        observer: &mut dyn Observer,
    ) -> Result<Vec<f64>, ModelError>;

    /// What bound it is, in words for a report.
    fn bound(&self) -> &'static str;
}

/// Nats of a picture as bits for each of its numbers.
pub fn bits_per_dimension(nats: f64, picture_shape: [usize; 3]) -> f64 {
    nats / (picture_shape.iter().product::<usize>() as f64 * std::f64::consts::LN_2)
}

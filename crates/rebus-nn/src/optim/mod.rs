//! What turns gradients into better weights: AdamW, an average of the weights, and both together with a network.

mod adamw;
mod average;
mod learner;

pub use adamw::{AdamW, AdamWConfig, RateRule};
pub use average::AverageConfig;
pub use learner::{Learner, Remember, Snapshot, Which};

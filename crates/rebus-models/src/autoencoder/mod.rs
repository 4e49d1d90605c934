//! A convolutional autoencoder with small latents (Rombach et al. 2022, section 3.1), which another family learns to draw at a
//! fraction of the cost of pixels.

mod config;
mod latents;
mod network;
mod objective;
mod sample;

pub use config::{AutoencoderConfig, AutoencoderObjectiveConfig};
pub use latents::{Latents, drawn};
pub use network::Autoencoder;
pub use objective::{AutoencoderObjective, Rebuilt, Weights};
pub use sample::AutoencoderModel;

use std::sync::Arc;

use crate::Family;

/// What the registry knows of this family.
pub const FAMILY: Family = Family {
    name: "autoencoder",
    about: "small latents that pictures come back from: what another family draws in",
    verbs: &["reconstruct"],
    open: |folder, device| Ok(Arc::new(AutoencoderModel::open(folder, device)?)),
    objective: |spec| Ok(Box::new(AutoencoderObjective::new(spec)?)),
    any_shape: true,
    of_classes: false,
    tokenizer_of: &[],
    reads_captions: |_| false,
};

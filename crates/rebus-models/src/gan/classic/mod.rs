//! The textbook adversarial network (Goodfellow et al. 2014) with convolutions, without captions.

mod config;
mod network;
mod objective;
mod sample;

pub use config::{ClassicConfig, ClassicObjectiveConfig, Preset};
pub use network::{Discriminator, Generator};
pub use objective::{ClassicObjective, discriminator_loss, generator_loss};
pub use sample::ClassicModel;

use std::sync::Arc;

use crate::Family;

/// What the registry knows of this family.
pub const FAMILY: Family = Family {
    name: "gan-classic",
    about: "the textbook adversarial network: one step, batch normalisation, no captions",
    verbs: &["generate"],
    open: |folder, device| Ok(Arc::new(ClassicModel::open(folder, device)?)),
    objective: |spec| Ok(Box::new(ClassicObjective::new(spec)?)),
    any_shape: false,
    of_classes: false,
    tokenizer_of: &[],
    reads_captions: |_| false,
};

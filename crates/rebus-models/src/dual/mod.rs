//! Towers of words, pictures and sounds into one space, learned from pairs of any two or of all (CLIP, Radford et al. 2021;
//! SigLIP, Zhai et al. 2023), and a tower of sounds bound to a space that is there.

mod config;
mod encode;
mod loss;
mod memory;
mod network;
mod objective;
mod towers;

pub use config::{DualConfig, DualLoss, DualObjectiveConfig, Pair};
pub use encode::DualModel;
pub(crate) use encode::{check, open};
pub use loss::{Pairs, contrastive_loss};
pub use network::{DualNetwork, Hearing};
pub use objective::DualObjective;

use std::sync::Arc;

use crate::Family;

/// What the registry knows of this family.
pub const FAMILY: Family = Family {
    name: "dual",
    about: "words, pictures and sounds in one space: it draws nothing, and tells what goes with what",
    verbs: &["encode"],
    open: |folder, device| Ok(Arc::new(DualModel::open(folder, device)?)),
    objective: |spec| Ok(Box::new(DualObjective::new(spec)?)),
    any_shape: true,
    of_classes: false,
    tokenizer_of: &[towers::TOWERS],
    reads_captions: |_| true,
};

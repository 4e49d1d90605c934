//! A text tower and a picture tower into one space, learned from pairs (CLIP, Radford et al. 2021; SigLIP, Zhai et al.
//! 2023), and a tower of sounds bound to a space that is there.

mod config;
mod encode;
mod hearing;
mod loss;
mod network;
mod objective;

pub use config::{DualConfig, DualLoss, DualObjectiveConfig};
pub use encode::DualModel;
pub(crate) use encode::{check, open};
pub use hearing::{Hearing, HearingObjective};
pub use loss::{Pairs, contrastive_loss};
pub use network::DualNetwork;
pub use objective::DualObjective;

use std::sync::Arc;

use crate::{Family, ModelError, Objective, ObjectiveSpec};

/// Pairs of words and pictures, or, where the recipe needs towers, sounds bound to those.
fn objective(spec: &ObjectiveSpec) -> Result<Box<dyn Objective>, ModelError> {
    match spec.needs.contains_key(hearing::TOWERS) {
        true => Ok(Box::new(HearingObjective::new(spec)?)),
        false => Ok(Box::new(DualObjective::new(spec)?)),
    }
}

/// What the registry knows of this family.
pub const FAMILY: Family = Family {
    name: "dual",
    about: "words, pictures and sounds in one space: it draws nothing, and tells what goes with what",
    verbs: &["encode"],
    open: |folder, device| Ok(Arc::new(DualModel::open(folder, device)?)),
    objective,
    any_shape: true,
    of_classes: false,
    tokenizer_of: &[hearing::TOWERS],
    reads_captions: |_| true,
};

//! Translation learned from two groups of pictures without pairs: CycleGAN (Zhu et al. 2017, "Unpaired Image-to-Image Translation using
//! Cycle-Consistent Adversarial Networks").

mod config;
mod network;
mod objective;
mod pool;
mod sample;

pub use config::{CycleGanConfig, CycleGanObjectiveConfig};
pub use network::{Both, Generator, Judges};
pub use objective::{CycleGanObjective, Round};
pub use pool::Pool;
pub use sample::CycleGanModel;

use std::sync::Arc;

use crate::Family;

/// What the registry knows of this family.
pub const FAMILY: Family = Family {
    name: "cyclegan",
    about: "translates between two groups of pictures of which there are no pairs, both ways, one step",
    verbs: &["translate"],
    open: |folder, device| Ok(Arc::new(CycleGanModel::open(folder, device)?)),
    objective: |spec| Ok(Box::new(CycleGanObjective::new(spec)?)),
    any_shape: false,
    of_classes: false,
    tokenizer_of: &[],
    reads_captions: |_| false,
};

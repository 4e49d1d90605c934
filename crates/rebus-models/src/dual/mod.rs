//! A text tower and a picture tower into one space, learned from pairs (CLIP, Radford et al. 2021; SigLIP, Zhai et al.
//! 2023). A third tower has its place beside the two.

mod config;
mod encode;
mod loss;
mod network;
mod objective;

pub use config::{DualConfig, DualLoss, DualObjectiveConfig};
pub use encode::DualModel;
pub(crate) use encode::{check, open};
pub use loss::{Pairs, contrastive_loss};
pub use network::DualNetwork;
pub use objective::DualObjective;

use std::sync::Arc;

use crate::Family;

/// What the registry knows of this family.
pub const FAMILY: Family = Family {
    name: "dual",
    about: "words and pictures in one space: it draws nothing, and tells what goes with what",
    verbs: &["encode"],
    open: |folder, device| Ok(Arc::new(DualModel::open(folder, device)?)),
    objective: |spec| Ok(Box::new(DualObjective::new(spec)?)),
    any_shape: true,
    of_classes: false,
    tokenizer_of: &[],
    reads_captions: |_| true,
};

//! Rectified flow (Liu et al. 2022; Lipman et al. 2022) on pixels, with a text-conditional U-Net.

mod config;
mod network;
mod objective;
mod sample;

pub use config::{FlowConfig, FlowObjectiveConfig};
pub use network::FlowNetwork;
pub use objective::{FlowExample, FlowObjective};
pub use sample::FlowModel;

use std::sync::Arc;

use crate::Family;

/// What the registry knows of this family.
pub const FAMILY: Family = Family {
    name: "flow",
    about: "rectified flow on pixels: one network, many steps, follows captions closely",
    verbs: &["generate", "denoise"],
    open: |folder, device| Ok(Arc::new(FlowModel::open(folder, device)?)),
    objective: |spec| Ok(Box::new(FlowObjective::new(spec)?)),
    any_shape: true,
    of_classes: false,
    reads_captions: |_| true,
};

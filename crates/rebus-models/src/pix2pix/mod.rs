//! Translation learned from pairs: pix2pix (Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks").

mod config;
mod network;
mod objective;
mod sample;

pub use config::{Pix2PixConfig, Pix2PixObjectiveConfig};
pub use network::UNet;
pub use objective::{Pix2PixObjective, Translated};
pub use sample::Pix2PixModel;

use std::sync::Arc;

use crate::Family;

/// What the registry knows of this family.
pub const FAMILY: Family = Family {
    name: "pix2pix",
    about: "translates pictures as pairs show it: edges to pictures, grey to colour, small to large, one step",
    verbs: &["translate"],
    open: |folder, device| Ok(Arc::new(Pix2PixModel::open(folder, device)?)),
    objective: |spec| Ok(Box::new(Pix2PixObjective::new(spec)?)),
    any_shape: true,
    of_classes: false,
    tokenizer_of: &[],
    reads_captions: |_| false,
};

//! A text-conditional adversarial network in the manner of R3GAN (Huang et al. 2024, "The GAN is dead; long live the
//! GAN! A Modern GAN Baseline"): residual, without normalisation, a relativistic loss with penalties on both sides.

mod config;
mod latent;
mod network;
mod objective;
mod sample;
mod step;

pub use config::{ModernConfig, ModernObjectiveConfig};
pub use network::{Discriminator, Generator};
pub use objective::ModernObjective;
pub use sample::ModernModel;
pub use step::{DiscriminatorLoss, Drawn, Judged, discriminator_loss, generator_loss};

use std::sync::Arc;

use crate::{Family, reader::CONDITION};

/// What the registry knows of this family.
pub const FAMILY: Family = Family {
    name: "gan-modern",
    about: "an adversarial network that reads captions: one step, no normalisation",
    verbs: &["generate", "edit", "reconstruct"],
    open: |folder, device| Ok(Arc::new(ModernModel::open(folder, device)?)),
    objective: |spec| Ok(Box::new(ModernObjective::new(spec)?)),
    any_shape: false,
    of_classes: false,
    tokenizer_of: &[CONDITION],
    reads_captions: |_| true,
};

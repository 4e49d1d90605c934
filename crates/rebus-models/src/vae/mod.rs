//! A variational autoencoder (Kingma and Welling 2014; Rezende et al. 2014), conditional on text with a learned prior (Sohn et al.
//! 2015): it maximises a lower bound, `log p(x|c) >= E_q[log p(x|z,c)] - KL(q(z|x,c) || p(z|c))`.

mod config;
mod gaussian;
mod likelihood;
mod network;
mod objective;
mod sample;

pub use config::{LikelihoodKind, VaeConfig, VaeObjectiveConfig};
pub use gaussian::Gaussian;
pub use likelihood::Likelihood;
pub use network::VaeNetwork;
pub use objective::{VaeBound, VaeExample, VaeObjective, importance_bound};
pub use sample::VaeModel;

use std::sync::Arc;

use crate::{Family, reader::CONDITION};

/// What the registry knows of this family.
pub const FAMILY: Family = Family {
    name: "vae",
    about: "a variational autoencoder: one step a picture, reconstructs and interpolates, and knows how likely a picture is",
    verbs: &["generate", "edit", "reconstruct"],
    open: |folder, device| Ok(Arc::new(VaeModel::open(folder, device)?)),
    objective: |spec| Ok(Box::new(VaeObjective::new(spec)?)),
    any_shape: false,
    of_classes: false,
    tokenizer_of: &[CONDITION],
    reads_captions: |_| true,
};

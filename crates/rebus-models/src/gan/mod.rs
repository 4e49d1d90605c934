//! Adversarial networks (Goodfellow et al. 2014): a generator that draws in one step, taught by a discriminator.
//!
//! [`classic`] is the textbook network without captions, [`modern`] follows captions and has no normalisation.

pub mod augment;
pub mod classic;
pub mod loss;
pub mod modern;
mod patches;

pub use patches::PatchDiscriminator;

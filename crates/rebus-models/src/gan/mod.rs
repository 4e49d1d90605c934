//! Adversarial networks (Goodfellow et al. 2014): a generator that draws in one step, taught by a discriminator.
//!
//! [`classic`] is the textbook network without captions, [`modern`] follows captions and has no normalisation.

pub mod augment;
pub mod classic;
pub mod loss;
pub mod modern;

use rebus_nn::named::NamedTensors;
use rebus_nn::optim::Snapshot;

use crate::Which;

/// The weights that drawing needs: the generator's alone.
fn generator_weights(snapshot: Snapshot, which: Which) -> NamedTensors {
    let all = match which {
        Which::Raw => snapshot.weights,
        Which::Average => snapshot.average,
    };
    all.into_iter().filter(|(name, _)| name.starts_with("generator.")).collect()
}

//! How likely an 8-bit picture is, given what the decoder says.

use burn::{
    module::{Module, Param},
    tensor::{
        Tensor,
        activation::{sigmoid, softplus},
    },
};
use rebus_nn::Init;

use super::{LikelihoodKind, VaeConfig, gaussian::summed};
use crate::capability::likelihood::STEP;

/// Logarithms of a logistic's scale are at least this.
const LEAST_SCALE: f64 = -7.0;
/// Below this a probability is taken as the density times the step: their difference has no digits left.
const SMALL: f64 = 1e-5;

/// A distribution over pictures, with what of it is learned beside the decoder.
#[derive(Module, Debug)]
pub struct Likelihood {
    /// `[1]`: the logarithm of a Gaussian's deviation.
    log_deviation: Option<Param<Tensor<1>>>,
    #[module(skip)]
    kind: LikelihoodKind,
    #[module(skip)]
    deviation: f64,
}

impl Likelihood {
    /// At its start.
    pub fn new(config: &VaeConfig, init: &mut Init) -> Self {
        let learned = config.likelihood == LikelihoodKind::GaussianLearned;
        Self {
            log_deviation: learned.then(|| init.constant([1], config.deviation.ln())),
            kind: config.likelihood,
            deviation: config.deviation,
        }
    }

    /// Channels that the decoder says a number, for pictures of so many.
    pub fn channels(kind: LikelihoodKind, channels: usize) -> usize {
        match kind {
            LikelihoodKind::DiscretizedLogistic => 2 * channels,
            _ => channels,
        }
    }

    /// The likeliest picture, values in -1..1, out of what the decoder says.
    pub fn picture(&self, said: Tensor<4>) -> Tensor<4> {
        match self.kind {
            LikelihoodKind::DiscretizedLogistic => {
                let channels = said.dims()[1] / 2;
                said.narrow(1, 0, channels)
            }
            LikelihoodKind::Bernoulli => sigmoid(said) * 2.0 - 1.0,
            LikelihoodKind::GaussianLearned | LikelihoodKind::GaussianFixed => said,
        }
    }

    /// The logarithm of the probability of each picture, `[batch]`, in nats; of a Gaussian the density times one step of 256.
    pub fn log_probability(&self, pictures: Tensor<4>, said: Tensor<4>) -> Tensor<1> {
        match self.kind {
            LikelihoodKind::DiscretizedLogistic => summed(logistic(pictures, said)),
            LikelihoodKind::Bernoulli => {
                let shares = (pictures + 1.0) / 2.0;
                // x log s(l) + (1 - x) log (1 - s(l))
                summed(said.clone() * shares - softplus(said, 1.0))
            }
            LikelihoodKind::GaussianLearned | LikelihoodKind::GaussianFixed => {
                let device = said.device();
                let log_deviation = match &self.log_deviation {
                    Some(learned) => learned.val(),
                    None => Tensor::from_floats([self.deviation.ln() as f32], &device),
                };
                let log_deviation = log_deviation.reshape([1, 1, 1, 1]);
                let scaled = (pictures - said) / log_deviation.clone().exp();
                let constant = (2.0 * std::f64::consts::PI).ln() / 2.0 - STEP.ln();
                summed(scaled.square() / -2.0 - log_deviation - constant)
            }
        }
    }
}

/// The logarithm of each number's probability under a logistic distribution cut into 256 steps; the first and the last reach to
/// infinity. `said` is means and logarithms of scales.
fn logistic(pictures: Tensor<4>, said: Tensor<4>) -> Tensor<4> {
    let channels = pictures.dims()[1];
    let mean = said.clone().narrow(1, 0, channels);
    let log_scale = said.narrow(1, channels, channels).clamp_min(LEAST_SCALE);
    let inverse = (-log_scale.clone()).exp();
    let centred = pictures.clone() - mean;
    let above = inverse.clone() * (centred.clone() + STEP / 2.0);
    let below = inverse.clone() * (centred.clone() - STEP / 2.0);
    let inside = sigmoid(above.clone()) - sigmoid(below.clone());
    let middle = inverse * centred;
    let density = middle.clone() - log_scale - softplus(middle, 1.0) * 2.0 + STEP.ln();
    let small = inside.clone().lower_elem(SMALL);
    let between = inside.clamp_min(SMALL).log().mask_where(small, density);
    let first = above.clone() - softplus(above, 1.0);
    let last = -softplus(below, 1.0);
    let is_first = pictures.clone().lower_elem(-1.0 + STEP / 2.0);
    let is_last = pictures.greater_elem(1.0 - STEP / 2.0);
    between.mask_where(is_first, first).mask_where(is_last, last)
}

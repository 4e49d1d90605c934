//! Adversarial losses, from logits: a logit is the log of the odds that a picture is real.
//!
//! With σ the logistic function, `-log σ(x) = softplus(-x)` and `-log(1 - σ(x)) = softplus(x)`, which stay finite
//! where the logarithm of a rounded probability would not.

use burn::tensor::{
    Tensor,
    activation::{relu, softplus},
};
use rebus_nn::kernels;
use serde::{Deserialize, Serialize};

/// What a generator without captions minimises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GeneratorLoss {
    /// `E[log(1 - D(G(z)))]` (Goodfellow et al. 2014, equation 1): the discriminator's own value. It is nearly flat
    /// where the discriminator is sure.
    #[default]
    Minimax,
    /// `-E[log D(G(z))]` (Goodfellow et al. 2014, section 3): the same fixed point, steeper where it matters.
    NonSaturating,
}

impl GeneratorLoss {
    /// From the logits of drawn pictures, `[batch, 1]`.
    pub fn of(self, fake: Tensor<2>) -> Tensor<1> {
        match self {
            Self::Minimax => -softplus(fake, 1.0).mean(),
            Self::NonSaturating => softplus(-fake, 1.0).mean(),
        }
    }
}

/// `-V(D, G) = -E[log D(x)] - E[log(1 - D(G(z)))]` (Goodfellow et al. 2014, equation 1), which the discriminator
/// minimises, from the logits of real and of drawn pictures, each `[batch, 1]`.
pub fn negative_value(real: Tensor<2>, fake: Tensor<2>) -> Tensor<1> {
    softplus(-real, 1.0).mean() + softplus(fake, 1.0).mean()
}

/// `-log σ(better - worse)` of each pair (Jolicoeur-Martineau 2018; Huang et al. 2024, equation 1), `[batch, 1]`: small
/// where the logit of the one is above that of the other.
pub fn pairing(better: Tensor<2>, worse: Tensor<2>) -> Tensor<2> {
    softplus(worse - better, 1.0)
}

/// The hinge loss of a discriminator (Lim and Ye 2017), from its logits of real pictures and of those that came back.
pub fn hinge(real: Tensor<4>, rebuilt: Tensor<4>) -> Tensor<1> {
    (kernels::mean(relu(1.0 - real)) + kernels::mean(relu(rebuilt + 1.0))) / 2.0
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn logits(values: &[f32]) -> Tensor<2> {
        Tensor::<1>::from_floats(values, &Device::flex()).reshape([values.len(), 1])
    }

    fn value(tensor: Tensor<1>) -> f64 {
        f64::from(tensor.into_scalar::<f32>())
    }

    #[test]
    fn losses_are_what_their_definition_says() {
        let log_sigmoid = |x: f64| -(1.0 + (-x).exp()).ln();
        let (real, fake) = (logits(&[0.3, -2.0]), logits(&[1.5, 0.0]));
        let real_part = (log_sigmoid(0.3) + log_sigmoid(-2.0)) / 2.0;
        let fake_part = (log_sigmoid(-1.5) + log_sigmoid(0.0)) / 2.0;
        assert!((value(negative_value(real.clone(), fake.clone())) + real_part + fake_part).abs() < 1e-6);
        assert!((value(GeneratorLoss::Minimax.of(fake.clone())) - fake_part).abs() < 1e-6);
        let other = -(log_sigmoid(1.5) + log_sigmoid(0.0)) / 2.0;
        assert!((value(GeneratorLoss::NonSaturating.of(fake.clone())) - other).abs() < 1e-6);
        let pairs = -(log_sigmoid(0.3 - 1.5) + log_sigmoid(-2.0)) / 2.0;
        assert!((value(pairing(real, fake).mean()) - pairs).abs() < 1e-6);
    }

    #[test]
    fn losses_stay_finite_where_probabilities_round_to_zero_or_one() {
        for extreme in [1e4f32, -1e4] {
            let logit = logits(&[extreme]);
            assert!(value(negative_value(logit.clone(), logit.clone())).is_finite());
            assert!(value(GeneratorLoss::Minimax.of(logit.clone())).is_finite());
            assert!(value(pairing(logit.clone(), -logit).mean()).is_finite());
        }
    }
}

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

/// What a judge of patches minimises, and who is judged by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PatchLoss {
    /// `-log D` of real patches and `-log(1 - D)` of made ones (Goodfellow et al. 2014); who makes them minimises `-log D`.
    #[default]
    Logistic,
    /// Logits above 1 for real patches and below -1 for made ones (Lim and Ye 2017); who makes them minimises the negative logit.
    Hinge,
    /// Squared distances of logits from 1 and 0 (Mao et al. 2017, equation 9); who makes them minimises that from 1.
    LeastSquares,
}

impl PatchLoss {
    /// Of the judge, from its logits of real patches and of made ones: half the sum of both.
    pub fn judge<const D: usize>(self, real: Tensor<D>, made: Tensor<D>) -> Tensor<1> {
        let (real, made) = match self {
            Self::Logistic => (softplus(-real, 1.0), softplus(made, 1.0)),
            Self::Hinge => (relu(1.0 - real), relu(made + 1.0)),
            Self::LeastSquares => ((real - 1.0).square(), made.square()),
        };
        (kernels::mean(real) + kernels::mean(made)) / 2.0
    }

    /// Of who made the patches, from the judge's logits of them.
    pub fn maker<const D: usize>(self, made: Tensor<D>) -> Tensor<1> {
        kernels::mean(match self {
            Self::Logistic => softplus(-made, 1.0),
            Self::Hinge => -made,
            Self::LeastSquares => (made - 1.0).square(),
        })
    }
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
        assert!((value(pairing(real.clone(), fake.clone()).mean()) - pairs).abs() < 1e-6);

        let (r, f) = ([0.3, -2.0], [1.5, 0.0]);
        let mean = |of: &dyn Fn(f64) -> f64, logits: [f64; 2]| (of(logits[0]) + of(logits[1])) / 2.0;
        let wanted =
            |real: &dyn Fn(f64) -> f64, made: &dyn Fn(f64) -> f64| (mean(real, r) + mean(made, f)) / 2.0;
        for (loss, judge, maker) in [
            (PatchLoss::Logistic, -(real_part + fake_part) / 2.0, other),
            (PatchLoss::Hinge, wanted(&|x| (1.0 - x).max(0.0), &|x| (1.0 + x).max(0.0)), -0.75),
            (
                PatchLoss::LeastSquares,
                wanted(&|x| (x - 1.0).powi(2), &|x| x * x),
                mean(&|x| (x - 1.0).powi(2), f),
            ),
        ] {
            assert!((value(loss.judge(real.clone(), fake.clone())) - judge).abs() < 1e-6, "{loss:?}");
            assert!((value(loss.maker(fake.clone())) - maker).abs() < 1e-6, "{loss:?}");
        }
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

//! One step along a velocity field.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// How a step is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Sampler {
    /// First order: one evaluation a step.
    #[default]
    Euler,
    /// Second order: two evaluations a step.
    Heun,
}

impl Sampler {
    /// From time `from` to time `to` along `velocity(x, t)`, which is the derivative of x by t.
    ///
    /// # Errors
    /// What `velocity` answered.
    pub fn step<E>(
        self,
        velocity: &dyn Fn(Tensor<4>, f64) -> Result<Tensor<4>, E>,
        x: Tensor<4>,
        from: f64,
        to: f64,
    ) -> Result<Tensor<4>, E> {
        let here = velocity(x.clone(), from)?;
        let euler = x.clone() + here.clone() * (to - from);
        match self {
            Self::Euler => Ok(euler),
            Self::Heun => {
                let there = velocity(euler, to)?;
                Ok(x + (here + there) * ((to - from) / 2.0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// dx/dt = x from t = 1 to 0, whose solution is x(1) / e.
    fn error(sampler: Sampler, steps: usize) -> f64 {
        let mut x = Tensor::<4>::ones([1, 1, 1, 1], &Device::flex());
        for step in 0..steps {
            let time = |step: usize| 1.0 - step as f64 / steps as f64;
            x = sampler.step::<()>(&|x, _| Ok(x), x, time(step), time(step + 1)).unwrap();
        }
        (f64::from(x.into_scalar::<f32>()) - (-1f64).exp()).abs()
    }

    #[test]
    fn the_error_shrinks_with_the_order_that_each_method_promises() {
        for (sampler, order) in [(Sampler::Euler, 1.0), (Sampler::Heun, 2.0)] {
            let measured = (error(sampler, 8) / error(sampler, 16)).log2();
            assert!((measured - order).abs() < 0.15, "{sampler:?}: order {measured}");
        }
    }
}

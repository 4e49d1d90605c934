//! Ways along a velocity field, one step after the other.

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
    /// Second order: the mean of the velocities at both ends, two evaluations a step.
    Heun,
    /// Second order: the velocity halfway, two evaluations a step.
    Midpoint,
    /// Second order: the velocity here and that of the step before (Adams and Bashforth), one evaluation a step.
    Multistep,
}

/// The derivative of x by t, from x and t.
pub type Velocity<'a, E> = dyn Fn(Tensor<4>, f64) -> Result<Tensor<4>, E> + 'a;

impl Sampler {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Euler, Self::Heun, Self::Midpoint, Self::Multistep];

    /// What a person calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Euler => "euler",
            Self::Heun => "heun",
            Self::Midpoint => "midpoint",
            Self::Multistep => "multistep",
        }
    }

    /// The one that is called so.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sampler| sampler.name() == name)
    }

    /// At the start of a way.
    pub fn start(self) -> Walk {
        Walk { sampler: self, before: None }
    }
}

/// A sampler on its way.
#[derive(Debug, Clone)]
pub struct Walk {
    sampler: Sampler,
    /// How long the last step was, and the velocity at its start.
    before: Option<(f64, Tensor<4>)>,
}

impl Walk {
    /// Goes on in another field, of which the step before told nothing.
    pub fn turn(&mut self) {
        self.before = None;
    }

    /// From time `from` to time `to`.
    ///
    /// # Errors
    /// What `velocity` answered.
    pub fn step<E>(
        &mut self,
        velocity: &Velocity<'_, E>,
        x: Tensor<4>,
        from: f64,
        to: f64,
    ) -> Result<Tensor<4>, E> {
        let length = to - from;
        let here = velocity(x.clone(), from)?;
        Ok(match self.sampler {
            Sampler::Euler => x + here * length,
            Sampler::Heun => {
                let there = velocity(x.clone() + here.clone() * length, to)?;
                x + (here + there) * (length / 2.0)
            }
            Sampler::Midpoint => {
                let half = length / 2.0;
                x.clone() + velocity(x + here * half, from + half)? * length
            }
            Sampler::Multistep => {
                let before = self.before.replace((length, here.clone()));
                let ahead = match before {
                    // The straight line through both velocities, halfway ahead.
                    Some((last, before)) => here.clone() + (here - before) * (length / (2.0 * last)),
                    None => here,
                };
                x + ahead * length
            }
        })
    }
}

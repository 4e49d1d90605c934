//! From a picture back to the noise that would have become it.

use std::ops::ControlFlow;

use burn::tensor::Tensor;

use super::{Guidance, Sampler, checked_steps, guided, time};
use crate::{Condition, Denoise, ModelError, capability::Parameterization};

/// How a picture is taken back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Inversion {
    /// As many steps as the noise will be drawn with.
    pub num_inference_steps: usize,
    /// The sampler that it will be drawn with; one whose steps know nothing of those before.
    pub sampler: Sampler,
    /// The guidance that it will be drawn with.
    pub guidance: Guidance,
    /// How often each step back is put right by the step forward that it must undo (Pan et al. 2023); none is the usual
    /// backward integration.
    pub corrections: usize,
}

impl Default for Inversion {
    fn default() -> Self {
        Self {
            num_inference_steps: 50,
            sampler: Sampler::Euler,
            guidance: Guidance::always(1.0),
            corrections: 3,
        }
    }
}

/// The noise, at time 1, from which the condition leads to `x`, at time 0, both `[batch, channel, height, width]`. `step` is told
/// of each step, and what it stands at, and may stop.
///
/// A step back `y` of the step `x = y + f(y)` is found as the fixed point of `y = x - f(y)`, from where a step of the same
/// sampler in the other direction leads.
///
/// # Errors
/// An option out of range, what the model answered, or [`ModelError::Interrupted`].
pub fn invert<D: Denoise + ?Sized>(
    model: &D,
    mut x: Tensor<4>,
    conditions: [&Condition; 2],
    settings: Inversion,
    step: &mut dyn FnMut(usize, &Tensor<4>) -> ControlFlow<()>,
) -> Result<Tensor<4>, ModelError> {
    let Inversion { sampler, corrections, .. } = settings;
    let (steps, guidance) = (checked_steps(settings.num_inference_steps)?, settings.guidance.check()?);
    if sampler == Sampler::Multistep {
        return Err(ModelError::Request {
            option: "sampler",
            value: sampler.name().to_string(),
            rule: "a way back needs one whose steps know nothing of those before: euler, heun or midpoint"
                .to_string(),
        });
    }
    if model.parameterization() != Parameterization::Velocity {
        return Err(ModelError::Request {
            option: "model",
            value: "a student".to_string(),
            rule: "a model that draws in few long steps knows no way back: take the one that it learned from"
                .to_string(),
        });
    }
    let velocity = |x: Tensor<4>, t: f64| guided(model, x, t, conditions, guidance);
    for done in 0..steps {
        let (from, to) = (time(steps - done - 1, steps), time(steps - done, steps));
        let mut y = sampler.start().step(&velocity, x.clone(), to, from)?;
        for _ in 0..corrections {
            let forward = sampler.start().step(&velocity, y.clone(), from, to)?;
            y = x.clone() - (forward - y);
        }
        x = y;
        if step(done + 1, &x).is_break() {
            return Err(ModelError::Interrupted);
        }
    }
    Ok(x)
}

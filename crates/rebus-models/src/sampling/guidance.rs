//! Classifier-free guidance (Ho and Salimans 2022, equation 6), for all of the way or a part of it.

use burn::tensor::Tensor;

use crate::{Condition, Denoise, ModelError};

/// How closely a condition is followed, and when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guidance {
    /// How far to go from the negative condition towards the condition; 1 is no guidance.
    pub scale: f32,
    /// The times, from 0 (picture) to 1 (noise), between which there is guidance (Kynkäänniemi et al. 2024).
    pub interval: [f64; 2],
}

impl Guidance {
    /// From the first step to the last.
    pub fn always(scale: f32) -> Self {
        Self { scale, interval: [0.0, 1.0] }
    }

    /// The scale at a time.
    pub fn at(&self, time: f64) -> f32 {
        // Steps stand at times that are rounded.
        let [low, high] = [self.interval[0] - 1e-9, self.interval[1] + 1e-9];
        if (low..=high).contains(&time) { self.scale } else { 1.0 }
    }

    /// Checks both numbers.
    ///
    /// # Errors
    /// Names the option, its value and the rule.
    pub fn check(self) -> Result<Self, ModelError> {
        let wrong = |option, value, rule: &str| ModelError::Request { option, value, rule: rule.to_string() };
        if !(self.scale.is_finite() && self.scale >= 0.0) {
            let rule = "it must be a number from 0 up; 1 is no guidance, 3 is a good choice";
            return Err(wrong("guidance_scale", self.scale.to_string(), rule));
        }
        let [low, high] = self.interval;
        if !(0.0 <= low && low <= high && high <= 1.0) {
            let rule =
                "it must be two times from 0 (picture) to 1 (noise), the lower one first; 0 1 is always";
            return Err(wrong("guidance_interval", format!("{low} {high}"), rule));
        }
        Ok(self)
    }
}

/// `v(negative) + scale * (v(condition) - v(negative))`, both from one evaluation over twice the batch; a scale of 1
/// needs the condition alone.
///
/// # Errors
/// As [`Denoise::predict`].
pub fn guided<D: Denoise + ?Sized>(
    model: &D,
    x: Tensor<4>,
    time: f64,
    [condition, negative]: [&Condition; 2],
    guidance: Guidance,
) -> Result<Tensor<4>, ModelError> {
    let batch = x.dims()[0];
    let times = |count: usize| Tensor::<1>::full([count], time, &x.device());
    let scale = guidance.at(time);
    if scale == 1.0 {
        return model.predict(x.clone(), times(batch), condition);
    }
    let both = Tensor::cat(vec![x.clone(), x.clone()], 0);
    let predicted = model.predict(both, times(2 * batch), &condition.then(negative))?;
    Ok(of_both(predicted, scale))
}

/// What guidance makes of predictions for a condition and, behind them, for the negative one.
pub(crate) fn of_both(predicted: Tensor<4>, scale: f32) -> Tensor<4> {
    let batch = predicted.dims()[0] / 2;
    let towards = predicted.clone().narrow(0, 0, batch);
    let away = predicted.narrow(0, batch, batch);
    away.clone() + (towards - away) * scale
}

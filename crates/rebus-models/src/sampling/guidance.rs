//! Classifier-free guidance (Ho and Salimans 2022, equation 6).

use burn::tensor::Tensor;

use crate::{Condition, Denoise, ModelError};

/// `v(negative) + scale * (v(condition) - v(negative))`, both from one evaluation over twice the batch; a scale of 1
/// needs the condition alone.
///
/// # Errors
/// As [`Denoise::predict`].
pub fn guided<D: Denoise + ?Sized>(
    model: &D,
    x: Tensor<4>,
    time: f64,
    condition: &Condition,
    negative: &Condition,
    scale: f32,
) -> Result<Tensor<4>, ModelError> {
    let batch = x.dims()[0];
    let times = |count: usize| Tensor::<1>::full([count], time, &x.device());
    if scale == 1.0 {
        return model.predict(x.clone(), times(batch), condition);
    }
    let both = Tensor::cat(vec![x.clone(), x.clone()], 0);
    let predicted = model.predict(both, times(2 * batch), &condition.then(negative))?;
    let towards = predicted.clone().narrow(0, 0, batch);
    let away = predicted.narrow(0, batch, batch);
    Ok(away.clone() + (towards - away) * scale)
}

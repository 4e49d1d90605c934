//! Flows whose velocity is a formula, for tests.

use burn::tensor::{Device, Tensor};

use crate::{Condition, Denoise, ModelError, capability::Parameterization};

/// The condition's vector by which toys are told a number.
const NUMBER: &str = "number";

/// A flow over pictures of a shape.
pub(super) struct Toy {
    pub(super) picture_shape: [usize; 3],
    /// Of `x_t`, of its times `[batch, 1, 1, 1]`, and of the condition.
    pub(super) velocity: fn(Tensor<4>, Tensor<4>, &Condition) -> Tensor<4>,
}

/// A condition that is a number; nothing said is 0.
pub(super) fn number(value: f32, count: usize) -> Condition {
    let mut condition = Condition::default();
    condition.vectors.insert(NUMBER.to_string(), Tensor::full([count, 1], value, &Device::flex()));
    condition
}

/// The numbers of a condition, `[batch, 1, 1, 1]`.
pub(super) fn numbers_of(condition: &Condition) -> Tensor<4> {
    let numbers = condition.vectors[NUMBER].clone();
    let batch = numbers.dims()[0];
    numbers.reshape([batch, 1, 1, 1])
}

/// Towards pictures of the one number that is said.
pub(super) fn towards(x_t: Tensor<4>, times: Tensor<4>, condition: &Condition) -> Tensor<4> {
    (x_t - numbers_of(condition)) / times.clamp_min(1e-3)
}

impl Denoise for Toy {
    fn parameterization(&self) -> Parameterization {
        Parameterization::Velocity
    }

    fn latent_shape(&self, height: usize, width: usize) -> Result<[usize; 3], ModelError> {
        Ok([self.picture_shape[0], height, width])
    }

    fn predict(
        &self,
        x_t: Tensor<4>,
        times: Tensor<1>,
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError> {
        let batch = x_t.dims()[0];
        assert_eq!(times.dims(), [batch]);
        Ok((self.velocity)(x_t, times.reshape([batch, 1, 1, 1]), condition))
    }

    fn unconditional(&self, count: usize) -> Result<Condition, ModelError> {
        Ok(number(0.0, count))
    }

    fn device(&self) -> Device {
        Device::flex()
    }

    fn picture_shape(&self) -> [usize; 3] {
        self.picture_shape
    }
}

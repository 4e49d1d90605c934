//! The step-level capability of every iterative family.

use burn::tensor::{Device, Tensor};

use crate::{Condition, ModelError};

/// What a network predicts from a noisy picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parameterization {
    /// `noise - picture`, along the straight path `x_t = (1 - t) picture + t noise` (Liu et al. 2022).
    Velocity,
    /// The mean velocity over a step, with guidance in it, so that few long steps do: see [`Denoise::predict_over`].
    MeanVelocity,
}

/// One network evaluation: `x_t`, `t` and a condition to what the parameterisation says. `sampling` makes
/// [`Generate`](super::Generate) of anything that can do this.
pub trait Denoise: Send + Sync {
    /// What is predicted.
    fn parameterization(&self) -> Parameterization;

    /// `[channel, height, width]` of `x_t` for a picture of a size.
    ///
    /// # Errors
    /// A size that the network cannot take, with the rule.
    fn latent_shape(&self, height: usize, width: usize) -> Result<[usize; 3], ModelError>;

    /// The network. `x_t` is `[batch, channel, height, width]`, `times` `[batch]` in 0 (picture) to 1 (noise), the
    /// condition has `batch` entries. Samples do not influence each other.
    ///
    /// # Errors
    /// A condition that the network cannot take.
    fn predict(
        &self,
        x_t: Tensor<4>,
        times: Tensor<1>,
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError>;

    /// The mean velocity over a step that begins at `times` and goes `lengths` towards the picture, both `[batch]`, of a model that
    /// says so by its [`parameterization`](Self::parameterization); others know the velocity at its beginning.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    fn predict_over(
        &self,
        x_t: Tensor<4>,
        times: Tensor<1>,
        lengths: Tensor<1>,
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError> {
        let _ = lengths;
        self.predict(x_t, times, condition)
    }

    /// The condition of nothing said, `batch` entries.
    ///
    /// # Errors
    /// The tokenizer cannot read the empty text.
    fn unconditional(&self, batch: usize) -> Result<Condition, ModelError>;

    /// Pictures in -1..1 to latents; the identity for a family that works on pixels.
    fn encode(&self, pictures: Tensor<4>) -> Tensor<4> {
        pictures
    }

    /// Latents to pictures in -1..1; the identity for a family that works on pixels.
    fn decode(&self, latent: Tensor<4>) -> Tensor<4> {
        latent
    }

    /// Where the weights lie.
    fn device(&self) -> Device;

    /// How many steps are a good choice.
    fn default_steps(&self) -> usize {
        20
    }

    /// How many steps it can take, where not any number will do.
    fn possible_steps(&self) -> Option<&'static [usize]> {
        None
    }

    /// Which guidance scale is a good choice.
    fn default_guidance(&self) -> f32 {
        3.0
    }

    /// `[channel, height, width]` of the pictures that it was trained on.
    fn picture_shape(&self) -> [usize; 3];
}

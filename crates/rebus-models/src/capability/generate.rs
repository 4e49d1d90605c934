//! Noise and a condition to a picture.

use rebus_data::Pictures;

use super::Observer;
use crate::{
    Condition, ModelError,
    sampling::{Sampler, Start},
};

/// Makes pictures.
pub trait Generate: Send + Sync {
    /// One picture a seed, in order. Picture `i` depends on `seeds[i]` and entry `i` of the condition alone, to the
    /// bit, whatever is drawn beside it.
    ///
    /// # Errors
    /// An option out of range, or [`ModelError::Interrupted`].
    fn generate(
        &self,
        request: &GenerateRequest,
        observer: &mut dyn Observer,
    ) -> Result<Pictures, ModelError>;

    /// Which options of a request have a meaning for this family.
    fn options(&self) -> GenerateOptions;
}

/// A request to draw.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct GenerateRequest {
    /// A seed for each picture.
    pub seeds: Vec<u64>,
    /// One entry a picture; `None` for an unconditional model.
    pub condition: Option<Condition>,
    /// What to keep away from, one entry a picture; the unconditional embedding by default.
    pub negative: Option<Condition>,
    /// How far to go from the negative condition towards the condition; 1 is no guidance (Ho and Salimans 2022).
    pub guidance_scale: Option<f32>,
    /// The times, from 0 (picture) to 1 (noise), between which there is guidance; always by default (Kynkäänniemi et al. 2024).
    pub guidance_interval: Option<[f64; 2]>,
    /// How many steps to take.
    pub num_inference_steps: Option<usize>,
    /// How a step is taken.
    pub sampler: Sampler,
    /// The noise to begin with, an entry a picture, in the place of that of the seeds; for models that walk from noise.
    pub noise: Option<Pictures>,
    /// Pictures to begin with, in the place of noise alone.
    pub start: Option<Start>,
    /// Another size than the one trained on, pixels.
    pub height: Option<usize>,
    /// Another size than the one trained on, pixels.
    pub width: Option<usize>,
}

/// Options that have a meaning for a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct GenerateOptions {
    /// It follows a prompt.
    pub prompt: bool,
    /// It follows a guidance scale and a negative prompt.
    pub guidance: bool,
    /// It takes steps.
    pub steps: bool,
    /// It takes them as a sampler says.
    pub sampler: bool,
    /// It can begin with a picture.
    pub start: bool,
    /// It draws other sizes than the one trained on.
    pub size: bool,
}

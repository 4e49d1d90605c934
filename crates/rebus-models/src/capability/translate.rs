//! A picture to another picture.

use rebus_data::Pictures;

use super::Observer;
use crate::{Condition, ModelError};

/// Makes a picture of a picture.
pub trait Translate: Send + Sync {
    /// One picture a source, of its size, in order, the same to the bit whatever is translated beside it.
    ///
    /// # Errors
    /// Sources of other channels, or of sides that are no multiples of [`multiple`](Self::multiple); an option out of range; or
    /// [`ModelError::Interrupted`].
    fn translate(
        &self,
        request: &TranslateRequest,
        observer: &mut dyn Observer,
    ) -> Result<Pictures, ModelError>;

    /// Both sides of a source are multiples of this.
    fn multiple(&self) -> usize;

    /// Which options of a request have a meaning for this family.
    fn options(&self) -> TranslateOptions;
}

/// A request to translate.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TranslateRequest {
    /// What to translate, of one size.
    pub sources: Pictures,
    /// The other way round, for families that learn both.
    pub backwards: bool,
    /// What is to become of them, one entry a source.
    pub condition: Option<Condition>,
    /// A seed for each source.
    pub seeds: Vec<u64>,
    /// How closely to follow the words; 1 is no guidance.
    pub guidance_scale: Option<f32>,
    /// How closely to follow the source; 1 is no guidance.
    pub image_guidance_scale: Option<f32>,
    /// How many steps to take.
    pub num_inference_steps: Option<usize>,
}

impl TranslateRequest {
    /// Of sources alone.
    pub fn new(sources: Pictures) -> Self {
        Self {
            seeds: (0..sources.len() as u64).collect(),
            sources,
            backwards: false,
            condition: None,
            guidance_scale: None,
            image_guidance_scale: None,
            num_inference_steps: None,
        }
    }
}

/// Options that have a meaning for a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct TranslateOptions {
    /// It goes the other way too.
    pub backwards: bool,
    /// It follows words.
    pub prompt: bool,
    /// It follows two guidance scales, and draws by a seed.
    pub guidance: bool,
    /// It takes steps.
    pub steps: bool,
}

/// Refuses sources that a network cannot take.
pub(crate) fn check_sources(sources: &Pictures, channels: usize, multiple: usize) -> Result<(), ModelError> {
    let [_, found, height, width] = sources.shape;
    let fits = |side: usize| side > 0 && side.is_multiple_of(multiple);
    if found == channels && fits(height) && fits(width) {
        return Ok(());
    }
    Err(ModelError::Request {
        option: "source",
        value: format!("{width}x{height} with {found} channels"),
        rule: format!("this model takes {channels} channels, and sides that are multiples of {multiple}"),
    })
}

//! A picture taken back to the noise that it is drawn from.

use std::ops::ControlFlow;

use image::DynamicImage;
use rebus_models::{
    GenerateRequest, Model, ModelError, Observer, modality,
    registry::able,
    sampling::{Guidance, Inversion, SavedNoise, invert as back},
};

use crate::{
    TaskError,
    reconstruct::{shown, told},
};

/// What to take back.
#[derive(Debug, Clone)]
pub struct InvertTask {
    /// The picture, of any size.
    pub picture: DynamicImage,
    /// What is seen on it; nothing is said by default.
    pub prompt: Option<String>,
    /// How many steps; 50 by default.
    pub num_inference_steps: Option<usize>,
    /// How closely to follow the prompt on the way; 1, which comes back best, by default.
    pub guidance_scale: Option<f32>,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Inverted {
    /// To be drawn from again, with the same prompt, steps and guidance, or with others.
    pub noise: SavedNoise,
    /// The picture as the model saw it.
    pub shown: DynamicImage,
    /// What is drawn from the noise.
    pub redrawn: DynamicImage,
}

/// Takes a picture back by integrating backwards, each step put right by the step forward, and draws it again.
///
/// # Errors
/// A model without such a way, an option out of range, an interruption.
pub fn invert(
    model: &dyn Model,
    task: &InvertTask,
    observer: &mut dyn Observer,
) -> Result<Inverted, TaskError> {
    let lacks = || ModelError::Lacks {
        family: model.info().family.clone(),
        verb: "take a picture back to noise",
        able: able("denoise"),
    };
    let denoise = model.denoise().ok_or_else(lacks)?;
    let generator = model.generate().ok_or_else(lacks)?;
    let usual = Inversion::default();
    let settings = Inversion {
        num_inference_steps: task.num_inference_steps.unwrap_or(usual.num_inference_steps),
        guidance: Guidance::always(task.guidance_scale.unwrap_or(1.0)),
        ..usual
    };
    let pictures = shown(model, std::slice::from_ref(&task.picture))?;
    let nothing = denoise.unconditional(1)?;
    let said = task.prompt.as_deref().map(|prompt| told(model, prompt, 1)).transpose()?;
    let condition = said.as_ref().unwrap_or(&nothing);
    let clean = denoise.encode(modality::to_tensor(&pictures, &denoise.device()));
    let steps = settings.num_inference_steps;
    let mut step =
        |done: usize, _: &_| -> ControlFlow<()> { observer.step(done, steps, &|| pictures.clone()) };
    let noise = back(denoise, clean, [condition, &nothing], settings, &mut step)?;
    let values = modality::values_of(noise);
    let mut request = GenerateRequest::default();
    request.seeds = vec![0];
    request.condition = said;
    request.noise = Some(values.clone());
    request.num_inference_steps = Some(steps);
    request.guidance_scale = Some(settings.guidance.scale);
    let redrawn = generator.generate(&request, observer)?;
    let first = |pictures: &rebus_data::Pictures| pictures.get(0).ok_or(TaskError::NoPicture);
    Ok(Inverted {
        noise: SavedNoise { values, model: model.info().hash.clone() },
        shown: first(&pictures)?,
        redrawn: first(&redrawn)?,
    })
}

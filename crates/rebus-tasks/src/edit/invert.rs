//! A picture taken back to the noise that it is drawn from, or to its latent.

use std::ops::ControlFlow;

use image::DynamicImage;
use rebus_data::Pictures;
use rebus_models::{
    Condition, Denoise, Generate, GenerateRequest, Model, ModelError, Observer, Reconstruct, Vectors,
    modality,
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
    /// Noise or a latent, to be drawn from again, with the same prompt, steps and guidance, or with others.
    pub noise: SavedNoise,
    /// The picture as the model saw it.
    pub shown: DynamicImage,
    /// What is drawn from the noise.
    pub redrawn: DynamicImage,
}

/// Takes a picture back, by integrating backwards, each step put right by the step forward, or to the latent of a model that
/// reconstructs; and draws it again.
///
/// # Errors
/// A model without such a way, an option out of range, an interruption.
pub fn invert(
    model: &dyn Model,
    task: &InvertTask,
    observer: &mut dyn Observer,
) -> Result<Inverted, TaskError> {
    let pictures = shown(model, std::slice::from_ref(&task.picture))?;
    let said = task.prompt.as_deref().map(|prompt| told(model, prompt, 1)).transpose()?;
    let (values, redrawn) = match (model.denoise(), model.generate(), model.reconstruct()) {
        (Some(denoise), Some(generator), _) => by_noise(denoise, generator, task, &pictures, said, observer)?,
        (.., Some(network)) => {
            let latents = network.latents(&pictures, said.as_ref(), observer)?;
            let values = Pictures { shape: [1, 1, 1, latents.width], data: latents.data };
            let redrawn = of_latent(network, &values, said.as_ref())?;
            (values, redrawn)
        }
        _ => {
            return Err(ModelError::Lacks {
                family: model.info().family.clone(),
                verb: "take a picture back to noise or to a latent",
                able: format!("{}, {}", able("denoise"), able("reconstruct")),
            }
            .into());
        }
    };
    let first = |pictures: &Pictures| pictures.get(0).ok_or(TaskError::NoPicture);
    Ok(Inverted {
        noise: SavedNoise { values, model: model.info().hash.clone() },
        shown: first(&pictures)?,
        redrawn: first(&redrawn)?,
    })
}

/// The pictures of latents `[count, 1, 1, width]`, as they are kept in a file.
pub(crate) fn of_latent(
    model: &dyn Reconstruct,
    values: &Pictures,
    said: Option<&Condition>,
) -> Result<Pictures, TaskError> {
    let width = values.shape[1..].iter().product();
    Ok(model.decode(&Vectors { width, data: values.data.clone() }, said)?)
}

/// The noise, and what is drawn from it.
fn by_noise(
    denoise: &dyn Denoise,
    generator: &dyn Generate,
    task: &InvertTask,
    pictures: &Pictures,
    said: Option<Condition>,
    observer: &mut dyn Observer,
) -> Result<(Pictures, Pictures), TaskError> {
    let usual = Inversion::default();
    let settings = Inversion {
        num_inference_steps: task.num_inference_steps.unwrap_or(usual.num_inference_steps),
        guidance: Guidance::always(task.guidance_scale.unwrap_or(1.0)),
        ..usual
    };
    let nothing = denoise.unconditional(1)?;
    let condition = said.as_ref().unwrap_or(&nothing);
    let clean = denoise.encode(modality::to_tensor(pictures, &denoise.device()));
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
    Ok((values, redrawn))
}

//! Pictures to latents and back: what a model keeps of them.

use image::DynamicImage;
use rebus_data::{DataConfig, Pictures, config::ImageSize, fit::Fitter};
use rebus_models::{Condition, Input, Model, ModelError, Observer, Reconstruct, registry::able};

use crate::TaskError;

/// What to reconstruct.
#[derive(Debug, Clone, Default)]
pub struct ReconstructTask {
    /// Pictures of any size; the model sees them at its own.
    pub pictures: Vec<DynamicImage>,
    /// What is on them; nothing is said by default.
    pub prompt: Option<String>,
}

/// A picture as the model saw it, and what came back.
#[derive(Debug, Clone)]
pub struct Reconstruction {
    /// At the model's size.
    pub shown: DynamicImage,
    /// From its latent.
    pub reconstructed: DynamicImage,
}

/// Reconstructs pictures.
///
/// # Errors
/// A model that does not reconstruct, a prompt for one that reads none, an interruption.
pub fn reconstruct(
    model: &dyn Model,
    task: &ReconstructTask,
    observer: &mut dyn Observer,
) -> Result<Vec<Reconstruction>, TaskError> {
    if task.pictures.is_empty() {
        return Err(TaskError::NoPicture);
    }
    let able = reconstructs(model)?;
    let told = |prompt: &String| told(model, prompt, task.pictures.len());
    let condition = task.prompt.as_ref().map(told).transpose()?;
    let shown = shown(model, &task.pictures)?;
    let latents = able.latents(&shown, condition.as_ref(), observer)?;
    let reconstructed = able.decode(&latents, condition.as_ref())?;
    let both = shown.to_images()?.into_iter().zip(reconstructed.to_images()?);
    Ok(both.map(|(shown, reconstructed)| Reconstruction { shown, reconstructed }).collect())
}

/// The capability.
pub(crate) fn reconstructs(model: &dyn Model) -> Result<&dyn Reconstruct, TaskError> {
    let lacks = || ModelError::Lacks {
        family: model.info().family.clone(),
        verb: "reconstruct",
        able: able("reconstruct"),
    };
    Ok(model.reconstruct().ok_or_else(lacks)?)
}

/// Pictures as the model sees them.
pub(crate) fn shown(model: &dyn Model, pictures: &[DynamicImage]) -> Result<Pictures, TaskError> {
    fit(model.info().picture_shape, pictures)
}

/// Pictures in a shape, cut to its sides.
pub(crate) fn fit(shape: [usize; 3], pictures: &[DynamicImage]) -> Result<Pictures, TaskError> {
    let [channels, height, width] = shape;
    let config = DataConfig {
        image_size: ImageSize::Sides([height as u32, width as u32]),
        channels: channels as u8,
        ..DataConfig::default()
    };
    let fitter = Fitter::new(&config)?;
    let fitted: Result<Vec<_>, _> = pictures.iter().map(|picture| fitter.fit(picture.clone(), 0)).collect();
    Ok(Pictures::from_images(&fitted?)?)
}

/// A text as the condition of so many pictures.
pub(crate) fn told(model: &dyn Model, text: &str, count: usize) -> Result<Condition, TaskError> {
    let reads = model.conditioner().ok_or_else(|| ModelError::Request {
        option: "prompt",
        value: text.to_string(),
        rule: format!("a model of family `{}` reads no prompt", model.info().family),
    })?;
    Ok(reads.condition(&vec![Input::Text(text.to_string()); count])?)
}

//! Words, pictures and sounds to pictures.

use image::DynamicImage;
use rebus_data::Sound;
use rebus_models::{
    GenerateRequest, Input, Model, ModelError, Observer,
    capability::heard_by,
    registry::able,
    sampling::{Sampler, SavedNoise},
};

use crate::{TaskError, edit::of_latent, reconstruct::fit};

/// How many pictures are drawn at once; more only takes memory.
const AT_ONCE: usize = 16;

/// What to draw.
#[derive(Debug, Clone, Default)]
pub struct GenerateTask {
    /// One entry a wish; the empty text is whatever the model likes.
    pub prompts: Vec<String>,
    /// Pictures like which to draw, an entry a wish behind the prompts: for models that can be shown pictures.
    pub images: Vec<(String, DynamicImage)>,
    /// Sounds that tell what to draw, behind those: for models that hear.
    pub sounds: Vec<(String, Sound)>,
    /// How much each of them counts, in this order: then they are one wish together.
    pub weights: Option<Vec<f32>>,
    /// What to keep away from, for all prompts.
    pub negative_prompt: Option<String>,
    /// How many pictures of each prompt.
    pub count: usize,
    /// Picture `i` of a prompt has seed `seed + i`.
    pub seed: u64,
    /// How closely to follow the prompt; the model's own choice by default.
    pub guidance_scale: Option<f32>,
    /// The times, from 0 (picture) to 1 (noise), between which the prompt is followed so closely; always by default.
    pub guidance_interval: Option<[f64; 2]>,
    /// How many steps to take; the model's own choice by default.
    pub num_inference_steps: Option<usize>,
    /// How a step is taken.
    pub sampler: Option<Sampler>,
    /// Noise to begin with, in the place of that of the seeds; see [`invert`](crate::invert).
    pub noise: Option<SavedNoise>,
    /// Another height than the model's, pixels.
    pub height: Option<usize>,
    /// Another width than the model's, pixels.
    pub width: Option<usize>,
}

/// A picture and what it was drawn from.
#[derive(Debug, Clone)]
pub struct Drawing {
    /// The prompt, or the name of the picture.
    pub prompt: String,
    /// The seed that draws it again alone.
    pub seed: u64,
    /// The picture, 8 bits a channel.
    pub picture: DynamicImage,
}

/// What was drawn, and what the user should know.
#[derive(Debug, Clone, Default)]
pub struct Generated {
    /// Prompt by prompt, seed by seed.
    pub drawings: Vec<Drawing>,
    /// Options without meaning for this model, prompts that were cut.
    pub warnings: Vec<String>,
}

/// Draws all prompts; `ready` gets each picture as soon as it is done, so that an interruption loses nothing.
///
/// # Errors
/// No prompt, a model that cannot draw, an option out of range, an interruption, or what `ready` answered.
pub fn generate(
    model: &dyn Model,
    task: &GenerateTask,
    observer: &mut dyn Observer,
    mut ready: impl FnMut(&Drawing) -> Result<(), TaskError>,
) -> Result<Generated, TaskError> {
    let count = task.prompts.len() + task.images.len() + task.sounds.len();
    if count == 0 {
        return Err(TaskError::NoPrompt);
    }
    if let Some(weights) = task
        .weights
        .as_ref()
        .filter(|weights| weights.len() != count || weights.iter().any(|weight| !weight.is_finite()))
    {
        let rule = format!(
            "one number for each of {} prompts, {} pictures and {} sounds, in this order",
            task.prompts.len(),
            task.images.len(),
            task.sounds.len()
        );
        return Err(TaskError::Weights { value: format!("{weights:?}"), rule });
    }
    let generator = model.generate().ok_or_else(|| ModelError::Lacks {
        family: model.info().family.clone(),
        verb: "generate",
        able: able("generate"),
    })?;
    let mut result = Generated { drawings: vec![], warnings: warnings(model, task)? };
    if let Some(noise) = &task.noise {
        if model.denoise().is_none() && model.reconstruct().is_none() {
            let rule = format!(
                "a model of family `{}` neither walks from noise nor has latents",
                model.info().family
            );
            return Err(ModelError::Request { option: "noise", value: "given".to_string(), rule }.into());
        }
        if noise.model != model.info().hash {
            result.warnings.push("the noise is of another model, and leads to another picture".to_string());
        }
    }
    let shown = shown(model, &task.images)?;
    let texts = task.prompts.iter().map(|prompt| (prompt.as_str(), Input::Text(prompt.clone())));
    let images = task.images.iter().zip(shown).map(|((name, _), shown)| (name.as_str(), shown));
    let sounds = task.sounds.iter().zip(heard(model, &task.sounds)?);
    let sounds = sounds.map(|((name, _), heard)| (name.as_str(), heard));
    let mut said: Vec<(String, Input)> =
        texts.chain(images).chain(sounds).map(|(name, input)| (name.to_string(), input)).collect();
    let mixed = match (&task.weights, model.conditioner()) {
        (Some(weights), Some(conditioner)) => {
            let inputs: Vec<Input> = said.iter().map(|(_, input)| input.clone()).collect();
            let names: Vec<String> = said.drain(..).map(|(name, _)| name).collect();
            said.push((names.join(", "), Input::Text(String::new())));
            Some(conditioner.condition(&inputs)?.mixed(weights))
        }
        _ => None,
    };
    let wishes: Vec<(&str, Input, u64)> = said
        .iter()
        .flat_map(|(name, input)| {
            let seeds = (0..task.count as u64).map(|i| task.seed.wrapping_add(i));
            seeds.map(move |seed| (name.as_str(), input.clone(), seed))
        })
        .collect();
    for wishes in wishes.chunks(AT_ONCE) {
        let mut request = GenerateRequest::default();
        request.seeds = wishes.iter().map(|wish| wish.2).collect();
        if let Some(conditioner) = model.conditioner() {
            let inputs: Vec<Input> = wishes.iter().map(|wish| wish.1.clone()).collect();
            request.condition = Some(match &mixed {
                Some(mixed) => mixed.repeated(wishes.len()),
                None => conditioner.condition(&inputs)?,
            });
            if let Some(negative) = &task.negative_prompt {
                let texts = vec![Input::Text(negative.clone()); wishes.len()];
                request.negative = Some(conditioner.condition(&texts)?);
            }
        }
        request.guidance_scale = task.guidance_scale;
        request.guidance_interval = task.guidance_interval;
        request.num_inference_steps = task.num_inference_steps;
        request.sampler = task.sampler.unwrap_or_default();
        request.noise = task.noise.as_ref().map(|noise| noise.values.repeated(wishes.len()));
        (request.height, request.width) = (task.height, task.width);
        let pictures = match (&request.noise, model.denoise(), model.reconstruct()) {
            (Some(latents), None, Some(network)) => of_latent(network, latents, request.condition.as_ref())?,
            _ => generator.generate(&request, observer)?,
        };
        for ((prompt, _, seed), picture) in wishes.iter().zip(pictures.to_images()?) {
            let drawing = Drawing { prompt: prompt.to_string(), seed: *seed, picture };
            ready(&drawing)?;
            result.drawings.push(drawing);
        }
    }
    Ok(result)
}

/// Pictures as the model is shown them.
fn shown(model: &dyn Model, images: &[(String, DynamicImage)]) -> Result<Vec<Input>, TaskError> {
    let Some((name, _)) = images.first() else { return Ok(vec![]) };
    let shape = model.conditioner().and_then(|conditioner| conditioner.picture_shape());
    let shape = shape.ok_or_else(|| ModelError::Request {
        option: "image",
        value: name.clone(),
        rule: "this model reads words alone; one that was trained with `[condition] encoder` can be shown pictures"
            .to_string(),
    })?;
    let fitted = images.iter().map(|(_, image)| Ok(Input::Picture(fit(shape, std::slice::from_ref(image))?)));
    fitted.collect()
}

/// Sounds as the model hears them.
fn heard(model: &dyn Model, sounds: &[(String, Sound)]) -> Result<Vec<Input>, TaskError> {
    let Some((name, _)) = sounds.first() else { return Ok(vec![]) };
    let mel = heard_by(model, "audio", name)?;
    sounds.iter().map(|(_, sound)| Ok(Input::Sound(sound.log_mel(&mel)?))).collect()
}

/// Characters of what was cut off a prompt that a warning shows.
const MOST_SHOWN: usize = 60;

/// What was asked for and will not be done.
fn warnings(model: &dyn Model, task: &GenerateTask) -> Result<Vec<String>, TaskError> {
    let Some(options) = model.generate().map(|generator| generator.options()) else { return Ok(vec![]) };
    let family = &model.info().family;
    let mut warnings = vec![];
    let mut unless = |allowed: bool, given: bool, what: &str| {
        if given && !allowed {
            warnings
                .push(format!("{what} has no meaning for this model (family `{family}`) and is left out"));
        }
    };
    unless(options.prompt, task.prompts.iter().any(|prompt| !prompt.is_empty()), "a prompt");
    unless(options.guidance, task.negative_prompt.is_some(), "a negative prompt");
    unless(options.guidance, task.guidance_scale.is_some(), "a guidance scale");
    unless(options.guidance && options.steps, task.guidance_interval.is_some(), "a guidance interval");
    unless(options.steps, task.num_inference_steps.is_some(), "a number of steps");
    unless(options.sampler, task.sampler.is_some(), "a sampler");
    unless(options.size, task.height.is_some() || task.width.is_some(), "a size");
    if let Some(conditioner) = model.conditioner() {
        for prompt in task.prompts.iter().chain(&task.negative_prompt) {
            if let Some(rest) = conditioner.truncation(prompt)? {
                let (shown, dots) = match rest.char_indices().nth(MOST_SHOWN) {
                    Some((end, _)) => (&rest[..end], "…"),
                    None => (rest.as_str(), ""),
                };
                warnings.push(format!(
                    "the prompt is longer than the model reads; this was cut off: \"{shown}{dots}\""
                ));
            }
        }
    }
    Ok(warnings)
}

//! Sliders: what captions or pictures with something have beyond those without it, learned once from contrasts and kept in a file.

use image::DynamicImage;
use rebus_data::Pictures;
use rebus_models::{
    Denoise, Model, ModelError, Observer, Reconstruct,
    sampling::{FlowEdit, Slider, slide},
};
use serde::{Deserialize, Serialize};

use crate::{
    TaskError,
    reconstruct::{shown, told},
};

/// Contrasts that are kept, at most: more change little.
const KEPT: usize = 64;
/// Pictures that are looked at at once.
const AT_ONCE: usize = 16;

/// The same thing without something and with it.
#[derive(Debug, Clone)]
pub struct Contrast {
    /// What is said of both.
    pub captions: [String; 2],
    /// Both.
    pub pictures: [DynamicImage; 2],
}

/// A slider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// What it is called.
    pub name: String,
    /// Captions `[without, with]`: what a flow follows.
    pub contrasts: Vec<[String; 2]>,
    /// The mean difference of latents: what a model that reconstructs follows (White 2016, section 3.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latent: Option<Direction>,
}

/// A direction among the latents of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Direction {
    /// The hash of its weights.
    pub model: String,
    /// From without to with.
    pub values: Vec<f32>,
}

impl Attribute {
    /// Which of so many contrasts are looked at: evenly chosen ones.
    pub fn chosen(count: usize) -> impl Iterator<Item = usize> {
        let kept = count.min(KEPT);
        (0..kept).map(move |at| at * count / kept.max(1))
    }

    /// Learned from contrasts, for a model.
    ///
    /// # Errors
    /// No contrast, a model that can follow none, or an interruption.
    pub fn learn(
        model: &dyn Model,
        name: &str,
        contrasts: &[Contrast],
        observer: &mut dyn Observer,
    ) -> Result<Self, TaskError> {
        if contrasts.is_empty() {
            return Err(TaskError::NoPicture);
        }
        let latent = match (model.denoise(), model.reconstruct()) {
            (Some(_), _) => None,
            (None, Some(network)) => Some(direction(model, network, contrasts, observer)?),
            (None, None) => return Err(lacks(model).into()),
        };
        let contrasts = contrasts.iter().map(|contrast| contrast.captions.clone()).collect();
        Ok(Self { name: name.to_string(), contrasts, latent })
    }

    /// From a file's text; `place` is its name.
    ///
    /// # Errors
    /// It is no slider.
    pub fn from_json(text: &str, place: &str) -> Result<Self, TaskError> {
        let refuse = |reason: String| ModelError::Request {
            option: "attribute",
            value: place.to_string(),
            rule: format!("it must be a file that `rebus attribute` wrote ({reason})"),
        };
        let found: Self = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
        let finite = found.latent.iter().flat_map(|latent| &latent.values).all(|value| value.is_finite());
        if found.contrasts.is_empty() || !finite {
            return Err(refuse("it has no contrast, or numbers that are none".to_string()).into());
        }
        Ok(found)
    }

    /// As a file's text.
    ///
    /// # Errors
    /// Numbers that are none.
    pub fn to_json(&self) -> Result<String, TaskError> {
        Ok(serde_json::to_string_pretty(self).map_err(std::io::Error::from)?)
    }
}

fn lacks(model: &dyn Model) -> ModelError {
    ModelError::Lacks {
        family: model.info().family.clone(),
        verb: "edit",
        able: rebus_models::registry::able("edit"),
    }
}

/// The mean difference of the latents of pictures, nothing being said of them.
fn direction(
    model: &dyn Model,
    network: &dyn Reconstruct,
    contrasts: &[Contrast],
    observer: &mut dyn Observer,
) -> Result<Direction, TaskError> {
    let mut values = vec![0.0f32; network.latent_width()];
    let share = 1.0 / contrasts.len() as f32;
    for contrasts in contrasts.chunks(AT_ONCE) {
        for (side, sign) in [(0, -share), (1, share)] {
            let pictures: Vec<_> = contrasts.iter().map(|contrast| contrast.pictures[side].clone()).collect();
            let latents = network.latents(&shown(model, &pictures)?, None, observer)?;
            for row in latents.data.chunks(latents.width.max(1)) {
                values.iter_mut().zip(row).for_each(|(value, number)| *value += sign * number);
            }
        }
    }
    Ok(Direction { model: model.info().hash.clone(), values })
}

/// Pictures moved along sliders, each by its amount; a seed a picture.
pub(super) fn moved(
    model: &dyn Model,
    pictures: &Pictures,
    seeds: &[u64],
    sliders: &[(Attribute, f64)],
    settings: FlowEdit,
    observer: &mut dyn Observer,
) -> Result<Pictures, TaskError> {
    if let Some((attribute, amount)) = sliders.iter().find(|(_, amount)| !amount.is_finite()) {
        let rule = format!("how far `{}` goes must be a number", attribute.name);
        return Err(ModelError::Request { option: "attribute", value: amount.to_string(), rule }.into());
    }
    match (model.denoise(), model.reconstruct()) {
        (Some(denoise), _) => along_velocities(model, denoise, pictures, seeds, sliders, settings, observer),
        (None, Some(network)) => along_latents(model, network, pictures, sliders, observer),
        (None, None) => Err(lacks(model).into()),
    }
}

fn along_velocities(
    model: &dyn Model,
    denoise: &dyn Denoise,
    pictures: &Pictures,
    seeds: &[u64],
    sliders: &[(Attribute, f64)],
    settings: FlowEdit,
    observer: &mut dyn Observer,
) -> Result<Pictures, TaskError> {
    let told = |text: &String| told(model, text, seeds.len());
    let both = |[without, with]: &[String; 2]| Ok([told(without)?, told(with)?]);
    let slider = |(attribute, amount): &(Attribute, f64)| {
        let contrasts = attribute.contrasts.iter().map(both).collect::<Result<_, TaskError>>()?;
        Ok(Slider { contrasts, amount: *amount })
    };
    let sliders = sliders.iter().map(slider).collect::<Result<Vec<_>, TaskError>>()?;
    Ok(slide(denoise, pictures, seeds, &sliders, settings, observer)?)
}

fn along_latents(
    model: &dyn Model,
    network: &dyn Reconstruct,
    pictures: &Pictures,
    sliders: &[(Attribute, f64)],
    observer: &mut dyn Observer,
) -> Result<Pictures, TaskError> {
    let mut latents = network.latents(pictures, None, observer)?;
    for (attribute, amount) in sliders {
        let direction = attribute.latent.as_ref().filter(|latent| latent.model == model.info().hash);
        let direction = direction.ok_or_else(|| ModelError::Request {
            option: "attribute",
            value: attribute.name.clone(),
            rule: "it was learned for another model; `rebus attribute --model` learns it for this one"
                .to_string(),
        })?;
        for row in latents.data.chunks_mut(latents.width.max(1)) {
            row.iter_mut()
                .zip(&direction.values)
                .for_each(|(number, value)| *number += *amount as f32 * value);
        }
    }
    Ok(network.decode(&latents, None)?)
}

//! What words change of a picture, and nothing else: the difference of two velocities, of what is said of the picture and of what is to
//! be said of it (Kulikov et al. 2024, algorithm 1); or of captions without something and with it.

use burn::tensor::Tensor;
use rebus_data::Pictures;
use rebus_nn::random::{Purpose, normal_per_seed};

use super::{Guidance, checked_steps, guided, time};
use crate::{Condition, Denoise, ModelError, Observer, capability::Parameterization, modality};

/// How a picture is changed by words.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlowEdit {
    /// Steps of the whole way.
    pub num_inference_steps: usize,
    /// The part of the way to noise from which on they are walked: the more, the more may change.
    pub strength: f64,
    /// Guidance by what is said of the picture.
    pub source_guidance: f32,
    /// Guidance by what is to be said of it.
    pub target_guidance: f32,
    /// Over how much noise the difference is averaged in each step.
    pub averages: usize,
}

impl Default for FlowEdit {
    fn default() -> Self {
        Self {
            num_inference_steps: 50,
            strength: 0.7,
            source_guidance: 1.5,
            target_guidance: 5.5,
            averages: 1,
        }
    }
}

impl FlowEdit {
    /// The usual numbers for [`slide`].
    pub fn slider() -> Self {
        Self { strength: 0.85, target_guidance: 2.5, ..Self::default() }
    }
}

/// What is said of pictures, what is to be said of them, and what neither is like.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    /// Of the pictures as they are.
    pub source: &'a Condition,
    /// Of the pictures as they are to be.
    pub target: &'a Condition,
    /// Nothing, or what to keep away from.
    pub negative: &'a Condition,
}

/// Pictures as other words would have them; a seed a picture.
///
/// # Errors
/// An option out of range, a model that knows no velocity, or an interruption.
pub fn flow_edit<D: Denoise + ?Sized>(
    model: &D,
    pictures: &Pictures,
    seeds: &[u64],
    words: Words<'_>,
    settings: FlowEdit,
    observer: &mut dyn Observer,
) -> Result<Pictures, ModelError> {
    let [source, target] =
        [settings.source_guidance, settings.target_guidance].map(|scale| Guidance::always(scale).check());
    let (source, target) = (source?, target?);
    walk(model, pictures, seeds, settings, observer, |_, time, [of_source, of_target]| {
        let velocity = |x, condition, guidance| guided(model, x, time, [condition, words.negative], guidance);
        Ok(velocity(of_target, words.target, target)? - velocity(of_source, words.source, source)?)
    })
}

/// A slider: captions without something and with it, in pairs, an entry a picture each; and how far to go, below 0 to less of it.
#[derive(Debug, Clone)]
pub struct Slider {
    /// `[without, with]`
    pub contrasts: Vec<[Condition; 2]>,
    /// 1 changes about as much as words do.
    pub amount: f64,
}

/// Pictures moved along what captions with something say beyond those without it, whatever is said of the pictures themselves (after
/// Gandikota et al. 2024, "Concept Sliders", equation 5, without training); a seed a picture. Each moment asks the next contrast.
///
/// # Errors
/// As [`flow_edit`], or a slider without a contrast.
pub fn slide<D: Denoise + ?Sized>(
    model: &D,
    pictures: &Pictures,
    seeds: &[u64],
    sliders: &[Slider],
    settings: FlowEdit,
    observer: &mut dyn Observer,
) -> Result<Pictures, ModelError> {
    if sliders.iter().any(|slider| slider.contrasts.is_empty()) {
        return Err(ModelError::Request {
            option: "attribute",
            value: "no contrast".to_string(),
            rule: "a slider has at least one contrast of captions".to_string(),
        });
    }
    let plain = Guidance::always(1.0);
    let scale = Guidance::always(settings.target_guidance).check()?.scale;
    walk(model, pictures, seeds, settings, observer, |moment, time, [_, of_target]| {
        let mut change = of_target.zeros_like();
        for Slider { contrasts, amount } in sliders {
            let [without, with] = &contrasts[moment % contrasts.len()];
            let velocity = |condition| guided(model, of_target.clone(), time, [condition, condition], plain);
            change = change + (velocity(with)? - velocity(without)?) * (amount * f64::from(scale));
        }
        Ok(change)
    })
}

/// The way of an edit: `change` gives its velocity, of the moment's number, its time, and what the picture and the edited one are under
/// the noise of that moment.
fn walk<D: Denoise + ?Sized>(
    model: &D,
    pictures: &Pictures,
    seeds: &[u64],
    settings: FlowEdit,
    observer: &mut dyn Observer,
    change: impl Fn(usize, f64, [Tensor<4>; 2]) -> Result<Tensor<4>, ModelError>,
) -> Result<Pictures, ModelError> {
    let refuse = |option, value: String, rule: &str| {
        Err(ModelError::Request { option, value, rule: rule.to_string() })
    };
    let steps = checked_steps(settings.num_inference_steps)?;
    if model.parameterization() != Parameterization::Velocity {
        let rule =
            "a model that draws in few long steps knows no moment: edit with the one that it learned from";
        return refuse("model", "a student".to_string(), rule);
    }
    if !(settings.strength > 0.0 && settings.strength <= 1.0) {
        return refuse("strength", settings.strength.to_string(), "it must be above 0 and at most 1");
    }
    if settings.averages == 0 {
        return refuse("averages", "0".to_string(), "it must be at least 1");
    }
    let walked = ((settings.strength * steps as f64).round() as usize).max(1);
    let clean = model.encode(modality::to_tensor(pictures, &model.device()));
    let mut edited = clean.clone();
    for step in steps - walked..steps {
        let (from, to) = (time(step, steps), time(step + 1, steps));
        let mut sum = clean.zeros_like();
        for average in 0..settings.averages {
            let moment = 1 + step * settings.averages + average;
            let noise = normal_per_seed(clean.dims(), seeds, Purpose::Noise, moment as u64, &clean.device());
            let of_source = clean.clone() * (1.0 - from) + noise * from;
            let of_target = of_source.clone() + (edited.clone() - clean.clone());
            sum = sum + change(moment, from, [of_source, of_target])?;
        }
        edited = edited + sum * ((to - from) / settings.averages as f64);
        let done = step + 1 + walked - steps;
        let preview = || modality::from_tensor(model.decode(edited.clone()));
        if observer.step(done, walked, &preview).is_break() {
            return Err(ModelError::Interrupted);
        }
    }
    Ok(modality::from_tensor(model.decode(edited)))
}

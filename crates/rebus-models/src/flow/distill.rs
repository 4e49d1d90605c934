//! How a student of a flow learns to go in one to four long steps where its teacher goes in twenty, with the teacher's guidance in
//! it: it predicts the mean velocity over a step of a length that it is told.

use std::sync::Arc;

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use rebus_data::{Batch, random::below};
use rebus_nn::{
    Init, kernels, named,
    optim::{Learner, Snapshot},
    random::{Key, Purpose, normal},
};
use serde::{Deserialize, Serialize};

use super::{FlowConfig, FlowModel, Moment, VelocityField, objective::logistic_normal, sample::package};
use crate::{
    Losses, Model, ModelError, ModelFolder, Objective, ObjectiveSpec, Package, Step, Which,
    autoencoder::Latents,
    modality,
    objective::scalar,
    reader::{Reader, Said, Saying},
    registry::section,
    sampling::of_both,
};

/// What a recipe calls the model that a student learns from.
pub(super) const TEACHER: &str = "teacher";

/// How far the finite difference of [`Method::MeanFlow`] reaches to both sides.
const REACH: f64 = 0.005;
/// The shortest step that [`Method::Shortcut`] puts together of two halves is one of `2^-FINEST`.
const FINEST: usize = 4;

/// What the mean velocity over a step is learned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Two steps of half the length, by the student's own average (Frans et al. 2024, equation 5).
    #[default]
    Shortcut,
    /// The velocity, and how the mean changes along it (Geng et al. 2025, equations 6 and 11), by finite differences.
    MeanFlow,
}

/// Settings of a student.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DistillConfig {
    /// How long steps are learned.
    pub method: Method,
    /// The guidance of the teacher, which becomes the student's own.
    pub guidance_scale: f32,
    /// The share of a batch that learns steps; the rest learns the teacher's velocity at a moment.
    pub step_share: f64,
    /// As of the flow: where moments are.
    pub time_mean: f64,
    /// And how far they spread.
    pub time_deviation: f64,
    /// How often a caption is left out.
    pub caption_dropout: f32,
}

impl Default for DistillConfig {
    fn default() -> Self {
        Self {
            method: Method::default(),
            guidance_scale: 3.0,
            step_share: 0.5,
            time_mean: 0.0,
            time_deviation: 1.0,
            caption_dropout: 0.05,
        }
    }
}

impl DistillConfig {
    fn validate(&self) -> Result<(), ModelError> {
        let wrong = |field, value: String, rule: &str| {
            Err(ModelError::Config { field, value, rule: rule.to_string() })
        };
        if !(self.guidance_scale.is_finite() && self.guidance_scale >= 0.0) {
            let rule = "it must be a number from 0 up; 1 is no guidance, 3 is a good choice";
            return wrong("objective.guidance_scale", self.guidance_scale.to_string(), rule);
        }
        if !(0.0..1.0).contains(&self.step_share) {
            let rule = "it must be at least 0 and below 1";
            return wrong("objective.step_share", self.step_share.to_string(), rule);
        }
        Ok(())
    }
}

/// The sizes of a student: its teacher's, since it begins with its weights.
///
/// # Errors
/// A teacher of another family, or one that is a student itself; sizes in the recipe, where there is nothing to choose.
pub(super) fn sizes(spec: &ObjectiveSpec) -> Result<FlowConfig, ModelError> {
    let folder = spec.need(TEACHER)?;
    let wrong = |rule: String| {
        let value = folder.place.display().to_string();
        Err(ModelError::Config { field: "needs.teacher", value, rule })
    };
    if folder.family != "flow" {
        return wrong(format!("it must be a model of family `flow`, and is one of `{}`", folder.family));
    }
    if spec.model.as_object().is_some_and(|model| !model.is_empty()) {
        let rule =
            "a student has the sizes of its teacher: leave all but `family` out of [model]".to_string();
        return Err(ModelError::Config { field: "model", value: spec.model.to_string(), rule });
    }
    let config: FlowConfig = section(&folder.config, "config", "flow")?;
    if config.mean_velocity {
        return wrong("it is a student already: name the model that it learned from".to_string());
    }
    config.validate()?;
    Ok(config)
}

/// A student that learns from a frozen teacher.
pub struct DistillObjective<N: VelocityField> {
    learner: Learner<N>,
    /// On a device that does not differentiate.
    teacher: N,
    config: FlowConfig,
    objective: DistillConfig,
    latents: Option<Latents>,
    reader: Reader,
    shown_pictures: f32,
    picture_shape: [usize; 3],
    device: Device,
}

/// What a batch becomes before the student sees it; nothing here differentiates.
struct Example {
    /// `[batch, channel, height, width]`
    x_t: Tensor<4>,
    /// `[batch]`
    times: Vec<f32>,
    /// `[batch]`: 0 for those that learn the velocity of a moment, which come first.
    lengths: Vec<f32>,
    /// How many learn the velocity of a moment.
    moments: usize,
    /// What is said of the batch.
    said: Said,
    /// Nothing, as often.
    nothing: Said,
}

impl<N: VelocityField> DistillObjective<N> {
    /// From a recipe whose `needs.teacher` is a flow: the student begins with its weights, and has its sizes and tokenizer.
    ///
    /// # Errors
    /// A setting that cannot work, no teacher, or one of other pictures.
    pub fn new(spec: &ObjectiveSpec, config: FlowConfig) -> Result<Self, ModelError> {
        let objective: DistillConfig = section(&spec.objective, "objective", "flow")?;
        objective.validate()?;
        let folder = spec.need(TEACHER)?;
        if folder.picture_shape != spec.picture_shape {
            let [channels, height, width] = folder.picture_shape;
            let [found, tall, wide] = spec.picture_shape;
            return Err(ModelError::Config {
                field: "data.image_size",
                value: format!("{wide}x{tall} with {found} channels"),
                rule: format!("the teacher draws {width}x{height} with {channels} channels"),
            });
        }
        let plain = spec.device.clone().inner();
        let reader = super::sample::reader(folder, &config, &plain)?;
        let [channels, ..] = config.drawn_shape(spec.picture_shape)?;
        let teacher = N::new(&config, channels, &mut Init::empty(&plain));
        let teacher = folder.fill(teacher, "network.")?;
        let config = FlowConfig { mean_velocity: true, ..config };
        let student = begun(N::new(&config, channels, &mut Init::new(&spec.device, spec.seed)), folder)?;
        Ok(Self {
            learner: Learner::new("network", student, spec.optimizer.clone(), spec.average),
            teacher,
            latents: latents(folder, &config, spec)?,
            config,
            objective,
            reader,
            shown_pictures: spec.shown_pictures,
            picture_shape: spec.picture_shape,
            device: spec.device.clone(),
        })
    }

    /// Moments, steps, noise and captions of a batch, each sample from streams of its own.
    fn example(&self, batch: &Batch, key: Key, learning: bool) -> Result<Example, ModelError> {
        let (settings, device) = (&self.objective, self.device.clone().inner());
        let pictures = batch.pictures("image")?;
        let pictures = match &self.latents {
            Some(latents) => modality::to_tensor(&latents.of(pictures)?, &device),
            None => modality::to_tensor(pictures, &device),
        };
        let [count, ..] = pictures.dims();
        let steps = (count as f64 * settings.step_share).round() as usize;
        let moments = (count - steps).max(1);
        let (times, lengths): (Vec<f32>, Vec<f32>) =
            (0..count).map(|sample| settings.place(key, sample, sample >= moments)).unzip();
        let saying = Saying {
            caption_dropout: settings.caption_dropout,
            word_dropout: 0.0,
            pictures: self.shown_pictures,
        };
        let said = self.reader.of_batch(batch, key, learning.then_some(saying), &device)?;
        let empty = vec![String::new(); count];
        let nothing = self.reader.texts(&empty, modality::Length::Exactly(said.length()), None, &device)?;
        let noise = normal(pictures.dims(), key, Purpose::Noise, &device);
        let t = Tensor::<1>::from_floats(times.as_slice(), &device).reshape([count, 1, 1, 1]);
        let x_t = pictures.clone() + (noise - pictures) * t;
        Ok(Example { x_t, times, lengths, moments, said, nothing })
    }

    /// The mean velocities that the student is to predict.
    fn target(&self, example: &Example, student: &N) -> Result<Tensor<4>, ModelError> {
        let (count, moments) = (example.times.len(), example.moments);
        if moments == count {
            return self.guided(example, count);
        }
        let device = example.x_t.device();
        let steps = count - moments;
        let x = example.x_t.clone().narrow(0, moments, steps);
        let tensor = |values: &[f32]| Tensor::<1>::from_floats(&values[moments..], &device);
        let (times, lengths) = (tensor(&example.times), tensor(&example.lengths));
        let text = example.said.narrow(moments, steps).embed(student.text())?;
        let mean = |x: Tensor<4>, times: Tensor<1>, lengths: Tensor<1>| {
            student.forward(x, Moment { times, lengths: Some(lengths) }, &text)
        };
        Ok(match self.objective.method {
            Method::Shortcut => {
                Tensor::cat(vec![self.guided(example, moments)?, of_halves(mean, x, times, lengths)], 0)
            }
            Method::MeanFlow => {
                let velocity = self.guided(example, count)?;
                let here = velocity.clone().narrow(0, moments, steps);
                let of_steps = of_slope(mean, x, here, times, lengths);
                Tensor::cat(vec![velocity.narrow(0, 0, moments), of_steps], 0)
            }
        })
    }

    /// The teacher's velocities of the first samples, with guidance.
    fn guided(&self, example: &Example, chosen: usize) -> Result<Tensor<4>, ModelError> {
        let embed = |said: &Said| said.narrow(0, chosen).embed(self.teacher.text());
        let text = embed(&example.said)?.then(&embed(&example.nothing)?);
        let x = example.x_t.clone().narrow(0, 0, chosen);
        let times = Tensor::<1>::from_floats(&example.times[..chosen], &x.device());
        let twice = Moment::at(Tensor::cat(vec![times.clone(), times], 0));
        let both = self.teacher.forward(Tensor::cat(vec![x.clone(), x], 0), twice, &text);
        Ok(of_both(both, self.objective.guidance_scale))
    }

    /// The mean squared error of moments and of steps.
    fn losses(
        &self,
        network: &N,
        example: &Example,
        target: Tensor<4>,
        device: &Device,
    ) -> Result<[Tensor<1>; 2], ModelError> {
        let lift = |x: Tensor<4>| if device.is_autodiff() { Tensor::from_inner(x) } else { x };
        let tensor = |values: &[f32]| Tensor::<1>::from_floats(values, device);
        let (count, moments) = (example.times.len(), example.moments);
        let text = example.said.on(device).embed(network.text())?;
        let moment = Moment { times: tensor(&example.times), lengths: Some(tensor(&example.lengths)) };
        let apart = network.forward(lift(example.x_t.clone()), moment, &text) - lift(target);
        let squares = |from: usize, count: usize| match count {
            0 => Tensor::zeros([1], device),
            _ => kernels::mean(apart.clone().narrow(0, from, count).square()),
        };
        Ok([squares(0, moments), squares(moments, count - moments)])
    }

    fn parts(&self, [moments, steps]: &[Tensor<1>; 2]) -> Losses {
        Losses::from([("velocity".to_string(), scalar(moments)), ("step".to_string(), scalar(steps))])
    }
}

impl DistillConfig {
    /// Where a sample is on its way, and how long its step is.
    fn place(&self, key: Key, sample: usize, is_step: bool) -> (f32, f32) {
        let time = |stream| logistic_normal(self.time_mean, self.time_deviation, key, sample, stream);
        if !is_step {
            return (time(Purpose::Time), 0.0);
        }
        match self.method {
            Method::Shortcut => {
                let mut generator = key.stream(Purpose::Other, sample);
                let steps = 1 << below(&mut generator, FINEST + 1);
                let number = 1 + below(&mut generator, steps);
                (number as f32 / steps as f32, 1.0 / steps as f32)
            }
            Method::MeanFlow => {
                let (one, other) = (time(Purpose::Time), time(Purpose::Other));
                (one.max(other), (one - other).abs())
            }
        }
    }
}

/// The mean velocity over steps, from two of half the length; the halves of the shortest steps are the velocities of moments.
fn of_halves(
    mean: impl Fn(Tensor<4>, Tensor<1>, Tensor<1>) -> Tensor<4>,
    x: Tensor<4>,
    times: Tensor<1>,
    lengths: Tensor<1>,
) -> Tensor<4> {
    let half = lengths / 2.0;
    let shortest = 0.75 / f64::from(1u32 << FINEST);
    let told = half.clone() * half.clone().greater_elem(shortest).float();
    let first = mean(x.clone(), times.clone(), told.clone());
    let there = x - first.clone() * along(half.clone());
    (first + mean(there, times - half, told)) / 2.0
}

/// The mean velocity over steps, from the velocity at their beginnings and the slope of the mean along it, their ends staying where
/// they are.
fn of_slope(
    mean: impl Fn(Tensor<4>, Tensor<1>, Tensor<1>) -> Tensor<4>,
    x: Tensor<4>,
    velocity: Tensor<4>,
    times: Tensor<1>,
    lengths: Tensor<1>,
) -> Tensor<4> {
    let at = |by: f64| mean(x.clone() + velocity.clone() * by, times.clone() + by, lengths.clone() + by);
    let slope = (at(REACH) - at(-REACH)) / (2.0 * REACH);
    velocity.clone() - slope * along(lengths)
}

/// A number for each picture of a batch, `[batch, 1, 1, 1]`.
fn along(values: Tensor<1>) -> Tensor<4> {
    let count = values.dims()[0];
    values.reshape([count, 1, 1, 1])
}

/// A student with its teacher's weights; what it has besides stays as it is.
fn begun<N: Module>(student: N, teacher: &ModelFolder) -> Result<N, ModelError> {
    let mut weights = named::collect(&student, "network.");
    let known = teacher.weights.iter().filter(|(name, _)| name.starts_with("network."));
    weights.extend(known.map(|(name, data)| (name.clone(), data.clone())));
    named::replace(student, "network.", &weights)
        .map_err(|mismatch| ModelError::Mismatch { place: teacher.place.display().to_string(), mismatch })
}

/// What makes latents, where the teacher draws them.
fn latents(
    teacher: &ModelFolder,
    config: &FlowConfig,
    spec: &ObjectiveSpec,
) -> Result<Option<Latents>, ModelError> {
    let Some(sizes) = &config.latents else { return Ok(None) };
    let prefix = super::sample::AUTOENCODER;
    Ok(Some(Latents::within(teacher, prefix, sizes, spec.cache.clone(), &spec.device.clone().inner())?))
}

impl<N: VelocityField> Objective for DistillObjective<N> {
    fn step(&mut self, batches: &[Batch], step: &Step) -> Result<Losses, ModelError> {
        let mut sums = Losses::new();
        let mut first = 0;
        let average = self.learner.average();
        for batch in batches {
            let key = Key { seed: step.seed, step: step.number, first };
            let example = self.example(batch, key, true)?;
            let target = self.target(&example, &average)?;
            let losses = self.losses(&self.learner.module, &example, target, &self.device)?;
            for (name, value) in self.parts(&losses) {
                *sums.entry(name).or_default() += value / batches.len() as f64;
            }
            let [moments, steps] = losses;
            self.learner.backward(&((moments + steps) / batches.len() as f64));
            first += batch.len() as u64;
        }
        self.learner.update(step.learning_rate);
        Ok(sums)
    }

    fn evaluate(&mut self, batch: &Batch, step: &Step) -> Result<Losses, ModelError> {
        let key = Key { seed: step.seed, step: step.number, first: 0 };
        let example = self.example(batch, key, false)?;
        let average = self.learner.average();
        let target = self.target(&example, &average)?;
        let losses = self.losses(&average, &example, target, &self.device.clone().inner())?;
        Ok(self.parts(&losses))
    }

    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        self.learner.save(&mut snapshot);
        snapshot
    }

    fn restore(&mut self, snapshot: &Snapshot, _state: &serde_json::Value) -> Result<(), ModelError> {
        self.learner.load(snapshot).map_err(ModelError::checkpoint)
    }

    fn model(&self, which: Which) -> Arc<dyn Model> {
        let autoencoder = self.latents.as_ref().map(|latents| latents.autoencoder.clone());
        let (config, reader) = (self.config.clone(), self.reader.clone());
        let network = self.learner.network(which);
        Arc::new(FlowModel::new(network, config, autoencoder, reader, self.picture_shape))
    }

    fn package(&self, which: Which) -> Package {
        let weights = self.learner.weights(which);
        package(weights, &self.config, self.latents.as_ref(), &self.reader, self.picture_shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where `dx/dt = x`, a step of length d goes from x to `x e^-d`.
    fn mean(x: Tensor<4>, _: Tensor<1>, lengths: Tensor<1>) -> Tensor<4> {
        let shrunk = (1.0 - (-lengths.clone()).exp()) / lengths.clone().clamp_min(1e-6);
        let moment = lengths.lower_elem(1e-5).float();
        x * along(shrunk * (1.0 - moment.clone()) + moment)
    }

    fn apart(lengths: &[f32], target: impl Fn(Tensor<4>, Tensor<1>, Tensor<1>) -> Tensor<4>) -> f32 {
        let (device, count) = (Device::flex(), lengths.len());
        let lengths = Tensor::<1>::from_floats(lengths, &device);
        let x: Vec<f32> = (0..count).map(|sample| 0.5 + sample as f32 * 0.3).collect();
        let x = Tensor::<1>::from_floats(x.as_slice(), &device).reshape([count, 1, 1, 1]);
        let times = Tensor::ones([count], &device);
        let found = target(x.clone(), times.clone(), lengths.clone());
        let apart = (found - mean(x, times, lengths)).abs().max();
        apart.into_scalar::<f32>()
    }

    #[test]
    fn the_true_mean_velocity_is_what_both_methods_ask_for() {
        // The halves of the shortest step are moments: as two steps of Euler's method it is off by a quarter of its length here.
        assert!(apart(&[1.0, 0.5, 0.125], |x, t, d| of_halves(mean, x, t, d)) < 1e-6);
        let shortest = apart(&[0.0625], |x, t, d| of_halves(mean, x, t, d));
        assert!((0.004..0.02).contains(&shortest), "{shortest}");
        assert!(apart(&[0.9, 0.5, 0.1], |x, t, d| of_slope(mean, x.clone(), x, t, d)) < 1e-4);
    }

    #[test]
    fn any_other_is_pulled_towards_it() {
        let half = |x: Tensor<4>, t: Tensor<1>, d: Tensor<1>| mean(x, t, d) * 0.5;
        assert!(apart(&[1.0, 0.5], |x, t, d| of_halves(half, x, t, d)) > 0.1);
        assert!(apart(&[0.9, 0.5], |x, t, d| of_slope(half, x.clone(), x, t, d)) > 0.05);
    }

    #[test]
    fn steps_lie_between_noise_and_picture() {
        for method in [Method::Shortcut, Method::MeanFlow] {
            let settings = DistillConfig { method, ..DistillConfig::default() };
            let mut longest = 0.0f32;
            for sample in 0..500 {
                let key = Key { seed: 1, step: 2, first: 0 };
                let (time, length) = settings.place(key, sample, true);
                assert!(length >= 0.0 && time <= 1.0 && time - length >= -1e-6, "{time} {length}");
                longest = longest.max(length);
                let (time, length) = settings.place(key, sample, false);
                assert!((0.0..=1.0).contains(&time) && length == 0.0);
            }
            assert!(longest > 0.6, "{method:?}: {longest}");
        }
    }
}

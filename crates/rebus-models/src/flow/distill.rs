//! How a student of a flow learns to go in one, two, four or eight steps where its teacher goes in twenty, with the teacher's
//! guidance in it: a shortcut model (Frans et al. 2024). It predicts the mean velocity over a step of a length that it is told. Of
//! the shortest steps it learns that from its teacher, of each longer one from two of its own of half the length.

use std::sync::Arc;

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use rebus_data::{Batch, random::below};
use rebus_nn::{
    Init, graph, kernels, named,
    optim::{Learner, Remember},
    random::{Key, Purpose, normal},
};
use serde::{Deserialize, Serialize};

use super::{FlowConfig, FlowModel, Moment, VelocityField, sample::package};
use crate::{
    Losses, Model, ModelError, ModelFolder, Objective, ObjectiveSpec, Package, Step, Which,
    autoencoder::{Latents, drawn},
    modality,
    objective::scalar,
    reader::{Reader, Said, Saying},
    registry::section,
    sampling::of_both,
};

/// What a recipe calls the model that a student learns from.
pub(super) const TEACHER: &str = "teacher";

/// Numbers of steps that a student learns to take, the fewest first.
pub(super) const STEPS: [usize; 4] = [1, 2, 4, 8];

/// Settings of a student.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DistillConfig {
    /// The guidance of the teacher, which becomes the student's own.
    pub guidance_scale: f32,
    /// The share of a batch that learns the shortest steps, from the teacher; the rest learns longer ones.
    pub teacher_share: f64,
    /// How often a caption is left out.
    pub caption_dropout: f32,
}

impl Default for DistillConfig {
    fn default() -> Self {
        Self { guidance_scale: 3.0, teacher_share: 0.5, caption_dropout: 0.05 }
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
        if !(0.0..=1.0).contains(&self.teacher_share) || self.teacher_share == 0.0 {
            let rule = "it must be above 0, and at most 1";
            return wrong("objective.teacher_share", self.teacher_share.to_string(), rule);
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
    if config.from_source {
        return wrong(
            "it makes pictures of others; a student learns from one that draws by words alone".to_string(),
        );
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
    /// `[batch]`; the shortest come first.
    lengths: Vec<f32>,
    /// How many learn the shortest.
    taught: usize,
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
        let reader = Reader::of_folder(folder, config.encoder.as_ref(), config.text.context, &plain)?;
        let [channels, ..] = config.drawn_shape(spec.picture_shape)?;
        let teacher = N::new(&config, channels, &mut Init::empty(&plain));
        let teacher = folder.fill(teacher, "network.")?;
        let config = FlowConfig { mean_velocity: true, ..config };
        let student = begun(N::new(&config, channels, &mut spec.init()), folder)?;
        Ok(Self {
            learner: spec.learner("network", student),
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

    /// Steps, noise and captions of a batch, each sample from streams of its own.
    fn example(&self, batch: &Batch, key: Key, learning: bool) -> Result<Example, ModelError> {
        let (settings, device) = (&self.objective, self.device.clone().inner());
        let pictures = drawn(self.latents.as_ref(), (batch, "image"), &device)?;
        let [count, ..] = pictures.dims();
        let taught = ((count as f64 * settings.teacher_share).round() as usize).clamp(1, count);
        let (times, lengths): (Vec<f32>, Vec<f32>) =
            (0..count).map(|sample| place(key, sample, sample < taught)).unzip();
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
        Ok(Example { x_t, times, lengths, taught, said, nothing })
    }

    /// The mean velocities that the student is to predict.
    fn target(&self, example: &Example, student: &N) -> Result<Tensor<4>, ModelError> {
        let (count, taught) = (example.times.len(), example.taught);
        let part = |from: usize, count: usize| {
            let values =
                |all: &[f32]| Tensor::<1>::from_floats(&all[from..from + count], &example.x_t.device());
            let x = example.x_t.clone().narrow(0, from, count);
            (x, values(&example.times), values(&example.lengths))
        };
        let (x, times, lengths) = part(0, taught);
        let embed = |said: &Said| said.narrow(0, taught).embed(self.teacher.text());
        let text = embed(&example.said)?.then(&embed(&example.nothing)?);
        let velocity = |x: Tensor<4>, times: Tensor<1>| {
            let twice = Moment::at(Tensor::cat(vec![times.clone(), times], 0));
            let both = self.teacher.forward(Tensor::cat(vec![x.clone(), x], 0), twice, &text);
            of_both(both, self.objective.guidance_scale)
        };
        let shortest = halfway(velocity, x, times, lengths);
        if taught == count {
            return Ok(shortest);
        }
        let (x, times, lengths) = part(taught, count - taught);
        let text = example.said.narrow(taught, count - taught).embed(student.text())?;
        let mean = |x: Tensor<4>, times: Tensor<1>, lengths: Tensor<1>| {
            student.forward(x, Moment { times, lengths: Some(lengths) }, &text)
        };
        Ok(Tensor::cat(vec![shortest, of_halves(mean, x, times, lengths)], 0))
    }

    /// The mean squared error of the shortest steps and of the others.
    fn losses(
        &self,
        network: &N,
        example: &Example,
        target: Tensor<4>,
        device: &Device,
    ) -> Result<[Tensor<1>; 2], ModelError> {
        let lift = |x: Tensor<4>| graph::constant(x, device);
        let tensor = |values: &[f32]| Tensor::<1>::from_floats(values, device);
        let (count, taught) = (example.times.len(), example.taught);
        let text = example.said.on(device).embed(network.text())?;
        let moment = Moment { times: tensor(&example.times), lengths: Some(tensor(&example.lengths)) };
        let apart = network.forward(lift(example.x_t.clone()), moment, &text) - lift(target);
        let squares = |from: usize, count: usize| match count {
            0 => Tensor::zeros([1], device),
            _ => kernels::mean(apart.clone().narrow(0, from, count).square()),
        };
        Ok([squares(0, taught), squares(taught, count - taught)])
    }

    fn parts(&self, [taught, longer]: &[Tensor<1>; 2]) -> Losses {
        Losses::from([("taught".to_string(), scalar(taught)), ("longer".to_string(), scalar(longer))])
    }
}

/// Where a sample's step begins, and how long it is: a part of the way, between two parts of it.
fn place(key: Key, sample: usize, shortest: bool) -> (f32, f32) {
    let mut generator = key.stream(Purpose::Time, sample);
    let most = STEPS.len() - 1;
    let steps = STEPS[if shortest { most } else { below(&mut generator, most) }];
    let number = 1 + below(&mut generator, steps);
    (number as f32 / steps as f32, 1.0 / steps as f32)
}

/// The mean velocity over short steps: that in their midst.
fn halfway(
    velocity: impl Fn(Tensor<4>, Tensor<1>) -> Tensor<4>,
    x: Tensor<4>,
    times: Tensor<1>,
    lengths: Tensor<1>,
) -> Tensor<4> {
    let half = lengths / 2.0;
    let there = x.clone() - velocity(x, times.clone()) * along(half.clone());
    velocity(there, times - half)
}

/// The mean velocity over steps, from two of half the length.
fn of_halves(
    mean: impl Fn(Tensor<4>, Tensor<1>, Tensor<1>) -> Tensor<4>,
    x: Tensor<4>,
    times: Tensor<1>,
    lengths: Tensor<1>,
) -> Tensor<4> {
    let half = lengths / 2.0;
    let first = mean(x.clone(), times.clone(), half.clone());
    let there = x - first.clone() * along(half.clone());
    (first + mean(there, times - half.clone(), half)) / 2.0
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
            let [taught, longer] = losses;
            self.learner.backward(&((taught + longer) / batches.len() as f64));
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

    fn learners(&self) -> Vec<&dyn Remember> {
        vec![&self.learner]
    }

    fn learners_mut(&mut self) -> Vec<&mut dyn Remember> {
        vec![&mut self.learner]
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
        x * along((1.0 - (-lengths.clone()).exp()) / lengths)
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
    fn the_true_mean_velocity_is_what_is_asked_for_and_any_other_is_pulled_towards_it() {
        assert!(apart(&[1.0, 0.5, 0.25], |x, t, d| of_halves(mean, x, t, d)) < 1e-6);
        let half = |x: Tensor<4>, t: Tensor<1>, d: Tensor<1>| mean(x, t, d) * 0.5;
        assert!(apart(&[1.0, 0.5], |x, t, d| of_halves(half, x, t, d)) > 0.1);
        // The midst of a step of length d is off by d squared over 24 here.
        let teacher = |x: Tensor<4>, _: Tensor<1>| x;
        let off = |length: f32| apart(&[length], |x, t, d| halfway(teacher, x, t, d));
        let (eighth, sixteenth) = (off(0.125), off(0.0625));
        assert!(eighth < 2e-3 && sixteenth < eighth / 3.5, "{eighth} {sixteenth}");
    }

    #[test]
    fn steps_begin_and_end_at_parts_of_the_way() {
        let mut longest = 0.0f32;
        for sample in 0..500 {
            let key = Key { seed: 1, step: 2, first: 0 };
            let (time, length) = place(key, sample, sample % 2 == 0);
            let (number, steps) = (time / length, 1.0 / length);
            assert!((1.0..=steps).contains(&number) && number.fract() == 0.0, "{time} {length}");
            assert_eq!(length == 0.125, sample % 2 == 0);
            longest = longest.max(length);
        }
        assert_eq!(longest, 1.0);
    }
}

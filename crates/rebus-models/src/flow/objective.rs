//! How the flow learns: the velocity of the straight path from a picture to noise, at random times.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use rebus_data::{Batch, SOURCE, random::uniform};
use rebus_nn::{
    kernels,
    optim::{Learner, Remember},
    random::{Key, Purpose, normal},
};

use super::{FlowConfig, FlowModel, FlowObjectiveConfig, Moment, VelocityField, sample::package};
use crate::{
    Losses, Model, ModelError, Objective, ObjectiveSpec, Package, Step, Which,
    autoencoder::{Latents, drawn},
    objective::scalar,
    reader::{Reader, Said, Saying},
    registry::section,
};

/// What the recipe calls the model in whose latents the flow draws.
const AUTOENCODER: &str = "autoencoder";

/// Flow matching with captions.
pub struct FlowObjective<N: VelocityField> {
    learner: Learner<N>,
    config: FlowConfig,
    objective: FlowObjectiveConfig,
    /// Where it draws latents, what makes them of pictures.
    latents: Option<Latents>,
    reader: Reader,
    shown_pictures: f32,
    picture_shape: [usize; 3],
    device: Device,
}

/// What a batch becomes before the network sees it.
#[derive(Debug, Clone)]
pub struct FlowExample {
    /// `[batch, channel, height, width]`
    pub x_t: Tensor<4>,
    /// The velocity to predict, the same shape.
    pub velocity: Tensor<4>,
    /// `[batch]`
    pub times: Tensor<1>,
    /// The pictures themselves, or their latents.
    pub pictures: Tensor<4>,
    /// What they are to be made of, or latents of it, for networks that are shown it.
    pub source: Option<Tensor<4>>,
    /// What is said of them.
    pub said: Said,
}

impl FlowExample {
    /// The mean squared error of the velocity; and, where `pair_weight` is above 0, the mean absolute difference
    /// between the picture and what one step from `x_t` gives.
    ///
    /// # Errors
    /// Tokens for a network without a text encoder.
    pub fn losses(
        self,
        network: &impl VelocityField,
        pair_weight: f64,
    ) -> Result<(Tensor<1>, Option<Tensor<1>>), ModelError> {
        let text = self.said.embed(network.text())?;
        let shown = beside(self.x_t.clone(), self.source);
        let predicted = network.forward(shown, Moment::at(self.times.clone()), &text);
        let velocity = kernels::mean((predicted.clone() - self.velocity).square());
        let pair = (pair_weight > 0.0).then(|| {
            let count = self.times.dims()[0];
            let ahead = self.x_t - predicted * self.times.reshape([count, 1, 1, 1]);
            kernels::mean((ahead - self.pictures).abs())
        });
        Ok((velocity, pair))
    }
}

/// What a network is shown: a noisy picture, and behind its channels those of a source.
pub(super) fn beside(x_t: Tensor<4>, source: Option<Tensor<4>>) -> Tensor<4> {
    match source {
        Some(source) => Tensor::cat(vec![x_t, source], 1),
        None => x_t,
    }
}

/// Whether a uniform number that leaves the caption out where it is below `caption_dropout` leaves out the source: from the middle of
/// those on.
fn source_left_out(number: f32, caption_dropout: f32, source_dropout: f32) -> bool {
    let first = caption_dropout / 2.0;
    (first..first + source_dropout).contains(&number)
}

/// A time: the logistic function of a normal number (Esser et al. 2024, equation 19).
fn logistic_normal(mean: f64, deviation: f64, key: Key, sample: usize) -> f32 {
    let mut normal = [0.0f32];
    rebus_data::random::fill_normal(&mut key.stream(Purpose::Time, sample), &mut normal);
    let logit = mean + deviation * f64::from(normal[0]);
    (1.0 / (1.0 + (-logit).exp())) as f32
}

impl<N: VelocityField> FlowObjective<N> {
    /// From a recipe.
    ///
    /// # Errors
    /// A setting that cannot work, or no tokenizer.
    pub fn new(spec: &ObjectiveSpec, mut config: FlowConfig) -> Result<Self, ModelError> {
        let objective: FlowObjectiveConfig = section(&spec.objective, "objective", "flow")?;
        objective.validate()?;
        let reader = Reader::new(spec, config.text.context)?;
        if spec.pairs && reader.frozen().is_some() && spec.shown_pictures > 0.0 {
            return Err(ModelError::Config {
                field: "condition.pictures",
                value: spec.shown_pictures.to_string(),
                rule: "with [data.source] it must be 0: what is shown would be the very picture that is to be drawn"
                    .to_string(),
            });
        }
        config.encoder = reader.frozen().map(|frozen| frozen.config().clone());
        if config.from_source {
            spec.require_pairs()?;
        }
        config.from_source = spec.pairs;
        config.text.vocabulary = reader.tokenizer().vocab_size();
        let latents = match spec.needs.contains_key(AUTOENCODER) || config.latents.is_some() {
            true => Some(Latents::new(
                spec.need(AUTOENCODER)?,
                spec.picture_shape[0],
                spec.cache.clone(),
                &spec.device.clone().inner(),
            )?),
            false => None,
        };
        config.latents = latents.as_ref().map(|latents| latents.config.clone());
        config.validate()?;
        let [channels, ..] = config.drawn_shape(spec.picture_shape)?;
        let network = N::new(&config, channels, &mut spec.init());
        let learner = spec.learner("network", network);
        let (picture_shape, device) = (spec.picture_shape, spec.device.clone());
        Ok(Self {
            learner,
            config,
            objective,
            latents,
            reader,
            shown_pictures: spec.shown_pictures,
            picture_shape,
            device,
        })
    }

    /// Noise, times and captions of a batch, each sample from streams of its own.
    fn example(
        &self,
        batch: &Batch,
        key: Key,
        learning: bool,
        device: &Device,
    ) -> Result<FlowExample, ModelError> {
        let settings = &self.objective;
        let pictures = drawn(self.latents.as_ref(), (batch, "image"), device)?;
        let [count, ..] = pictures.dims();
        let time = |sample| {
            let (mean, deviation) = (settings.time_mean, settings.time_deviation);
            logistic_normal(mean, deviation, key, sample)
        };
        let times: Vec<f32> = (0..count).map(time).collect();
        let saying = Saying {
            caption_dropout: settings.caption_dropout,
            word_dropout: settings.word_dropout,
            pictures: self.shown_pictures,
        };
        let said = self.reader.of_batch(batch, key, learning.then_some(saying), device)?;
        let source = match self.config.from_source {
            true => Some(self.source(batch, key, learning, device)?),
            false => None,
        };
        let noise = normal(pictures.dims(), key, Purpose::Noise, device);
        let times = Tensor::<1>::from_floats(times.as_slice(), device);
        let t = times.clone().reshape([count, 1, 1, 1]);
        let x_t = pictures.clone() + (noise.clone() - pictures.clone()) * t;
        Ok(FlowExample { x_t, velocity: noise - pictures.clone(), times, pictures, source, said })
    }

    /// The sources of a batch; while learning, nothing but zeros in the place of some.
    fn source(
        &self,
        batch: &Batch,
        key: Key,
        learning: bool,
        device: &Device,
    ) -> Result<Tensor<4>, ModelError> {
        let sources = drawn(self.latents.as_ref(), (batch, SOURCE), device)?;
        if !learning {
            return Ok(sources);
        }
        let FlowObjectiveConfig { caption_dropout, source_dropout, .. } = self.objective;
        let kept = |sample: usize| {
            // The number that leaves captions out.
            let number = uniform(&mut key.stream(Purpose::Caption, sample));
            f32::from(!source_left_out(number, caption_dropout, source_dropout))
        };
        let kept: Vec<f32> = (0..batch.len()).map(kept).collect();
        Ok(sources * Tensor::<1>::from_floats(kept.as_slice(), device).reshape([batch.len(), 1, 1, 1]))
    }

    /// The loss to minimise, and its parts by name.
    fn loss(&self, network: &N, example: FlowExample) -> Result<(Tensor<1>, Losses), ModelError> {
        let weight = self.objective.pair_weight;
        let (velocity, pair) = example.losses(network, weight)?;
        let mut losses = Losses::from([("velocity".to_string(), scalar(&velocity))]);
        if let Some(pair) = &pair {
            losses.insert("pair".to_string(), scalar(pair));
        }
        Ok((pair.into_iter().fold(velocity, |total, pair| total + pair * weight), losses))
    }
}

impl<N: VelocityField> Objective for FlowObjective<N> {
    fn step(&mut self, batches: &[Batch], step: &Step) -> Result<Losses, ModelError> {
        let mut sums = Losses::new();
        let mut first = 0;
        for batch in batches {
            let key = Key { seed: step.seed, step: step.number, first };
            let example = self.example(batch, key, true, &self.device)?;
            let (loss, losses) = self.loss(&self.learner.module, example)?;
            self.learner.backward(&(loss / batches.len() as f64));
            for (name, value) in losses {
                *sums.entry(name).or_default() += value / batches.len() as f64;
            }
            first += batch.len() as u64;
        }
        self.learner.update(step.learning_rate);
        Ok(sums)
    }

    fn evaluate(&mut self, batch: &Batch, step: &Step) -> Result<Losses, ModelError> {
        let key = Key { seed: step.seed, step: step.number, first: 0 };
        let example = self.example(batch, key, false, &self.device.clone().inner())?;
        Ok(self.loss(&self.learner.average(), example)?.1)
    }

    fn learners(&self) -> Vec<&dyn Remember> {
        vec![&self.learner]
    }

    fn learners_mut(&mut self) -> Vec<&mut dyn Remember> {
        vec![&mut self.learner]
    }

    fn model(&self, which: Which) -> Arc<dyn Model> {
        let network = self.learner.network(which);
        let autoencoder = self.latents.as_ref().map(|latents| latents.autoencoder.clone());
        let (config, reader) = (self.config.clone(), self.reader.clone());
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

    #[test]
    fn captions_sources_and_both_are_left_out_as_often() {
        let of = |number: u16| (f32::from(number) + 0.5) / 1000.0;
        let count = |left_out: fn(bool, bool) -> bool| {
            let said = |number: &u16| left_out(of(*number) < 0.1, source_left_out(of(*number), 0.1, 0.1));
            (0..1000).filter(said).count()
        };
        let found = [count(|caption, source| caption && !source), count(|caption, source| caption && source)];
        assert_eq!((found, count(|caption, source| source && !caption)), ([50, 50], 50));
    }
}

//! How the flow learns: the velocity of the straight path from a picture to noise, at random times.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use rebus_data::{Batch, Tokenizer, random::uniform};
use rebus_nn::{
    Init,
    optim::{Learner, Snapshot},
    random::{Key, Purpose, normal},
};

use super::{FlowConfig, FlowModel, FlowNetwork, FlowObjectiveConfig};
use crate::{
    Losses, Model, ModelError, Objective, ObjectiveSpec, Package, Step, Which, modality, registry::section,
};

/// Flow matching with captions.
pub struct FlowObjective {
    learner: Learner<FlowNetwork>,
    config: FlowConfig,
    objective: FlowObjectiveConfig,
    tokenizer: Arc<Tokenizer>,
    picture_shape: [usize; 3],
    device: Device,
}

/// What a batch becomes before the network sees it.
struct Example {
    /// `[batch, channel, height, width]`
    x_t: Tensor<4>,
    /// The velocity to predict, the same shape.
    velocity: Tensor<4>,
    /// `[batch]`
    times: Tensor<1>,
    /// The pictures themselves.
    pictures: Tensor<4>,
    captions: modality::TextTokens,
}

impl FlowObjective {
    /// From a recipe.
    ///
    /// # Errors
    /// A setting that cannot work, or no tokenizer.
    pub fn new(spec: &ObjectiveSpec) -> Result<Self, ModelError> {
        let mut config: FlowConfig = section(&spec.model, "model", "flow")?;
        let objective: FlowObjectiveConfig = section(&spec.objective, "objective", "flow")?;
        let tokenizer = spec.tokenizer.clone().ok_or_else(|| ModelError::Config {
            field: "tokenizer",
            value: "none".to_string(),
            rule: "the flow reads captions, and so needs a tokenizer".to_string(),
        })?;
        config.text.vocabulary = tokenizer.vocab_size();
        config.validate()?;
        let [channels, height, width] = spec.picture_shape;
        config.validate_size(height, width)?;
        let network = FlowNetwork::new(&config, channels, &mut Init::new(&spec.device, spec.seed));
        let learner = Learner::new("network", network, spec.optimizer.clone(), spec.average);
        let (picture_shape, device) = (spec.picture_shape, spec.device.clone());
        Ok(Self { learner, config, objective, tokenizer, picture_shape, device })
    }

    /// Noise, times and captions of a batch, each sample from streams of its own.
    fn example(&self, batch: &Batch, key: Key, learning: bool, device: &Device) -> Result<Example, ModelError> {
        let settings = &self.objective;
        let pictures = modality::to_tensor(batch.pictures("image")?, device);
        let [count, ..] = pictures.dims();
        let times: Vec<f32> = (0..count)
            .map(|sample| {
                let mut normal = [0.0f32];
                rebus_data::random::fill_normal(&mut key.stream(Purpose::Time, sample), &mut normal);
                let logit = settings.time_mean + settings.time_deviation * f64::from(normal[0]);
                (1.0 / (1.0 + (-logit).exp())) as f32
            })
            .collect();
        let mut captions = batch.texts("text")?.to_vec();
        if learning {
            for (sample, caption) in captions.iter_mut().enumerate() {
                if uniform(&mut key.stream(Purpose::Caption, sample)) < settings.caption_dropout {
                    caption.clear();
                }
            }
        }
        let dropout = learning.then_some((settings.word_dropout, key));
        let captions = modality::tokenize(&self.tokenizer, &captions, self.config.text.context, dropout, device)?;

        let noise = normal(pictures.dims(), key, Purpose::Noise, device);
        let times = Tensor::<1>::from_floats(times.as_slice(), device);
        let t = times.clone().reshape([count, 1, 1, 1]);
        let x_t = pictures.clone() + (noise.clone() - pictures.clone()) * t;
        Ok(Example { x_t, velocity: noise - pictures.clone(), times, pictures, captions })
    }

    /// The loss to minimise, and its parts by name.
    fn loss(&self, network: &FlowNetwork, example: Example) -> (Tensor<1>, Losses) {
        let text = network.text.forward(example.captions);
        let predicted = network.forward(example.x_t.clone(), example.times.clone(), &text);
        let velocity = (predicted.clone() - example.velocity).square().mean();
        let mut losses = Losses::from([("velocity".to_string(), scalar(&velocity))]);
        let mut total = velocity;
        if self.objective.pair_weight > 0.0 {
            let count = example.times.dims()[0];
            let ahead = example.x_t - predicted * example.times.reshape([count, 1, 1, 1]);
            let pair = (ahead - example.pictures).abs().mean();
            losses.insert("pair".to_string(), scalar(&pair));
            total = total + pair * self.objective.pair_weight;
        }
        (total, losses)
    }
}

fn scalar(tensor: &Tensor<1>) -> f64 {
    f64::from(tensor.clone().into_scalar::<f32>())
}

impl Objective for FlowObjective {
    fn step(&mut self, batches: &[Batch], step: &Step) -> Result<Losses, ModelError> {
        let mut sums = Losses::new();
        let mut first = 0;
        for batch in batches {
            let key = Key { seed: step.seed, step: step.number, first };
            let example = self.example(batch, key, true, &self.device)?;
            let (loss, losses) = self.loss(&self.learner.module, example);
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
        Ok(self.loss(&self.learner.average(), example).1)
    }

    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        self.learner.save(&mut snapshot);
        snapshot
    }

    fn restore(&mut self, snapshot: &Snapshot, _state: &serde_json::Value) -> Result<(), ModelError> {
        self.learner
            .load(snapshot)
            .map_err(|mismatch| ModelError::Mismatch { place: "the checkpoint".to_string(), mismatch })
    }

    fn model(&self, which: Which) -> Arc<dyn Model> {
        let network = match which {
            Which::Raw => self.learner.raw(),
            Which::Average => self.learner.average(),
        };
        Arc::new(FlowModel::new(network, self.config.clone(), self.picture_shape, self.tokenizer.clone()))
    }

    fn package(&self, which: Which) -> Package {
        let snapshot = self.snapshot();
        let weights = match which {
            Which::Raw => snapshot.weights,
            Which::Average => snapshot.average,
        };
        let config = serde_json::json!(self.config);
        let package = Package::new("flow", config, self.picture_shape, weights);
        Package { tokenizer: Some(self.tokenizer.clone()), ..package }
    }
}

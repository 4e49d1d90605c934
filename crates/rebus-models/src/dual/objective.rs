//! How the towers learn: one loss over all micro-batches of a step together, whose gradient is kept at the embeddings
//! (Gao et al. 2021), so that more pairs are told apart than memory has room for.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use rebus_data::{
    Batch, Tokenizer,
    random::{below, uniform},
};
use rebus_nn::{
    graph,
    optim::{Learner, Remember},
    random::{Key, Purpose},
};
use unicode_segmentation::UnicodeSegmentation;

use super::{DualConfig, DualModel, DualNetwork, DualObjectiveConfig, Pairs, contrastive_loss};
use crate::{
    Losses, Model, ModelError, Objective, ObjectiveSpec, Package, Step, Which,
    modality::{self, TextTokens},
    objective::scalar,
    registry::section,
};

/// Pairs of pictures and captions, told from all others.
pub struct DualObjective {
    learner: Learner<DualNetwork>,
    config: DualConfig,
    objective: DualObjectiveConfig,
    tokenizer: Arc<Tokenizer>,
    picture_shape: [usize; 3],
    device: Device,
}

/// A micro-batch: its pictures, their captions, and texts that are nobody's.
struct Part {
    pictures: Tensor<4>,
    /// The captions' tokens, then the others'.
    tokens: TextTokens,
    captions: Vec<String>,
    others: Vec<String>,
}

/// Embeddings of a micro-batch.
struct Rows {
    pictures: Tensor<2>,
    texts: Tensor<2>,
}

impl DualObjective {
    /// From a recipe.
    ///
    /// # Errors
    /// A setting that cannot work, or no tokenizer.
    pub fn new(spec: &ObjectiveSpec) -> Result<Self, ModelError> {
        let mut config: DualConfig = section(&spec.model, "model", super::FAMILY.name)?;
        let objective: DualObjectiveConfig = section(&spec.objective, "objective", super::FAMILY.name)?;
        let tokenizer = spec.require_tokenizer()?;
        if config.sound.is_some() {
            return Err(ModelError::Config {
                field: "model.sound",
                value: "given".to_string(),
                rule: "sounds are bound to towers that are there: name them as [needs.towers], as emoji-dual-sound does".to_string(),
            });
        }
        config.text.vocabulary = tokenizer.vocab_size();
        config.validate()?;
        objective.validate()?;
        let [channels, height, width] = spec.picture_shape;
        config.picture.validate_size(height, width)?;
        let network = DualNetwork::new(&config, channels, &mut spec.init());
        let learner = spec.learner("network", network);
        let (picture_shape, device) = (spec.picture_shape, spec.device.clone());
        Ok(Self { learner, config, objective, tokenizer, picture_shape, device })
    }

    fn part(&self, batch: &Batch, key: Key, learning: bool, device: &Device) -> Result<Part, ModelError> {
        let captions = batch.texts("text")?.to_vec();
        let others = match learning {
            true => hard_negatives(&captions, self.objective.hard_negatives, key),
            false => vec![],
        };
        let all: Vec<String> = captions.iter().chain(&others).cloned().collect();
        let tokens = modality::tokenize(
            &self.tokenizer,
            &all,
            modality::Length::Longest(self.config.text.context),
            learning.then_some((self.objective.word_dropout, key)),
            device,
        )?;
        let pictures = modality::to_tensor(batch.pictures("image")?, device);
        Ok(Part { pictures, tokens, captions, others })
    }

    /// The loss of some micro-batches together.
    fn loss(&self, parts: &[Part], rows: Vec<Rows>, scale: Tensor<1>, bias: Tensor<1>) -> Tensor<1> {
        let (mut pictures, mut own, mut others) = (vec![], vec![], vec![]);
        for (part, rows) in parts.iter().zip(rows) {
            let count = part.captions.len();
            pictures.push(rows.pictures);
            own.push(rows.texts.clone().narrow(0, 0, count));
            if !part.others.is_empty() {
                others.push(rows.texts.narrow(0, count, part.others.len()));
            }
        }
        own.append(&mut others);
        let captions = parts.iter().flat_map(|part| &part.captions);
        let texts: Vec<&String> =
            captions.clone().chain(parts.iter().flat_map(|part| &part.others)).collect();
        let ignored = captions.enumerate().flat_map(|(row, caption)| {
            texts.iter().enumerate().map(move |(column, text)| f32::from(row != column && *text == caption))
        });
        let ignored: Vec<f32> = ignored.collect();
        let pictures = Tensor::cat(pictures, 0);
        let shape = [pictures.dims()[0], texts.len()];
        let ignored = Tensor::from_data(TensorData::new(ignored, shape), &pictures.device());
        let pairs = Pairs { pictures, texts: Tensor::cat(own, 0), ignored };
        contrastive_loss(pairs, scale, bias, self.objective.loss)
    }

    /// The whole step where one micro-batch is all: no pass is done twice.
    fn step_at_once(&mut self, part: Part) -> f64 {
        let network = &self.learner.module;
        let rows = vec![network.rows(&part)];
        let loss = self.loss(&[part], rows, network.scale.val(), network.bias.val());
        self.learner.backward(&loss);
        scalar(&loss)
    }

    /// First the embeddings without a graph, then the loss's gradient by them, then micro-batch by micro-batch what it
    /// does to the weights.
    fn step_in_parts(&mut self, batches: &[Batch], keys: &[Key]) -> Result<f64, ModelError> {
        let plain = self.device.clone().inner();
        let raw = self.learner.raw();
        let mut parts = vec![];
        for (batch, key) in batches.iter().zip(keys) {
            parts.push(self.part(batch, *key, true, &plain)?);
        }
        let leaf = |rows: Tensor<2>| graph::constant(rows, &self.device).require_grad();
        let leaves: Vec<(Tensor<2>, Tensor<2>)> = parts
            .iter()
            .map(|part| {
                let rows = raw.rows(part);
                (leaf(rows.pictures), leaf(rows.texts))
            })
            .collect();
        let rows =
            leaves.iter().map(|(pictures, texts)| Rows { pictures: pictures.clone(), texts: texts.clone() });
        let scale = graph::constant(raw.scale.val(), &self.device).require_grad();
        let bias = graph::constant(raw.bias.val(), &self.device).require_grad();
        let loss = self.loss(&parts, rows.collect(), scale.clone(), bias.clone());
        let gradients = loss.backward();

        for (number, (batch, key)) in batches.iter().zip(keys).enumerate() {
            let part = self.part(batch, *key, true, &self.device)?;
            let network = &self.learner.module;
            let rows = network.rows(&part);
            let along = |rows: Tensor<2>, leaf: &Tensor<2>| {
                leaf.grad(&gradients).map(|gradient| (rows * graph::constant(gradient, &self.device)).sum())
            };
            let mut sums: Vec<Tensor<1>> =
                [along(rows.pictures, &leaves[number].0), along(rows.texts, &leaves[number].1)]
                    .into_iter()
                    .flatten()
                    .collect();
            if number == 0 {
                for (weight, leaf) in [(network.scale.val(), &scale), (network.bias.val(), &bias)] {
                    sums.extend(
                        leaf.grad(&gradients)
                            .map(|gradient| (weight * graph::constant(gradient, &self.device)).sum()),
                    );
                }
            }
            if let Some(sum) = sums.into_iter().reduce(|sum, next| sum + next) {
                self.learner.backward(&sum);
            }
        }
        Ok(scalar(&loss))
    }
}

impl DualNetwork {
    fn rows(&self, part: &Part) -> Rows {
        Rows { pictures: self.pictures(part.pictures.clone()), texts: self.texts(part.tokens.clone()) }
    }
}

/// Captions with one word of another caption in the place of one of their own, for some of them.
fn hard_negatives(captions: &[String], share: f32, key: Key) -> Vec<String> {
    let made = captions.iter().enumerate().filter_map(|(sample, caption)| {
        let mut generator = key.stream(Purpose::Caption, sample);
        if uniform(&mut generator) >= share || captions.len() < 2 {
            return None;
        }
        let other = &captions[(sample + 1 + below(&mut generator, captions.len() - 1)) % captions.len()];
        let theirs: Vec<&str> = other.unicode_words().collect();
        let own: Vec<(usize, &str)> = caption.unicode_word_indices().collect();
        if own.is_empty() || theirs.is_empty() {
            return None;
        }
        let (at, word) = own[below(&mut generator, own.len())];
        let mut changed = caption.clone();
        changed.replace_range(at..at + word.len(), theirs[below(&mut generator, theirs.len())]);
        (changed != *caption).then_some(changed)
    });
    made.collect()
}

impl Objective for DualObjective {
    fn step(&mut self, batches: &[Batch], step: &Step) -> Result<Losses, ModelError> {
        let mut first = 0;
        let keys = batches.iter().map(|batch| {
            let key = Key { seed: step.seed, step: step.number, first };
            first += batch.len() as u64;
            key
        });
        let keys: Vec<Key> = keys.collect();
        let loss = match batches {
            [batch] => {
                let part = self.part(batch, keys[0], true, &self.device)?;
                self.step_at_once(part)
            }
            _ => self.step_in_parts(batches, &keys)?,
        };
        self.learner.update(step.learning_rate);
        Ok(Losses::from([("contrastive".to_string(), loss)]))
    }

    fn evaluate(&mut self, batch: &Batch, step: &Step) -> Result<Losses, ModelError> {
        let key = Key { seed: step.seed, step: step.number, first: 0 };
        let part = self.part(batch, key, false, &self.device.clone().inner())?;
        let network = self.learner.average();
        let rows = vec![network.rows(&part)];
        let loss = self.loss(&[part], rows, network.scale.val(), network.bias.val());
        Ok(Losses::from([("contrastive".to_string(), scalar(&loss))]))
    }

    fn learners(&self) -> Vec<&dyn Remember> {
        vec![&self.learner]
    }

    fn learners_mut(&mut self) -> Vec<&mut dyn Remember> {
        vec![&mut self.learner]
    }

    fn model(&self, which: Which) -> Arc<dyn Model> {
        let network = self.learner.network(which);
        Arc::new(DualModel::new(network, self.config.clone(), self.picture_shape, self.tokenizer.clone()))
    }

    fn package(&self, which: Which) -> Package {
        let weights = self.learner.weights(which);
        let config = serde_json::json!(self.config);
        let package = Package::new(super::FAMILY.name, config, self.picture_shape, weights);
        Package { tokenizer: Some(self.tokenizer.clone()), ..package }
    }
}

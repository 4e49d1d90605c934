//! How the towers learn: one loss over all micro-batches of a step together, whose gradient is kept at the embeddings
//! (Gao et al. 2021), so that more pairs are told apart than memory has room for.

use std::sync::Arc;

use burn::{
    module::Param,
    tensor::{Device, Gradients, Tensor, TensorData},
};
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

use super::{
    DualConfig, DualModel, DualNetwork, DualObjectiveConfig, Pair, Pairs, contrastive_loss, memory::Memory,
    towers::Towers,
};
use crate::{
    Losses, Model, ModelError, Objective, ObjectiveSpec, Package, Step, Which,
    modality::{self, TextTokens},
    objective::scalar,
    registry::section,
    sound::Heard,
};

/// Pairs of words, pictures and sounds, told from all others.
pub struct DualObjective {
    learner: Learner<DualNetwork>,
    /// The towers that do not move.
    staying: DualNetwork,
    /// What they made of captions of earlier steps.
    memory: Memory,
    config: DualConfig,
    pairs: Vec<(Pair, f64)>,
    objective: DualObjectiveConfig,
    tokenizer: Option<Arc<Tokenizer>>,
    picture_shape: [usize; 3],
    /// The column of sounds.
    column: String,
    device: Device,
}

/// A micro-batch: what some pair has of it.
struct Part {
    pictures: Option<Tensor<4>>,
    /// The captions' tokens, then the others'.
    tokens: Option<TextTokens>,
    heard: Option<Heard>,
    captions: Vec<String>,
    /// Texts that are nobody's.
    others: Vec<String>,
}

/// Embeddings of a micro-batch: pictures, texts, sounds.
type Rows = [Option<Tensor<2>>; 3];
/// Scale and bias of pictures and texts, and those of sounds.
type Scales = [Option<Tensor<1>>; 4];

impl DualObjective {
    /// From a recipe.
    ///
    /// # Errors
    /// A setting that cannot work, no tokenizer, no encoder where one is needed.
    pub fn new(spec: &ObjectiveSpec) -> Result<Self, ModelError> {
        let objective: DualObjectiveConfig = section(&spec.objective, "objective", super::FAMILY.name)?;
        objective.validate()?;
        let Towers { learning, staying, config, pairs, tokenizer } = Towers::new(spec, &objective)?;
        let remembered = if staying.text.is_some() { objective.memory } else { 0 };
        Ok(Self {
            learner: spec.learner("network", learning),
            memory: Memory::new(remembered, config.width),
            staying,
            config,
            pairs,
            objective,
            tokenizer,
            picture_shape: spec.picture_shape,
            column: spec.sound.as_ref().map_or(String::new(), |(column, _)| column.clone()),
            device: spec.device.clone(),
        })
    }

    /// A micro-batch, for towers that learn on a device, and for those that stay on one that does not differentiate.
    fn part(&self, batch: &Batch, key: Key, learning: bool, device: &Device) -> Result<Part, ModelError> {
        let any = |has: fn(Pair) -> bool| self.pairs.iter().any(|(pair, _)| has(*pair));
        let plain = self.device.clone().inner();
        let place = |stays: bool| if stays { &plain } else { device };
        let reading = learning && self.staying.text.is_none() && any(Pair::has_texts);
        let captions = batch.texts("text")?.to_vec();
        let others = match reading {
            true => hard_negatives(&captions, self.objective.hard_negatives, key),
            false => vec![],
        };
        let tokens = match (&self.tokenizer, &self.config.text) {
            (Some(tokenizer), Some(text)) if any(Pair::has_texts) => {
                let all: Vec<String> = captions.iter().chain(&others).cloned().collect();
                let length = modality::Length::Longest(text.context);
                let dropout = reading.then_some((self.objective.word_dropout, key));
                let place = place(self.staying.text.is_some());
                Some(modality::tokenize(tokenizer, &all, length, dropout, place)?)
            }
            _ => None,
        };
        let pictures = match any(Pair::has_pictures) {
            true => {
                let place = place(self.staying.picture.is_some());
                Some(modality::to_tensor(batch.pictures("image")?, place))
            }
            false => None,
        };
        let heard = match any(Pair::has_sounds) {
            true => Some(Heard::new(batch.sounds(&self.column)?, device)),
            false => None,
        };
        Ok(Part { pictures, tokens, heard, captions, others })
    }

    /// The embeddings of a micro-batch by the towers that learn, as they are in `network`, and by those that stay.
    fn rows(&self, network: &DualNetwork, part: &Part, device: &Device) -> Rows {
        let known = |rows: Option<Tensor<2>>| rows.map(|rows| graph::constant(rows, device));
        let pictures = part.pictures.clone().and_then(|pictures| {
            network.pictures(pictures.clone()).or_else(|| known(self.staying.pictures(pictures)))
        });
        let texts = part
            .tokens
            .clone()
            .and_then(|tokens| network.texts(tokens.clone()).or_else(|| known(self.staying.texts(tokens))));
        [pictures, texts, part.heard.clone().and_then(|heard| network.sounds(heard))]
    }

    /// The loss of some micro-batches together, told from each other and from what is remembered.
    fn loss(&self, parts: &[Part], rows: Vec<Rows>, scales: Scales, memory: Option<&Memory>) -> Tensor<1> {
        let (mut pictures, mut own, mut others, mut sounds) = (vec![], vec![], vec![], vec![]);
        for (part, [of_pictures, of_texts, of_sounds]) in parts.iter().zip(rows) {
            let count = part.captions.len();
            pictures.extend(of_pictures);
            sounds.extend(of_sounds);
            if let Some(texts) = of_texts {
                own.push(texts.clone().narrow(0, 0, count));
                if !part.others.is_empty() {
                    others.push(texts.narrow(0, count, part.others.len()));
                }
            }
        }
        own.append(&mut others);
        if let (Some(memory), Some(first)) = (memory, own.first()) {
            own.extend(memory.embeddings(&first.device()));
        }
        let captions: Vec<&String> = parts.iter().flat_map(|part| &part.captions).collect();
        let texts: Vec<&String> =
            captions.iter().copied().chain(parts.iter().flat_map(|part| &part.others)).collect();
        let remembered = memory.map_or(0, Memory::len);
        let (count, columns) = (captions.len(), texts.len() + remembered);
        let mut ignored = vec![0.0f32; count * columns];
        for (row, caption) in captions.iter().enumerate() {
            let line = &mut ignored[row * columns..][..columns];
            let alike = texts.iter().enumerate().filter(|(column, text)| row != *column && *text == caption);
            alike.for_each(|(column, _)| line[column] = 1.0);
            if let Some(place) = memory.and_then(|memory| memory.place(caption)) {
                line[texts.len() + place] = 1.0;
            }
        }
        let shape = [count, columns];
        let all = |rows: Vec<Tensor<2>>| (!rows.is_empty()).then(|| Tensor::cat(rows, 0));
        let [pictures, texts, sounds] = [all(pictures), all(own), all(sounds)];
        let [scale, bias, sound_scale, sound_bias] = scales;
        let terms = self.pairs.iter().filter_map(|(pair, weight)| {
            let (rows, columns, scale, bias) = match pair {
                Pair::PictureText => (&pictures, &texts, &scale, &bias),
                Pair::SoundText => (&sounds, &texts, &sound_scale, &sound_bias),
                Pair::PictureSound => (&sounds, &pictures, &sound_scale, &sound_bias),
            };
            let (pictures, texts) = (rows.clone()?, columns.clone()?);
            let data = TensorData::new(ignored.clone(), shape);
            let ignored = Tensor::<2>::from_data(data, &pictures.device()).narrow(1, 0, texts.dims()[0]);
            let pairs = Pairs { pictures, texts, ignored };
            Some(contrastive_loss(pairs, scale.clone()?, bias.clone()?, self.objective.loss) * *weight)
        });
        let sum = terms.reduce(|sum, term| sum + term);
        sum.unwrap_or_else(|| Tensor::zeros([1], &self.device))
    }

    /// The whole step where one micro-batch is all: no pass is done twice.
    fn step_at_once(&mut self, part: Part) -> f64 {
        let network = &self.learner.module;
        let rows = self.rows(network, &part, &self.device);
        let texts = rows[1].clone();
        let parts = [part];
        let loss = self.loss(&parts, vec![rows], network.scales(), Some(&self.memory));
        self.learner.backward(&loss);
        self.remember(&parts[0].captions, texts);
        scalar(&loss)
    }

    /// Keeps what the text tower made of captions, if it stays.
    fn remember(&mut self, captions: &[String], texts: Option<Tensor<2>>) {
        if let Some(texts) = texts.filter(|_| self.staying.text.is_some()) {
            self.memory.add(captions, &texts.into_data().iter::<f32>().collect::<Vec<_>>());
        }
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
        let leaves: Vec<Rows> = parts
            .iter()
            .map(|part| self.rows(&raw, part, &plain).map(|rows| Some(leaf(rows?, &self.device))))
            .collect();
        let scales = raw.scales().map(|scale| Some(leaf(scale?, &self.device)));
        let loss = self.loss(&parts, leaves.clone(), scales.clone(), Some(&self.memory));
        let gradients = loss.backward();

        for (number, (batch, key)) in batches.iter().zip(keys).enumerate() {
            let part = self.part(batch, *key, true, &self.device)?;
            let network = &self.learner.module;
            let rows = self.rows(network, &part, &self.device);
            let mut sums: Vec<Tensor<1>> = along(rows, &leaves[number], &gradients, &self.device);
            if number == 0 {
                sums.extend(along(network.scales(), &scales, &gradients, &self.device));
            }
            if let Some(sum) = sums.into_iter().reduce(|sum, next| sum + next) {
                self.learner.backward(&sum);
            }
        }
        for (part, [_, texts, _]) in parts.iter().zip(leaves) {
            self.remember(&part.captions, texts);
        }
        Ok(scalar(&loss))
    }

    fn whole(&self, which: Which) -> DualNetwork {
        self.learner.network(which).or(&self.staying)
    }
}

/// A number or a row from which gradients come back.
fn leaf<const D: usize>(value: Tensor<D>, device: &Device) -> Tensor<D> {
    graph::constant(value, device).require_grad()
}

/// What a loss does to some tensors: sums whose gradient is the one that came back to their leaves.
fn along<const D: usize, const N: usize>(
    values: [Option<Tensor<D>>; N],
    leaves: &[Option<Tensor<D>>; N],
    gradients: &Gradients,
    device: &Device,
) -> Vec<Tensor<1>> {
    let both = values.into_iter().zip(leaves);
    both.filter_map(|(value, leaf)| {
        let gradient = leaf.as_ref()?.grad(gradients)?;
        Some((value? * graph::constant(gradient, device)).sum())
    })
    .collect()
}

impl DualNetwork {
    fn scales(&self) -> Scales {
        let value = |number: Option<&Param<Tensor<1>>>| number.map(Param::val);
        let sound = self.sound.as_ref();
        [
            value(self.scale.as_ref()),
            value(self.bias.as_ref()),
            value(sound.map(|sound| &sound.scale)),
            value(sound.map(|sound| &sound.bias)),
        ]
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
        let plain = self.device.clone().inner();
        let part = self.part(batch, key, false, &plain)?;
        let network = self.learner.average();
        let rows = vec![self.rows(&network, &part, &plain)];
        let loss = self.loss(&[part], rows, network.scales(), None);
        Ok(Losses::from([("contrastive".to_string(), scalar(&loss))]))
    }

    fn learners(&self) -> Vec<&dyn Remember> {
        vec![&self.learner, &self.memory]
    }

    fn learners_mut(&mut self) -> Vec<&mut dyn Remember> {
        vec![&mut self.learner, &mut self.memory]
    }

    fn model(&self, which: Which) -> Arc<dyn Model> {
        let (network, shape) = (self.whole(which), self.picture_shape);
        Arc::new(DualModel::new(network, self.config.clone(), shape, self.tokenizer.clone()))
    }

    fn package(&self, which: Which) -> Package {
        let mut weights = rebus_nn::named::collect(&self.staying, "network.");
        weights.extend(self.learner.weights(which));
        let config = serde_json::json!(self.config);
        let package = Package::new(super::FAMILY.name, config, self.picture_shape, weights);
        Package { tokenizer: self.tokenizer.clone(), ..package }
    }
}

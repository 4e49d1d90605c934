//! How the network learns: the discriminator a step, then the generator a step.

use std::sync::Arc;

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use rebus_data::Batch;
use rebus_nn::{
    graph,
    optim::{Learner, Remember},
    random::{Key, Purpose, normal},
};

use super::{
    Discriminator, DiscriminatorLoss, Drawn, Generator, Judged, ModernConfig, ModernModel,
    ModernObjectiveConfig, discriminator_loss, generator_loss,
};
use crate::{
    Losses, Model, ModelError, Objective, ObjectiveSpec, Package, Step, Which,
    gan::augment::Augmentation,
    modality,
    objective::scalar,
    reader::{self, Reader, Said, Saying},
    registry::section,
};

/// The two-player game, with captions.
pub struct ModernObjective {
    generator: Learner<Generator>,
    discriminator: Learner<Discriminator>,
    config: ModernConfig,
    objective: ModernObjectiveConfig,
    reader: Reader,
    shown_pictures: f32,
    picture_shape: [usize; 3],
    device: Device,
}

/// A part of a step that draws random numbers of its own.
#[derive(Clone, Copy)]
enum Part {
    JudgeReal,
    JudgeFake,
    DrawReal,
    DrawFake,
    DrawAgain,
}

/// A batch's place in a step: its first sample, and how many samples the step has.
#[derive(Clone, Copy)]
struct Place<'a> {
    step: &'a Step,
    first: u64,
    total: u64,
}

impl Place<'_> {
    fn key(self, part: Part) -> Key {
        let first = self.first + part as u64 * self.total;
        Key { seed: self.step.seed, step: self.step.number, first }
    }
}

impl ModernObjective {
    /// From a recipe.
    ///
    /// # Errors
    /// A setting that cannot work, or no tokenizer.
    pub fn new(spec: &ObjectiveSpec) -> Result<Self, ModelError> {
        let mut config: ModernConfig = section(&spec.model, "model", super::FAMILY.name)?;
        let objective: ModernObjectiveConfig = section(&spec.objective, "objective", super::FAMILY.name)?;
        let reader = Reader::new(spec, config.text.context)?;
        let picture_shape = spec.picture_shape;
        config.encoder = reader.frozen().map(|frozen| frozen.config().clone());
        config.text.vocabulary = reader.tokenizer().vocab_size();
        config.validate(picture_shape)?;
        objective.validate(picture_shape)?;
        let mut init = spec.init();
        let generator = Generator::new(&config, picture_shape, &mut init);
        let discriminator = Discriminator::new(&config, picture_shape, &mut init);
        Ok(Self {
            generator: spec.learner("generator", generator),
            discriminator: spec.learner("discriminator", discriminator),
            config,
            objective,
            reader,
            shown_pictures: spec.shown_pictures,
            picture_shape,
            device: spec.device.clone(),
        })
    }

    /// What a batch says, the same for both networks; some of it left out while learning.
    fn said(
        &self,
        batch: &Batch,
        place: Place<'_>,
        learning: bool,
        device: &Device,
    ) -> Result<Said, ModelError> {
        let saying = Saying {
            caption_dropout: self.objective.caption_dropout,
            word_dropout: self.objective.word_dropout,
            pictures: self.shown_pictures,
        };
        self.reader.of_batch(batch, place.key(Part::JudgeReal), learning.then_some(saying), device)
    }

    fn noise(&self, count: usize, key: Key, device: &Device) -> Tensor<2> {
        normal([count, self.config.noise_width], key, Purpose::Noise, device)
    }

    fn augmentation(&self, count: usize, key: Key, device: &Device) -> Augmentation {
        let [channels, height, width] = self.picture_shape;
        Augmentation::draw(&self.objective.augment, [count, channels, height, width], key, device)
    }

    /// What the discriminator sees of a batch; `artist` draws, without a graph. `device` is where it is judged.
    fn judged(
        &self,
        artist: &Generator,
        batch: &Batch,
        place: Place<'_>,
        learning: bool,
        device: &Device,
    ) -> Result<Judged, ModelError> {
        let (count, plain) = (batch.len(), device.clone().inner());
        let dropout = if learning { self.objective.caption_dropout } else { 0.0 };
        let captions = reader::captions(batch, place.key(Part::JudgeReal), dropout)?;
        let words = self.said(batch, place, learning, &plain)?.embed(artist.text.as_ref())?;
        let noise = self.noise(count, place.key(Part::JudgeFake), &plain);
        let fake = artist.forward(noise, words.pooled);
        let fake = self.augmentation(count, place.key(Part::JudgeFake), &plain).apply(fake);
        let real = modality::to_tensor(batch.pictures("image")?, &plain);
        let real = self.augmentation(count, place.key(Part::JudgeReal), &plain).apply(real);
        // Evaluation always has penalties: nothing is differentiated there, so they are cheap.
        let due = !learning || place.step.number.is_multiple_of(self.objective.penalty_every);
        let probe = (self.objective.gamma > 0.0 && due).then(|| {
            let noise = |part| normal(real.dims(), place.key(part), Purpose::Penalty, device);
            (noise(Part::JudgeReal), noise(Part::JudgeFake))
        });
        let text = self.said(batch, place, learning, device)?;
        let (real, fake) = (graph::constant(real, device), graph::constant(fake, device));
        Ok(Judged { real, fake, text, mismatched: mismatched(&captions, device), probe })
    }

    /// What the generator is asked to draw of a batch.
    fn drawn(
        &self,
        batch: &Batch,
        place: Place<'_>,
        learning: bool,
        device: &Device,
    ) -> Result<Drawn, ModelError> {
        let count = batch.len();
        Ok(Drawn {
            noise: self.noise(count, place.key(Part::DrawFake), device),
            again: (self.objective.pair_weight > 0.0)
                .then(|| self.noise(count, place.key(Part::DrawAgain), device)),
            text: self.said(batch, place, learning, device)?,
            real: modality::to_tensor(batch.pictures("image")?, device),
            augmentation: (
                self.augmentation(count, place.key(Part::DrawReal), device),
                self.augmentation(count, place.key(Part::DrawFake), device),
            ),
        })
    }

    /// Adds a discriminator's losses to sums. A penalty is there in every step, 0 where it is not measured, so that its
    /// mean over many steps is its share of the loss.
    fn tell(&self, sums: &mut Losses, loss: &DiscriminatorLoss, weight: f64, times: u64) {
        let mut add = |name: &str, value: f64| *sums.entry(name.to_string()).or_default() += value * weight;
        add("discriminator", scalar(&loss.pairing));
        if self.objective.mismatch_weight > 0.0 {
            add("mismatch", loss.mismatch.as_ref().map_or(0.0, scalar));
        }
        if self.objective.gamma > 0.0 {
            add("penalty", loss.penalty.as_ref().map_or(0.0, scalar) * times as f64);
        }
    }
}

/// `[batch, 1]`: 1 where the next caption (the first for the last) says something else, and something at all.
fn mismatched(captions: &[String], device: &Device) -> Tensor<2> {
    let next = captions.iter().cycle().skip(1);
    let values = captions.iter().zip(next).map(|(own, next)| f32::from(!next.is_empty() && own != next));
    Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), [captions.len(), 1]), device)
}

impl Objective for ModernObjective {
    fn step(&mut self, batches: &[Batch], step: &Step) -> Result<Losses, ModelError> {
        let parts = 1.0 / batches.len().max(1) as f64;
        let total = batches.iter().map(|batch| batch.len() as u64).sum();
        let every = self.objective.penalty_every;
        let device = self.device.clone();
        let mut sums = Losses::new();

        let artist = self.generator.raw();
        let mut first = 0;
        for batch in batches {
            let place = Place { step, first, total };
            let shown = self.judged(&artist, batch, place, true, &device)?;
            let loss = discriminator_loss(&self.discriminator.module, shown, &self.objective)?;
            self.discriminator.backward(&(loss.total(every) * parts));
            self.tell(&mut sums, &loss, parts, every);
            first += batch.len() as u64;
        }
        self.discriminator.update(step.learning_rate);

        let judge = self.discriminator.module.clone().no_grad();
        let mut first = 0;
        for batch in batches {
            let task = self.drawn(batch, Place { step, first, total }, true, &device)?;
            let (loss, pair) = generator_loss(&self.generator.module, &judge, task, &self.objective)?;
            *sums.entry("generator".to_string()).or_default() += scalar(&loss) * parts;
            if let Some(pair) = &pair {
                *sums.entry("pair".to_string()).or_default() += scalar(pair) * parts;
            }
            let loss = pair.into_iter().fold(loss, |loss, pair| loss + pair);
            self.generator.backward(&(loss * parts));
            first += batch.len() as u64;
        }
        self.generator.update(step.learning_rate);
        Ok(sums)
    }

    fn evaluate(&mut self, batch: &Batch, step: &Step) -> Result<Losses, ModelError> {
        let device = self.device.clone().inner();
        let place = Place { step, first: 0, total: batch.len() as u64 };
        let (artist, judge) = (self.generator.average(), self.discriminator.average());
        let mut losses = Losses::new();
        let shown = self.judged(&artist, batch, place, false, &device)?;
        self.tell(&mut losses, &discriminator_loss(&judge, shown, &self.objective)?, 1.0, 1);
        let task = self.drawn(batch, place, false, &device)?;
        let (loss, pair) = generator_loss(&artist, &judge, task, &self.objective)?;
        losses.insert("generator".to_string(), scalar(&loss));
        if let Some(pair) = &pair {
            losses.insert("pair".to_string(), scalar(pair));
        }
        Ok(losses)
    }

    fn learners(&self) -> Vec<&dyn Remember> {
        vec![&self.generator, &self.discriminator]
    }

    fn learners_mut(&mut self) -> Vec<&mut dyn Remember> {
        vec![&mut self.generator, &mut self.discriminator]
    }

    fn model(&self, which: Which) -> Arc<dyn Model> {
        let generator = self.generator.network(which);
        let (config, reader) = (self.config.clone(), self.reader.clone());
        Arc::new(ModernModel::new(generator, config, self.picture_shape, reader))
    }

    fn package(&self, which: Which) -> Package {
        let weights = self.generator.weights(which);
        let config = serde_json::json!(self.config);
        self.reader.packed_with(Package::new(super::FAMILY.name, config, self.picture_shape, weights))
    }
}

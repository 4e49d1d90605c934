//! How the textbook network learns: the discriminator a step, then the generator a step.

use std::sync::Arc;

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use rebus_data::Batch;
use rebus_nn::{
    Statistics, graph,
    optim::{Learner, Remember},
    random::{Key, Purpose, normal},
};

use super::{ClassicConfig, ClassicModel, ClassicObjectiveConfig, Discriminator, Generator};
use crate::{
    Losses, Model, ModelError, Objective, ObjectiveSpec, Package, Step, Which,
    gan::loss::{GeneratorLoss, negative_value},
    modality,
    objective::scalar,
    registry::section,
};

/// The two-player game, without captions.
pub struct ClassicObjective {
    generator: Learner<Generator>,
    discriminator: Learner<Discriminator>,
    config: ClassicConfig,
    objective: ClassicObjectiveConfig,
    picture_shape: [usize; 3],
    device: Device,
}

impl ClassicObjective {
    /// From a recipe.
    ///
    /// # Errors
    /// A setting that cannot work.
    pub fn new(spec: &ObjectiveSpec) -> Result<Self, ModelError> {
        let config: ClassicConfig = section(&spec.model, "model", super::FAMILY.name)?;
        let objective = section(&spec.objective, "objective", super::FAMILY.name)?;
        let picture_shape = spec.picture_shape;
        config.validate(picture_shape)?;
        let mut init = spec.init();
        let generator = Generator::new(&config, picture_shape, &mut init);
        let discriminator = Discriminator::new(&config, picture_shape, &mut init);
        Ok(Self {
            generator: spec.learner("generator", generator),
            discriminator: spec.learner("discriminator", discriminator),
            config,
            objective,
            picture_shape,
            device: spec.device.clone(),
        })
    }

    fn noise(&self, count: usize, key: Key, device: &Device) -> Tensor<2> {
        normal([count, self.config.noise_width], key, Purpose::Noise, device)
    }
}

/// `-V(D, G)` on pictures and on drawn ones, each normalised as a batch of its own, as one batch of the generator is.
pub fn discriminator_loss(discriminator: &mut Discriminator, real: Tensor<4>, fake: Tensor<4>) -> Tensor<1> {
    let real = discriminator.forward(real, Statistics::Batch);
    let fake = discriminator.forward(fake, Statistics::Batch);
    negative_value(real, fake)
}

/// The generator's loss on noise, under a discriminator that stays as it is.
pub fn generator_loss(
    generator: &mut Generator,
    discriminator: &Discriminator,
    noise: Tensor<2>,
    loss: GeneratorLoss,
) -> Tensor<1> {
    let fake = generator.forward(noise, Statistics::Batch);
    loss.of(discriminator.clone().forward(fake, Statistics::Batch))
}

impl Objective for ClassicObjective {
    fn step(&mut self, batches: &[Batch], step: &Step) -> Result<Losses, ModelError> {
        let parts = batches.len() as f64;
        let total: u64 = batches.iter().map(|batch| batch.len() as u64).sum();
        let mut sums = Losses::from([("discriminator".to_string(), 0.0), ("generator".to_string(), 0.0)]);

        // A copy draws for the discriminator, so that only the generator's own step moves its averages.
        let mut artist = self.generator.raw();
        let mut first = 0;
        for batch in batches {
            let real = modality::to_tensor(batch.pictures("image")?, &self.device);
            let key = Key { seed: step.seed, step: step.number, first };
            let noise = self.noise(batch.len(), key, &self.device.clone().inner());
            let fake = graph::constant(artist.forward(noise, Statistics::Batch), &self.device);
            let loss = discriminator_loss(&mut self.discriminator.module, real, fake);
            self.discriminator.backward(&(loss.clone() / parts));
            sums["discriminator"] += scalar(&loss) / parts;
            first += batch.len() as u64;
        }
        self.discriminator.update(step.learning_rate);

        let judge = self.discriminator.module.clone().no_grad();
        let mut first = total; // noise of its own, after the discriminator's
        for batch in batches {
            let key = Key { seed: step.seed, step: step.number, first };
            let noise = self.noise(batch.len(), key, &self.device);
            let loss = generator_loss(&mut self.generator.module, &judge, noise, self.objective.loss);
            self.generator.backward(&(loss.clone() / parts));
            sums["generator"] += scalar(&loss) / parts;
            first += batch.len() as u64;
        }
        self.generator.update(step.learning_rate);
        Ok(sums)
    }

    fn evaluate(&mut self, batch: &Batch, step: &Step) -> Result<Losses, ModelError> {
        let device = self.device.clone().inner();
        let real = modality::to_tensor(batch.pictures("image")?, &device);
        let key = Key { seed: step.seed, step: step.number, first: 0 };
        let mut judge = self.discriminator.average();
        let fake = self.generator.average().draw(self.noise(batch.len(), key, &device));
        let real = judge.forward(real, Statistics::Average);
        let fake = judge.forward(fake, Statistics::Average);
        Ok(Losses::from([
            ("discriminator".to_string(), scalar(&negative_value(real, fake.clone()))),
            ("generator".to_string(), scalar(&self.objective.loss.of(fake))),
        ]))
    }

    fn learners(&self) -> Vec<&dyn Remember> {
        vec![&self.generator, &self.discriminator]
    }

    fn learners_mut(&mut self) -> Vec<&mut dyn Remember> {
        vec![&mut self.generator, &mut self.discriminator]
    }

    fn model(&self, which: Which) -> Arc<dyn Model> {
        let generator = self.generator.network(which);
        Arc::new(ClassicModel::new(generator, self.config.clone(), self.picture_shape))
    }

    fn package(&self, which: Which) -> Package {
        let weights = self.generator.weights(which);
        Package::new(super::FAMILY.name, serde_json::json!(self.config), self.picture_shape, weights)
    }
}

//! How it learns: pictures are near those of their pairs, and taken for real beside their sources.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use rebus_data::{Batch, SOURCE};
use rebus_nn::{
    graph, kernels,
    optim::{Learner, Remember},
};

use super::{Pix2PixConfig, Pix2PixModel, Pix2PixObjectiveConfig, UNet};
use crate::{
    Losses, Model, ModelError, Objective, ObjectiveSpec, Package, Step, Which,
    gan::PatchDiscriminator,
    modality,
    objective::{psnr, scalar},
    registry::section,
};

/// A U-Net, and the discriminator of pairs that it learns beside.
pub struct Pix2PixObjective {
    network: Learner<UNet>,
    discriminator: Learner<PatchDiscriminator>,
    config: Pix2PixConfig,
    objective: Pix2PixObjectiveConfig,
    picture_shape: [usize; 3],
    device: Device,
}

/// Pictures that were made of sources, and what they should be; all `[batch, channel, height, width]`.
#[derive(Debug, Clone)]
pub struct Translated {
    /// What they were made of.
    pub source: Tensor<4>,
    /// What they should be.
    pub wanted: Tensor<4>,
    /// What was made.
    pub made: Tensor<4>,
}

impl Translated {
    /// By a network.
    pub fn of(network: &UNet, source: Tensor<4>, wanted: Tensor<4>) -> Self {
        Self { made: network.forward(source.clone()), source, wanted }
    }

    /// What the network minimises (equation 4), with the discriminator's logits of what it made beside its source, if there is one.
    pub fn loss(&self, logits: Option<Tensor<4>>, objective: &Pix2PixObjectiveConfig) -> Tensor<1> {
        let absolute = self.absolute() * objective.absolute_weight;
        logits
            .into_iter()
            .fold(absolute, |loss, logits| loss + objective.loss.maker(logits) * objective.adversarial_weight)
    }

    /// A source and a picture as the discriminator sees them, `[batch, 2 * channel, height, width]`.
    pub fn beside(source: Tensor<4>, picture: Tensor<4>) -> Tensor<4> {
        Tensor::cat(vec![source, picture], 1)
    }

    fn absolute(&self) -> Tensor<1> {
        kernels::mean((self.made.clone() - self.wanted.clone()).abs())
    }

    fn losses(&self) -> Losses {
        let squared = kernels::mean((self.made.clone() - self.wanted.clone()).square());
        Losses::from([
            ("absolute".to_string(), scalar(&self.absolute())),
            ("psnr".to_string(), psnr(&squared)),
        ])
    }

    /// Without what led to it.
    fn inner(self) -> Self {
        Self { source: self.source.inner(), wanted: self.wanted.inner(), made: self.made.inner() }
    }
}

impl Pix2PixObjective {
    /// From a recipe.
    ///
    /// # Errors
    /// A setting that cannot work.
    pub fn new(spec: &ObjectiveSpec) -> Result<Self, ModelError> {
        let config: Pix2PixConfig = section(&spec.model, "model", super::FAMILY.name)?;
        let objective: Pix2PixObjectiveConfig = section(&spec.objective, "objective", super::FAMILY.name)?;
        spec.require_pairs()?;
        config.validate()?;
        objective.validate()?;
        let [channels, height, width] = spec.picture_shape;
        config.validate_size(height, width)?;
        let mut init = spec.init();
        let network = UNet::new(&config, channels, &mut init);
        let discriminator = PatchDiscriminator::new(&objective.discriminator_widths, 2 * channels, &mut init);
        Ok(Self {
            network: spec.learner("network", network),
            discriminator: spec.learner("discriminator", discriminator),
            config,
            objective,
            picture_shape: spec.picture_shape,
            device: spec.device.clone(),
        })
    }

    fn translated(network: &UNet, batch: &Batch, device: &Device) -> Result<Translated, ModelError> {
        let column = |name| Ok::<_, ModelError>(modality::to_tensor(batch.pictures(name)?, device));
        Ok(Translated::of(network, column(SOURCE)?, column("image")?))
    }

    /// The discriminator's loss on pairs.
    fn judged(&self, pairs: Translated) -> Tensor<1> {
        let constant = |tensor| graph::constant(tensor, &self.device);
        let source = constant(pairs.source);
        let logits = |picture| {
            self.discriminator.module.forward(Translated::beside(source.clone(), constant(picture)))
        };
        self.objective.loss.judge(logits(pairs.wanted), logits(pairs.made))
    }
}

impl Objective for Pix2PixObjective {
    fn step(&mut self, batches: &[Batch], step: &Step) -> Result<Losses, ModelError> {
        let judge = (self.objective.adversarial_weight > 0.0)
            .then(|| burn::module::Module::no_grad(self.discriminator.module.clone()));
        let share = 1.0 / batches.len().max(1) as f64;
        let (mut sums, mut pairs) = (Losses::new(), vec![]);
        let mut add = |losses: Losses| {
            losses.into_iter().for_each(|(name, value)| *sums.entry(name).or_default() += value * share);
        };
        for batch in batches {
            let translated = Self::translated(&self.network.module, batch, &self.device)?;
            let beside = || Translated::beside(translated.source.clone(), translated.made.clone());
            let logits = judge.as_ref().map(|judge| judge.forward(beside()));
            self.network.backward(&(translated.loss(logits, &self.objective) * share));
            add(translated.losses());
            pairs.push(translated.inner());
        }
        self.network.update(step.learning_rate);
        if judge.is_some() {
            for pairs in pairs {
                let loss = self.judged(pairs);
                self.discriminator.backward(&(loss.clone() * share));
                add(Losses::from([("discriminator".to_string(), scalar(&loss))]));
            }
            self.discriminator.update(step.learning_rate);
        }
        Ok(sums)
    }

    fn evaluate(&mut self, batch: &Batch, _step: &Step) -> Result<Losses, ModelError> {
        Ok(Self::translated(&self.network.average(), batch, &self.device.clone().inner())?.losses())
    }

    fn learners(&self) -> Vec<&dyn Remember> {
        vec![&self.network, &self.discriminator]
    }

    fn learners_mut(&mut self) -> Vec<&mut dyn Remember> {
        vec![&mut self.network, &mut self.discriminator]
    }

    fn model(&self, which: Which) -> Arc<dyn Model> {
        Arc::new(Pix2PixModel::new(self.network.network(which), self.config.clone(), self.picture_shape))
    }

    fn package(&self, which: Which) -> Package {
        let config = serde_json::json!(self.config);
        Package::new(super::FAMILY.name, config, self.picture_shape, self.network.weights(which))
    }
}

//! How it learns: pictures come back alike number by number, alike to an encoder, and real to a discriminator that learns beside it.

use std::sync::Arc;

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use rebus_data::Batch;
use rebus_nn::{
    graph, kernels,
    optim::{Learner, Remember},
    random::{Key, Purpose, normal},
};

use super::{Autoencoder, AutoencoderConfig, AutoencoderModel, AutoencoderObjectiveConfig};
use crate::{
    Losses, Model, ModelError, Objective, ObjectiveSpec, Package, Step, Which,
    gan::{PatchDiscriminator, loss::PatchLoss},
    modality,
    objective::{psnr, scalar},
    picture::Eye,
    registry::section,
};

/// An autoencoder, and the discriminator that it learns beside.
pub struct AutoencoderObjective {
    autoencoder: Learner<Autoencoder>,
    discriminator: Learner<PatchDiscriminator>,
    /// What pictures are compared by.
    eye: Option<Eye>,
    config: AutoencoderConfig,
    objective: AutoencoderObjectiveConfig,
    picture_shape: [usize; 3],
    device: Device,
}

/// By which loss patches are judged.
const JUDGED: PatchLoss = PatchLoss::Hinge;

/// What the losses count for.
#[derive(Debug, Clone, Copy)]
pub struct Weights {
    /// The divergence.
    pub kl: f64,
    /// The distance to the eye.
    pub perceptual: f64,
    /// The discriminator's judgement.
    pub adversarial: f64,
}

/// Pictures that were encoded and drawn again, and what is wrong with them.
#[derive(Debug, Clone)]
pub struct Rebuilt {
    /// `[batch, channel, height, width]`
    pub pictures: Tensor<4>,
    /// What the encoder said, a sample of it: `[batch, latent channel, height / factor, width / factor]`.
    pub said: Tensor<4>,
    /// The mean absolute difference from the pictures.
    pub absolute: Tensor<1>,
    /// The mean squared one.
    pub squared: Tensor<1>,
    /// The divergence of what the encoder says from a standard normal, nats a picture.
    pub divergence: Tensor<1>,
    /// How far apart they look, where there is an eye.
    pub perceptual: Option<Tensor<1>>,
}

impl Rebuilt {
    /// `noise` has the shape of a latent.
    pub fn of(autoencoder: &Autoencoder, eye: Option<&Eye>, shown: &Tensor<4>, noise: Tensor<4>) -> Self {
        let posterior = autoencoder.posterior(shown.clone());
        let said = posterior.sample(noise);
        let pictures = autoencoder.draw(said.clone());
        let difference = pictures.clone() - shown.clone();
        Self {
            absolute: kernels::mean(difference.clone().abs()),
            squared: kernels::mean(difference.square()),
            divergence: kernels::mean(posterior.standard_divergence()),
            perceptual: eye.map(|eye| eye.apart(pictures.clone(), shown.clone())),
            pictures,
            said,
        }
    }

    /// What the autoencoder minimises (Rombach et al. 2022, equation 25), with the discriminator's logits of what it drew, if there
    /// is one: the divergence counts a number of the picture, as the difference does.
    pub fn loss(&self, logits: Option<Tensor<4>>, weights: Weights) -> Tensor<1> {
        let [_, channels, height, width] = self.pictures.dims();
        let numbers = (channels * height * width) as f64;
        let loss = self.absolute.clone() + self.divergence.clone() * (weights.kl / numbers);
        let loss = self.perceptual.iter().fold(loss, |loss, seen| loss + seen.clone() * weights.perceptual);
        logits.into_iter().fold(loss, |loss, logits| loss + JUDGED.maker(logits) * weights.adversarial)
    }
}

impl AutoencoderObjective {
    /// From a recipe.
    ///
    /// # Errors
    /// A setting that cannot work, or no encoder where one is to compare pictures.
    pub fn new(spec: &ObjectiveSpec) -> Result<Self, ModelError> {
        let config: AutoencoderConfig = section(&spec.model, "model", super::FAMILY.name)?;
        let objective: AutoencoderObjectiveConfig =
            section(&spec.objective, "objective", super::FAMILY.name)?;
        config.validate()?;
        objective.validate()?;
        let [channels, height, width] = spec.picture_shape;
        config.latent_shape(height, width)?;
        let eye = match objective.perceptual_weight > 0.0 {
            true => Some(Eye::of(spec)?),
            false => None,
        };
        let mut init = spec.init();
        let autoencoder = Autoencoder::new(&config, channels, &mut init);
        let discriminator = PatchDiscriminator::new(&objective.discriminator_widths, channels, &mut init);
        Ok(Self {
            autoencoder: spec.learner("network", autoencoder),
            discriminator: spec.learner("discriminator", discriminator),
            eye,
            config,
            objective,
            picture_shape: spec.picture_shape,
            device: spec.device.clone(),
        })
    }

    fn weights(&self) -> Weights {
        let AutoencoderObjectiveConfig { kl_weight, perceptual_weight, adversarial_weight, .. } =
            self.objective;
        Weights { kl: kl_weight, perceptual: perceptual_weight, adversarial: adversarial_weight }
    }

    /// A batch's pictures, and noise for their latents.
    fn shown(&self, batch: &Batch, key: Key, device: &Device) -> Result<(Tensor<4>, Tensor<4>), ModelError> {
        let pictures = modality::to_tensor(batch.pictures("image")?, device);
        let [count, _, height, width] = pictures.dims();
        let [channels, rows, columns] = self.config.latent_shape(height, width)?;
        Ok((pictures, normal([count, channels, rows, columns], key, Purpose::Noise, device)))
    }

    fn losses(rebuilt: &Rebuilt) -> Losses {
        let mut losses = Losses::from([
            ("absolute".to_string(), scalar(&rebuilt.absolute)),
            ("psnr".to_string(), psnr(&rebuilt.squared)),
            ("kl_nats".to_string(), scalar(&rebuilt.divergence)),
        ]);
        if let Some(seen) = &rebuilt.perceptual {
            losses.insert("perceptual".to_string(), scalar(seen));
        }
        losses
    }
}

impl Objective for AutoencoderObjective {
    fn step(&mut self, batches: &[Batch], step: &Step) -> Result<Losses, ModelError> {
        let weights = self.weights();
        let judged = weights.adversarial > 0.0 && step.number >= self.objective.adversarial_start;
        let judge = judged.then(|| self.discriminator.module.clone().no_grad());
        let share = 1.0 / batches.len().max(1) as f64;
        let (mut sums, mut pairs, mut said) = (Losses::new(), vec![], vec![]);
        let mut add = |losses: Losses| {
            losses.into_iter().for_each(|(name, value)| *sums.entry(name).or_default() += value * share);
        };
        let mut first = 0;
        for batch in batches {
            let key = Key { seed: step.seed, step: step.number, first };
            let (shown, noise) = self.shown(batch, key, &self.device)?;
            let rebuilt = Rebuilt::of(&self.autoencoder.module, self.eye.as_ref(), &shown, noise);
            let logits = judge.as_ref().map(|judge| judge.forward(rebuilt.pictures.clone()));
            self.autoencoder.backward(&(rebuilt.loss(logits, weights) * share));
            add(Self::losses(&rebuilt));
            said.push(rebuilt.said.inner());
            pairs.push((shown.inner(), rebuilt.pictures.inner()));
            first += batch.len() as u64;
        }
        self.autoencoder.update(step.learning_rate);
        self.autoencoder.module.observe(graph::constant(Tensor::cat(said, 0), &self.device));

        if judged {
            for (real, rebuilt) in pairs {
                let judge =
                    |pictures| self.discriminator.module.forward(graph::constant(pictures, &self.device));
                let loss = JUDGED.judge(judge(real), judge(rebuilt));
                self.discriminator.backward(&(loss.clone() * share));
                add(Losses::from([("discriminator".to_string(), scalar(&loss))]));
            }
            self.discriminator.update(step.learning_rate);
        } else if weights.adversarial > 0.0 {
            // Told of from the first step on, so that the log has one set of losses.
            add(Losses::from([("discriminator".to_string(), 1.0)]));
        }
        Ok(sums)
    }

    fn evaluate(&mut self, batch: &Batch, step: &Step) -> Result<Losses, ModelError> {
        let key = Key { seed: step.seed, step: step.number, first: 0 };
        let (shown, noise) = self.shown(batch, key, &self.device.clone().inner())?;
        let eye = self.eye.as_ref().map(Eye::valid);
        Ok(Self::losses(&Rebuilt::of(&self.autoencoder.average(), eye.as_ref(), &shown, noise)))
    }

    fn learners(&self) -> Vec<&dyn Remember> {
        vec![&self.autoencoder, &self.discriminator]
    }

    fn learners_mut(&mut self) -> Vec<&mut dyn Remember> {
        vec![&mut self.autoencoder, &mut self.discriminator]
    }

    fn model(&self, which: Which) -> Arc<dyn Model> {
        let network = self.autoencoder.network(which);
        Arc::new(AutoencoderModel::new(network, self.config.clone(), self.picture_shape))
    }

    fn package(&self, which: Which) -> Package {
        let config = serde_json::json!(self.config);
        Package::new(super::FAMILY.name, config, self.picture_shape, self.autoencoder.weights(which))
    }
}

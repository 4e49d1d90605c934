//! How the autoencoder learns: the bound, by one latent a picture.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use rebus_data::Batch;
use rebus_nn::{
    kernels,
    optim::{Learner, Remember},
    random::{Key, Purpose, normal},
};

use super::{Gaussian, VaeConfig, VaeModel, VaeNetwork, VaeObjectiveConfig, gaussian::summed};
use crate::{
    Losses, Model, ModelError, Objective, ObjectiveSpec, Package, Step, Which,
    capability::bits_per_dimension,
    modality,
    objective::scalar,
    reader::{Reader, Said, Saying},
    registry::section,
};

/// A latent whose posterior mean varies by more than this over pictures is in use (Burda et al. 2016, section 2).
const ACTIVE: f64 = 0.01;

/// The evidence lower bound.
pub struct VaeObjective {
    learner: Learner<VaeNetwork>,
    config: VaeConfig,
    objective: VaeObjectiveConfig,
    reader: Reader,
    shown_pictures: f32,
    picture_shape: [usize; 3],
    device: Device,
}

/// A batch before the network sees it.
#[derive(Debug, Clone)]
pub struct VaeExample {
    /// `[batch, channel, height, width]`
    pub pictures: Tensor<4>,
    /// What is said of them.
    pub said: Said,
    /// As latents are shaped, normal.
    pub noise: Tensor<4>,
}

/// The bound of a batch, by one latent a picture; each `[1]`.
#[derive(Debug, Clone)]
pub struct VaeBound {
    /// `-log p(x|z,c)`, nats a picture.
    pub reconstruction: Tensor<1>,
    /// `KL(q(z|x,c) || p(z|c))`, nats a picture.
    pub divergence: Tensor<1>,
    /// The same, with at least the free nats of each channel.
    pub charged: Tensor<1>,
}

impl VaeBound {
    /// `free_bits` are nats of a latent channel, mean over the batch.
    ///
    /// # Errors
    /// Tokens for a network without a text encoder.
    pub fn of(network: &VaeNetwork, example: &VaeExample, free_bits: f64) -> Result<Self, ModelError> {
        let text = example.said.clone().embed(network.text.as_ref())?;
        let condition = network.condition(&text);
        let prior = network.prior(&text, &condition);
        let posterior = network.posterior(example.pictures.clone(), &condition);
        let said = network.decode(posterior.sample(example.noise.clone()), &condition);
        let reconstruction = -network.likelihood.log_probability(example.pictures.clone(), said); // [b]
        let divergence = posterior.divergence(&prior); // [b, c, h, w]
        let [batch, channels, height, width] = divergence.dims();
        let of_channels =
            divergence.clone().reshape([batch, channels, height * width]).sum_dim(2).mean_dim(0);
        Ok(Self {
            reconstruction: kernels::mean(reconstruction),
            divergence: kernels::mean(summed(divergence)),
            charged: of_channels.clamp_min(free_bits).sum(),
        })
    }
}

impl VaeObjective {
    /// From a recipe.
    ///
    /// # Errors
    /// A setting that cannot work, or no tokenizer.
    pub fn new(spec: &ObjectiveSpec) -> Result<Self, ModelError> {
        let mut config: VaeConfig = section(&spec.model, "model", super::FAMILY.name)?;
        let objective: VaeObjectiveConfig = section(&spec.objective, "objective", super::FAMILY.name)?;
        let reader = Reader::new(spec, config.text.context)?;
        config.encoder = reader.frozen().map(|frozen| frozen.config().clone());
        config.text.vocabulary = reader.tokenizer().vocab_size();
        config.validate(spec.picture_shape)?;
        objective.validate()?;
        let network = VaeNetwork::new(&config, spec.picture_shape, &mut spec.init());
        let learner = spec.learner("network", network);
        let (picture_shape, device) = (spec.picture_shape, spec.device.clone());
        let shown_pictures = spec.shown_pictures;
        Ok(Self { learner, config, objective, reader, shown_pictures, picture_shape, device })
    }

    fn example(
        &self,
        batch: &Batch,
        key: Key,
        learning: bool,
        device: &Device,
    ) -> Result<VaeExample, ModelError> {
        let pictures = modality::to_tensor(batch.pictures("image")?, device);
        let saying = Saying {
            caption_dropout: self.objective.caption_dropout,
            word_dropout: self.objective.word_dropout,
            pictures: self.shown_pictures,
        };
        let said = self.reader.of_batch(batch, key, learning.then_some(saying), device)?;
        let [channels, height, width] = self.config.latent_shape(self.picture_shape);
        let noise = normal([batch.len(), channels, height, width], key, Purpose::Noise, device);
        Ok(VaeExample { pictures, said, noise })
    }

    /// From nats a picture to bits a number of it.
    fn bits(&self, nats: f64) -> f64 {
        bits_per_dimension(nats, self.picture_shape)
    }

    fn losses(&self, bound: &VaeBound) -> Losses {
        let (reconstruction, divergence) = (scalar(&bound.reconstruction), scalar(&bound.divergence));
        Losses::from([
            ("reconstruction_nats".to_string(), reconstruction),
            ("kl_nats".to_string(), divergence),
            ("bits_per_dim".to_string(), self.bits(reconstruction + divergence)),
        ])
    }

    /// How many latents are in use over a batch of pictures.
    fn active(network: &VaeNetwork, example: &VaeExample, condition: &Tensor<2>) -> f64 {
        let mean = network.posterior(example.pictures.clone(), condition).mean; // [b, c, h, w]
        let apart = mean.clone() - mean.clone().mean_dim(0);
        let variance = apart.square().mean_dim(0);
        scalar(&variance.greater_elem(ACTIVE).float().sum())
    }
}

/// The importance-weighted bound (Burda et al. 2016, equation 8) in nats a picture, `[batch]`: the logarithm of the mean over
/// samples of `p(x|z,c) p(z|c) / q(z|x,c)`, one batch of noise a sample. With one sample it is the evidence lower bound; it rises
/// with their number, and is the likelihood itself where `q` is the true posterior.
pub fn importance_bound(
    prior: &Gaussian,
    posterior: &Gaussian,
    noise: &[Tensor<4>],
    log_probability: impl Fn(Tensor<4>) -> Tensor<1>,
) -> Tensor<1> {
    let weights = noise.iter().map(|noise| {
        let latents = posterior.sample(noise.clone());
        let weight = log_probability(latents.clone()) + prior.log_density(latents.clone())
            - posterior.log_density(latents);
        weight.unsqueeze_dim::<2>(1) // [b, 1]
    });
    let weights = Tensor::cat(weights.collect(), 1); // [b, samples]
    let [batch, samples] = weights.dims();
    let most = weights.clone().max_dim(1); // [b, 1]
    let sum = (weights - most.clone()).exp().sum_dim(1).log() + most;
    sum.reshape([batch]) - (samples as f64).ln()
}

impl Objective for VaeObjective {
    fn step(&mut self, batches: &[Batch], step: &Step) -> Result<Losses, ModelError> {
        let settings = &self.objective;
        let risen = (step.number + 1) as f64 / settings.kl_warmup_steps.max(1) as f64;
        let weight = settings.kl_weight * risen.min(1.0);
        let numbers = self.picture_shape.iter().product::<usize>() as f64;
        let mut sums = Losses::new();
        let mut first = 0;
        for batch in batches {
            let key = Key { seed: step.seed, step: step.number, first };
            let example = self.example(batch, key, true, &self.device)?;
            let bound = VaeBound::of(&self.learner.module, &example, settings.free_bits)?;
            for (name, value) in self.losses(&bound) {
                *sums.entry(name).or_default() += value / batches.len() as f64;
            }
            let loss = (bound.reconstruction + bound.charged * weight) / numbers;
            self.learner.backward(&(loss / batches.len() as f64));
            first += batch.len() as u64;
        }
        self.learner.update(step.learning_rate);
        Ok(sums)
    }

    fn evaluate(&mut self, batch: &Batch, step: &Step) -> Result<Losses, ModelError> {
        let key = Key { seed: step.seed, step: step.number, first: 0 };
        let example = self.example(batch, key, false, &self.device.clone().inner())?;
        let network = self.learner.average();
        let mut losses = self.losses(&VaeBound::of(&network, &example, self.objective.free_bits)?);
        let text = example.said.clone().embed(network.text.as_ref())?;
        let condition = network.condition(&text);
        let (prior, posterior) =
            (network.prior(&text, &condition), network.posterior(example.pictures.clone(), &condition));
        let noise: Vec<Tensor<4>> = (0..self.objective.importance_samples as u64)
            .map(|sample| {
                let key = Key { first: (1 + sample) * batch.len() as u64, ..key };
                normal(example.noise.dims(), key, Purpose::Noise, &example.noise.device())
            })
            .collect();
        let bound = importance_bound(&prior, &posterior, &noise, |latents| {
            let said = network.decode(latents, &condition);
            network.likelihood.log_probability(example.pictures.clone(), said)
        });
        losses.insert("importance_bits_per_dim".to_string(), self.bits(-scalar(&kernels::mean(bound))));
        losses.insert("active_units".to_string(), Self::active(&network, &example, &condition));
        Ok(losses)
    }

    fn learners(&self) -> Vec<&dyn Remember> {
        vec![&self.learner]
    }

    fn learners_mut(&mut self) -> Vec<&mut dyn Remember> {
        vec![&mut self.learner]
    }

    fn model(&self, which: Which) -> Arc<dyn Model> {
        let network = self.learner.network(which);
        Arc::new(VaeModel::new(network, self.config.clone(), self.picture_shape, self.reader.clone()))
    }

    fn package(&self, which: Which) -> Package {
        let config = serde_json::json!(self.config);
        let weights = self.learner.weights(which);
        self.reader.packed_with(Package::new(super::FAMILY.name, config, self.picture_shape, weights))
    }
}

//! The autoencoder as a model that draws in one step what it is told, and reconstructs what it is shown.

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use rebus_data::Pictures;
use rebus_nn::{
    Init,
    random::{Purpose, normal_per_seed},
};

use super::{VaeConfig, VaeNetwork, objective::importance_bound};
use crate::{
    Condition, Conditioner, Embedding, Generate, GenerateOptions, GenerateRequest, Likelihood, Model,
    ModelError, ModelFolder, ModelInfo, Observer, Reconstruct, Vectors,
    capability::reconstruct,
    modality,
    reader::{Reader, Reading},
    registry::section,
    sampling,
};

/// Latents by which the likelihood of a picture is bounded.
const IMPORTANCE_SAMPLES: u64 = 16;

/// A variational autoencoder that draws and reconstructs.
pub struct VaeModel {
    network: VaeNetwork,
    config: VaeConfig,
    text: Reading,
    info: ModelInfo,
    device: Device,
}

impl VaeModel {
    /// From a network in memory.
    pub fn new(network: VaeNetwork, config: VaeConfig, picture_shape: [usize; 3], reader: Reader) -> Self {
        let info = ModelInfo::in_memory(super::FAMILY.name, network.num_params(), picture_shape);
        let device = network.devices().into_iter().next().unwrap_or_default();
        let text = Reading::new(reader, network.text.clone(), device.clone());
        Self { network, config, text, info, device }
    }

    /// From a model folder.
    ///
    /// # Errors
    /// A configuration that does not parse, no tokenizer, or weights of another network.
    pub fn open(folder: ModelFolder, device: &Device) -> Result<Self, ModelError> {
        let config: VaeConfig = section(&folder.config, "config", super::FAMILY.name)?;
        config.validate(folder.picture_shape)?;
        let reader = Reader::of_folder(&folder, config.encoder.as_ref(), config.text.context, device)?;
        let network = VaeNetwork::new(&config, folder.picture_shape, &mut Init::empty(device));
        let network = folder.fill(network, "network.")?;
        let mut model = Self::new(network, config, folder.picture_shape, reader);
        model.info = model.info.told_by(folder.hash, folder.provenance);
        Ok(model)
    }

    /// A condition of so many entries; the unconditional one where none is given.
    fn told(&self, condition: Option<&Condition>, count: usize) -> Result<Condition, ModelError> {
        match condition {
            Some(condition) => Ok(condition.clone()),
            None => self.text.nothing(count),
        }
    }

    /// One chunk of a condition as the network knows it.
    fn modulation(&self, condition: &Condition) -> Result<Tensor<2>, ModelError> {
        Ok(self.network.condition(text(condition)?))
    }
}

fn text(condition: &Condition) -> Result<&Embedding, ModelError> {
    condition.main().ok_or_else(ModelError::without_text)
}

impl Model for VaeModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn conditioner(&self) -> Option<&dyn Conditioner> {
        Some(&self.text)
    }

    fn generate(&self) -> Option<&dyn Generate> {
        Some(self)
    }

    fn reconstruct(&self) -> Option<&dyn Reconstruct> {
        Some(self)
    }

    fn likelihood(&self) -> Option<&dyn Likelihood> {
        Some(self)
    }
}

impl Generate for VaeModel {
    fn generate(
        &self,
        request: &GenerateRequest,
        observer: &mut dyn Observer,
    ) -> Result<Pictures, ModelError> {
        let condition = self.told(request.condition.as_ref(), request.seeds.len())?;
        let [channels, height, width] = self.config.latent_shape(self.info.picture_shape);
        sampling::in_one_step(request.seeds.len(), self.info.picture_shape, observer, |chunk| {
            let seeds = chunk.of(&request.seeds);
            let noise =
                normal_per_seed([0, channels, height, width], &seeds, Purpose::Noise, 0, &self.device);
            let told = chunk.condition(&condition);
            let condition = self.modulation(&told)?;
            let latents = self.network.prior(text(&told)?, &condition).sample(noise);
            Ok(self.network.likelihood.picture(self.network.decode(latents, &condition)))
        })
    }

    fn options(&self) -> GenerateOptions {
        GenerateOptions { prompt: true, ..GenerateOptions::default() }
    }
}

impl Likelihood for VaeModel {
    fn log_probability(
        &self,
        pictures: &Pictures,
        condition: Option<&Condition>,
        seed: u64,
        observer: &mut dyn Observer,
    ) -> Result<Vec<f64>, ModelError> {
        reconstruct::check_pictures(pictures, self.info.picture_shape)?;
        let condition = self.told(condition, pictures.len())?;
        let [channels, height, width] = self.config.latent_shape(self.info.picture_shape);
        sampling::numbers_in_chunks(pictures, observer, |chunk, shown| {
            let told = chunk.condition(&condition);
            let modulation = self.modulation(&told)?;
            let seeds = chunk.seeds(seed);
            let noise: Vec<Tensor<4>> = (0..IMPORTANCE_SAMPLES)
                .map(|sample| {
                    let shape = [0, channels, height, width];
                    normal_per_seed(shape, &seeds, Purpose::Noise, sample, &self.device)
                })
                .collect();
            let shown = modality::to_tensor(shown, &self.device);
            let prior = self.network.prior(text(&told)?, &modulation);
            let posterior = self.network.posterior(shown.clone(), &modulation);
            let bound = importance_bound(&prior, &posterior, &noise, |latents| {
                let said = self.network.decode(latents, &modulation);
                self.network.likelihood.log_probability(shown.clone(), said)
            });
            Ok(bound.into_data().iter::<f64>().collect())
        })
    }

    fn bound(&self) -> &'static str {
        "importance-weighted, 16 samples"
    }
}

impl Reconstruct for VaeModel {
    fn latent_width(&self) -> usize {
        self.config.latent_shape(self.info.picture_shape).iter().product()
    }

    fn latents(
        &self,
        pictures: &Pictures,
        condition: Option<&Condition>,
        observer: &mut dyn Observer,
    ) -> Result<Vectors, ModelError> {
        let [count, channels, height, width] = pictures.shape;
        reconstruct::check_pictures(pictures, self.info.picture_shape)?;
        let condition = self.told(condition, count)?;
        let all: Vec<&[f32]> = pictures.data.chunks(channels * height * width).collect();
        let mut data = vec![];
        let chunks = sampling::chunks(count);
        let total = chunks.len();
        for (number, chunk) in chunks.enumerate() {
            let shown = modality::to_tensor(&chunk.pictures(&all, [channels, height, width]), &self.device);
            let condition = self.modulation(&chunk.condition(&condition))?;
            let mean = chunk.cut(self.network.posterior(shown, &condition).mean);
            data.extend(mean.into_data().iter::<f32>());
            if observer.step(number + 1, total, &|| pictures.clone()).is_break() {
                return Err(ModelError::Interrupted);
            }
        }
        Ok(Vectors { width: self.latent_width(), data })
    }

    fn decode(&self, latents: &Vectors, condition: Option<&Condition>) -> Result<Pictures, ModelError> {
        reconstruct::check_latents(latents, self.latent_width())?;
        let count = latents.len();
        let condition = self.told(condition, count)?;
        let [channels, height, width] = self.config.latent_shape(self.info.picture_shape);
        let rows: Vec<&[f32]> = latents.data.chunks(latents.width.max(1)).collect();
        sampling::in_one_step(count, self.info.picture_shape, &mut crate::NoObserver, |chunk| {
            let chosen = chunk.of(&rows);
            let data = TensorData::new(chosen.concat(), [chosen.len(), channels, height, width]);
            let condition = self.modulation(&chunk.condition(&condition))?;
            let said = self.network.decode(Tensor::from_data(data, &self.device), &condition);
            Ok(self.network.likelihood.picture(said))
        })
    }
}

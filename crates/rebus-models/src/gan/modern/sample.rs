//! The generator as a model that draws in one step what it is told.

use burn::{module::Module, tensor::Device};
use rebus_data::Pictures;
use rebus_nn::{
    Init,
    random::{Purpose, normal_per_seed},
};

use super::{Generator, ModernConfig};
use crate::{
    Conditioner, Generate, GenerateOptions, GenerateRequest, Model, ModelError, ModelFolder, ModelInfo,
    Observer,
    reader::{Reader, Reading},
    registry::section,
    sampling,
};

/// A generator with captions that draws.
pub struct ModernModel {
    generator: Generator,
    config: ModernConfig,
    text: Reading,
    info: ModelInfo,
    device: Device,
}

impl ModernModel {
    /// From a network in memory.
    pub fn new(
        generator: Generator,
        config: ModernConfig,
        picture_shape: [usize; 3],
        reader: Reader,
    ) -> Self {
        let info = ModelInfo::in_memory(super::FAMILY.name, generator.num_params(), picture_shape);
        let device = generator.devices().into_iter().next().unwrap_or_default();
        let text = Reading::new(reader, generator.text.clone(), device.clone());
        Self { generator, config, text, info, device }
    }

    /// From a model folder.
    ///
    /// # Errors
    /// A configuration that does not parse, no tokenizer, or weights of another network.
    pub fn open(folder: ModelFolder, device: &Device) -> Result<Self, ModelError> {
        let config: ModernConfig = section(&folder.config, "config", super::FAMILY.name)?;
        config.validate(folder.picture_shape)?;
        let reader = Reader::of_folder(&folder, config.encoder.as_ref(), config.text.context, device)?;
        let generator = Generator::new(&config, folder.picture_shape, &mut Init::empty(device));
        let generator = folder.fill(generator, "generator.")?;
        let mut model = Self::new(generator, config, folder.picture_shape, reader);
        model.info = model.info.told_by(folder.hash, folder.provenance);
        Ok(model)
    }
}

impl Model for ModernModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn conditioner(&self) -> Option<&dyn Conditioner> {
        Some(&self.text)
    }

    fn generate(&self) -> Option<&dyn Generate> {
        Some(self)
    }
}

impl Generate for ModernModel {
    fn generate(
        &self,
        request: &GenerateRequest,
        observer: &mut dyn Observer,
    ) -> Result<Pictures, ModelError> {
        let condition = match &request.condition {
            Some(condition) => condition.clone(),
            None => self.text.nothing(request.seeds.len())?,
        };
        sampling::in_one_step(request.seeds.len(), self.info.picture_shape, observer, |chunk| {
            let seeds = chunk.of(&request.seeds);
            let noise =
                normal_per_seed([0, self.config.noise_width], &seeds, Purpose::Noise, 0, &self.device);
            let condition = chunk.condition(&condition);
            let text = condition.main().ok_or_else(ModelError::without_text)?;
            Ok(self.generator.forward(noise, text.pooled.clone()))
        })
    }

    fn options(&self) -> GenerateOptions {
        GenerateOptions { prompt: true, ..GenerateOptions::default() }
    }
}

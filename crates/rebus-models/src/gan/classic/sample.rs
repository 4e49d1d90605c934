//! The textbook network as a model that draws in one step.

use burn::{module::Module, tensor::Device};
use rebus_data::Pictures;
use rebus_nn::{
    Init,
    random::{Purpose, normal_per_seed},
};

use super::{ClassicConfig, Generator};
use crate::{
    Generate, GenerateOptions, GenerateRequest, Model, ModelError, ModelFolder, ModelInfo, Observer,
    registry::section, sampling,
};

/// A generator without captions that draws.
pub struct ClassicModel {
    generator: Generator,
    config: ClassicConfig,
    info: ModelInfo,
    device: Device,
}

impl ClassicModel {
    /// From a network in memory.
    pub fn new(generator: Generator, config: ClassicConfig, picture_shape: [usize; 3]) -> Self {
        let info = ModelInfo::in_memory(super::FAMILY.name, generator.num_params(), picture_shape);
        let device = generator.devices().into_iter().next().unwrap_or_default();
        Self { generator, config, info, device }
    }

    /// From a model folder.
    ///
    /// # Errors
    /// A configuration that does not parse, or weights of another network.
    pub fn open(folder: ModelFolder, device: &Device) -> Result<Self, ModelError> {
        let config: ClassicConfig = section(&folder.config, "config", super::FAMILY.name)?;
        config.validate(folder.picture_shape)?;
        let generator = Generator::new(&config, folder.picture_shape, &mut Init::empty(device));
        let generator = folder.fill(generator, "generator.")?;
        let mut model = Self::new(generator, config, folder.picture_shape);
        model.info = model.info.told_by(folder.hash, folder.provenance);
        Ok(model)
    }
}

impl Model for ClassicModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn generate(&self) -> Option<&dyn Generate> {
        Some(self)
    }
}

impl Generate for ClassicModel {
    fn generate(
        &self,
        request: &GenerateRequest,
        observer: &mut dyn Observer,
    ) -> Result<Pictures, ModelError> {
        sampling::in_one_step(request.seeds.len(), self.info.picture_shape, observer, |chunk| {
            let seeds = chunk.of(&request.seeds);
            let noise =
                normal_per_seed([0, self.config.noise_width], &seeds, Purpose::Noise, 0, &self.device);
            Ok(self.generator.draw(noise))
        })
    }

    fn options(&self) -> GenerateOptions {
        GenerateOptions::default()
    }
}

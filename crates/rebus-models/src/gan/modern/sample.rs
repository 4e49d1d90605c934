//! The generator as a model that draws in one step what it is told.

use std::sync::Arc;

use burn::{module::Module, tensor::Device};
use rebus_data::{Pictures, Tokenizer};
use rebus_nn::{
    Init, named,
    random::{Purpose, normal_per_seed},
};

use super::{Generator, ModernConfig};
use crate::{
    Condition, Conditioner, Generate, GenerateOptions, GenerateRequest, Input, Model, ModelError,
    ModelFolder, ModelInfo, Observer, modality, registry::section, sampling,
};

/// A generator with captions that draws.
pub struct ModernModel {
    generator: Generator,
    config: ModernConfig,
    tokenizer: Arc<Tokenizer>,
    info: ModelInfo,
    device: Device,
}

impl ModernModel {
    /// From a network in memory.
    pub fn new(
        generator: Generator,
        config: ModernConfig,
        picture_shape: [usize; 3],
        tokenizer: Arc<Tokenizer>,
    ) -> Self {
        let info = ModelInfo {
            family: super::FAMILY.name.to_string(),
            parameters: generator.num_params(),
            picture_shape,
            hash: String::new(),
            provenance: serde_json::Value::Null,
        };
        let device = generator.devices().into_iter().next().unwrap_or_default();
        Self { generator, config, tokenizer, info, device }
    }

    /// From a model folder.
    ///
    /// # Errors
    /// A configuration that does not parse, no tokenizer, or weights of another network.
    pub fn open(folder: ModelFolder, device: &Device) -> Result<Self, ModelError> {
        let config: ModernConfig = section(&folder.config, "config", super::FAMILY.name)?;
        config.validate(folder.picture_shape)?;
        let tokenizer = folder.tokenizer.clone().ok_or_else(|| ModelError::Manifest {
            file: folder.place.join("model.json"),
            reason: "this family needs a tokenizer component".to_string(),
        })?;
        let generator = Generator::new(&config, folder.picture_shape, &mut Init::empty(device));
        let generator = named::replace(generator, "generator.", &folder.weights).map_err(|mismatch| {
            ModelError::Mismatch { place: folder.place.display().to_string(), mismatch }
        })?;
        let mut model = Self::new(generator, config, folder.picture_shape, tokenizer);
        model.info.hash = folder.hash;
        model.info.provenance = folder.provenance;
        Ok(model)
    }

    fn encode(&self, texts: &[String]) -> Result<Condition, ModelError> {
        let context = self.config.text.context;
        sampling::condition_in_chunks(texts, |texts| {
            let tokens = modality::tokenize(&self.tokenizer, texts, context, None, &self.device)?;
            Ok(Condition::of("text", self.generator.text.forward(tokens)))
        })
    }
}

impl Model for ModernModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn conditioner(&self) -> Option<&dyn Conditioner> {
        Some(self)
    }

    fn generate(&self) -> Option<&dyn Generate> {
        Some(self)
    }
}

impl Conditioner for ModernModel {
    fn condition(&self, inputs: &[Input]) -> Result<Condition, ModelError> {
        let texts: Vec<String> = inputs.iter().map(|Input::Text(text)| text.clone()).collect();
        self.encode(&texts)
    }

    fn truncation(&self, text: &str) -> Result<Option<String>, ModelError> {
        Ok(self.tokenizer.truncation(text, self.config.text.context)?)
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
            None => self.encode(&vec![String::new(); request.seeds.len()])?,
        };
        sampling::in_one_step(request.seeds.len(), self.info.picture_shape, observer, |chunk| {
            let seeds = chunk.of(&request.seeds);
            let noise =
                normal_per_seed([0, self.config.noise_width], &seeds, Purpose::Noise, 0, &self.device);
            let condition = chunk.condition(&condition);
            let text = condition.main().ok_or_else(|| ModelError::Request {
                option: "condition",
                value: "without an embedding".to_string(),
                rule: "it must hold a text; make it with this model's conditioner".to_string(),
            })?;
            Ok(self.generator.forward(noise, text.pooled.clone()))
        })
    }

    fn options(&self) -> GenerateOptions {
        GenerateOptions { prompt: true, ..GenerateOptions::default() }
    }
}

//! The flow as a model: what it is told, and one step of it. `sampling` makes pictures of that.

use std::sync::Arc;

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use rebus_data::Tokenizer;
use rebus_nn::{Init, named};

use super::{FlowConfig, FlowNetwork};
use crate::{
    Condition, Conditioner, Denoise, Embedding, Generate, Input, Model, ModelError, ModelFolder, ModelInfo,
    capability::Parameterization, modality, registry::section,
};

/// A flow that draws.
pub struct FlowModel {
    network: FlowNetwork,
    config: FlowConfig,
    tokenizer: Arc<Tokenizer>,
    info: ModelInfo,
    device: Device,
}

impl FlowModel {
    /// From a network in memory.
    pub fn new(
        network: FlowNetwork,
        config: FlowConfig,
        picture_shape: [usize; 3],
        tokenizer: Arc<Tokenizer>,
    ) -> Self {
        let info = ModelInfo {
            family: "flow".to_string(),
            parameters: network.num_params(),
            picture_shape,
            hash: String::new(),
            provenance: serde_json::Value::Null,
        };
        let device = network.devices().into_iter().next().unwrap_or_default();
        Self { network, config, tokenizer, info, device }
    }

    /// From a model folder.
    ///
    /// # Errors
    /// A configuration that does not parse, no tokenizer, or weights of another network.
    pub fn open(folder: ModelFolder, device: &Device) -> Result<Self, ModelError> {
        let config: FlowConfig = section(&folder.config, "config", "flow")?;
        config.validate()?;
        let manifest = |reason: &str| ModelError::Manifest {
            file: folder.place.join("model.json"),
            reason: reason.to_string(),
        };
        let tokenizer =
            folder.tokenizer.clone().ok_or_else(|| manifest("a flow needs a tokenizer component"))?;
        let network = FlowNetwork::new(&config, folder.picture_shape[0], &mut Init::empty(device));
        let network = named::replace(network, "network.", &folder.weights).map_err(|mismatch| {
            ModelError::Mismatch { place: folder.place.display().to_string(), mismatch }
        })?;
        let mut model = Self::new(network, config, folder.picture_shape, tokenizer);
        model.info.hash = folder.hash;
        model.info.provenance = folder.provenance;
        Ok(model)
    }
}

impl FlowModel {
    fn encode(&self, texts: &[String]) -> Result<Embedding, ModelError> {
        let context = self.config.text.context;
        let tokens = modality::tokenize(&self.tokenizer, texts, context, None, &self.device)?;
        Ok(self.network.text.forward(tokens))
    }
}

impl Model for FlowModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn conditioner(&self) -> Option<&dyn Conditioner> {
        Some(self)
    }

    fn generate(&self) -> Option<&dyn Generate> {
        Some(self)
    }

    fn denoise(&self) -> Option<&dyn Denoise> {
        Some(self)
    }
}

impl Conditioner for FlowModel {
    fn condition(&self, inputs: &[Input]) -> Result<Condition, ModelError> {
        let texts: Vec<String> = inputs.iter().map(|Input::Text(text)| text.clone()).collect();
        Ok(Condition::of("text", self.encode(&texts)?))
    }

    fn truncation(&self, text: &str) -> Result<Option<String>, ModelError> {
        Ok(self.tokenizer.truncation(text, self.config.text.context)?)
    }
}

impl Denoise for FlowModel {
    fn parameterization(&self) -> Parameterization {
        Parameterization::Velocity
    }

    fn latent_shape(&self, height: usize, width: usize) -> Result<[usize; 3], ModelError> {
        self.config.validate_size(height, width)?;
        Ok([self.info.picture_shape[0], height, width])
    }

    fn predict(
        &self,
        x_t: Tensor<4>,
        times: Tensor<1>,
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError> {
        match condition.main() {
            Some(text) => Ok(self.network.forward(x_t, times, text)),
            None => {
                let nothing = self.encode(&vec![String::new(); x_t.dims()[0]])?;
                Ok(self.network.forward(x_t, times, &nothing))
            }
        }
    }

    fn unconditional(&self, batch: usize) -> Result<Condition, ModelError> {
        Ok(Condition::of("text", self.encode(&vec![String::new(); batch])?))
    }

    fn device(&self) -> Device {
        self.device.clone()
    }

    fn picture_shape(&self) -> [usize; 3] {
        self.info.picture_shape
    }
}

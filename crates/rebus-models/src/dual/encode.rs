//! The two towers as a model that encodes.

use std::sync::Arc;

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use rebus_data::{Pictures, Tokenizer};
use rebus_nn::Init;

use super::{DualConfig, DualNetwork};
use crate::{
    Encode, Encoded, Model, ModelError, ModelFolder, ModelInfo, Vectors, modality, registry::section,
    sampling::chunks,
};

/// A text and a picture encoder.
pub struct DualModel {
    network: DualNetwork,
    config: DualConfig,
    tokenizer: Arc<Tokenizer>,
    info: ModelInfo,
    device: Device,
}

impl DualModel {
    /// From a network in memory.
    pub fn new(
        network: DualNetwork,
        config: DualConfig,
        picture_shape: [usize; 3],
        tokenizer: Arc<Tokenizer>,
    ) -> Self {
        let info = ModelInfo {
            family: super::FAMILY.name.to_string(),
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
        let config: DualConfig = section(&folder.config, "config", super::FAMILY.name)?;
        config.validate()?;
        let [channels, height, width] = folder.picture_shape;
        config.validate_size(height, width)?;
        let tokenizer = folder.require_tokenizer()?;
        let network = DualNetwork::new(&config, channels, &mut Init::empty(device));
        let network = folder.fill(network, "network.")?;
        let mut model = Self::new(network, config, folder.picture_shape, tokenizer);
        model.info.hash = folder.hash;
        model.info.provenance = folder.provenance;
        Ok(model)
    }

    fn texts(&self, texts: &[String]) -> Result<Tensor<2>, ModelError> {
        let length = modality::Length::Exactly(self.config.text.context);
        let tokens = modality::tokenize(&self.tokenizer, texts, length, None, &self.device)?;
        Ok(self.network.texts(tokens))
    }

    fn check(&self, pictures: &Pictures) -> Result<(), ModelError> {
        let [_, channels, height, width] = pictures.shape;
        if channels != self.info.picture_shape[0] {
            return Err(ModelError::Config {
                field: "data.channels",
                value: channels.to_string(),
                rule: format!("this model reads pictures of {} channels", self.info.picture_shape[0]),
            });
        }
        self.config.validate_size(height, width)
    }
}

impl Model for DualModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn encode(&self) -> Option<&dyn Encode> {
        Some(self)
    }
}

impl Encode for DualModel {
    fn width(&self) -> usize {
        self.config.width
    }

    fn encode(&self, inputs: Encoded<'_>) -> Result<Vectors, ModelError> {
        let mut data = Vec::new();
        let mut take = |rows: Tensor<2>, length: usize| {
            data.extend(rows.narrow(0, 0, length).into_data().iter::<f32>());
        };
        match inputs {
            Encoded::Texts(texts) => {
                for chunk in chunks(texts.len()) {
                    take(self.texts(&chunk.of(texts))?, chunk.length);
                }
            }
            Encoded::Pictures(pictures) => {
                self.check(pictures)?;
                let [count, channels, height, width] = pictures.shape;
                let all: Vec<&[f32]> = pictures.data.chunks(channels * height * width).collect();
                for chunk in chunks(count) {
                    let chosen = chunk.of(&all);
                    let shape = [chosen.len(), channels, height, width];
                    let filled =
                        modality::to_tensor(&Pictures { shape, data: chosen.concat() }, &self.device);
                    take(self.network.pictures(filled), chunk.length);
                }
            }
        }
        Ok(Vectors { width: self.config.width, data })
    }
}

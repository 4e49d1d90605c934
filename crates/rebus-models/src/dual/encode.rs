//! The two towers as a model that encodes.

use std::sync::Arc;

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use rebus_data::{MelConfig, Pictures, Tokenizer};
use rebus_nn::Init;

use super::{DualConfig, DualNetwork, hearing};
use crate::{
    Encode, Encoded, Model, ModelError, ModelFolder, ModelInfo, Perceive, Vectors, modality,
    picture::{apart, in_chunks},
    registry::{self, section},
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

/// Refuses a folder of another family.
pub(crate) fn check(folder: &ModelFolder) -> Result<(), ModelError> {
    if folder.family == super::FAMILY.name {
        return Ok(());
    }
    Err(ModelError::Lacks { family: folder.family.clone(), verb: "encode", able: registry::able("encode") })
}

/// The towers of a folder.
pub(crate) fn open(folder: &ModelFolder, device: &Device) -> Result<(DualNetwork, DualConfig), ModelError> {
    check(folder)?;
    let config: DualConfig = section(&folder.config, "config", super::FAMILY.name)?;
    config.validate()?;
    let [channels, height, width] = folder.picture_shape;
    config.picture.validate_size(height, width)?;
    let network = DualNetwork::new(&config, channels, &mut Init::empty(device));
    Ok((folder.fill(network, "network.")?, config))
}

/// The error of an encoder without a tower of sounds.
fn deaf(family: &str) -> ModelError {
    ModelError::Request {
        option: "audio",
        value: "a sound".to_string(),
        rule: format!(
            "this model of family `{family}` hears nothing; `rebus train emoji-dual-sound --data PATH` binds sounds to an encoder"
        ),
    }
}

impl DualModel {
    /// From a network in memory.
    pub fn new(
        network: DualNetwork,
        config: DualConfig,
        picture_shape: [usize; 3],
        tokenizer: Arc<Tokenizer>,
    ) -> Self {
        let info = ModelInfo::in_memory(super::FAMILY.name, network.num_params(), picture_shape);
        let device = network.devices().into_iter().next().unwrap_or_default();
        Self { network, config, tokenizer, info, device }
    }

    /// From a model folder.
    ///
    /// # Errors
    /// A configuration that does not parse, no tokenizer, or weights of another network.
    pub fn open(folder: ModelFolder, device: &Device) -> Result<Self, ModelError> {
        let (network, config) = open(&folder, device)?;
        let tokenizer = folder.require_tokenizer()?;
        let mut model = Self::new(network, config, folder.picture_shape, tokenizer);
        model.info = model.info.told_by(folder.hash, folder.provenance);
        Ok(model)
    }

    fn texts(&self, texts: &[String]) -> Result<Tensor<2>, ModelError> {
        let length = modality::Length::Exactly(self.config.text.context);
        let tokens = modality::tokenize(&self.tokenizer, texts, length, None, &self.device)?;
        Ok(self.network.texts(tokens))
    }
}

impl Model for DualModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn encode(&self) -> Option<&dyn Encode> {
        Some(self)
    }

    fn perceive(&self) -> Option<&dyn Perceive> {
        Some(self)
    }
}

impl Perceive for DualModel {
    fn distances(&self, a: &Pictures, b: &Pictures) -> Result<Vec<f32>, ModelError> {
        for pictures in [a, b] {
            self.config.picture.check(pictures, self.info.picture_shape[0])?;
        }
        let tensor = |pictures| modality::to_tensor(pictures, &self.device);
        let apart = apart(&self.network.picture, tensor(a), tensor(b));
        Ok(apart.into_data().iter::<f32>().collect())
    }
}

impl Encode for DualModel {
    fn width(&self) -> usize {
        self.config.width
    }

    fn picture_shape(&self) -> Option<[usize; 3]> {
        Some(self.info.picture_shape)
    }

    fn hears(&self) -> Option<MelConfig> {
        self.config.sound.as_ref().map(|sound| sound.mel)
    }

    fn reads_texts(&self) -> bool {
        true
    }

    /// What the loss multiplied them with.
    fn confidence_scale(&self) -> Option<f32> {
        self.network.scale.val().exp().into_data().iter::<f32>().next()
    }

    /// Rows have length 1.
    fn encode(&self, inputs: Encoded<'_>) -> Result<Vectors, ModelError> {
        let data = match inputs {
            Encoded::Texts(texts) => {
                let mut data = Vec::new();
                for chunk in chunks(texts.len()) {
                    let rows = self.texts(&chunk.of(texts))?.narrow(0, 0, chunk.length);
                    data.extend(rows.into_data().iter::<f32>());
                }
                data
            }
            Encoded::Pictures(pictures) => {
                self.config.picture.check(pictures, self.info.picture_shape[0])?;
                in_chunks(pictures, &self.device, |chunk| self.network.pictures(chunk))
            }
            Encoded::Sounds(sounds) => match (&self.network.sound, self.hears()) {
                (Some(network), Some(mel)) => hearing::rows(network, &mel, sounds, &self.device)?,
                _ => return Err(deaf(&self.info.family)),
            },
        };
        Ok(Vectors { width: self.config.width, data })
    }
}

//! An encoder of words and pictures that has learned before, and whose embeddings condition another family.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use rebus_data::{MelConfig, Tokenizer};
use rebus_nn::{Init, named::NamedTensors, resample};
use serde::{Deserialize, Serialize};

use crate::{
    Embedding, ModelError, ModelFolder,
    dual::{self, DualConfig, DualNetwork},
    modality::TextTokens,
    picture::smaller_by,
    registry::section,
    sound::Heard,
};

/// What stands before the names of its weights in the folder of the family that it conditions.
const PREFIX: &str = "encoder.";

/// The sizes of a [`Frozen`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrozenConfig {
    /// Its towers.
    pub towers: DualConfig,
    /// `[channel, height, width]` of the pictures that it learned from.
    pub picture_shape: [usize; 3],
}

impl FrozenConfig {
    /// Numbers of a word or a picture, as the family that it conditions is told of them.
    pub fn width(&self) -> usize {
        self.towers.width
    }
}

/// The encoder, on a device that does not differentiate.
pub struct Frozen {
    network: DualNetwork,
    config: FrozenConfig,
    tokenizer: Arc<Tokenizer>,
    weights: NamedTensors,
    context: usize,
    device: Device,
}

/// The error of an encoder that reads no words or sees no pictures.
fn lacks() -> ModelError {
    ModelError::Config {
        field: "condition.encoder",
        value: "an encoder".to_string(),
        rule: "it must read words and see pictures: train one with the pair \"picture+text\"".to_string(),
    }
}

impl Frozen {
    /// Of a folder of family `dual`, to condition pictures of a shape.
    ///
    /// # Errors
    /// Another family, other channels, weights that do not fit.
    pub fn open(
        folder: &ModelFolder,
        picture_shape: [usize; 3],
        device: &Device,
    ) -> Result<Self, ModelError> {
        dual::check(folder)?;
        let towers: DualConfig = section(&folder.config, "config", &folder.family)?;
        let config = FrozenConfig { towers, picture_shape: folder.picture_shape };
        if folder.picture_shape[0] != picture_shape[0] {
            return Err(ModelError::Config {
                field: "data.channels",
                value: picture_shape[0].to_string(),
                rule: format!("the encoder of [condition] looks at pictures of {}", folder.picture_shape[0]),
            });
        }
        Self::behind("network.", folder, config, device)
    }

    /// Of the folder of a model that it conditions.
    ///
    /// # Errors
    /// No tokenizer, or weights that do not fit.
    pub fn within(folder: &ModelFolder, config: &FrozenConfig, device: &Device) -> Result<Self, ModelError> {
        Self::behind(PREFIX, folder, config.clone(), device)
    }

    fn behind(
        prefix: &str,
        folder: &ModelFolder,
        config: FrozenConfig,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let [channels, height, width] = config.picture_shape;
        config.towers.validate()?;
        config.towers.validate_size(height, width)?;
        let Some(text) = config.towers.text.as_ref().filter(|_| config.towers.picture.is_some()) else {
            return Err(lacks());
        };
        let context = text.context;
        let network = DualNetwork::new(&config.towers, channels, &mut Init::empty(device));
        let own = |(name, data): (&String, &TensorData)| {
            Some((format!("{PREFIX}{}", name.strip_prefix(prefix)?), data.clone()))
        };
        Ok(Self {
            network: folder.fill(network, prefix)?,
            tokenizer: folder.require_tokenizer()?,
            weights: folder.weights.iter().filter_map(own).collect(),
            config,
            context,
            device: device.clone(),
        })
    }

    /// Its sizes.
    pub fn config(&self) -> &FrozenConfig {
        &self.config
    }

    /// Its weights, by their names in the folder of the family that it conditions.
    pub fn weights(&self) -> &NamedTensors {
        &self.weights
    }

    /// Words to its tokens.
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    /// The most tokens of a text.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// How it hears sounds, if it has a tower for them.
    pub fn hears(&self) -> Option<MelConfig> {
        self.config.towers.mel()
    }

    /// Sounds as texts of one word, as [`pictures`](Self::pictures); nothing where it hears none.
    pub fn sounds(&self, heard: Heard, length: usize) -> Option<Embedding> {
        self.network.listen(heard, length)
    }

    /// Each word, and all of the text: `[batch, length, width]` and `[batch, width]`.
    ///
    /// # Errors
    /// None that [`open`](Self::open) has not told already.
    pub fn texts(&self, tokens: TextTokens) -> Result<Embedding, ModelError> {
        self.network.read(tokens).ok_or_else(lacks)
    }

    /// Pictures `[batch, channel, height, width]` of any size that its tower takes, as texts of one word, which is the picture's
    /// place in the space of both, filled up to `length`.
    ///
    /// # Errors
    /// None that [`open`](Self::open) has not told already.
    pub fn pictures(&self, pictures: Tensor<4>, length: usize) -> Result<Embedding, ModelError> {
        let [_, _, height, width] = pictures.dims();
        let [_, tall, wide] = self.config.picture_shape;
        let factor = smaller_by([height, width], [tall, wide]);
        self.network.look(resample::downsample_mean(pictures, factor), length).ok_or_else(lacks)
    }
}

//! The towers as a model that encodes.

use std::sync::Arc;

use burn::{module::Module, tensor::Device};
use rebus_data::{MelConfig, Pictures, Sounds, Tokenizer};
use rebus_nn::Init;

use super::{DualConfig, DualNetwork, network::unit};
use crate::{
    Encode, Encoded, Model, ModelError, ModelFolder, ModelInfo, Perceive, Vectors, modality,
    picture::{PictureTower, apart, in_chunks},
    registry::{self, section},
    sampling::chunks,
    sound::Heard,
};

/// An encoder of words, pictures and sounds, whichever it has towers for.
pub struct DualModel {
    network: DualNetwork,
    config: DualConfig,
    tokenizer: Option<Arc<Tokenizer>>,
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
    config.validate_size(height, width)?;
    let network = DualNetwork::new(&config, channels, &mut Init::empty(device));
    Ok((folder.fill(network, "network.")?, config))
}

impl DualModel {
    /// From a network in memory.
    pub fn new(
        network: DualNetwork,
        config: DualConfig,
        picture_shape: [usize; 3],
        tokenizer: Option<Arc<Tokenizer>>,
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
        let tokenizer = config.text.is_some().then(|| folder.require_tokenizer()).transpose()?;
        let mut model = Self::new(network, config, folder.picture_shape, tokenizer);
        model.info = model.info.told_by(folder.hash, folder.provenance);
        Ok(model)
    }

    fn texts(&self, texts: &[String]) -> Result<Vec<f32>, ModelError> {
        let (Some(tokenizer), Some(config)) = (&self.tokenizer, &self.config.text) else {
            return Err(self.lacks("text", "words", "text"));
        };
        let mut data = vec![];
        for chunk in chunks(texts.len()) {
            let length = modality::Length::Exactly(config.context);
            let tokens = modality::tokenize(tokenizer, &chunk.of(texts), length, None, &self.device)?;
            let rows = self.network.texts(tokens).ok_or_else(|| self.lacks("text", "words", "text"))?;
            data.extend(rows.narrow(0, 0, chunk.length).into_data().iter::<f32>());
        }
        Ok(data)
    }

    fn tower(&self) -> Result<&PictureTower, ModelError> {
        self.network.picture.as_ref().ok_or_else(|| self.lacks("image", "pictures", "picture"))
    }

    /// Refuses pictures that it cannot look at.
    fn check(&self, pictures: &Pictures) -> Result<(), ModelError> {
        match &self.config.picture {
            Some(picture) => picture.check(pictures, self.info.picture_shape[0]),
            None => Err(self.lacks("image", "pictures", "picture")),
        }
    }

    /// Sounds as rows, in computations of one size.
    fn sounds(&self, sounds: &Sounds) -> Result<Vec<f32>, ModelError> {
        let (Some(network), Some(mel)) = (&self.network.sound, self.config.mel()) else {
            let rule = format!(
                "this model of family `{}` hears nothing; `rebus train emoji-dual-sound --data PATH` binds sounds to an encoder",
                self.info.family
            );
            return Err(ModelError::Request { option: "audio", value: "a sound".to_string(), rule });
        };
        let wanted = [mel.n_mels, mel.frames()];
        if sounds.shape[1..] != wanted {
            return Err(ModelError::Request {
                option: "sounds",
                value: format!("{:?}", &sounds.shape[1..]),
                rule: format!("this model hears {} bands of {} frames", wanted[0], wanted[1]),
            });
        }
        let size = wanted[0] * wanted[1];
        let rows = chunks(sounds.len()).flat_map(|chunk| {
            let places: Vec<usize> = chunk.of(&(0..sounds.len()).collect::<Vec<_>>());
            let data =
                places.iter().flat_map(|&place| &sounds.data[place * size..][..size]).copied().collect();
            let lengths = places.iter().map(|&place| sounds.lengths[place]).collect();
            let filled = Sounds { shape: [places.len(), wanted[0], wanted[1]], data, lengths };
            let made = network.sounds(Heard::new(&filled, &self.device)).narrow(0, 0, chunk.length);
            made.into_data().iter::<f32>().collect::<Vec<_>>()
        });
        Ok(rows.collect())
    }

    /// The error of an encoder without a tower.
    fn lacks(&self, option: &'static str, what: &str, modality: &str) -> ModelError {
        let rule = format!(
            "this model of family `{}` was trained without {what}: name a pair of them in [objective.pairs], such as \"{}\"",
            self.info.family,
            if modality == "text" { "sound+text" } else { "picture+sound" }
        );
        ModelError::Request { option, value: what.to_string(), rule }
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
        self.network.picture.as_ref().map(|_| self as &dyn Perceive)
    }
}

impl Perceive for DualModel {
    fn distances(&self, a: &Pictures, b: &Pictures) -> Result<Vec<f32>, ModelError> {
        for pictures in [a, b] {
            self.check(pictures)?;
        }
        let tensor = |pictures| modality::to_tensor(pictures, &self.device);
        let apart = apart(self.tower()?, tensor(a), tensor(b));
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

    fn sees_pictures(&self) -> bool {
        self.config.picture.is_some()
    }

    fn hears(&self) -> Option<MelConfig> {
        self.config.mel()
    }

    fn reads_texts(&self) -> bool {
        self.config.text.is_some()
    }

    /// What the loss multiplied them with.
    fn confidence_scale(&self) -> Option<f32> {
        self.network.scale.as_ref()?.val().exp().into_data().iter::<f32>().next()
    }

    /// Rows have length 1.
    fn encode(&self, inputs: Encoded<'_>) -> Result<Vectors, ModelError> {
        let data = match inputs {
            Encoded::Texts(texts) => self.texts(texts)?,
            Encoded::Pictures(pictures) => {
                self.check(pictures)?;
                let tower = self.tower()?;
                in_chunks(pictures, &self.device, |chunk| unit(tower.forward(chunk)))
            }
            Encoded::Sounds(sounds) => self.sounds(sounds)?,
        };
        Ok(Vectors { width: self.config.width, data })
    }
}

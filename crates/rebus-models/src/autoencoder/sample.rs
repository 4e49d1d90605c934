//! The autoencoder as a model that reconstructs.

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use rebus_data::Pictures;
use rebus_nn::Init;

use super::{Autoencoder, AutoencoderConfig};
use crate::{
    Condition, Model, ModelError, ModelFolder, ModelInfo, NoObserver, Observer, Reconstruct, Vectors,
    capability::reconstruct, picture::in_chunks, registry::section, sampling,
};

/// An autoencoder that encodes and decodes.
pub struct AutoencoderModel {
    network: Autoencoder,
    config: AutoencoderConfig,
    info: ModelInfo,
    device: Device,
}

/// The network of a folder.
pub(super) fn open(
    folder: &ModelFolder,
    device: &Device,
) -> Result<(Autoencoder, AutoencoderConfig), ModelError> {
    let config: AutoencoderConfig = section(&folder.config, "config", super::FAMILY.name)?;
    config.validate()?;
    let [channels, height, width] = folder.picture_shape;
    config.latent_shape(height, width)?;
    let network = Autoencoder::new(&config, channels, &mut Init::empty(device));
    Ok((folder.fill(network, AutoencoderModel::PREFIX)?, config))
}

impl Autoencoder {
    /// The latents of pictures of one size, a row each, in computations of one fixed size.
    pub(super) fn encode_all(&self, pictures: &Pictures, device: &Device) -> Vec<f32> {
        in_chunks(pictures, device, |chunk| self.encode(chunk).flatten(1, 3))
    }
}

impl AutoencoderModel {
    /// What stands before the names of its weights.
    pub const PREFIX: &str = "network.";

    /// From a network in memory.
    pub fn new(network: Autoencoder, config: AutoencoderConfig, picture_shape: [usize; 3]) -> Self {
        let info = ModelInfo::in_memory(super::FAMILY.name, network.num_params(), picture_shape);
        let device = network.devices().into_iter().next().unwrap_or_default();
        Self { network, config, info, device }
    }

    /// From a model folder.
    ///
    /// # Errors
    /// A configuration that does not parse, or weights of another network.
    pub fn open(folder: ModelFolder, device: &Device) -> Result<Self, ModelError> {
        let (network, config) = open(&folder, device)?;
        let mut model = Self::new(network, config, folder.picture_shape);
        model.info = model.info.told_by(folder.hash, folder.provenance);
        Ok(model)
    }

    fn latent_shape(&self) -> [usize; 3] {
        let [channels, height, width] = self.info.picture_shape;
        let shape = self.config.latent_shape(height, width);
        shape.unwrap_or([channels, height, width])
    }
}

impl Model for AutoencoderModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn reconstruct(&self) -> Option<&dyn Reconstruct> {
        Some(self)
    }
}

impl Reconstruct for AutoencoderModel {
    fn latent_width(&self) -> usize {
        self.latent_shape().iter().product()
    }

    fn latents(
        &self,
        pictures: &Pictures,
        _condition: Option<&Condition>,
        observer: &mut dyn Observer,
    ) -> Result<Vectors, ModelError> {
        reconstruct::check_pictures(pictures, self.info.picture_shape)?;
        let data = self.network.encode_all(pictures, &self.device);
        if observer.step(1, 1, &|| pictures.clone()).is_break() {
            return Err(ModelError::Interrupted);
        }
        Ok(Vectors { width: self.latent_width(), data })
    }

    fn decode(&self, latents: &Vectors, _condition: Option<&Condition>) -> Result<Pictures, ModelError> {
        reconstruct::check_latents(latents, self.latent_width())?;
        let rows: Vec<&[f32]> = latents.data.chunks(latents.width.max(1)).collect();
        let [channels, height, width] = self.latent_shape();
        sampling::in_one_step(latents.len(), self.info.picture_shape, &mut NoObserver, |chunk| {
            let chosen = chunk.of(&rows);
            let data = TensorData::new(chosen.concat(), [chosen.len(), channels, height, width]);
            Ok(self.network.decode(Tensor::from_data(data, &self.device)))
        })
    }
}

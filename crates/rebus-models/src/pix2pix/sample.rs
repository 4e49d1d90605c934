//! The U-Net as a model that translates.

use burn::{module::Module, tensor::Device};
use rebus_data::Pictures;
use rebus_nn::Init;

use super::{Pix2PixConfig, UNet};
use crate::{
    Model, ModelError, ModelFolder, ModelInfo, Observer, Translate, TranslateOptions, TranslateRequest,
    capability::translate, modality, registry::section, sampling,
};

/// A U-Net that translates.
pub struct Pix2PixModel {
    network: UNet,
    config: Pix2PixConfig,
    info: ModelInfo,
    device: Device,
}

impl Pix2PixModel {
    /// From a network in memory.
    pub fn new(network: UNet, config: Pix2PixConfig, picture_shape: [usize; 3]) -> Self {
        let info = ModelInfo::in_memory(super::FAMILY.name, network.num_params(), picture_shape);
        let device = network.devices().into_iter().next().unwrap_or_default();
        Self { network, config, info, device }
    }

    /// From a model folder.
    ///
    /// # Errors
    /// A configuration that does not parse, or weights of another network.
    pub fn open(folder: ModelFolder, device: &Device) -> Result<Self, ModelError> {
        let config: Pix2PixConfig = section(&folder.config, "config", super::FAMILY.name)?;
        config.validate()?;
        let network = UNet::new(&config, folder.picture_shape[0], &mut Init::empty(device));
        let network = folder.fill(network, "network.")?;
        let mut model = Self::new(network, config, folder.picture_shape);
        model.info = model.info.told_by(folder.hash, folder.provenance);
        Ok(model)
    }
}

impl Model for Pix2PixModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn translate(&self) -> Option<&dyn Translate> {
        Some(self)
    }
}

impl Translate for Pix2PixModel {
    fn translate(
        &self,
        request: &TranslateRequest,
        observer: &mut dyn Observer,
    ) -> Result<Pictures, ModelError> {
        let sources = &request.sources;
        translate::check_sources(sources, self.info.picture_shape[0], self.multiple())?;
        sampling::of_each(sources, observer, |_, shown| {
            Ok(self.network.forward(modality::to_tensor(shown, &self.device)))
        })
    }

    fn multiple(&self) -> usize {
        self.config.multiple()
    }

    fn options(&self) -> TranslateOptions {
        TranslateOptions::default()
    }
}

//! Both generators as a model that translates there, and back.

use burn::{module::Module, tensor::Device};
use rebus_data::Pictures;
use rebus_nn::Init;

use super::{Both, CycleGanConfig, config::MULTIPLE};
use crate::{
    Model, ModelError, ModelFolder, ModelInfo, Observer, Translate, TranslateOptions, TranslateRequest,
    capability::translate, modality, registry::section, sampling,
};

/// Generators that translate.
pub struct CycleGanModel {
    network: Both,
    info: ModelInfo,
    device: Device,
}

impl CycleGanModel {
    /// From networks in memory.
    pub fn new(network: Both, picture_shape: [usize; 3]) -> Self {
        let info = ModelInfo::in_memory(super::FAMILY.name, network.num_params(), picture_shape);
        let device = network.devices().into_iter().next().unwrap_or_default();
        Self { network, info, device }
    }

    /// From a model folder.
    ///
    /// # Errors
    /// A configuration that does not parse, or weights of other networks.
    pub fn open(folder: ModelFolder, device: &Device) -> Result<Self, ModelError> {
        let config: CycleGanConfig = section(&folder.config, "config", super::FAMILY.name)?;
        config.validate(folder.picture_shape)?;
        let network = Both::new(&config, folder.picture_shape[0], &mut Init::empty(device));
        let mut model = Self::new(folder.fill(network, "network.")?, folder.picture_shape);
        model.info = model.info.told_by(folder.hash, folder.provenance);
        Ok(model)
    }
}

impl Model for CycleGanModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn translate(&self) -> Option<&dyn Translate> {
        Some(self)
    }
}

impl Translate for CycleGanModel {
    fn translate(
        &self,
        request: &TranslateRequest,
        observer: &mut dyn Observer,
    ) -> Result<Pictures, ModelError> {
        let sources = &request.sources;
        translate::check_sources(sources, self.info.picture_shape[0], self.multiple())?;
        let generator = if request.backwards { &self.network.back } else { &self.network.there };
        sampling::of_each(sources, observer, |_, shown| {
            Ok(generator.forward(modality::to_tensor(shown, &self.device)))
        })
    }

    fn multiple(&self) -> usize {
        // Half of a smaller picture could not be mirrored.
        2 * MULTIPLE
    }

    fn options(&self) -> TranslateOptions {
        TranslateOptions { backwards: true, ..TranslateOptions::default() }
    }
}

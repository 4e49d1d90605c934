//! The network as a model that classifies.

use burn::{module::Module, tensor::Device};
use rebus_data::Pictures;
use rebus_nn::Init;

use super::ClassifierConfig;
use crate::{
    Classify, Model, ModelError, ModelFolder, ModelInfo,
    picture::{PictureTower, in_chunks},
    registry::section,
};

/// A classifier.
pub struct ClassifierModel {
    network: PictureTower,
    config: ClassifierConfig,
    info: ModelInfo,
    device: Device,
}

impl ClassifierModel {
    /// From a network in memory.
    pub fn new(network: PictureTower, config: ClassifierConfig, picture_shape: [usize; 3]) -> Self {
        let info = ModelInfo::in_memory(super::FAMILY.name, network.num_params(), picture_shape);
        let device = network.devices().into_iter().next().unwrap_or_default();
        Self { network, config, info, device }
    }

    /// From a model folder.
    ///
    /// # Errors
    /// A configuration that does not parse, or weights of another network.
    pub fn open(folder: ModelFolder, device: &Device) -> Result<Self, ModelError> {
        let config: ClassifierConfig = section(&folder.config, "config", super::FAMILY.name)?;
        config.validate()?;
        let [channels, height, width] = folder.picture_shape;
        config.picture.validate_size(height, width)?;
        let network =
            PictureTower::new(&config.picture, channels, config.classes.len(), &mut Init::empty(device));
        let network = folder.fill(network, "network.")?;
        let mut model = Self::new(network, config, folder.picture_shape);
        model.info = model.info.told_by(folder.hash, folder.provenance);
        Ok(model)
    }
}

impl Model for ClassifierModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn classify(&self) -> Option<&dyn Classify> {
        Some(self)
    }
}

impl Classify for ClassifierModel {
    fn classes(&self) -> &[String] {
        &self.config.classes
    }

    fn picture_shape(&self) -> [usize; 3] {
        self.info.picture_shape
    }

    fn classify(&self, pictures: &Pictures) -> Result<Vec<f32>, ModelError> {
        self.config.picture.check(pictures, self.info.picture_shape[0])?;
        Ok(in_chunks(pictures, &self.device, |chunk| self.network.forward(chunk)))
    }
}

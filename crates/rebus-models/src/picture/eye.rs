//! How alike pictures look to an encoder that does not learn: what a network that makes pictures is taught by.

use burn::{module::Module, tensor::Tensor};
use rebus_nn::{kernels, resample};

use super::{PictureTower, apart, smaller_by};
use crate::{ModelError, ObjectiveSpec, dual};

/// The picture tower of an encoder, which does not learn: pictures are compared by what it sees in them.
#[derive(Debug, Clone)]
pub struct Eye {
    tower: PictureTower,
    /// Pictures are made smaller by this, so that things have the size in which the tower learned them.
    factor: usize,
}

impl Eye {
    /// A tower that is shown pictures made smaller by a factor.
    pub fn new(tower: PictureTower, factor: usize) -> Self {
        Self { tower: tower.no_grad(), factor }
    }

    /// The encoder that the recipe needs.
    ///
    /// # Errors
    /// It names none, or one that looks at other pictures.
    pub fn of(spec: &ObjectiveSpec) -> Result<Self, ModelError> {
        let folder = spec.need("encoder")?;
        let (network, config) = dual::open(folder, &spec.device)?;
        let ([channels, height, width], own) = (spec.picture_shape, folder.picture_shape);
        if own[0] != channels {
            return Err(ModelError::Config {
                field: "data.channels",
                value: channels.to_string(),
                rule: format!("the encoder of needs.encoder looks at pictures of {}", own[0]),
            });
        }
        let factor = smaller_by([height, width], [own[1], own[2]]);
        config.validate_size(height / factor, width / factor)?;
        let blind = || ModelError::Config {
            field: "needs.encoder",
            value: "an encoder".to_string(),
            rule: "it must see pictures".to_string(),
        };
        Ok(Self::new(network.picture.ok_or_else(blind)?, factor))
    }

    /// How far apart pictures look, on average.
    pub fn apart(&self, one: Tensor<4>, other: Tensor<4>) -> Tensor<1> {
        let small = |pictures| resample::downsample_mean(pictures, self.factor);
        kernels::mean(apart(&self.tower, small(one), small(other)))
    }

    /// The same on a device that does not differentiate.
    pub fn valid(&self) -> Self {
        Self { tower: self.tower.valid(), factor: self.factor }
    }
}

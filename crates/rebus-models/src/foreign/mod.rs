//! Networks that others trained and that look at pictures: read from one safetensors file with their own names, never
//! trained here, and each as its makers run it.

mod dinov2;
mod inception;
mod layers;
mod lpips;
mod resample;
mod weights;

use std::{path::Path, sync::Arc};

use burn::tensor::Device;
use rebus_data::Pictures;

pub use dinov2::Dinov2;
pub use inception::{Inception, Resizing};
pub use lpips::Lpips;

use crate::{Encoded, Model, ModelError, ModelInfo, registry::able};
use weights::Weights;

/// Opens a safetensors file of a network that is known by the names in it: Inception-v3 as torch-fidelity and clean-fid have it,
/// DINOv2 as `transformers` has it, LPIPS as the package `lpips` has it. `resizing` is Inception's alone.
///
/// # Errors
/// A file that is none of these, or lacks tensors of it, which are named.
pub fn open(file: &Path, resizing: Resizing, device: &Device) -> Result<Arc<dyn Model>, ModelError> {
    let weights = Weights::read(file, device)?;
    if weights.has(inception::KNOWN_BY) {
        return Ok(Arc::new(Inception::new(weights, resizing)?));
    }
    if weights.has(dinov2::KNOWN_BY) {
        return Ok(Arc::new(Dinov2::new(weights)?));
    }
    if weights.has(lpips::KNOWN_BY) {
        return Ok(Arc::new(Lpips::new(weights)?));
    }
    let reason = format!(
        "it is none of the networks that are known: Inception-v3 has `{}`, DINOv2 `{}`, LPIPS `{}`",
        inception::KNOWN_BY,
        dinov2::KNOWN_BY,
        lpips::KNOWN_BY
    );
    Err(ModelError::Weights { file: file.to_path_buf(), reason })
}

/// What is told of such a network.
fn info(family: &str, weights: &Weights) -> ModelInfo {
    ModelInfo::in_memory(family, weights.count(), [3, 0, 0])
        .told_by(weights.hash().to_string(), serde_json::Value::Null)
}

/// Pictures of three channels out of what is to be encoded.
fn colours<'a>(inputs: Encoded<'a>, info: &ModelInfo) -> Result<&'a Pictures, ModelError> {
    match inputs {
        Encoded::Pictures(pictures) if pictures.shape[1] == 3 => Ok(pictures),
        Encoded::Pictures(pictures) => Err(ModelError::Config {
            field: "data.channels",
            value: pictures.shape[1].to_string(),
            rule: format!("{} reads pictures of 3 channels", info.family),
        }),
        Encoded::Texts(_) => {
            Err(ModelError::Lacks { family: info.family.clone(), verb: "encode texts", able: able("encode") })
        }
        Encoded::Sounds(_) => Err(ModelError::Lacks {
            family: info.family.clone(),
            verb: "encode sounds",
            able: able("encode"),
        }),
    }
}

//! Rectified flow (Liu et al. 2022; Lipman et al. 2022) on pixels or latents, with a U-Net or a transformer that follows text.

mod config;
mod distill;
mod field;
mod objective;
mod sample;
mod transformer;
mod unet;

pub use config::{FlowConfig, FlowObjectiveConfig, TransformerConfig};
pub use distill::{DistillConfig, DistillObjective};
pub use field::{Moment, VelocityField};
pub use objective::{FlowExample, FlowObjective};
pub use sample::FlowModel;
pub use transformer::FlowTransformer;
pub use unet::FlowUNet;

use std::sync::Arc;

use burn::tensor::Device;

use crate::{
    Family, Model, ModelError, ModelFolder, Objective, ObjectiveSpec, reader::CONDITION, registry::section,
};

/// What the registry knows of this family.
pub const FAMILY: Family = Family {
    name: "flow",
    about: "rectified flow on pixels or latents: one network, many steps, follows captions closely",
    verbs: &["generate", "edit", "denoise", "translate"],
    open,
    objective,
    any_shape: true,
    of_classes: false,
    tokenizer_of: &[distill::TEACHER, CONDITION],
    reads_captions: |_| true,
};

fn open(folder: ModelFolder, device: &Device) -> Result<Arc<dyn Model>, ModelError> {
    let config: FlowConfig = section(&folder.config, "config", FAMILY.name)?;
    Ok(match config.transformer {
        Some(_) => Arc::new(FlowModel::<FlowTransformer>::open(folder, config, device)?),
        None => Arc::new(FlowModel::<FlowUNet>::open(folder, config, device)?),
    })
}

/// A flow that learns from pictures, or, where the recipe needs a teacher, from that.
fn objective(spec: &ObjectiveSpec) -> Result<Box<dyn Objective>, ModelError> {
    if spec.needs.contains_key(distill::TEACHER) {
        let config = distill::sizes(spec)?;
        return Ok(match config.transformer {
            Some(_) => Box::new(DistillObjective::<FlowTransformer>::new(spec, config)?),
            None => Box::new(DistillObjective::<FlowUNet>::new(spec, config)?),
        });
    }
    let config: FlowConfig = section(&spec.model, "model", FAMILY.name)?;
    Ok(match config.transformer {
        Some(_) => Box::new(FlowObjective::<FlowTransformer>::new(spec, config)?),
        None => Box::new(FlowObjective::<FlowUNet>::new(spec, config)?),
    })
}

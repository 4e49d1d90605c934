//! A classifier over pictures, for collections whose captions are a closed set: a residual network (He et al. 2016) and a
//! softmax.

mod classify;
mod config;
mod objective;

pub use classify::ClassifierModel;
pub use config::{ClassifierConfig, ClassifierObjectiveConfig};
pub use objective::{ClassifierObjective, cross_entropy};

use std::sync::Arc;

use crate::Family;

/// What the registry knows of this family.
pub const FAMILY: Family = Family {
    name: "classifier",
    about: "pictures to names of a closed set: it draws nothing, and tells what is on a picture",
    verbs: &["classify"],
    open: |folder, device| Ok(Arc::new(ClassifierModel::open(folder, device)?)),
    objective: |spec| Ok(Box::new(ClassifierObjective::new(spec)?)),
    any_shape: true,
    of_classes: true,
    tokenizer_of: &[],
    reads_captions: |_| false,
};

//! The families, and opening a model folder of any of them. A new family is one entry here.

use std::{path::Path, sync::Arc};

use burn::tensor::Device;
use serde::de::DeserializeOwned;

use crate::{
    Model, ModelError, ModelFolder, Objective, ObjectiveSpec, autoencoder, classifier, cyclegan, dual, flow,
    gan, pix2pix, vae,
};

/// What the rest of the program knows of a family.
pub struct Family {
    /// The name in recipes and in `model.json`.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// The verbs that its models can do.
    pub verbs: &'static [&'static str],
    /// A folder's content to a model.
    pub open: fn(ModelFolder, &Device) -> Result<Arc<dyn Model>, ModelError>,
    /// A recipe to an objective.
    pub objective: fn(&ObjectiveSpec) -> Result<Box<dyn Objective>, ModelError>,
    /// Whether it learns from pictures of several shapes.
    pub any_shape: bool,
    /// Whether captions are names of classes to it, of which `model.classes` lists all.
    pub of_classes: bool,
    /// What of the recipe's needs brings the tokenizer with it, the first that is there.
    pub tokenizer_of: &'static [&'static str],
    /// Whether it reads captions, and so needs a tokenizer.
    pub reads_captions: fn(&ObjectiveSpec) -> bool,
}

/// All families.
pub fn families() -> &'static [Family] {
    &[
        flow::FAMILY,
        vae::FAMILY,
        autoencoder::FAMILY,
        gan::modern::FAMILY,
        gan::classic::FAMILY,
        pix2pix::FAMILY,
        cyclegan::FAMILY,
        dual::FAMILY,
        classifier::FAMILY,
    ]
}

/// The family of a name.
///
/// # Errors
/// No such family; the error lists them and names the nearest.
pub fn family(name: &str) -> Result<&'static Family, ModelError> {
    families().iter().find(|family| family.name == name).ok_or_else(|| {
        let known = families().iter().map(|family| family.name).collect::<Vec<_>>().join(", ");
        ModelError::UnknownFamily { name: name.to_string(), known }
    })
}

/// Opens a model folder of any family.
///
/// # Errors
/// No model there, a damaged file, a family or configuration that this release does not know.
pub fn open(folder: &Path, device: &Device) -> Result<Arc<dyn Model>, ModelError> {
    open_folder(ModelFolder::read(folder)?, device)
}

/// Opens what was read from a folder.
///
/// # Errors
/// As [`open`].
pub fn open_folder(folder: ModelFolder, device: &Device) -> Result<Arc<dyn Model>, ModelError> {
    (family(&folder.family)?.open)(folder, device)
}

/// The names of the families that can do something, for the error that a model cannot.
pub fn able(verb: &str) -> String {
    let able = families().iter().filter(|family| family.verbs.contains(&verb)).map(|family| family.name);
    able.collect::<Vec<_>>().join(", ")
}

/// A section of a recipe or of `model.json` as a family's own struct.
///
/// # Errors
/// A key that does not exist, or a value of another type, in the parser's words.
pub fn section<T: DeserializeOwned>(
    value: &serde_json::Value,
    section: &'static str,
    family: &str,
) -> Result<T, ModelError> {
    serde_json::from_value(value.clone()).map_err(|error| ModelError::Section {
        section,
        family: family.to_string(),
        reason: error.to_string(),
    })
}

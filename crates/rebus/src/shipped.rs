//! The models that serve where the user names none: one that draws, one that translates, and an encoder.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rebus_models::{Model, ModelError, ModelFolder, foreign, registry};
use rebus_nn::{ComputePrecision, burn::tensor::Device};

/// The model in `folder`; without one, the one that `REBUS_MODEL` names; without that, the one that ships.
///
/// # Errors
/// No model there, a damaged file, a family that this release does not know.
pub fn model(folder: Option<&Path>, device: &Device) -> Result<Arc<dyn Model>, ModelError> {
    model_in(ComputePrecision::default(), folder, device)
}

/// As [`model`], multiplying in another precision.
///
/// # Errors
/// As [`model`].
pub fn model_in(
    precision: ComputePrecision,
    folder: Option<&Path>,
    device: &Device,
) -> Result<Arc<dyn Model>, ModelError> {
    opened(precision, model_folder(folder)?, device)
}

/// As [`model_in`], of models that make other pictures of pictures.
///
/// # Errors
/// As [`model`].
pub fn translator_in(
    precision: ComputePrecision,
    folder: Option<&Path>,
    device: &Device,
) -> Result<Arc<dyn Model>, ModelError> {
    opened(precision, folder_or(folder, Ships::Translating)?, device)
}

fn opened(
    precision: ComputePrecision,
    mut folder: ModelFolder,
    device: &Device,
) -> Result<Arc<dyn Model>, ModelError> {
    folder.precision = precision;
    registry::open_folder(folder, device)
}

/// The model that serves where none is named.
///
/// # Errors
/// As [`model`].
pub fn default_model(device: &Device) -> Result<Arc<dyn Model>, ModelError> {
    model(None, device)
}

/// The encoder of words and pictures that ships: the ruler, where no other is named.
///
/// # Errors
/// This build ships no models.
pub fn default_encoder(device: &Device) -> Result<Arc<dyn Model>, ModelError> {
    registry::open_folder(shipped(Ships::Encoder)?, device)
}

/// The font that ships, if this build ships anything.
pub fn shipped_font() -> Option<&'static [u8]> {
    #[cfg(feature = "assets")]
    return Some(rebus_assets::font());
    #[cfg(not(feature = "assets"))]
    None
}

/// An encoder, or another network that looks at pictures: a model folder, or one safetensors file of Inception-v3, DINOv2 or LPIPS
/// (see [`foreign`]); the one that ships where none is named.
///
/// # Errors
/// No model there, a damaged file, a network that this release does not know.
pub fn looking_model(
    path: Option<&Path>,
    resizing: foreign::Resizing,
    device: &Device,
) -> Result<Arc<dyn Model>, ModelError> {
    match path {
        Some(path) if path.is_file() => foreign::open(path, resizing, device),
        Some(path) => registry::open(path, device),
        None => default_encoder(device),
    }
}

/// What ships of what a recipe may need (`[needs]`, `[condition]`): an `encoder`, also as what reads and as `towers`, and a `teacher` that draws.
///
/// # Errors
/// Nothing of that name, or this build ships no models.
pub fn shipped_for(need: &str) -> Result<ModelFolder, ModelError> {
    match need {
        "encoder" | "condition" | "towers" => shipped(Ships::Encoder),
        "teacher" => shipped(Ships::Drawing),
        _ => Err(ModelError::Config {
            field: "needs",
            value: format!("{need}, shipped"),
            rule: "what ships is an `encoder`, also for [condition] and as `towers`, and a `teacher`: name a folder"
                .to_string(),
        }),
    }
}

/// What ships.
enum Ships {
    Drawing,
    Translating,
    Encoder,
}

/// The folder of [`model`], read and checked, not yet a network.
pub(crate) fn model_folder(folder: Option<&Path>) -> Result<ModelFolder, ModelError> {
    folder_or(folder, Ships::Drawing)
}

fn folder_or(folder: Option<&Path>, ships: Ships) -> Result<ModelFolder, ModelError> {
    match folder.map(Path::to_path_buf).or_else(default_folder) {
        Some(folder) => ModelFolder::read(&folder),
        None => shipped(ships),
    }
}

/// The folder that `REBUS_MODEL` names for whoever names none.
pub fn default_folder() -> Option<PathBuf> {
    std::env::var_os("REBUS_MODEL").filter(|value| !value.is_empty()).map(PathBuf::from)
}

#[cfg(feature = "assets")]
fn shipped(which: Ships) -> Result<ModelFolder, ModelError> {
    let asset = match which {
        Ships::Drawing => rebus_assets::emoji(),
        Ships::Translating => rebus_assets::translator(),
        Ships::Encoder => rebus_assets::encoder(),
    };
    let place = Path::new("(inside the program)").join(asset.name);
    ModelFolder::from_files(&place, |name| {
        let file = asset.file(name).ok_or_else(|| ModelError::NoModel { folder: place.clone() })?;
        Ok(file.to_vec())
    })
}

#[cfg(not(feature = "assets"))]
fn shipped(_: Ships) -> Result<ModelFolder, ModelError> {
    let folder =
        Path::new("(this build ships no model: name one of your own, or build with the feature assets)");
    Err(ModelError::NoModel { folder: folder.to_path_buf() })
}

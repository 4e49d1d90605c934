//! A model on disk: `model.json`, safetensors, and a tokenizer where the family reads captions.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use burn::module::Module;
use fs_err as fs;
use indexmap::IndexMap;
use rebus_data::{Tokenizer, write::write_atomic};
use rebus_nn::{
    ComputePrecision,
    named::{self, NamedTensors},
};
use serde::{Deserialize, Serialize};

use crate::{ModelError, weights};

/// The newest format of `model.json` that this release reads and the one that it writes.
pub const FORMAT: u32 = 1;

const MANIFEST: &str = "model.json";
const WEIGHTS: &str = "model.safetensors";
const TOKENIZER: &str = "tokenizer.json";

/// How numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Four bytes a number.
    #[default]
    Float32,
    /// Two bytes a number; about three decimal digits.
    Float16,
}

/// What goes into a model folder.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Package {
    /// The family's name.
    pub family: &'static str,
    /// The family's configuration, resolved.
    pub config: serde_json::Value,
    /// `[channel, height, width]` of the pictures that it was trained on.
    pub picture_shape: [usize; 3],
    /// The weights that drawing needs.
    pub weights: NamedTensors,
    /// The tokenizer, for families that read captions.
    pub tokenizer: Option<Arc<Tokenizer>>,
    /// What it was trained on and how: free text by key.
    pub provenance: serde_json::Value,
}

/// `model.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    family: String,
    picture_shape: [usize; 3],
    config: serde_json::Value,
    components: IndexMap<String, Component>,
    #[serde(default)]
    provenance: serde_json::Value,
}

/// A part of a model.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Component {
    kind: String,
    files: Vec<String>,
    /// blake3 of the files, hexadecimal.
    hash: String,
}

/// A model folder, read and checked, not yet a network.
#[derive(Debug)]
#[non_exhaustive]
pub struct ModelFolder {
    /// Where it lies, as messages name it.
    pub place: PathBuf,
    /// The family's name.
    pub family: String,
    /// The family's configuration.
    pub config: serde_json::Value,
    /// `[channel, height, width]` of the pictures that it was trained on.
    pub picture_shape: [usize; 3],
    /// The weights.
    pub weights: NamedTensors,
    /// blake3 of the weights' file, hexadecimal.
    pub hash: String,
    /// The tokenizer, where there is one.
    pub tokenizer: Option<Arc<Tokenizer>>,
    /// What it was trained on and how.
    pub provenance: serde_json::Value,
    /// In which numbers its networks are to multiply.
    pub precision: ComputePrecision,
}

impl Package {
    /// With the parts that every family has.
    pub fn new(
        family: &'static str,
        config: serde_json::Value,
        picture_shape: [usize; 3],
        weights: NamedTensors,
    ) -> Self {
        let provenance = serde_json::Value::Null;
        Self { family, config, picture_shape, weights, tokenizer: None, provenance }
    }

    /// Writes a model folder. Each file appears whole or not at all, `model.json` last.
    ///
    /// # Errors
    /// The folder or a file in it cannot be written.
    pub fn write(&self, folder: &Path, precision: Precision) -> Result<(), ModelError> {
        fs::create_dir_all(folder)?;
        let place = folder.join(WEIGHTS);
        let bytes = weights::serialize(&self.weights, precision)
            .map_err(|reason| ModelError::Weights { file: place.clone(), reason })?;
        write_atomic(&place, &bytes)?;
        let mut components = IndexMap::new();
        let hash = blake3::hash(&bytes).to_hex().to_string();
        components.insert(
            "network".to_string(),
            Component { kind: self.family.to_string(), files: vec![WEIGHTS.to_string()], hash },
        );
        if let Some(tokenizer) = &self.tokenizer {
            let json = tokenizer.to_json()?;
            write_atomic(&folder.join(TOKENIZER), json.as_bytes())?;
            let hash = blake3::hash(json.as_bytes()).to_hex().to_string();
            let component =
                Component { kind: "tokenizer".to_string(), files: vec![TOKENIZER.to_string()], hash };
            components.insert("tokenizer".to_string(), component);
        }
        let manifest = Manifest {
            format: FORMAT,
            family: self.family.to_string(),
            picture_shape: self.picture_shape,
            config: self.config.clone(),
            components,
            provenance: self.provenance.clone(),
        };
        let file = folder.join(MANIFEST);
        let json = serde_json::to_string_pretty(&manifest)
            .map_err(|error| ModelError::Manifest { file: file.clone(), reason: error.to_string() })?;
        write_atomic(&file, format!("{json}\n").as_bytes())?;
        Ok(())
    }
}

impl ModelFolder {
    /// Reads and checks a folder.
    ///
    /// # Errors
    /// No model there, one of a later release, a damaged file: each names the file and the way out.
    pub fn read(folder: &Path) -> Result<Self, ModelError> {
        if !folder.join(MANIFEST).is_file() {
            return Err(ModelError::NoModel { folder: folder.to_path_buf() });
        }
        Self::from_files(folder, |name| Ok(fs::read(folder.join(name))?))
    }

    /// The same from files that lie elsewhere, such as inside the program.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_files(
        place: &Path,
        read: impl Fn(&str) -> Result<Vec<u8>, ModelError>,
    ) -> Result<Self, ModelError> {
        let file = place.join(MANIFEST);
        let damaged = |reason: String| ModelError::Manifest { file: file.clone(), reason };
        let json: serde_json::Value =
            serde_json::from_slice(&read(MANIFEST)?).map_err(|error| damaged(error.to_string()))?;
        // The format first: a later one may have other fields.
        let format = json.get("format").and_then(serde_json::Value::as_u64);
        let format = format.ok_or_else(|| damaged("it has no whole number `format`".to_string()))?;
        if format != u64::from(FORMAT) {
            let found = u32::try_from(format).unwrap_or(u32::MAX);
            return Err(ModelError::Version { folder: place.to_path_buf(), found, known: FORMAT });
        }
        let manifest: Manifest = serde_json::from_value(json).map_err(|error| damaged(error.to_string()))?;

        let file = place.join(WEIGHTS);
        let bytes = read(WEIGHTS)?;
        let weights =
            weights::parse(&bytes).map_err(|reason| ModelError::Weights { file: file.clone(), reason })?;
        let hash = blake3::hash(&bytes).to_hex().to_string();
        if manifest.components.get("network").is_some_and(|component| component.hash != hash) {
            let reason = "its content is not what model.json says (the hash differs)".to_string();
            return Err(ModelError::Weights { file, reason });
        }
        let tokenizer = match manifest.components.contains_key("tokenizer") {
            true => Some(Arc::new(Tokenizer::from_json(&read(TOKENIZER)?, &place.join(TOKENIZER))?)),
            false => None,
        };
        Ok(Self {
            place: place.to_path_buf(),
            family: manifest.family,
            config: manifest.config,
            picture_shape: manifest.picture_shape,
            weights,
            hash,
            tokenizer,
            provenance: manifest.provenance,
            precision: ComputePrecision::default(),
        })
    }

    /// The weights whose names begin with `prefix`, put into a network, which multiplies in the folder's precision.
    ///
    /// # Errors
    /// They are another network's.
    pub fn fill<M: Module>(&self, network: M, prefix: &str) -> Result<M, ModelError> {
        named::replace(network, prefix, &self.weights)
            .map(|network| self.precision.apply(network))
            .map_err(|mismatch| ModelError::Mismatch { place: self.place.display().to_string(), mismatch })
    }

    /// Notes something that was found out about the model in a folder, beside what it was trained on. Its hash stays.
    ///
    /// # Errors
    /// No model there, or the folder cannot be written.
    pub fn note(folder: &Path, key: &str, value: serde_json::Value) -> Result<(), ModelError> {
        let file = folder.join(MANIFEST);
        let wrong =
            |error: serde_json::Error| ModelError::Manifest { file: file.clone(), reason: error.to_string() };
        let mut manifest: serde_json::Value = serde_json::from_slice(&fs::read(&file)?).map_err(wrong)?;
        if !manifest["provenance"].is_object() {
            manifest["provenance"] = serde_json::json!({});
        }
        manifest["provenance"][key] = value;
        let json = serde_json::to_string_pretty(&manifest).map_err(wrong)?;
        Ok(write_atomic(&file, format!("{json}\n").as_bytes())?)
    }

    /// The tokenizer of a family that reads captions.
    ///
    /// # Errors
    /// There is none.
    pub fn require_tokenizer(&self) -> Result<Arc<Tokenizer>, ModelError> {
        self.tokenizer.clone().ok_or_else(|| ModelError::Manifest {
            file: self.place.join(MANIFEST),
            reason: "this family needs a tokenizer component".to_string(),
        })
    }
}

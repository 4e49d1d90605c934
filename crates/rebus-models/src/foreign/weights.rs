//! Tensors taken one by one out of a file, by name and shape; what is missing is told all at once.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use burn::tensor::{Device, Tensor, TensorData};
use rebus_nn::named::{Mismatch, NamedTensors};

use crate::{ModelError, weights};

/// The content of a file.
pub(super) struct Weights {
    file: PathBuf,
    hash: String,
    tensors: NamedTensors,
    device: Device,
    taken: HashSet<String>,
    missing: Vec<String>,
    misshapen: Vec<String>,
}

impl Weights {
    pub(super) fn read(file: &Path, device: &Device) -> Result<Self, ModelError> {
        let bytes = fs_err::read(file)?;
        let broken = |reason| ModelError::Weights { file: file.to_path_buf(), reason };
        Ok(Self {
            file: file.to_path_buf(),
            hash: blake3::hash(&bytes).to_hex().to_string(),
            tensors: weights::parse(&bytes).map_err(broken)?,
            device: device.clone().inner(),
            taken: HashSet::new(),
            missing: vec![],
            misshapen: vec![],
        })
    }

    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    /// How many numbers there are.
    pub(super) fn count(&self) -> usize {
        self.tensors.values().map(|data| data.shape().iter().product::<usize>()).sum()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The shape of a tensor, for what the file alone knows.
    pub(super) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        Some(self.tensors.get(name)?.shape().to_vec())
    }

    /// A tensor; zeros for one that is missing, which [`finish`](Self::finish) tells of.
    pub(super) fn take<const D: usize>(&mut self, name: &str, shape: [usize; D]) -> Tensor<D> {
        self.taken.insert(name.to_string());
        match self.tensors.get(name) {
            Some(data) if data.shape().to_vec() == shape => {
                return Tensor::from_data(
                    TensorData::new(data.iter::<f32>().collect::<Vec<_>>(), shape),
                    &self.device,
                );
            }
            Some(data) => {
                let found = data.shape().to_vec();
                self.misshapen.push(format!("{name} ({shape:?} wanted, {found:?} found)"));
            }
            None => self.missing.push(name.to_string()),
        }
        Tensor::zeros(shape, &self.device)
    }

    /// That everything was there, and nothing else but what begins with one of `unused`: a file with more is another network's.
    ///
    /// # Errors
    /// Names what was not there, and what was.
    pub(super) fn finish(self, unused: &[&str]) -> Result<(), ModelError> {
        let ours = |name: &&String| {
            self.taken.contains(*name)
                || name.ends_with("num_batches_tracked")
                || unused.iter().any(|part| name.starts_with(part))
        };
        let unexpected: Vec<String> = self.tensors.keys().filter(|name| !ours(name)).cloned().collect();
        if self.missing.is_empty() && self.misshapen.is_empty() && unexpected.is_empty() {
            return Ok(());
        }
        let mismatch = Mismatch { missing: self.missing, unexpected, misshapen: self.misshapen };
        Err(ModelError::Mismatch { place: self.file.display().to_string(), mismatch })
    }
}

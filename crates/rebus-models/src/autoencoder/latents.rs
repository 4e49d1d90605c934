//! Latents of pictures for a family that learns to draw them: what was encoded once is kept, in memory and on disk.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use burn::tensor::{Device, Tensor, TensorData};
use fs_err as fs;
use rebus_data::{Batch, Pictures, write::write_atomic};
use rebus_nn::{Init, named::NamedTensors};

use super::{Autoencoder, AutoencoderConfig, AutoencoderModel};
use crate::{ModelError, ModelFolder, Precision, modality, registry::section, weights};

/// Numbers of all latents that are kept, a gigabyte of them; what is encoded beyond is not.
const MOST_NUMBERS: usize = 1 << 28;
/// New latents after which the file is written again, at the least; with more of them it is a half of those that are in it.
const FEW_NEW: usize = 1024;

/// A frozen autoencoder, and the latents of the pictures that it has been shown: a picture is known by the hash of its numbers, a
/// file by the hash of the autoencoder's weights.
pub struct Latents {
    /// The autoencoder, on a device that does not differentiate.
    pub autoencoder: Autoencoder,
    /// Its sizes.
    pub config: AutoencoderConfig,
    /// Its weights, as the folder had them, by names without a prefix.
    pub weights: NamedTensors,
    device: Device,
    hash: String,
    cache: Option<PathBuf>,
    known: Mutex<HashMap<[usize; 3], Known>>,
}

/// What a family that draws learns of a batch: its pictures, or their latents where it draws in such.
///
/// # Errors
/// A batch without this column of pictures, or of a size that the autoencoder does not know.
pub fn drawn(
    latents: Option<&Latents>,
    (batch, column): (&Batch, &str),
    device: &Device,
) -> Result<Tensor<4>, ModelError> {
    let pictures = batch.pictures(column)?;
    Ok(match latents {
        Some(latents) => modality::to_tensor(&latents.of(pictures)?, device),
        None => modality::to_tensor(pictures, device),
    })
}

type Key = [u8; 32];

/// Latents of one shape.
#[derive(Default)]
struct Known {
    latents: HashMap<Key, Vec<f32>>,
    /// How many of them are in the file.
    written: usize,
}

impl Latents {
    /// Of the autoencoder in a folder, for pictures of so many channels. Latents are kept in a file in `cache`, if it is given.
    ///
    /// # Errors
    /// Another family's folder, other channels, or weights that do not fit.
    pub fn new(
        folder: &ModelFolder,
        channels: usize,
        cache: Option<PathBuf>,
        device: &Device,
    ) -> Result<Self, ModelError> {
        if folder.family != super::FAMILY.name || folder.picture_shape[0] != channels {
            return Err(ModelError::Config {
                field: "needs.autoencoder",
                value: folder.place.display().to_string(),
                rule: format!(
                    "it must be an autoencoder of pictures of {channels} channels, and is a model of family `{}` of pictures of {}",
                    folder.family, folder.picture_shape[0]
                ),
            });
        }
        let sizes: AutoencoderConfig = section(&folder.config, "config", super::FAMILY.name)?;
        sizes.validate()?;
        Self::within(folder, AutoencoderModel::PREFIX, &sizes, cache, device)
    }

    /// Of an autoencoder that is a part of another model: its weights are those behind a prefix.
    ///
    /// # Errors
    /// Weights that do not fit.
    pub(crate) fn within(
        folder: &ModelFolder,
        prefix: &str,
        config: &AutoencoderConfig,
        cache: Option<PathBuf>,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let autoencoder = Autoencoder::new(config, folder.picture_shape[0], &mut Init::empty(device));
        let own = |(name, data): (&String, &TensorData)| {
            Some((name.strip_prefix(prefix)?.to_string(), data.clone()))
        };
        Ok(Self {
            autoencoder: folder.fill(autoencoder, prefix)?,
            config: config.clone(),
            weights: folder.weights.iter().filter_map(own).collect(),
            device: device.clone(),
            hash: folder.hash.clone(),
            cache,
            known: Mutex::default(),
        })
    }

    /// The latents of pictures, `[batch, latent channel, height / factor, width / factor]`, each the same to the bit whatever
    /// stands beside it.
    ///
    /// # Errors
    /// A size that the autoencoder does not know.
    pub fn of(&self, pictures: &Pictures) -> Result<Pictures, ModelError> {
        let [count, channels, height, width] = pictures.shape;
        let shape = self.config.latent_shape(height, width)?;
        let numbers = channels * height * width;
        let keys: Vec<Key> = pictures.data.chunks(numbers).map(key).collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.entry(shape).or_insert_with(|| self.read(shape));
        let new: Vec<usize> = (0..count).filter(|index| !known.latents.contains_key(&keys[*index])).collect();
        let mut fresh = HashMap::new();
        if !new.is_empty() {
            let data = new.iter().flat_map(|index| &pictures.data[index * numbers..][..numbers]);
            let shown =
                Pictures { shape: [new.len(), channels, height, width], data: data.copied().collect() };
            let rows = self.autoencoder.encode_all(&shown, &self.device);
            let length = shape.iter().product();
            fresh.extend(new.iter().map(|index| keys[*index]).zip(rows.chunks(length).map(<[f32]>::to_vec)));
        }
        let of = |key: &Key| known.latents.get(key).or_else(|| fresh.get(key)).into_iter().flatten().copied();
        let data = keys.iter().flat_map(of).collect();
        if known.latents.len() * shape.iter().product::<usize>() < MOST_NUMBERS {
            known.latents.extend(fresh);
            if known.latents.len() - known.written >= FEW_NEW.max(known.written / 2) {
                self.write(shape, known);
            }
        }
        let [latent_channels, rows, columns] = shape;
        Ok(Pictures { shape: [count, latent_channels, rows, columns], data })
    }

    fn file(&self, [channels, height, width]: [usize; 3]) -> Option<PathBuf> {
        let name = format!("{}-{channels}x{height}x{width}.safetensors", self.hash.get(..32)?);
        Some(self.cache.as_ref()?.join(name))
    }

    /// What an earlier run has left, if it can be read.
    fn read(&self, shape: [usize; 3]) -> Known {
        let found = self.file(shape).and_then(|file| parse(&file, shape.iter().product()));
        let latents = found.unwrap_or_default();
        Known { written: latents.len(), latents }
    }

    /// A file that cannot be written costs the next run some time, and this one nothing.
    fn write(&self, shape: [usize; 3], known: &mut Known) {
        let Some(file) = self.file(shape) else { return };
        known.written = known.latents.len();
        if let Err(error) = save(&file, &known.latents, shape) {
            tracing::warn!("latents are not kept for the next run: {error}");
        }
    }
}

impl Drop for Latents {
    fn drop(&mut self) {
        let known = std::mem::take(self.known.get_mut().unwrap_or_else(PoisonError::into_inner));
        for (shape, mut known) in known {
            if known.latents.len() > known.written {
                self.write(shape, &mut known);
            }
        }
    }
}

fn key(picture: &[f32]) -> Key {
    let mut hasher = blake3::Hasher::new();
    picture.iter().for_each(|number| {
        hasher.update(&number.to_le_bytes());
    });
    hasher.finalize().into()
}

fn save(file: &Path, latents: &HashMap<Key, Vec<f32>>, [c, h, w]: [usize; 3]) -> Result<(), ModelError> {
    let (keys, rows): (Vec<&Key>, Vec<&Vec<f32>>) = latents.iter().unzip();
    let count = keys.len();
    // A hash as 32 numbers of 0 to 255: what the weights of a model are written with writes these as well.
    let keys: Vec<f32> = keys.into_iter().flatten().map(|byte| f32::from(*byte)).collect();
    let rows: Vec<f32> = rows.into_iter().flatten().copied().collect();
    let tensors = NamedTensors::from([
        ("keys".to_string(), TensorData::new(keys, [count, 32])),
        ("latents".to_string(), TensorData::new(rows, [count, c, h, w])),
    ]);
    let bytes = weights::serialize(&tensors, Precision::Float32)
        .map_err(|reason| ModelError::Weights { file: file.to_path_buf(), reason })?;
    fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
    Ok(write_atomic(file, &bytes)?)
}

/// Nothing where there is no such file, or one that is none of ours.
fn parse(file: &Path, length: usize) -> Option<HashMap<Key, Vec<f32>>> {
    let tensors = weights::parse(&fs::read(file).ok()?).ok()?;
    let keys: Vec<f32> = tensors.get("keys")?.iter::<f32>().collect();
    let rows: Vec<f32> = tensors.get("latents")?.iter::<f32>().collect();
    let whole = keys.len().is_multiple_of(32) && keys.len() / 32 * length == rows.len();
    let key = |numbers: &[f32]| std::array::from_fn(|place| numbers[place] as u8);
    whole.then(|| keys.chunks(32).map(key).zip(rows.chunks(length.max(1)).map(<[f32]>::to_vec)).collect())
}

//! What was seen of a collection, kept on disk, so that pictures are looked at once and not at every evaluation.

use std::path::{Path, PathBuf};

use fs_err as fs;
use rayon::prelude::*;
use rebus_data::{Collection, write_atomic};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{Evaluation, Rulers, seen::Seen};
use crate::{EvalError, Features, captioned::picture_column};

/// A place for what is seen of some records: the same for the same collection, rulers, records and way of reading.
pub(super) fn place(
    folder: &Path,
    collection: &dyn Collection,
    settings: &Evaluation,
    column: Option<&str>,
    rulers: Rulers<'_>,
    records: &[usize],
) -> Result<Option<PathBuf>, EvalError> {
    // A model that is still in memory has no hash to be known by.
    if rulers.extractor.hash().is_empty() || rulers.encoder.hash().is_empty() || rulers.judge.is_some() {
        return Ok(None);
    }
    // A fingerprint knows of pictures no more than their sizes, and reading them all is little beside looking at them.
    let content = |record: &usize| {
        let read = collection.record(*record).ok()?;
        let column = picture_column(collection, &settings.data)?;
        Some(*blake3::hash(&read.picture(column)?.bytes).as_bytes())
    };
    let contents: Vec<Option<[u8; 32]>> = records.par_iter().map(content).collect();
    let mut pictures = blake3::Hasher::new();
    for content in contents {
        pictures.update(&content.unwrap_or_default());
    }
    let key = serde_json::json!({
        "fingerprint": collection.fingerprint()?,
        "pictures": pictures.finalize().to_hex().to_string(),
        "extractor": rulers.extractor.hash(),
        "encoder": rulers.encoder.hash(),
        "data": settings.data,
        "column": column,
        "records": records,
        "version": env!("CARGO_PKG_VERSION"),
    });
    let hash = blake3::hash(key.to_string().as_bytes()).to_hex();
    Ok(Some(folder.join(format!("{hash}.safetensors"))))
}

/// What was kept; `None` where nothing was, or it cannot be read.
pub(super) fn read(path: &Path, name: &str, rulers: Rulers<'_>) -> Option<Seen> {
    let bytes = fs::read(path).ok()?;
    let tensors = SafeTensors::deserialize(&bytes).ok()?;
    let raw = |name: &str| Some(tensors.tensor(name).ok()?.data());
    let floats = |name: &str| {
        let numbers = raw(name)?.chunks_exact(4);
        let numbers = numbers.map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        Some(numbers.collect::<Vec<f32>>())
    };
    let captions: Vec<String> = serde_json::from_slice(raw("captions")?).ok()?;
    let records: Vec<usize> = serde_json::from_slice(raw("records")?).ok()?;
    let count = records.len();
    let features = |data: Vec<f32>| Features::new(name, data.len() / count.max(1), data).ok();
    let pixels = floats("pixels")?;
    let whole = count > 0 && captions.len() == count;
    whole.then_some(())?;
    let embeddings = match tensors.tensor("embeddings") {
        Ok(_) => Some(features(floats("embeddings")?)?),
        Err(_) => None,
    };
    let seen = Seen {
        classes: vec![None; count],
        judged: vec![],
        features: features(floats("features")?)?,
        pixels: features(pixels)?,
        other_embeddings: embeddings,
        records,
        captions,
    };
    (Some(seen.features.width()) == rulers.extractor.width().ok()).then_some(seen)
}

/// Keeps what was seen; a disk that is full loses nothing but time.
pub(super) fn write(path: &Path, seen: &Seen) {
    if let Err(error) = try_write(path, seen) {
        tracing::warn!("what was seen cannot be kept for the next time in {}: {error}", path.display());
    }
}

fn try_write(path: &Path, seen: &Seen) -> Result<(), Box<dyn std::error::Error>> {
    let floats = |features: &Features| {
        features.data().iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>()
    };
    let mut parts = vec![
        ("features", Dtype::F32, floats(&seen.features)),
        ("pixels", Dtype::F32, floats(&seen.pixels)),
        ("captions", Dtype::U8, serde_json::to_vec(&seen.captions)?),
        ("records", Dtype::U8, serde_json::to_vec(&seen.records)?),
    ];
    if let Some(embeddings) = &seen.other_embeddings {
        parts.push(("embeddings", Dtype::F32, floats(embeddings)));
    }
    let views = parts.iter().map(|(name, dtype, bytes)| {
        let length = if *dtype == Dtype::F32 { bytes.len() / 4 } else { bytes.len() };
        Ok((*name, TensorView::new(*dtype, vec![length], bytes)?))
    });
    let views: Vec<_> = views.collect::<Result<_, safetensors::SafeTensorError>>()?;
    let bytes = safetensors::serialize(views, None)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    write_atomic(path, &bytes)?;
    Ok(())
}

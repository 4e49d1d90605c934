//! Which records train and which validate: a hash of the caption decides, or a file, so that it never changes.

mod composition;
mod file;
mod perturbed;

use std::{collections::HashSet, path::Path};

pub use composition::{Rule, composition, default_rules};
pub use file::{SplitCaption, SplitFile, SplitKind, SplitSet};
pub use perturbed::{perturbed, typo};

use crate::{
    Collection, DataError,
    captions::caption_column,
    config::{DataConfig, ValidationBy},
};

/// The two halves of a collection, as record numbers in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Records to learn from.
    pub train: Vec<usize>,
    /// Records held back.
    pub validation: Vec<usize>,
}

/// Records a caption, on average, from which on captions are names of classes, of which none should be missing from
/// training.
const OF_A_CLASS: usize = 20;

/// Splits a collection by its first text column, with `validation_ignore` removed from it.
///
/// Records of one caption lie on one side, wherever and in whatever order they are. Unless `validation_by` says otherwise: where twenty records and more share
/// a caption on average, it is the name of a class, and each record goes by its own key. So does a record without a
/// caption; one that cannot be read at all is left to training, which reports it.
///
/// # Errors
/// `validation_ignore` is not a regular expression, or the file of `split` is none or of another collection.
pub fn split(collection: &dyn Collection, config: &DataConfig) -> Result<Split, DataError> {
    let fraction = config.validation_fraction;
    let mut named: HashSet<&str> = config.held_back.iter().map(String::as_str).collect();
    let file = config.split.as_deref().map(|path| held_back(collection, path)).transpose()?;
    named.extend(file.iter().flatten().map(String::as_str));
    if fraction <= 0.0 && named.is_empty() {
        return Ok(Split { train: (0..collection.len()).collect(), validation: Vec::new() });
    }
    let ignored = config.ignored()?;
    let column = caption_column(collection);
    let mut captions = HashSet::new();
    // By caption and by key.
    let mut by_name = HashSet::new();
    let places: Vec<Option<[f64; 2]>> = (0..collection.len())
        .map(|index| {
            let record = collection.captions(index).ok()?;
            let by_key = place(&record.key);
            if named.contains(record.key.as_str()) {
                by_name.insert(index);
            }
            let caption = column.and_then(|column| record.text(column));
            let caption = caption.map(|caption| ignored.replace_all(&caption, "").trim().to_string());
            let Some(caption) = caption.filter(|caption| !caption.is_empty()) else {
                return Some([by_key; 2]);
            };
            let by_caption = place(&caption);
            captions.insert(by_caption.to_bits());
            Some([by_caption, by_key])
        })
        .collect();
    let of_classes = match config.validation_by {
        ValidationBy::Auto => captions.len() * OF_A_CLASS <= places.iter().flatten().count(),
        ValidationBy::Caption => false,
        ValidationBy::Record => true,
    };
    let held_back = |index: &usize| {
        places[*index]
            .is_some_and(|[by_caption, by_key]| (if of_classes { by_key } else { by_caption }) < fraction)
            || by_name.contains(index)
    };
    let (validation, train) = (0..collection.len()).partition(held_back);
    Ok(Split { train, validation })
}

/// The keys of the records that a file of combinations holds back; none where it says learned captions in other ways.
///
/// # Errors
/// The file is none, or of another collection or another state of this one.
pub fn held_back(collection: &dyn Collection, path: &Path) -> Result<Vec<String>, DataError> {
    let file = SplitFile::read(path)?;
    if file.fingerprint != collection.fingerprint()? {
        return Err(DataError::Split {
            file: path.to_path_buf(),
            reason: format!("{} is not as it was when it was written", collection.location().display()),
        });
    }
    if file.kind == SplitKind::Perturbed {
        return Ok(vec![]);
    }
    Ok(file.sets.into_iter().flat_map(|set| set.captions).map(|entry| entry.key).collect())
}

/// Where a caption lies in 0..1: the first 8 bytes of its hash, the low one first. Fixed for ever.
fn place(caption: &str) -> f64 {
    let hash = blake3::hash(caption.as_bytes());
    let low = hash.as_bytes().iter().take(8).rev().fold(0u64, |number, &byte| number << 8 | u64::from(byte));
    // 53 bits, which a float holds exactly.
    (low >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
#[path = "../tests/split.rs"]
mod tests;

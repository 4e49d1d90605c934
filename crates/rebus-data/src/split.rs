//! Which records train and which validate: a hash of the caption decides, so that it never changes.

use crate::{Collection, DataError, captions::caption_column, config::DataConfig};

/// The two halves of a collection, as record numbers in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Records to learn from.
    pub train: Vec<usize>,
    /// Records held back.
    pub validation: Vec<usize>,
}

/// Splits a collection by its first text column, with `validation_ignore` removed from it.
///
/// Records of one caption lie on one side, wherever and in whatever order they are. A record without a caption goes
/// by its key; one that cannot be read at all is left to training, which reports it.
///
/// # Errors
/// `validation_ignore` is not a regular expression.
pub fn split(collection: &dyn Collection, config: &DataConfig) -> Result<Split, DataError> {
    let mut split = Split { train: Vec::new(), validation: Vec::new() };
    if config.validation_fraction <= 0.0 {
        split.train = (0..collection.len()).collect();
        return Ok(split);
    }
    let ignored = config.ignored()?;
    let column = caption_column(collection);
    for index in 0..collection.len() {
        let held_back = collection.captions(index).is_ok_and(|record| {
            let caption = column.and_then(|column| record.text(column));
            let caption = caption.map(|caption| ignored.replace_all(&caption, "").trim().to_string());
            let caption = caption.filter(|caption| !caption.is_empty());
            place(caption.as_deref().unwrap_or(&record.key)) < config.validation_fraction
        });
        if held_back { split.validation.push(index) } else { split.train.push(index) }
    }
    if split.validation.is_empty() {
        tracing::warn!(
            "none of the {} records of {} is held back for validation; raise validation_fraction",
            collection.len(),
            collection.location().display()
        );
    }
    Ok(split)
}

/// Where a caption lies in 0..1: the first 8 bytes of its hash, the low one first. Fixed for ever.
fn place(caption: &str) -> f64 {
    let hash = blake3::hash(caption.as_bytes());
    let low = hash.as_bytes().iter().take(8).rev().fold(0u64, |number, &byte| number << 8 | u64::from(byte));
    // 53 bits, which a float holds exactly.
    (low >> 11) as f64 / (1u64 << 53) as f64
}

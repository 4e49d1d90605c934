//! A split on disk: sets of captions that are measured apart, which never change once they are written.

use std::{collections::HashMap, path::Path};

use serde::{Deserialize, Serialize};

use crate::{Collection, DataError};

/// The newest format that this release reads, and the one that it writes.
const FORMAT: u32 = 1;

/// What a split asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SplitKind {
    /// Are parts put together that were learned apart? Its records are left out of training.
    Composition,
    /// Are captions understood that say the same in another way? Its records are learned under their own captions.
    Perturbed,
}

/// Sets of captions of one collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitFile {
    format: u32,
    /// What it asks.
    pub kind: SplitKind,
    /// The collection's fingerprint when it was written.
    pub fingerprint: String,
    /// The sets, in the order of reports.
    pub sets: Vec<SplitSet>,
}

/// Captions that are measured together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitSet {
    /// What reports call it.
    pub name: String,
    /// Whose pictures are the true ones, and what is asked for.
    pub captions: Vec<SplitCaption>,
}

/// A record by its key, with a caption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitCaption {
    /// The record's key.
    pub key: String,
    /// What is asked for.
    pub caption: String,
}

impl SplitFile {
    /// Of a collection's captions.
    ///
    /// # Errors
    /// The collection's fingerprint cannot be made.
    pub fn new(kind: SplitKind, collection: &dyn Collection, sets: Vec<SplitSet>) -> Result<Self, DataError> {
        Ok(Self { format: FORMAT, kind, fingerprint: collection.fingerprint()?, sets })
    }

    /// Reads a file that [`to_json`](Self::to_json) made.
    ///
    /// # Errors
    /// The file is missing, of a later release or something else.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let wrong = |reason: String| DataError::Split { file: path.to_path_buf(), reason };
        let text = fs_err::read_to_string(path)?;
        let split: Self = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        match split.format {
            FORMAT => Ok(split),
            later => Err(wrong(format!("its format is {later}, and this release reads {FORMAT}"))),
        }
    }

    /// The content of a file.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).map_or_else(|_| String::new(), |json| json + "\n")
    }

    /// The record numbers of each set's captions in a collection, with the captions; `file` is what errors call it.
    ///
    /// # Errors
    /// It is another collection's: not one of its keys is there.
    pub fn records(
        &self,
        collection: &dyn Collection,
        file: &Path,
    ) -> Result<Vec<Vec<(usize, String)>>, DataError> {
        let keys: HashMap<String, usize> = (0..collection.len())
            .filter_map(|index| Some((collection.captions(index).ok()?.key, index)))
            .collect();
        let found = self.sets.iter().map(|set| {
            let records =
                set.captions.iter().filter_map(|entry| Some((*keys.get(&entry.key)?, entry.caption.clone())));
            records.collect::<Vec<_>>()
        });
        let found: Vec<_> = found.collect();
        if found.iter().all(Vec::is_empty) {
            let location = collection.location().display();
            let reason = format!("none of its keys is in {location}: it was written for another collection");
            return Err(DataError::Split { file: file.to_path_buf(), reason });
        }
        Ok(found)
    }
}

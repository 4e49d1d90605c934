//! The trait behind every file format, and the readers.
//!
//! [`open`] looks at a path and picks the reader. Most readers work on `files`, a folder or an archive behind the
//! same few functions, so that neither is ever extracted and no name leads out of it.

mod archive;
mod cache;
mod captions;
mod cells;
mod classes;
pub(crate) mod files;
mod fingerprint;
mod imagefolder;
pub(crate) mod json;
mod metadata;
mod open;
mod parquet;
mod pictures;
mod rows;
pub(crate) mod schema;
mod webdataset;

use std::{ops::Range, path::Path};

pub use files::picture_names;
pub(crate) use imagefolder::METADATA;
pub use open::{OpenOptions, open};

use crate::{ColumnInfo, DataError, Record};

/// A list of records behind some file format. Reading is by number and may happen from several threads at once.
pub trait Collection: Send + Sync {
    /// Where it lies, as the user named it.
    fn location(&self) -> &Path;

    /// The format's name: `imagefolder`, `captions`, `classes`, `pictures`, `webdataset`, `parquet`.
    fn format(&self) -> &'static str;

    /// How many records it has, broken ones included.
    fn len(&self) -> usize;

    /// Whether it has no record at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The columns that at least one record has, in the order of the source.
    fn columns(&self) -> &[ColumnInfo];

    /// Reads one record, its pictures included; files that are no pictures are absent.
    ///
    /// # Errors
    /// The record's file is missing, unreadable or broken; the error names it.
    fn record(&self, index: usize) -> Result<Record, DataError>;

    /// Reads one record with all that it has: files that are no pictures, too.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    fn whole(&self, index: usize) -> Result<Record, DataError> {
        self.record(index)
    }

    /// Reads one record without its files, which is far cheaper where they are files of their own.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    fn captions(&self, index: usize) -> Result<Record, DataError>;

    /// Runs of records that are cheap to read together (a row group, a shard): an order that shuffles runs and then
    /// records inside a few runs reads each byte about once. Together they cover `0..len` in order.
    fn blocks(&self) -> Vec<Range<usize>>;

    /// A hash of keys, texts and picture sizes: equal for the same collection wherever it lies.
    ///
    /// # Errors
    /// A record's captions cannot be read.
    fn fingerprint(&self) -> Result<String, DataError>;
}

/// The error for a number beyond the end.
pub(crate) fn check_index(index: usize, len: usize) -> Result<(), DataError> {
    if index < len { Ok(()) } else { Err(DataError::NoSuchRecord { index, len }) }
}

/// Runs of one record each, for readers whose records are files of their own.
pub(crate) fn single_blocks(len: usize) -> Vec<Range<usize>> {
    (0..len).map(|index| index..index + 1).collect()
}

//! Records stacked column by column as host arrays.

use indexmap::IndexMap;

use crate::{DataError, Sounds};

/// Records of one shape, stacked.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The key of each record.
    pub keys: Vec<String>,
    /// The columns by name; each has one entry a record.
    pub columns: IndexMap<String, Column>,
}

/// One column of a batch.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Column {
    /// Pictures of one size.
    Pictures(Pictures),
    /// Spectrograms of one length.
    Sounds(Sounds),
    /// One text a record; empty where the record has none.
    Texts(Vec<String>),
    /// One whole number a record.
    Integers(Vec<i64>),
}

/// Pictures as one array.
#[derive(Debug, Clone, PartialEq)]
pub struct Pictures {
    /// `[batch, channel, height, width]`
    pub shape: [usize; 4],
    /// sRGB values in -1..1, batch first; with four channels the last is alpha, in -1..1 too.
    pub data: Vec<f32>,
}

impl Batch {
    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it holds no record.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The pictures in a column.
    ///
    /// # Errors
    /// No such column, or one of another kind.
    pub fn pictures(&self, column: &str) -> Result<&Pictures, DataError> {
        match self.columns.get(column) {
            Some(Column::Pictures(pictures)) => Ok(pictures),
            _ => Err(self.lacks(column, "pictures")),
        }
    }

    /// The sounds in a column.
    ///
    /// # Errors
    /// No such column, or one of another kind.
    pub fn sounds(&self, column: &str) -> Result<&Sounds, DataError> {
        match self.columns.get(column) {
            Some(Column::Sounds(sounds)) => Ok(sounds),
            _ => Err(self.lacks(column, "sounds")),
        }
    }

    /// The texts in a column.
    ///
    /// # Errors
    /// No such column, or one of another kind.
    pub fn texts(&self, column: &str) -> Result<&[String], DataError> {
        match self.columns.get(column) {
            Some(Column::Texts(texts)) => Ok(texts),
            _ => Err(self.lacks(column, "texts")),
        }
    }

    fn lacks(&self, column: &str, kind: &'static str) -> DataError {
        DataError::BatchColumn {
            column: column.to_string(),
            kind,
            columns: self.columns.keys().cloned().collect::<Vec<_>>().join(", "),
        }
    }
}

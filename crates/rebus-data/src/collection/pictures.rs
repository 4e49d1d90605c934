//! A folder of pictures without any captions: one column, `image`, for learning without conditions.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use indexmap::IndexMap;

use super::{check_index, files::Files, fingerprint::fingerprint, single_blocks};
use crate::{Collection, ColumnInfo, ColumnKind, DataError, EncodedFile, Field, Record};

/// Pictures by name; the readers of captions and classes add to it.
#[derive(Debug)]
pub(crate) struct Pictures {
    location: PathBuf,
    pub(crate) files: Files,
    pub(crate) names: Vec<String>,
    columns: Vec<ColumnInfo>,
}

impl Pictures {
    /// Takes the names of the pictures below the location.
    ///
    /// # Errors
    /// No such folder.
    pub(crate) fn new(location: &Path, root: &Path, names: Vec<String>) -> Result<Self, DataError> {
        let columns = vec![ColumnInfo { name: "image".to_string(), kind: ColumnKind::Picture }];
        Ok(Self { location: location.to_path_buf(), files: Files::folder(root)?, names, columns })
    }

    /// The sizes of the picture's file in bytes, 0 where it cannot be read.
    pub(crate) fn size(&self, index: usize) -> u64 {
        self.files.size(&self.names[index]).unwrap_or(0)
    }
}

impl Collection for Pictures {
    fn location(&self) -> &Path {
        &self.location
    }

    fn format(&self) -> &'static str {
        "pictures"
    }

    fn len(&self) -> usize {
        self.names.len()
    }

    fn columns(&self) -> &[ColumnInfo] {
        &self.columns
    }

    fn record(&self, index: usize) -> Result<Record, DataError> {
        let mut record = self.captions(index)?;
        let name = self.names[index].clone();
        let bytes = Arc::from(self.files.read(&name)?);
        record.fields.insert("image".to_string(), Field::Picture(EncodedFile { name, bytes }));
        Ok(record)
    }

    fn captions(&self, index: usize) -> Result<Record, DataError> {
        check_index(index, self.len())?;
        Ok(Record { key: self.names[index].clone(), fields: IndexMap::new() })
    }

    fn blocks(&self) -> Vec<Range<usize>> {
        single_blocks(self.len())
    }

    fn fingerprint(&self) -> Result<String, DataError> {
        fingerprint(self, |index| self.size(index))
    }
}

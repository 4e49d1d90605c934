//! A collection in memory, for tests.

use std::{ops::Range, path::Path};

use super::{check_index, fingerprint::fingerprint, schema::Schema, single_blocks};
use crate::{Collection, ColumnInfo, DataError, EncodedPicture, Field, Record};

pub(crate) struct Memory {
    records: Vec<Record>,
    columns: Vec<ColumnInfo>,
}

impl Memory {
    pub(crate) fn new(records: Vec<Record>) -> Self {
        let mut schema = Schema::default();
        for (name, field) in records.iter().flat_map(|record| &record.fields) {
            schema.observe(name, field.kind());
        }
        Self { records, columns: schema.columns() }
    }
}

/// A picture field.
pub(crate) fn picture(name: &str, bytes: &[u8]) -> Field {
    Field::Picture(EncodedPicture { name: name.to_string(), bytes: bytes.into() })
}

/// A record of the fields given.
pub(crate) fn record(key: &str, fields: &[(&str, Field)]) -> Record {
    let fields = fields.iter().map(|(name, field)| (name.to_string(), field.clone())).collect();
    Record { key: key.to_string(), fields }
}

impl Collection for Memory {
    fn location(&self) -> &Path {
        Path::new("memory")
    }

    fn format(&self) -> &'static str {
        "memory"
    }

    fn len(&self) -> usize {
        self.records.len()
    }

    fn columns(&self) -> &[ColumnInfo] {
        &self.columns
    }

    /// A picture of no bytes stands for one that is missing.
    fn record(&self, index: usize) -> Result<Record, DataError> {
        check_index(index, self.len())?;
        let record = self.records[index].clone();
        match record.picture("image") {
            Some(picture) if picture.bytes.is_empty() => {
                Err(DataError::MissingFile { name: picture.name.clone(), place: "memory".into() })
            }
            _ => Ok(record),
        }
    }

    fn captions(&self, index: usize) -> Result<Record, DataError> {
        check_index(index, self.len())?;
        let mut record = self.records[index].clone();
        record.fields.retain(|_, field| !matches!(field, Field::Picture(_)));
        Ok(record)
    }

    fn blocks(&self) -> Vec<Range<usize>> {
        single_blocks(self.len())
    }

    fn fingerprint(&self) -> Result<String, DataError> {
        fingerprint(self, |_| 0)
    }
}

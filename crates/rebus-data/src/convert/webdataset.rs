//! Writes WebDataset shards: a record is `STEM.json`, `STEM.txt` and its files, one after another.

use std::{
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{Output, Writer};
use crate::{DataError, Field, collection::json};

/// Records a shard.
const SHARD: usize = 1000;

pub(crate) struct Shards {
    folder: PathBuf,
    name: String,
    written: usize,
    current: Option<tar::Builder<BufWriter<fs_err::File>>>,
}

impl Shards {
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        Self { folder: folder.to_path_buf(), name: name.to_string(), written: 0, current: None }
    }

    /// The shard that takes the next record.
    fn shard(&mut self) -> Result<&mut tar::Builder<BufWriter<fs_err::File>>, DataError> {
        if self.written.is_multiple_of(SHARD) {
            self.close()?;
        }
        let shard = match self.current.take() {
            Some(shard) => shard,
            None => {
                let path = self.folder.join(format!("{}-{:06}.tar", self.name, self.written / SHARD));
                tar::Builder::new(BufWriter::new(fs_err::File::create(path)?))
            }
        };
        Ok(self.current.insert(shard))
    }

    fn close(&mut self) -> Result<(), DataError> {
        if let Some(shard) = self.current.take() {
            shard.into_inner()?.flush()?;
        }
        Ok(())
    }
}

impl Writer for Shards {
    fn write(&mut self, output: Output) -> Result<(), DataError> {
        let shard = self.shard()?;
        let Output { record, stem, extensions } = output;
        for (column, extension) in &extensions {
            let suffix = match record.fields.get(column) {
                Some(Field::Picture(_)) if column == "image" => extension.clone(),
                Some(Field::File(_)) if column == extension || column.ends_with(&format!(".{extension}")) => {
                    column.clone()
                }
                _ => format!("{column}.{extension}"),
            };
            let Some(file) = record.fields.get(column).and_then(Field::file) else { continue };
            append(shard, &format!("{stem}.{suffix}"), &file.bytes)?;
        }
        if let Some(Field::Text(text)) = record.fields.get("text") {
            append(shard, &format!("{stem}.txt"), text.as_bytes())?;
        }
        let fields =
            record.fields.iter().filter_map(|(name, field)| Some((name.clone(), json::value(field)?)));
        let object = Value::Object(fields.collect()).to_string();
        append(shard, &format!("{stem}.json"), object.as_bytes())?;
        self.written += 1;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), DataError> {
        self.close()
    }
}

/// The same records give the same bytes: no time, no owner.
fn append(shard: &mut tar::Builder<impl Write>, name: &str, bytes: &[u8]) -> Result<(), DataError> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    Ok(shard.append_data(&mut header, name, bytes)?)
}

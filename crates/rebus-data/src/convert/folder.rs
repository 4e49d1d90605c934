//! Writes the imagefolder convention: `metadata.jsonl` and a file a picture, sound or array.

use std::{
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{Output, Writer};
use crate::{ColumnInfo, DataError, Field, collection::json, main_pictures};

pub(crate) struct Folder {
    root: PathBuf,
    lines: BufWriter<fs_err::File>,
    /// Another file than the main one has its column's name in its file's.
    main: String,
}

impl Folder {
    pub(crate) fn create(root: &Path, columns: &[ColumnInfo]) -> Result<Self, DataError> {
        let lines = BufWriter::new(fs_err::File::create(root.join("metadata.jsonl"))?);
        let main = main_pictures(columns).map(|column| column.name.clone()).unwrap_or_default();
        Ok(Self { root: root.to_path_buf(), lines, main })
    }
}

impl Writer for Folder {
    fn write(&mut self, output: Output) -> Result<(), DataError> {
        let mut line = Map::new();
        for (column, extension) in &output.extensions {
            let Some(file) = output.record.fields.get(column).and_then(Field::file) else { continue };
            let name = if *column == self.main {
                format!("{}.{extension}", output.stem)
            } else {
                format!("{}.{}.{extension}", output.stem, super::names::clean(column))
            };
            let path = self.root.join(&name);
            if let Some(parent) = path.parent() {
                fs_err::create_dir_all(parent)?;
            }
            fs_err::write(path, &file.bytes)?;
            let key = if column == "image" { "file_name".to_string() } else { format!("{column}_file_name") };
            line.insert(key, Value::from(name));
        }
        let fields = output.record.fields.iter().filter(|(_, field)| !field.kind().is_file());
        line.extend(fields.filter_map(|(name, field)| Some((name.clone(), json::value(field)?))));
        writeln!(self.lines, "{}", Value::from(line))?;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), DataError> {
        Ok(self.lines.flush()?)
    }
}

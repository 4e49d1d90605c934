//! Writes the imagefolder convention: `metadata.jsonl` and a file a picture, sound or array.

use std::{
    collections::HashMap,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{
    Output, Writer,
    names::{Names, clean},
};
use crate::{ColumnInfo, DataError, Field, collection::json, main_pictures};

pub(crate) struct Folder {
    root: PathBuf,
    lines: BufWriter<fs_err::File>,
    /// What stands in a file's name for its column, nothing for the main pictures'.
    marks: HashMap<String, Option<String>>,
}

impl Folder {
    pub(crate) fn create(root: &Path, columns: &[ColumnInfo]) -> Result<Self, DataError> {
        let lines = BufWriter::new(fs_err::File::create(root.join("metadata.jsonl"))?);
        let main = main_pictures(columns).map(|column| &column.name);
        let mut names = Names::default();
        let files = columns.iter().enumerate().filter(|(_, column)| column.kind.is_file());
        let marks = files.map(|(number, column)| {
            let mark = (Some(&column.name) != main).then(|| names.stem(&clean(&column.name), number));
            (column.name.clone(), mark)
        });
        Ok(Self { root: root.to_path_buf(), lines, marks: marks.collect() })
    }
}

impl Writer for Folder {
    fn write(&mut self, output: Output) -> Result<(), DataError> {
        let mut line = Map::new();
        for (column, extension) in &output.extensions {
            let Some(file) = output.record.fields.get(column).and_then(Field::file) else { continue };
            let name = match self.marks.get(column) {
                Some(Some(mark)) => format!("{}.{mark}.{extension}", output.stem),
                _ => format!("{}.{extension}", output.stem),
            };
            let path = self.root.join(&name);
            if let Some(parent) = path.parent() {
                fs_err::create_dir_all(parent)?;
            }
            fs_err::write(path, &file.bytes)?;
            let pictures = matches!(output.record.fields.get(column), Some(Field::Picture(_)));
            let key = if column == "image" && pictures {
                "file_name".to_string()
            } else {
                format!("{column}_file_name")
            };
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

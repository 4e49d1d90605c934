//! From any collection to a file format of one's choice, with the original bytes of the pictures and all columns.

mod folder;
mod names;
mod parquet;
mod shape;
mod staging;
mod webdataset;

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use crate::{
    Broken, Collection, ColumnInfo, ColumnKind, DataError, Field, Record, collection::schema::fit,
    main_pictures,
};
use staging::Staging;

/// A format that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// Tar shards of 1,000 records, `NAME-000000.tar` and so on, in a folder called NAME.
    Webdataset,
    /// One Parquet file as Hugging Face `datasets` writes it; a path that does not end in `.parquet` is a folder for it.
    Parquet,
    /// A folder of pictures with `metadata.jsonl`, the imagefolder convention.
    Folder,
}

/// What a conversion did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// The format written.
    pub format: Format,
    /// Where it lies.
    pub output: PathBuf,
    /// How many records were written.
    pub records: usize,
    /// The records that were left out, and why.
    pub broken: Vec<Broken>,
    /// How many files there are.
    pub files: usize,
    /// Their size together, in bytes.
    pub bytes: u64,
}

/// Writes records one after another; every error is fatal.
trait Writer {
    fn write(&mut self, record: Output) -> Result<(), DataError>;
    fn finish(self: Box<Self>) -> Result<(), DataError>;
}

/// A record, and how its files are called.
struct Output {
    record: Record,
    /// A relative name without extension and without dots, unlike that of any other record.
    stem: String,
    /// The extension of each file by column.
    extensions: Vec<(String, String)>,
}

/// Writes a collection in another format. Records that cannot be read are left out and reported.
///
/// Everything is written under another name beside the output, synced, and renamed at the end: the output is whole or
/// not there. `observer` hears (done, total) after each record, and may stop the work.
///
/// # Errors
/// The output exists and is not empty; the format cannot hold a column; no record at all can be written; writing
/// fails; the observer breaks off.
pub fn convert(
    collection: &dyn Collection,
    format: Format,
    out: &Path,
    observer: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Report, DataError> {
    let columns = collection.columns();
    check_columns(format, columns)?;
    let staging = Staging::beside(out, format)?;
    let mut writer: Box<dyn Writer> = match format {
        Format::Webdataset => Box::new(webdataset::Shards::new(staging.path(), &staging.name())),
        Format::Parquet => {
            let shapes = shape::Shape::of_columns(collection, columns);
            let file = staging.file("train-00000-of-00001.parquet");
            Box::new(parquet::Table::create(&file, columns, &shapes)?)
        }
        Format::Folder => Box::new(folder::Folder::create(staging.path(), columns)?),
    };
    let mut names = names::Names::default();
    let (mut records, mut broken) = (0, Vec::new());
    let total = collection.len();
    for index in 0..total {
        let prepared = collection
            .whole(index)
            .map_err(|error| error.to_string())
            .and_then(|record| prepare(format, columns, fitted(record, columns), index, &mut names));
        match prepared {
            Ok(output) => {
                writer.write(output)?;
                records += 1;
            }
            Err(reason) => broken.push(Broken { key: key(collection, index), reason }),
        }
        if observer(index + 1, total).is_break() {
            return Err(DataError::Interrupted);
        }
    }
    if let (0, Some(first)) = (records, broken.first()) {
        let reason = format!(
            "all of its {total} records are broken, the first, `{}`, because: {}",
            first.key, first.reason
        );
        return Err(DataError::CannotWrite { format: format.name(), reason });
    }
    writer.finish()?;
    let (files, bytes) = staging.finish()?;
    Ok(Report { format, output: out.to_path_buf(), records, broken, files, bytes })
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Webdataset => "webdataset",
            Self::Parquet => "parquet",
            Self::Folder => "a folder",
        }
    }
}

/// Refuses columns that would come back as something else.
fn check_columns(format: Format, columns: &[ColumnInfo]) -> Result<(), DataError> {
    let refuse = |reason: String| Err(DataError::CannotWrite { format: format.name(), reason });
    match format {
        Format::Parquet => Ok(()),
        Format::Webdataset => {
            let split = |column: &&ColumnInfo| match column.kind {
                ColumnKind::Picture => column.name.contains(['.', '/']),
                ColumnKind::File => column.name.contains('/'),
                _ => false,
            };
            match columns.iter().find(split) {
                Some(column) => {
                    refuse(format!("the column of files `{}` has a dot or slash in its name", column.name))
                }
                None => Ok(()),
            }
        }
        Format::Folder => {
            let has_pictures = columns.iter().any(|column| column.kind == ColumnKind::Picture);
            let mut names = columns.iter().filter(|column| !column.kind.is_file());
            match names.find(|column| column.name == "file_name" || column.name.ends_with("_file_name")) {
                Some(column) => refuse(format!("there a column called `{}` names pictures", column.name)),
                None if !has_pictures => refuse("it has no column of pictures".to_string()),
                None => Ok(()),
            }
        }
    }
}

/// Every value in its column's kind, in the order of the columns.
fn fitted(record: Record, columns: &[ColumnInfo]) -> Record {
    let mut given = record.fields;
    let fields = columns
        .iter()
        .filter_map(|column| Some((column.name.clone(), fit(given.swap_remove(&column.name)?, column.kind))));
    Record { key: record.key, fields: fields.collect() }
}

/// Finds names for the record's files, or says why there are none.
fn prepare(
    format: Format,
    columns: &[ColumnInfo],
    record: Record,
    index: usize,
    names: &mut names::Names,
) -> Result<Output, String> {
    let mut extensions = Vec::new();
    let mut main = main_pictures(columns).and_then(|column| record.picture(&column.name));
    for (column, field) in &record.fields {
        let extension = match field {
            Field::Picture(picture) => {
                main.get_or_insert(picture);
                names::extension(picture).map(str::to_string)
            }
            Field::File(file) => Ok(names::any_extension(file)),
            _ => continue,
        };
        if format != Format::Parquet {
            extensions.push((column.clone(), extension?));
        }
    }
    if main.is_none() && format == Format::Folder {
        return Err("it has no picture".to_string());
    }
    let stem = names.stem(main.map_or(&record.key, |picture| &picture.name), index);
    Ok(Output { record, stem, extensions })
}

fn key(collection: &dyn Collection, index: usize) -> String {
    collection.captions(index).map_or_else(|_| format!("record {index}"), |record| record.key)
}

#[cfg(test)]
mod tests;

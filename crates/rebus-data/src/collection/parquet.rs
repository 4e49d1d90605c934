//! Parquet files as Hugging Face `datasets` writes them: a picture is a struct of `bytes` and `path`, or a plain
//! binary column, as another file is, such as a sound; what the writer says, and else the first values, tell which.
//! Row groups are decoded when they are needed and a few are kept; the collection itself is never in memory. Where no column holds texts, the names of the first column of class labels are the captions.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow_array::{Array, RecordBatch};
use indexmap::IndexMap;
use parquet::{
    arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions},
    file::metadata::{ParquetMetaData, ParquetStatisticsPolicy},
};

use super::{
    cache::Cache,
    cells, check_index,
    classes::in_words,
    files::Files,
    fingerprint::fingerprint,
    rows::{Rows, broken, decode, file, holds_pictures},
    schema::Schema,
};
use crate::{Collection, ColumnInfo, ColumnKind, DataError, EncodedFile, Field, Record};

/// The column that class labels' names make.
const TEXT: &str = "text";
/// A row group larger than this is read in parts.
const PART_BYTES: usize = 64 << 20;

/// Parquet files, one after another.
#[derive(Debug)]
pub(crate) struct Parquet {
    location: PathBuf,
    files: Vec<Source>,
    parts: Vec<Part>,
    columns: Vec<ColumnInfo>,
    schema: Schema,
    classes: Option<ClassNames>,
    /// Columns of files of which nothing could be seen yet.
    unknown: Vec<String>,
    texts: Cache<Vec<RecordBatch>>,
    pictures: Cache<Vec<RecordBatch>>,
    whole: Cache<Vec<RecordBatch>>,
}

/// How much of a row is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    Texts,
    Pictures,
    Whole,
}

/// The column of class labels, and the name of each label.
#[derive(Debug)]
struct ClassNames {
    column: String,
    names: Vec<String>,
}

#[derive(Debug)]
struct Source {
    path: PathBuf,
    name: String,
    first: usize,
    metadata: ArrowReaderMetadata,
}

/// A row group, or a part of a large one.
#[derive(Debug)]
struct Part {
    file: usize,
    group: usize,
    /// Rows of the group before it.
    skip: usize,
    rows: Range<usize>,
    picture_bytes: u64,
}

impl Parquet {
    /// Reads the footers of all files.
    ///
    /// # Errors
    /// A file is missing or no Parquet file, or none has a column that can be read.
    pub(crate) fn open(location: &Path, paths: Vec<PathBuf>, cache_bytes: usize) -> Result<Self, DataError> {
        Self::in_parts(location, paths, cache_bytes, PART_BYTES)
    }

    /// As [`open`](Self::open), with row groups cut into parts of about so many bytes.
    fn in_parts(
        location: &Path,
        paths: Vec<PathBuf>,
        cache_bytes: usize,
        part_bytes: usize,
    ) -> Result<Self, DataError> {
        let mut opened = Self {
            location: location.to_path_buf(),
            files: Vec::new(),
            parts: Vec::new(),
            columns: Vec::new(),
            schema: Schema::default(),
            classes: None,
            unknown: Vec::new(),
            texts: Cache::new(cache_bytes / 4),
            pictures: Cache::new(cache_bytes),
            whole: Cache::new(cache_bytes),
        };
        let mut rows = 0;
        for path in paths {
            rows = opened.add(path, rows, part_bytes)?;
        }
        for name in std::mem::take(&mut opened.unknown) {
            if opened.schema.get(&name).is_none() {
                opened.schema.declare(&name, ColumnKind::Picture);
            }
        }
        if opened.schema.columns().iter().any(|column| column.kind == ColumnKind::Text) {
            opened.classes = None;
        } else if opened.classes.is_some() {
            opened.schema.declare(TEXT, ColumnKind::Text);
        }
        opened.columns = opened.schema.columns();
        Ok(opened)
    }

    /// Adds a file whose first row has the given number, and returns the number after its last.
    fn add(&mut self, path: PathBuf, first: usize, part_bytes: usize) -> Result<usize, DataError> {
        // Types come from the file's own schema, which knows neither dictionaries nor views; statistics would only
        // fill memory.
        let options = ArrowReaderOptions::new()
            .with_skip_arrow_metadata(true)
            .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll);
        let metadata =
            ArrowReaderMetadata::load(&file(&path)?, options).map_err(|error| broken(&path, error))?;
        let features = features(metadata.metadata());
        self.classes = self.classes.take().or_else(|| {
            let (column, feature) = of_type(&features, "ClassLabel").next()?;
            let names = feature["names"].as_array()?.iter();
            let names = names.map(|name| in_words(name.as_str().unwrap_or_default())).collect();
            Some(ClassNames { column: column.clone(), names })
        });
        for (number, field) in metadata.schema().fields().iter().enumerate() {
            match cells::kind(field) {
                Some(ColumnKind::File) => {
                    let said = features.get(field.name()).and_then(|feature| feature["_type"].as_str());
                    let pictures = match said {
                        Some("Image") => Some(true),
                        Some("Audio" | "Video" | "Pdf") => Some(false),
                        _ => holds_pictures(&path, &metadata, number),
                    };
                    match pictures {
                        Some(true) => self.schema.declare(field.name(), ColumnKind::Picture),
                        Some(false) => self.schema.declare(field.name(), ColumnKind::File),
                        None => self.unknown.push(field.name().clone()),
                    }
                    warn_of_parts(&path, field);
                }
                Some(kind) => self.schema.declare(field.name(), kind),
                None => tracing::warn!(
                    "{}: column `{}` of type {} is left out",
                    path.display(),
                    field.name(),
                    field.data_type()
                ),
            }
        }
        let mut row = first;
        for (number, group) in metadata.metadata().row_groups().iter().enumerate() {
            let rows = usize::try_from(group.num_rows()).unwrap_or(0);
            let bytes = usize::try_from(group.total_byte_size()).unwrap_or(0);
            let size = rows.div_ceil(bytes.div_ceil(part_bytes).max(1)).max(1);
            for skip in (0..rows).step_by(size) {
                let count = size.min(rows - skip);
                self.parts.push(Part {
                    file: self.files.len(),
                    group: number,
                    skip,
                    rows: row + skip..row + skip + count,
                    picture_bytes: picture_bytes(metadata.metadata(), number),
                });
            }
            row += rows;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.files.push(Source { path, name, first, metadata });
        Ok(row)
    }

    /// The part that holds a row.
    fn part(&self, index: usize) -> Result<usize, DataError> {
        check_index(index, self.len())?;
        Ok(self.parts.partition_point(|part| part.rows.end <= index))
    }

    /// A part's rows, decoded.
    fn decode(&self, part: &Part, depth: Depth) -> Result<Vec<RecordBatch>, DataError> {
        let source = &self.files[part.file];
        let wanted = source.metadata.schema().fields().iter().enumerate().filter_map(|(number, field)| {
            let (_, kind) = self.schema.get(field.name())?;
            cells::kind(field)?;
            let least = match kind {
                ColumnKind::File => Depth::Whole,
                ColumnKind::Picture => Depth::Pictures,
                _ => Depth::Texts,
            };
            (depth >= least).then_some(number)
        });
        let rows = Rows { group: part.group, skip: part.skip, count: part.rows.len() };
        decode(&source.path, &source.metadata, wanted, rows)
    }

    /// The fields of a row as deep as asked for.
    fn read(&self, index: usize, depth: Depth) -> Result<Record, DataError> {
        let number = self.part(index)?;
        let part = &self.parts[number];
        let source = &self.files[part.file];
        let cache = match depth {
            Depth::Texts => &self.texts,
            Depth::Pictures => &self.pictures,
            Depth::Whole => &self.whole,
        };
        let size = |batches: &Vec<RecordBatch>| batches.iter().map(RecordBatch::get_array_memory_size).sum();
        let batches = cache.get(number, || self.decode(part, depth), size)?;
        let key = format!("{}#{}", source.name, index - source.first);
        let mut row = index - part.rows.start;
        let mut fields = IndexMap::new();
        for batch in batches.iter() {
            if row >= batch.num_rows() {
                row -= batch.num_rows();
                continue;
            }
            for (info, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
                let field = match self.schema.get(info.name()) {
                    Some((_, kind)) if kind.is_file() => file_field(&**column, row, source, &key, kind)?,
                    _ => cells::field(info, &**column, row).map_err(|reason| DataError::BrokenFile {
                        name: format!("{}, row {}", info.name(), index - source.first),
                        place: source.path.clone(),
                        reason,
                    })?,
                };
                if let Some(field) = field {
                    fields.insert(info.name().clone(), self.schema.fit(info.name(), field));
                }
            }
            if let Some(ClassNames { column, names }) = &self.classes
                && let Some(Field::Integer(label)) = fields.get(column)
                && let Some(name) = usize::try_from(*label).ok().and_then(|label| names.get(label))
            {
                fields.insert(TEXT.to_string(), Field::Text(name.clone()));
            }
            return Ok(Record { key, fields });
        }
        // A group without any column that is read has no batches at all.
        Ok(Record { key, fields })
    }
}

/// A picture has its bytes and its name; whatever else stands beside them in the column is not read.
fn warn_of_parts(path: &Path, field: &arrow_schema::Field) {
    if let arrow_schema::DataType::Struct(parts) = field.data_type() {
        let others =
            parts.iter().map(|part| part.name().as_str()).filter(|name| !["bytes", "path"].contains(name));
        for name in others {
            tracing::warn!("{}: `{name}` inside column `{}` is left out", path.display(), field.name());
        }
    }
}

/// The file in a cell, from the file beside the Parquet file where the cell has only its path.
fn file_field(
    column: &dyn Array,
    row: usize,
    source: &Source,
    key: &str,
    kind: ColumnKind,
) -> Result<Option<Field>, DataError> {
    let Some(cell) = cells::file(column, row) else { return Ok(None) };
    let bytes = match (cell.bytes, cell.path) {
        (Some(bytes), _) => Arc::from(bytes),
        (None, Some(path)) => {
            let root = source.path.parent().filter(|root| !root.as_os_str().is_empty());
            Arc::from(Files::folder(root.unwrap_or(Path::new(".")))?.read(path)?)
        }
        (None, None) => return Ok(None),
    };
    let file = EncodedFile { name: cell.path.unwrap_or(key).to_string(), bytes };
    Ok(Some(if kind == ColumnKind::Picture { Field::Picture(file) } else { Field::File(file) }))
}

/// The bytes of a row group's pictures before compression, which tell collections apart without reading them.
fn picture_bytes(metadata: &ParquetMetaData, group: usize) -> u64 {
    let columns = metadata.row_group(group).columns().iter();
    let binary = columns.filter(|column| {
        column.column_type() == parquet::basic::Type::BYTE_ARRAY
            && column.column_descr().logical_type_ref().is_none()
            && column.column_descr().converted_type() == parquet::basic::ConvertedType::NONE
    });
    binary.map(|column| u64::try_from(column.uncompressed_size()).unwrap_or(0)).sum()
}

/// What `datasets` says of each column.
fn features(metadata: &ParquetMetaData) -> serde_json::Map<String, serde_json::Value> {
    let entries = metadata.file_metadata().key_value_metadata();
    let text = entries.and_then(|all| all.iter().find(|entry| entry.key == "huggingface")?.value.as_ref());
    let mut said: serde_json::Value =
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    match said.pointer_mut("/info/features").map(serde_json::Value::take) {
        Some(serde_json::Value::Object(features)) => features,
        _ => serde_json::Map::new(),
    }
}

/// The columns of a type of `datasets`.
fn of_type<'a>(
    features: &'a serde_json::Map<String, serde_json::Value>,
    kind: &'static str,
) -> impl Iterator<Item = (&'a String, &'a serde_json::Value)> {
    features.iter().filter(move |(_, feature)| feature["_type"] == kind)
}

impl Collection for Parquet {
    fn location(&self) -> &Path {
        &self.location
    }

    fn format(&self) -> &'static str {
        "parquet"
    }

    fn len(&self) -> usize {
        self.parts.last().map_or(0, |part| part.rows.end)
    }

    fn columns(&self) -> &[ColumnInfo] {
        &self.columns
    }

    fn record(&self, index: usize) -> Result<Record, DataError> {
        self.read(index, Depth::Pictures)
    }

    fn whole(&self, index: usize) -> Result<Record, DataError> {
        self.read(index, Depth::Whole)
    }

    fn captions(&self, index: usize) -> Result<Record, DataError> {
        self.read(index, Depth::Texts)
    }

    fn blocks(&self) -> Vec<Range<usize>> {
        self.parts.iter().map(|part| part.rows.clone()).collect()
    }

    fn fingerprint(&self) -> Result<String, DataError> {
        fingerprint(self, |index| self.part(index).map_or(0, |part| self.parts[part].picture_bytes))
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, Int64Array, StringArray, StructArray, builder::BinaryBuilder};
    use arrow_schema::{DataType, Field as ArrowField};

    use super::*;

    /// Writes one row group.
    fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, array)| (name, array, true)),
        )
        .unwrap();
        let file = fs_err::File::create(path).unwrap();
        let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        let features =
            r#"{"info": {"features": {"label": {"names": ["cat", "hot_dog"], "_type": "ClassLabel"}}}}"#;
        let features = parquet::file::metadata::KeyValue::new("huggingface".into(), features.to_string());
        writer.append_key_value_metadata(features);
        writer.close().unwrap();
    }

    #[test]
    fn names_of_classes_are_captions_where_there_are_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let labels = || Arc::new(Int64Array::from(vec![1, 0, -1, 2])) as ArrayRef;
        write(&path, vec![("label", labels())]);
        let opened = Parquet::open(&path, vec![path.clone()], 0).unwrap();
        let texts: Vec<_> =
            (0..4).map(|index| opened.captions(index).unwrap().fields.get("text").cloned()).collect();
        let text = |text: &str| Some(Field::Text(text.to_string()));
        assert_eq!(texts, [text("hot dog"), text("cat"), None, None]);
        assert!(
            opened.columns().iter().any(|column| column.name == "text" && column.kind == ColumnKind::Text)
        );

        let own: ArrayRef = Arc::new(StringArray::from(vec!["own"; 4]));
        write(&path, vec![("label", labels()), ("title", own)]);
        let opened = Parquet::open(&path, vec![path.clone()], 0).unwrap();
        assert!(!opened.captions(0).unwrap().fields.contains_key("text"));
        assert!(!opened.columns().iter().any(|column| column.name == "text"));
    }

    fn images(cells: &[(Option<&[u8]>, Option<&str>)]) -> ArrayRef {
        let mut bytes = BinaryBuilder::new();
        cells.iter().for_each(|cell| bytes.append_option(cell.0));
        let paths = StringArray::from_iter(cells.iter().map(|cell| cell.1));
        Arc::new(StructArray::from(vec![
            (
                Arc::new(ArrowField::new("bytes", DataType::Binary, true)),
                Arc::new(bytes.finish()) as ArrayRef,
            ),
            (Arc::new(ArrowField::new("path", DataType::Utf8, true)), Arc::new(paths) as ArrayRef),
        ]))
    }

    #[test]
    fn a_picture_may_lie_beside_the_table_but_not_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in/a.parquet");
        fs_err::create_dir(folder.path().join("in")).unwrap();
        fs_err::write(folder.path().join("in/beside.png"), b"beside").unwrap();
        fs_err::write(folder.path().join("above.png"), b"above").unwrap();
        let cells = [
            (Some(&b"inside"[..]), None),
            (None, Some("beside.png")),
            (None, Some("../above.png")),
            (None, Some("gone.png")),
            (None, None),
        ];
        write(&path, vec![("image", images(&cells))]);
        let opened = Parquet::open(&path, vec![path.clone()], 0).unwrap();
        let picture = |index: usize| opened.record(index).unwrap().picture("image").cloned();
        assert_eq!(
            picture(0).map(|picture| (picture.name, picture.bytes)),
            Some(("a.parquet#0".into(), b"inside"[..].into()))
        );
        assert_eq!(&*picture(1).unwrap().bytes, b"beside");
        assert!(opened.record(2).unwrap_err().to_string().contains("`../above.png`"));
        assert!(opened.record(3).unwrap_err().to_string().contains("`gone.png` is missing"));
        assert_eq!(picture(4), None);
        let captions = opened.captions(2).unwrap();
        assert!(captions.key == "a.parquet#2" && captions.fields.is_empty());
    }

    #[test]
    fn a_large_row_group_is_read_in_parts_that_hold_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let numbers = |from: i64| Arc::new(Int64Array::from_iter_values(from..from + 1000)) as ArrayRef;
        let pixels: Vec<String> = (0..1000).map(|number| format!("{number}").repeat(100)).collect();
        let cells: Vec<_> = pixels.iter().map(|pixels| (Some(pixels.as_bytes()), Some("x.png"))).collect();
        write(&path, vec![("image", images(&cells)), ("n", numbers(0))]);
        let other = folder.path().join("b.parquet");
        write(&other, vec![("n", numbers(1000)), ("image", images(&cells))]);
        let paths = vec![path.clone(), other];
        let opened = Parquet::in_parts(folder.path(), paths, 0, 100_000).unwrap();
        assert!(opened.blocks().len() > 4, "{:?}", opened.blocks());
        let mut next = 0;
        for block in opened.blocks() {
            assert_eq!(block.start, next);
            next = block.end;
        }
        assert_eq!(next, 2000);
        for index in (0..2000).step_by(37).rev() {
            let record = opened.record(index).unwrap();
            assert_eq!(record.fields["n"], Field::Integer(index as i64));
            assert_eq!(&*record.picture("image").unwrap().bytes, pixels[index % 1000].as_bytes());
            assert_eq!(opened.captions(index).unwrap().fields["n"], Field::Integer(index as i64));
        }
        assert_eq!(opened.captions(1001).unwrap().key, "b.parquet#1");
    }

    #[test]
    fn a_file_that_is_no_parquet_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        fs_err::write(&path, b"no such thing").unwrap();
        let error = Parquet::open(&path, vec![path.clone()], 0).unwrap_err().to_string();
        assert!(error.contains("a.parquet cannot be read as Parquet"), "{error}");
    }
}

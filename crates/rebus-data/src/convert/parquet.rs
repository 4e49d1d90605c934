//! Writes one Parquet file as Hugging Face `datasets` does: pictures as structs of `bytes` and `path`, and a note of
//! the features, so that `datasets` and its viewer show pictures.

use std::{collections::HashMap, path::Path, sync::Arc};

use arrow_array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray,
    builder::{BinaryBuilder, ListBuilder, StringBuilder, StructBuilder},
};
use arrow_schema::{DataType, Field as ArrowField, Fields, Schema};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties},
    },
    schema::types::ColumnPath,
};
use serde_json::json;

use super::{Output, Writer};
use crate::{ColumnInfo, ColumnKind, DataError, Field, Record};

/// Rows a row group, fewer where the pictures are large.
const ROWS: usize = 1000;
/// The most bytes of pictures in a row group.
const BYTES: usize = 256 << 20;
/// The key under which `datasets` keeps its description of the columns.
const NOTE: &str = "huggingface";

pub(crate) struct Table {
    columns: Vec<ColumnInfo>,
    schema: Arc<Schema>,
    writer: ArrowWriter<std::fs::File>,
    rows: Vec<Record>,
    bytes: usize,
}

impl Table {
    pub(crate) fn create(path: &Path, columns: &[ColumnInfo]) -> Result<Self, DataError> {
        let fields: Vec<ArrowField> = columns
            .iter()
            .map(|column| ArrowField::new(&column.name, data_type(column.kind), true))
            .collect();
        // In the Arrow schema and beside it: Arrow's own readers look at the former alone where there is one.
        let note = note(columns);
        let schema =
            Arc::new(Schema::new_with_metadata(fields, HashMap::from([(NOTE.to_string(), note.clone())])));
        let file = fs_err::File::create(path)?.into_parts().0;
        let writer =
            ArrowWriter::try_new(file, schema.clone(), Some(properties(columns, note))).map_err(failed)?;
        Ok(Self { columns: columns.to_vec(), schema, writer, rows: Vec::new(), bytes: 0 })
    }

    /// Writes the rows so far as one row group.
    fn flush(&mut self) -> Result<(), DataError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let arrays = self.columns.iter().map(|column| array(column, &self.rows)).collect();
        let batch =
            RecordBatch::try_new(self.schema.clone(), arrays).map_err(|error| failed(error.into()))?;
        self.writer.write(&batch).map_err(failed)?;
        self.writer.flush().map_err(failed)?;
        self.rows.clear();
        self.bytes = 0;
        Ok(())
    }
}

impl Writer for Table {
    fn write(&mut self, output: Output) -> Result<(), DataError> {
        let pictures = output.record.fields.values().map(|field| match field {
            Field::Picture(picture) => picture.bytes.len(),
            _ => 0,
        });
        let bytes: usize = pictures.sum();
        if self.rows.len() == ROWS || self.bytes + bytes > BYTES {
            self.flush()?;
        }
        self.bytes += bytes;
        self.rows.push(output.record);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), DataError> {
        self.flush()?;
        self.writer.close().map_err(failed)?;
        Ok(())
    }
}

fn data_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Text => DataType::Utf8,
        ColumnKind::List => DataType::List(Arc::new(ArrowField::new("element", DataType::Utf8, true))),
        ColumnKind::Integer => DataType::Int64,
        ColumnKind::Real => DataType::Float64,
        ColumnKind::Picture => DataType::Struct(picture_fields()),
    }
}

fn picture_fields() -> Fields {
    Fields::from(vec![
        ArrowField::new("bytes", DataType::Binary, true),
        ArrowField::new("path", DataType::Utf8, true),
    ])
}

/// One column of the rows.
fn array(column: &ColumnInfo, rows: &[Record]) -> ArrayRef {
    let cells = rows.iter().map(|row| row.fields.get(&column.name));
    match column.kind {
        ColumnKind::Text => Arc::new(StringArray::from_iter(cells.map(|cell| match cell {
            Some(Field::Text(text)) => Some(text.as_str()),
            _ => None,
        }))),
        ColumnKind::Integer => Arc::new(Int64Array::from_iter(cells.map(|cell| match cell {
            Some(Field::Integer(value)) => Some(*value),
            _ => None,
        }))),
        ColumnKind::Real => Arc::new(Float64Array::from_iter(cells.map(|cell| match cell {
            Some(Field::Real(value)) => Some(*value),
            _ => None,
        }))),
        ColumnKind::List => {
            let item = ArrowField::new("element", DataType::Utf8, true);
            let mut builder = ListBuilder::new(StringBuilder::new()).with_field(item);
            for cell in cells {
                match cell {
                    Some(Field::List(items)) => builder.append_value(items.iter().map(Some)),
                    _ => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        ColumnKind::Picture => {
            let (mut bytes, mut paths) = (BinaryBuilder::new(), StringBuilder::new());
            let mut present = Vec::with_capacity(rows.len());
            for cell in cells {
                let picture = match cell {
                    Some(Field::Picture(picture)) => Some(picture),
                    _ => None,
                };
                bytes.append_option(picture.map(|picture| &picture.bytes[..]));
                paths.append_option(picture.map(|picture| &picture.name));
                present.push(picture.is_some());
            }
            let mut builder = StructBuilder::new(picture_fields(), vec![Box::new(bytes), Box::new(paths)]);
            present.into_iter().for_each(|present| builder.append(present));
            Arc::new(builder.finish())
        }
    }
}

/// The features of all columns, by which `datasets` knows a struct for a picture.
fn note(columns: &[ColumnInfo]) -> String {
    let features: serde_json::Map<String, serde_json::Value> =
        columns.iter().map(|column| (column.name.clone(), feature(column.kind))).collect();
    json!({ "info": { "features": features } }).to_string()
}

fn properties(columns: &[ColumnInfo], note: String) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        // The size of a page is looked at after so many rows: pages of pictures stay small.
        .set_write_batch_size(32)
        .set_max_row_group_row_count(Some(ROWS))
        .set_key_value_metadata(Some(vec![KeyValue::new(NOTE.to_string(), note)]));
    for column in columns.iter().filter(|column| column.kind == ColumnKind::Picture) {
        let bytes = ColumnPath::new(vec![column.name.clone(), "bytes".to_string()]);
        properties = properties
            .set_column_dictionary_enabled(bytes.clone(), false)
            .set_column_statistics_enabled(bytes, EnabledStatistics::None);
    }
    properties.build()
}

/// A column as `datasets` describes it.
fn feature(kind: ColumnKind) -> serde_json::Value {
    match kind {
        ColumnKind::Text => json!({ "dtype": "string", "_type": "Value" }),
        ColumnKind::Integer => json!({ "dtype": "int64", "_type": "Value" }),
        ColumnKind::Real => json!({ "dtype": "float64", "_type": "Value" }),
        ColumnKind::List => json!({ "feature": { "dtype": "string", "_type": "Value" }, "_type": "List" }),
        ColumnKind::Picture => json!({ "_type": "Image" }),
    }
}

fn failed(error: parquet::errors::ParquetError) -> DataError {
    if let parquet::errors::ParquetError::External(inner) = &error
        && let Some(inner) = inner.downcast_ref::<std::io::Error>()
    {
        return std::io::Error::new(inner.kind(), format!("the Parquet file cannot be written: {inner}"))
            .into();
    }
    DataError::CannotWrite { format: "parquet", reason: error.to_string() }
}

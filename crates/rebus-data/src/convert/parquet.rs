//! Writes one Parquet file as Hugging Face `datasets` does: pictures as structs of `bytes` and `path`, and a note of
//! the features, so that `datasets` and its viewer show pictures. JSON whose values share a shape becomes lists and
//! structs, other JSON a text that Parquet calls JSON.

use std::{collections::HashMap, path::Path, sync::Arc};

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    builder::{BinaryBuilder, ListBuilder, StringBuilder, StructBuilder},
};
use arrow_json::ReaderBuilder;
use arrow_schema::{ArrowError, DataType, Field as ArrowField, Fields, Schema, extension};
use indexmap::IndexMap;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties},
    },
    schema::types::ColumnPath,
};
use serde_json::{Value, json};

use super::{Output, Writer, shape::Shape};
use crate::{ColumnInfo, ColumnKind, DataError, Field, Record};

/// Rows a row group, fewer where the pictures are large.
const ROWS: usize = 1000;
/// The most bytes of a row group before it is written.
const BYTES: usize = 128 << 20;
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
    /// `shapes` are those of the columns of JSON.
    pub(crate) fn create(
        path: &Path,
        columns: &[ColumnInfo],
        shapes: &IndexMap<String, Shape>,
    ) -> Result<Self, DataError> {
        let fields: Vec<ArrowField> = columns
            .iter()
            .map(|column| match column.kind {
                ColumnKind::Json => json_field(&column.name, shapes.get(&column.name)),
                kind => ArrowField::new(&column.name, data_type(kind), true),
            })
            .collect();
        // In the Arrow schema and beside it: Arrow's own readers look at the former alone where there is one.
        let note = note(columns, &fields);
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
        let columns = self.columns.iter().zip(self.schema.fields());
        let arrays = columns.map(|(column, field)| array(column, field, &self.rows));
        let batch = arrays
            .collect::<Result<_, _>>()
            .and_then(|arrays| RecordBatch::try_new(self.schema.clone(), arrays))
            .map_err(|error| failed(error.into()))?;
        self.writer.write(&batch).map_err(failed)?;
        self.writer.flush().map_err(failed)?;
        self.rows.clear();
        self.bytes = 0;
        Ok(())
    }
}

impl Writer for Table {
    fn write(&mut self, output: Output) -> Result<(), DataError> {
        let bytes: usize = output.record.fields.values().map(weight).sum();
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

/// About how many bytes a field takes in memory.
fn weight(field: &Field) -> usize {
    match field {
        Field::Text(text) => text.len(),
        Field::List(items) => items.iter().map(String::len).sum(),
        Field::Json(value) => json_weight(value),
        Field::Picture(file) | Field::File(file) => file.bytes.len(),
        Field::Integer(_) | Field::Real(_) | Field::Boolean(_) => 8,
    }
}

/// A value itself, and about as much again for its way into a column.
fn json_weight(value: &Value) -> usize {
    2 * size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(json_weight).sum(),
            Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + json_weight(value)).sum(),
            _ => 0,
        }
}

/// The type of a column that is not of JSON; of JSON it is a text.
fn data_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Text | ColumnKind::Json => DataType::Utf8,
        ColumnKind::List => list(DataType::Utf8),
        ColumnKind::Integer => DataType::Int64,
        ColumnKind::Real => DataType::Float64,
        ColumnKind::Boolean => DataType::Boolean,
        ColumnKind::Picture | ColumnKind::File => DataType::Struct(file_fields()),
    }
}

fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(ArrowField::new("element", item, true)))
}

/// A column of JSON: of lists or structs where its values share a shape, else of texts that are JSON.
fn json_field(name: &str, shape: Option<&Shape>) -> ArrowField {
    match shape.and_then(shaped) {
        // A list of texts is a column of another kind.
        Some(data_type) if data_type != list(DataType::Utf8) => ArrowField::new(name, data_type, true),
        _ => ArrowField::new(name, DataType::Utf8, true).with_extension_type(extension::Json::default()),
    }
}

/// The type that holds a shape, if one does.
fn shaped(shape: &Shape) -> Option<DataType> {
    Some(match shape {
        Shape::Boolean => DataType::Boolean,
        Shape::Integer | Shape::Large => DataType::Int64,
        Shape::Real => DataType::Float64,
        Shape::Text => DataType::Utf8,
        Shape::List(item) => list(shaped(item)?),
        Shape::Object(fields) if !fields.is_empty() => {
            let fields = fields.iter().map(|(name, shape)| Some(ArrowField::new(name, shaped(shape)?, true)));
            DataType::Struct(fields.collect::<Option<Fields>>()?)
        }
        Shape::Object(_) | Shape::Unknown | Shape::Mixed => return None,
    })
}

fn file_fields() -> Fields {
    Fields::from(vec![
        ArrowField::new("bytes", DataType::Binary, true),
        ArrowField::new("path", DataType::Utf8, true),
    ])
}

/// One column of the rows.
fn array(column: &ColumnInfo, field: &Arc<ArrowField>, rows: &[Record]) -> Result<ArrayRef, ArrowError> {
    let cells = rows.iter().map(|row| row.fields.get(&column.name));
    Ok(match column.kind {
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
        ColumnKind::Boolean => Arc::new(BooleanArray::from_iter(cells.map(|cell| match cell {
            Some(Field::Boolean(value)) => Some(*value),
            _ => None,
        }))),
        ColumnKind::Json => {
            let values = cells.map(|cell| match cell {
                Some(Field::Json(value)) => value,
                _ => &Value::Null,
            });
            if *field.data_type() == DataType::Utf8 {
                let called_json = field.extension_type_name().is_some();
                let texts = values.map(|value| match value {
                    Value::Null => None,
                    Value::String(text) if !called_json => Some(text.clone()),
                    value => Some(value.to_string()),
                });
                return Ok(Arc::new(StringArray::from_iter(texts)));
            }
            let builder = ReaderBuilder::new_with_field(field.clone()).with_batch_size(rows.len());
            let mut decoder = builder.build_decoder()?;
            decoder.serialize(&values.collect::<Vec<_>>())?;
            let batch = decoder.flush()?;
            batch
                .map(|batch| batch.column(0).clone())
                .ok_or_else(|| ArrowError::JsonError(format!("column `{}` gave no values", column.name)))?
        }
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
        ColumnKind::Picture | ColumnKind::File => {
            let (mut bytes, mut paths) = (BinaryBuilder::new(), StringBuilder::new());
            let mut present = Vec::with_capacity(rows.len());
            for cell in cells {
                let file = cell.and_then(Field::file);
                bytes.append_option(file.map(|file| &file.bytes[..]));
                paths.append_option(file.map(|file| &file.name));
                present.push(file.is_some());
            }
            let mut builder = StructBuilder::new(file_fields(), vec![Box::new(bytes), Box::new(paths)]);
            present.into_iter().for_each(|present| builder.append(present));
            Arc::new(builder.finish())
        }
    })
}

/// The features of all columns, by which `datasets` knows a struct for a picture.
fn note(columns: &[ColumnInfo], fields: &[ArrowField]) -> String {
    let columns = columns.iter().zip(fields).map(|(column, field)| {
        let feature = match column.kind {
            ColumnKind::Picture => json!({ "_type": "Image" }),
            _ => feature(field.data_type()),
        };
        (column.name.clone(), feature)
    });
    json!({ "info": { "features": columns.collect::<serde_json::Map<_, _>>() } }).to_string()
}

fn properties(columns: &[ColumnInfo], note: String) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        // The size of a page is looked at after so many rows: pages of pictures stay small.
        .set_write_batch_size(32)
        .set_max_row_group_row_count(Some(ROWS))
        .set_key_value_metadata(Some(vec![KeyValue::new(NOTE.to_string(), note)]));
    for column in columns.iter().filter(|column| column.kind.is_file()) {
        let bytes = ColumnPath::new(vec![column.name.clone(), "bytes".to_string()]);
        properties = properties
            .set_column_dictionary_enabled(bytes.clone(), false)
            .set_column_statistics_enabled(bytes, EnabledStatistics::None);
    }
    properties.build()
}

/// A type as `datasets` describes it.
fn feature(data_type: &DataType) -> Value {
    let value = |name: &str| json!({ "dtype": name, "_type": "Value" });
    match data_type {
        DataType::Int64 => value("int64"),
        DataType::Float64 => value("float64"),
        DataType::Boolean => value("bool"),
        DataType::Binary => value("binary"),
        DataType::List(item) => json!({ "feature": feature(item.data_type()), "_type": "List" }),
        DataType::Struct(fields) => Value::Object(
            fields.iter().map(|field| (field.name().clone(), feature(field.data_type()))).collect(),
        ),
        _ => value("string"),
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

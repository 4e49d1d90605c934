//! Cells of Arrow arrays as fields, and which columns of a schema become which fields.

use std::sync::Arc;

use arrow_array::{
    Array, BinaryArray, StructArray,
    cast::AsArray,
    make_array, new_empty_array,
    types::{
        Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
        UInt16Type, UInt32Type, UInt64Type,
    },
};
use arrow_json::writer::{EncoderOptions, make_encoder};
use arrow_schema::{ArrowError, DataType, Field as ArrowField, extension::EXTENSION_TYPE_NAME_KEY};
use serde_json::Value;

use super::json;
use crate::{ColumnKind, Field};

/// What Arrow calls a text that is JSON.
pub(crate) const JSON: &str = "arrow.json";

/// A file as it stands in a cell.
pub(crate) struct FileCell<'a> {
    /// The file's content, where it is inside.
    pub(crate) bytes: Option<&'a [u8]>,
    /// The file's name, where there is one.
    pub(crate) path: Option<&'a str>,
}

/// The kind of a column, `None` where no field can hold it: bytes in lists or structs. Whether files are pictures, their type does
/// not say; they are [`ColumnKind::File`] here.
pub(crate) fn kind(field: &ArrowField) -> Option<ColumnKind> {
    Some(match field.data_type() {
        DataType::Utf8 if is_json(field) => ColumnKind::Json,
        DataType::Utf8 => ColumnKind::Text,
        DataType::Binary => ColumnKind::File,
        DataType::Struct(parts) if parts.find("bytes").is_some_and(|(_, part)| is_binary(part)) => {
            ColumnKind::File
        }
        DataType::List(item) if *item.data_type() == DataType::Utf8 => ColumnKind::List,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => ColumnKind::Real,
        DataType::Boolean => ColumnKind::Boolean,
        other if other.is_integer() => ColumnKind::Integer,
        // Times and decimal numbers are JSON as well: they are written to the last digit, and are no captions.
        other => {
            let none = new_empty_array(&bare(other));
            let info = Arc::new(field.clone().with_data_type(bare(other)));
            let can_be_written = make_encoder(&info, &*none, &EncoderOptions::default()).is_ok();
            return (!holds_bytes(other) && can_be_written).then_some(ColumnKind::Json);
        }
    })
}

/// The field in a row of a column that holds no files.
///
/// # Errors
/// A value has no JSON.
pub(crate) fn field(info: &Arc<ArrowField>, column: &dyn Array, row: usize) -> Result<Option<Field>, String> {
    if column.is_null(row) || *column.data_type() == DataType::Null {
        return Ok(None);
    }
    macro_rules! integer {
        ($type:ty) => {
            Field::Integer(i64::from(column.as_primitive::<$type>().value(row)))
        };
    }
    Ok(Some(match column.data_type() {
        DataType::Utf8 => {
            let text = column.as_string::<i32>().value(row);
            if is_json(info) {
                // What is called JSON and is none is a text in it.
                return Ok(json::field(value(text.as_bytes()).unwrap_or_else(|_| Value::from(text))));
            }
            Field::Text(text.to_string())
        }
        DataType::List(item) if *item.data_type() == DataType::Utf8 => {
            let items = column.as_list::<i32>().value(row);
            Field::List(items.as_string::<i32>().iter().flatten().map(str::to_string).collect())
        }
        DataType::Boolean => Field::Boolean(column.as_boolean().value(row)),
        DataType::Int8 => integer!(Int8Type),
        DataType::Int16 => integer!(Int16Type),
        DataType::Int32 => integer!(Int32Type),
        DataType::Int64 => Field::Integer(column.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => integer!(UInt8Type),
        DataType::UInt16 => integer!(UInt16Type),
        DataType::UInt32 => integer!(UInt32Type),
        DataType::UInt64 => {
            let value = column.as_primitive::<UInt64Type>().value(row);
            // Beyond the range only hashes are found: their bits are kept.
            Field::Integer(value.cast_signed())
        }
        DataType::Float16 => Field::Real(f64::from(column.as_primitive::<Float16Type>().value(row))),
        DataType::Float32 => Field::Real(f64::from(column.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => Field::Real(column.as_primitive::<Float64Type>().value(row)),
        other => {
            let written = written(info, column, row).map_err(|error| error.to_string())?;
            if other.is_nested() {
                return value(&written).map(|value| Some(Field::Json(value)));
            }
            let text = value(&written).ok().filter(Value::is_string).map(json::plain);
            let text = text.unwrap_or_else(|| String::from_utf8_lossy(&written).into_owned());
            if text.starts_with("ERROR") {
                tracing::warn!(
                    "column `{}`, a {other} that cannot be written is left out: {text}",
                    info.name()
                );
                return Ok(None);
            }
            // Moments are kept in the time of Greenwich, whatever zone they are to be shown in.
            let moment = matches!(other, DataType::Timestamp(_, Some(_)));
            Field::Json(Value::from(if moment { text + "Z" } else { text }))
        }
    }))
}

/// The type without its time zone, whose names the writer of JSON does not know.
fn bare(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, None),
        other => other.clone(),
    }
}

/// A cell as JSON writes it.
fn written(info: &Arc<ArrowField>, column: &dyn Array, row: usize) -> Result<Vec<u8>, ArrowError> {
    let plain = bare(column.data_type());
    let cell = column.slice(row, 1).to_data().into_builder().data_type(plain.clone()).build()?;
    let (cell, info) = (make_array(cell), Arc::new(info.as_ref().clone().with_data_type(plain)));
    let options = EncoderOptions::default();
    let mut written = Vec::new();
    make_encoder(&info, &*cell, &options)?.encode(0, &mut written);
    Ok(written)
}

fn value(text: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(text).map_err(|error| format!("not JSON ({error})"))
}

fn is_json(field: &ArrowField) -> bool {
    field.metadata().get(EXTENSION_TYPE_NAME_KEY).is_some_and(|name| name == JSON)
}

/// Whether anything in it is bytes.
fn holds_bytes(data_type: &DataType) -> bool {
    use DataType::*;
    match data_type {
        Binary | LargeBinary | BinaryView | FixedSizeBinary(_) | Union(..) => true,
        List(item)
        | LargeList(item)
        | FixedSizeList(item, _)
        | ListView(item)
        | LargeListView(item)
        | Map(item, _) => holds_bytes(item.data_type()),
        Struct(parts) => parts.iter().any(|part| holds_bytes(part.data_type())),
        Dictionary(_, value) => holds_bytes(value),
        RunEndEncoded(_, value) => holds_bytes(value.data_type()),
        _ => false,
    }
}

/// The file in a row, of a plain binary column or a struct of `bytes` and `path`.
pub(crate) fn file(column: &dyn Array, row: usize) -> Option<FileCell<'_>> {
    if column.is_null(row) {
        return None;
    }
    if let Some(binary) = column.as_binary_opt::<i32>() {
        return Some(FileCell { bytes: Some(binary.value(row)), path: None });
    }
    let parts = column.as_any().downcast_ref::<StructArray>()?;
    let bytes = parts.column_by_name("bytes")?.as_any().downcast_ref::<BinaryArray>()?;
    let path = parts.column_by_name("path").and_then(|path| path.as_string_opt::<i32>());
    Some(FileCell {
        bytes: bytes.is_valid(row).then(|| bytes.value(row)),
        path: path.and_then(|path| path.is_valid(row).then(|| path.value(row))),
    })
}

fn is_binary(field: &ArrowField) -> bool {
    *field.data_type() == DataType::Binary
}

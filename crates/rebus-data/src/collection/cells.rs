//! Cells of Arrow arrays as fields, and which columns of a schema become which fields.

use arrow_array::{
    Array, BinaryArray, StructArray,
    cast::AsArray,
    types::{
        Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
        UInt32Type, UInt64Type,
    },
};
use arrow_schema::{DataType, Field as ArrowField};

use crate::{ColumnKind, Field};

/// A picture as it stands in a cell.
pub(crate) struct PictureCell<'a> {
    /// The file's content, where it is inside.
    pub(crate) bytes: Option<&'a [u8]>,
    /// The file's name, where there is one.
    pub(crate) path: Option<&'a str>,
}

/// The kind of a column, `None` where no field can hold it.
pub(crate) fn kind(field: &ArrowField) -> Option<ColumnKind> {
    Some(match field.data_type() {
        DataType::Utf8 => ColumnKind::Text,
        DataType::Binary => ColumnKind::Picture,
        DataType::Struct(parts) if parts.find("bytes").is_some_and(|(_, part)| is_binary(part)) => {
            ColumnKind::Picture
        }
        DataType::List(item) if *item.data_type() == DataType::Utf8 => ColumnKind::List,
        DataType::Float32 | DataType::Float64 => ColumnKind::Real,
        DataType::Boolean => ColumnKind::Integer,
        other if other.is_integer() => ColumnKind::Integer,
        _ => return None,
    })
}

/// The field in a row of a column that holds no pictures.
pub(crate) fn field(column: &dyn Array, row: usize) -> Option<Field> {
    if column.is_null(row) {
        return None;
    }
    macro_rules! integer {
        ($type:ty) => {
            Field::Integer(i64::from(column.as_primitive::<$type>().value(row)))
        };
    }
    Some(match column.data_type() {
        DataType::Utf8 => Field::Text(column.as_string::<i32>().value(row).to_string()),
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            let items = items.as_string_opt::<i32>()?;
            Field::List(items.iter().flatten().map(str::to_string).collect())
        }
        DataType::Boolean => Field::Integer(i64::from(column.as_boolean().value(row))),
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
        DataType::Float32 => Field::Real(f64::from(column.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => Field::Real(column.as_primitive::<Float64Type>().value(row)),
        _ => return None,
    })
}

/// The picture in a row, of a plain binary column or a struct of `bytes` and `path`.
pub(crate) fn picture(column: &dyn Array, row: usize) -> Option<PictureCell<'_>> {
    if column.is_null(row) {
        return None;
    }
    if let Some(binary) = column.as_binary_opt::<i32>() {
        return Some(PictureCell { bytes: Some(binary.value(row)), path: None });
    }
    let parts = column.as_any().downcast_ref::<StructArray>()?;
    let bytes = parts.column_by_name("bytes")?.as_any().downcast_ref::<BinaryArray>()?;
    let path = parts.column_by_name("path").and_then(|path| path.as_string_opt::<i32>());
    Some(PictureCell {
        bytes: bytes.is_valid(row).then(|| bytes.value(row)),
        path: path.and_then(|path| path.is_valid(row).then(|| path.value(row))),
    })
}

fn is_binary(field: &ArrowField) -> bool {
    *field.data_type() == DataType::Binary
}

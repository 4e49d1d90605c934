//! One row of a collection: a key and named fields.

use std::sync::Arc;

use indexmap::IndexMap;

/// One row of a collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What names the row inside its collection: a file name, or a row's number. Unique, and stable from run to run.
    pub key: String,
    /// The fields by column name, in the order of the source.
    pub fields: IndexMap<String, Field>,
}

/// The value of one column in one record. A value that is absent in the source is an absent field.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Field {
    /// A caption, a group, a class name.
    Text(String),
    /// Several short texts that belong together, such as keywords.
    List(Vec<String>),
    /// A whole number, such as a label.
    Integer(i64),
    /// A real number.
    Real(f64),
    /// A picture as it lies in the file.
    Picture(EncodedPicture),
}

impl Field {
    /// The kind of column that holds it.
    pub fn kind(&self) -> ColumnKind {
        match self {
            Self::Text(_) => ColumnKind::Text,
            Self::List(_) => ColumnKind::List,
            Self::Integer(_) => ColumnKind::Integer,
            Self::Real(_) => ColumnKind::Real,
            Self::Picture(_) => ColumnKind::Picture,
        }
    }
}

/// The bytes of a picture's file, not yet decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedPicture {
    /// The file's name, with its extension, as error messages show it.
    pub name: String,
    /// The file's content: PNG, JPEG, WebP or GIF.
    pub bytes: Arc<[u8]>,
}

/// The kind of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ColumnKind {
    /// [`Field::Text`]
    Text,
    /// [`Field::List`]
    List,
    /// [`Field::Integer`]
    Integer,
    /// [`Field::Real`]
    Real,
    /// [`Field::Picture`]
    Picture,
}

/// A column's name and kind.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ColumnInfo {
    /// The name that a recipe uses.
    pub name: String,
    /// The kind of its fields.
    pub kind: ColumnKind,
}

impl Record {
    /// The text in a column: a text as it is, a list joined by commas in its own order.
    pub fn text(&self, column: &str) -> Option<String> {
        match self.fields.get(column)? {
            Field::Text(text) => Some(text.clone()),
            Field::List(items) => Some(items.join(", ")),
            _ => None,
        }
    }

    /// The picture in a column.
    pub fn picture(&self, column: &str) -> Option<&EncodedPicture> {
        match self.fields.get(column)? {
            Field::Picture(picture) => Some(picture),
            _ => None,
        }
    }
}

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
    /// Yes or no.
    Boolean(bool),
    /// Whatever else JSON can say: an object, a list of numbers such as a box, a mixture.
    Json(serde_json::Value),
    /// A picture as it lies in the file.
    Picture(EncodedFile),
    /// A file that is no picture, such as a sound or an array.
    File(EncodedFile),
}

impl Field {
    /// The kind of column that holds it.
    pub fn kind(&self) -> ColumnKind {
        match self {
            Self::Text(_) => ColumnKind::Text,
            Self::List(_) => ColumnKind::List,
            Self::Integer(_) => ColumnKind::Integer,
            Self::Real(_) => ColumnKind::Real,
            Self::Boolean(_) => ColumnKind::Boolean,
            Self::Json(_) => ColumnKind::Json,
            Self::Picture(_) => ColumnKind::Picture,
            Self::File(_) => ColumnKind::File,
        }
    }

    /// The file in it, a picture or another.
    pub fn file(&self) -> Option<&EncodedFile> {
        match self {
            Self::Picture(file) | Self::File(file) => Some(file),
            _ => None,
        }
    }
}

/// The bytes of a file, not yet decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedFile {
    /// The file's name, with its extension, as error messages show it.
    pub name: String,
    /// The file's content; of a picture PNG, JPEG, WebP or GIF.
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
    /// [`Field::Boolean`]
    Boolean,
    /// [`Field::Json`]
    Json,
    /// [`Field::Picture`]
    Picture,
    /// [`Field::File`]
    File,
}

impl ColumnKind {
    /// Whether its fields are files, which cost far more to read than anything else.
    pub fn is_file(self) -> bool {
        matches!(self, Self::Picture | Self::File)
    }
}

/// A column's name and kind.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ColumnInfo {
    /// The name that a recipe uses.
    pub name: String,
    /// The kind of its fields.
    pub kind: ColumnKind,
}

/// The column of a collection's main pictures: `image`, or else the first of pictures.
pub fn main_pictures(columns: &[ColumnInfo]) -> Option<&ColumnInfo> {
    let pictures = || columns.iter().filter(|column| column.kind == ColumnKind::Picture);
    pictures().find(|column| column.name == "image").or_else(|| pictures().next())
}

/// A record's main sound: that in the column `audio`, or else the first.
pub fn main_sound(record: &Record) -> Option<&EncodedFile> {
    let sound = |field: &Field| field.file().is_some_and(|file| crate::sound::is_sound(&file.name));
    let sounds = || record.fields.iter().filter(|(_, field)| sound(field));
    sounds().find(|(name, _)| *name == "audio").or_else(|| sounds().next())?.1.file()
}

/// A record that could not be read or used, as reports name it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Broken {
    /// The record's key, or its number where the key itself cannot be read.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
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
    pub fn picture(&self, column: &str) -> Option<&EncodedFile> {
        match self.fields.get(column)? {
            Field::Picture(picture) => Some(picture),
            _ => None,
        }
    }
}

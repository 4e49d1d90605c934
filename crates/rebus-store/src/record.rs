//! What a store holds: items with their fields, and the embeddings of their parts.

use std::path::Path;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// Which part of an item an embedding is of. Each is searched by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Its picture.
    Picture,
    /// Its sound.
    Sound,
    /// One of its captions.
    Caption,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Picture, Self::Sound, Self::Caption];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Picture => "picture",
            Self::Sound => "sound",
            Self::Caption => "caption",
        }
    }

    /// The part of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }
}

/// What a filter can ask about an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Yes or no; a filter sees 1 or 0.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// Several texts; a filter finds the item by each.
    List(Vec<String>),
}

impl Value {
    /// What a filter compares it by, once for each of several texts.
    pub(crate) fn asked(&self) -> Vec<Asked<'_>> {
        match self {
            Self::Boolean(yes) => {
                let text = if *yes { "true" } else { "false" };
                vec![Asked { text: Some(text), number: Some(f64::from(u8::from(*yes))) }]
            }
            Self::Number(number) => vec![Asked { text: None, number: Some(*number) }],
            Self::Text(text) => vec![Asked { text: Some(text), number: None }],
            Self::List(texts) => texts.iter().map(|text| Asked { text: Some(text), number: None }).collect(),
        }
    }
}

/// A value as a filter compares it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Asked<'a> {
    pub(crate) text: Option<&'a str>,
    pub(crate) number: Option<f64>,
}

impl Asked<'_> {
    /// The text for patterns, for which case does not count; a database's own idea of case depends on where it runs.
    pub(crate) fn lowered(&self) -> Option<String> {
        self.text.map(str::to_lowercase)
    }
}

/// The fields of an item by name.
pub type Fields = IndexMap<String, Value>;

/// An embedding on its way into the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// Of which part.
    pub part: Part,
    /// What the part is known by: a hash of its bytes. Equal parts of several items are kept once.
    pub hash: String,
    /// The embedding, of length 1; `None` where the store has it already.
    pub vector: Option<Vec<f32>>,
}

/// An item on its way into the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where it lies; unique.
    pub path: String,
    /// The collection that it is a record of; empty for a file by itself.
    pub container: String,
    /// By what its file is known to be unchanged without reading it.
    pub stamp: String,
    /// What is in it, or why that could not be read.
    pub content: Result<Content, String>,
}

/// What is in an item.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// A hash of all that follows.
    pub hash: String,
    /// What a filter can ask.
    pub fields: Fields,
    /// What a search of full text reads.
    pub words: String,
    /// The embeddings of its parts.
    pub embedded: Vec<Embedded>,
}

/// What the store knows of a path before it is read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The stamp of the file when it was read.
    pub stamp: String,
    /// The hash of its content; `None` where that could not be read.
    pub hash: Option<String>,
}

/// An item that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Item {
    /// Its number in the store.
    #[serde(skip)]
    pub id: i64,
    /// Where it lies.
    pub path: String,
    /// The collection that it is a record of; empty for a file by itself.
    #[serde(skip)]
    pub container: String,
    /// Its fields.
    pub fields: Fields,
}

/// A found item and how well it fits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The item's number.
    pub item: i64,
    /// A cosine, or a rank of full text: the higher the better.
    pub score: f32,
}

/// The model by which a store's embeddings were made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelKey {
    /// What a person calls it.
    pub name: String,
    /// The hash of its weights and configuration.
    pub hash: String,
    /// Numbers of an embedding.
    pub width: usize,
}

impl ModelKey {
    /// Refuses another model than the one that made a store.
    pub(crate) fn check(&self, other: &Self, place: &Path) -> Result<(), StoreError> {
        if self.hash == other.hash {
            return Ok(());
        }
        let named = |model: &Self| {
            let short: String = model.hash.chars().take(12).collect();
            format!("{} ({short})", model.name)
        };
        Err(StoreError::OtherModel { place: place.to_path_buf(), made_by: named(self), model: named(other) })
    }
}

/// What a store is, in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct About {
    /// The model of its embeddings, once something was indexed.
    pub model: Option<ModelKey>,
    /// What a person told it to index, in order.
    pub sources: Vec<String>,
    /// Items that can be found.
    pub items: usize,
    /// Items that could not be read.
    pub broken: usize,
    /// Embeddings, by part.
    pub embeddings: IndexMap<&'static str, usize>,
    /// Names of fields that a filter can ask.
    pub fields: Vec<String>,
}

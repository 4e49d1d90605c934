//! Pairs of pictures: from which picture another is to be made. The recipe's `[data.source]`.

use std::collections::HashMap;

use image::{DynamicImage, GenericImageView};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::{
    Collection, ColumnKind, DataError, EncodedFile, Record,
    captions::{caption_column, column_names},
    random::below,
    transform::Transform,
};

/// The column of a batch in which sources are.
pub const SOURCE: &str = "source";

/// Where the source of a picture comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum SourceConfig {
    /// Another column of pictures of the same record.
    Column(String),
    /// This half of the picture itself, whose other half is what is to be made: two pictures side by side, as pix2pix keeps them.
    Half(Half),
    /// The picture itself, made poorer.
    Transform(Transform),
    /// Any picture of another group: of pairs that nobody has.
    Groups(Groups),
    /// The picture whose caption is the same but for some words: where several of these are, any of them.
    Words(Vec<Replacement>),
}

/// Words in whose place others stand in the captions of a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// What the caption of a source contains; case matters.
    pub from: String,
    /// What the caption of the picture contains instead.
    pub to: String,
    /// What is said of the change, in the place of a caption.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub say: Option<String>,
}

/// A half of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Half {
    /// The left one.
    Left,
    /// The right one.
    Right,
}

/// Two groups of pictures, by what is in a column of texts; case matters. The default is that of folders as CycleGAN keeps them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Groups {
    /// The column; the first of texts where none is named.
    pub column: Option<String>,
    /// What it contains of sources.
    pub source: String,
    /// What it contains of pictures that are to be made.
    pub picture: String,
}

impl Default for Groups {
    fn default() -> Self {
        Self { column: None, source: "trainA".to_string(), picture: "trainB".to_string() }
    }
}

/// The sources of one collection.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    config: SourceConfig,
    /// The column that tells groups apart.
    column: String,
    /// The records of the sources' group.
    others: Vec<usize>,
    /// The sources of each record by the words of captions, and what is said of each.
    by_words: HashMap<usize, Vec<(usize, Option<String>)>>,
}

/// A picture to be made and what it is to be made of.
pub(crate) struct Pair {
    pub picture: DynamicImage,
    /// None where it is to be made from the picture, once that has its size.
    pub source: Option<DynamicImage>,
    /// What is said of the change, in the place of a caption.
    pub said: Option<String>,
}

impl Sources {
    /// # Errors
    /// A column that the collection lacks.
    pub fn new(collection: &dyn Collection, config: &SourceConfig) -> Result<Self, DataError> {
        let has = |name: &str, kind: ColumnKind| {
            collection.columns().iter().any(|column| column.name == name && column.kind == kind)
        };
        let lacks = |field, column: &str| DataError::NoColumn {
            location: collection.location().to_path_buf(),
            field,
            column: column.to_string(),
            columns: column_names(collection),
        };
        let column = match config {
            SourceConfig::Column(column) if !has(column, ColumnKind::Picture) => {
                return Err(lacks("source.column", column));
            }
            SourceConfig::Column(column) => column.clone(),
            SourceConfig::Groups(Groups { column: Some(column), .. }) if !has(column, ColumnKind::Text) => {
                return Err(lacks("source.groups.column", column));
            }
            SourceConfig::Groups(Groups { column: Some(column), .. }) => column.clone(),
            SourceConfig::Groups(_) | SourceConfig::Words(_) => match caption_column(collection) {
                Some(column) => column.to_string(),
                None => return Err(lacks("source", "of captions")),
            },
            _ => String::new(),
        };
        Ok(Self { config: config.clone(), column, others: vec![], by_words: HashMap::new() })
    }

    /// Of the records in use those that are to be made; keeps those that are sources.
    ///
    /// # Errors
    /// Nobody is in one of two groups.
    pub fn choose(
        &mut self,
        collection: &dyn Collection,
        records: Vec<usize>,
    ) -> Result<Vec<usize>, DataError> {
        let groups = match &self.config {
            SourceConfig::Groups(groups) => groups,
            SourceConfig::Words(words) => {
                self.by_words = by_words(collection, words, &self.column, &records);
                if self.by_words.is_empty() && !records.is_empty() {
                    let shown = words.iter().map(|words| format!("{:?} for {:?}", words.to, words.from));
                    return Err(DataError::Config {
                        field: "source.words".to_string(),
                        value: shown.collect::<Vec<_>>().join(", "),
                        rule: format!("words by which two captions in the column `{}` differ", self.column),
                    });
                }
                return Ok(records.into_iter().filter(|record| self.by_words.contains_key(record)).collect());
            }
            _ => return Ok(records),
        };
        let of = |group: &str| -> Vec<usize> {
            let says = |record: &usize| {
                collection
                    .captions(*record)
                    .is_ok_and(|record| record.text(&self.column).is_some_and(|text| text.contains(group)))
            };
            records.iter().copied().filter(says).collect()
        };
        let (others, pictures) = (of(&groups.source), of(&groups.picture));
        for (field, group, found) in [
            ("source.groups.source", &groups.source, &others),
            ("source.groups.picture", &groups.picture, &pictures),
        ] {
            if found.is_empty() && !records.is_empty() {
                return Err(DataError::Config {
                    field: field.to_string(),
                    value: group.clone(),
                    rule: format!("in the column `{}` of some records", self.column),
                });
            }
        }
        self.others = others;
        Ok(pictures)
    }

    /// The size of what is to be made, of a picture of this size as it lies in its file.
    pub fn size_of(&self, (width, height): (u32, u32)) -> (u32, u32) {
        match self.config {
            SourceConfig::Half(_) => ((width / 2).max(1), height),
            _ => (width, height),
        }
    }

    /// The pair of a record, which has this number. `decode` reads the picture of a file.
    ///
    /// # Errors
    /// A record without a source, or with one that cannot be read.
    pub fn pair(
        &self,
        collection: &dyn Collection,
        (number, record): (usize, &Record),
        picture: DynamicImage,
        picture_column: &str,
        generator: &mut impl Rng,
        decode: impl Fn(&EncodedFile) -> Result<DynamicImage, DataError>,
    ) -> Result<Pair, DataError> {
        let of = |record: &Record, column: &str| {
            let lacks = || DataError::NoPicture { key: record.key.clone(), column: column.to_string() };
            decode(record.picture(column).ok_or_else(lacks)?)
        };
        let mut said = None;
        let (picture, source) = match &self.config {
            SourceConfig::Column(column) => {
                let source = of(record, column)?;
                (picture, Some(source))
            }
            SourceConfig::Half(half) => {
                let (width, height) = picture.dimensions();
                let across = (width / 2).max(1);
                let (left, right) = (
                    picture.crop_imm(0, 0, across, height),
                    picture.crop_imm(width - across, 0, across, height),
                );
                match half {
                    Half::Left => (right, Some(left)),
                    Half::Right => (left, Some(right)),
                }
            }
            SourceConfig::Transform(_) => (picture, None),
            SourceConfig::Groups(_) => {
                // A source that cannot be read gives way to the next: this record is not to blame for it.
                let first = below(generator, self.others.len());
                let (before, after) = self.others.split_at(first);
                let read = |other: &usize| of(&collection.record(*other)?, picture_column);
                let mut sources = after.iter().chain(before).map(read);
                let none = || DataError::NoPicture { key: record.key.clone(), column: SOURCE.to_string() };
                let whole = sources.find(Result::is_ok).ok_or_else(none)??;
                (picture, Some(whole))
            }
            SourceConfig::Words(_) => {
                let none = || DataError::NoPicture { key: record.key.clone(), column: SOURCE.to_string() };
                let all = self.by_words.get(&number).ok_or_else(none)?;
                let (other, say) = all.get(below(generator, all.len())).ok_or_else(none)?;
                said.clone_from(say);
                (picture, Some(of(&collection.record(*other)?, picture_column)?))
            }
        };
        Ok(Pair { picture, source, said })
    }

    /// What is made of a picture that has its size, where sources are made so.
    ///
    /// # Errors
    /// The picture has no pixel.
    pub fn made_of(
        &self,
        picture: &DynamicImage,
        generator: &mut impl Rng,
    ) -> Result<DynamicImage, DataError> {
        match self.config {
            SourceConfig::Transform(transform) => transform.apply(picture, generator),
            _ => Ok(picture.clone()),
        }
    }
}

/// Pairs of records, `[without, with]`, that show a contrast of words or of groups; of groups each record of the larger one beside one
/// of the other.
///
/// # Errors
/// A collection without such a contrast, or another kind of source.
pub fn contrasts(collection: &dyn Collection, config: &SourceConfig) -> Result<Vec<[usize; 2]>, DataError> {
    let mut sources = Sources::new(collection, config)?;
    let with = sources.choose(collection, (0..collection.len()).collect())?;
    match config {
        SourceConfig::Words(_) => {
            let of = |record: &usize| {
                let others = sources.by_words.get(record).into_iter().flatten();
                others.map(|(other, _)| [*other, *record]).collect::<Vec<_>>()
            };
            Ok(with.iter().flat_map(of).collect())
        }
        SourceConfig::Groups(_) => {
            let without = &sources.others;
            let count = if with.is_empty() { 0 } else { with.len().max(without.len()) };
            Ok((0..count).map(|at| [without[at % without.len()], with[at % with.len()]]).collect())
        }
        _ => Err(DataError::Config {
            field: "source".to_string(),
            value: "one of each picture".to_string(),
            rule: "words or groups, between which there is a contrast".to_string(),
        }),
    }
}

/// The records whose captions have the words that replace others, with those whose captions have the others.
fn by_words(
    collection: &dyn Collection,
    words: &[Replacement],
    column: &str,
    records: &[usize],
) -> HashMap<usize, Vec<(usize, Option<String>)>> {
    let caption = |record: usize| collection.captions(record).ok().and_then(|record| record.text(column));
    let captions: Vec<(usize, String)> =
        records.iter().filter_map(|record| Some((*record, caption(*record)?))).collect();
    let mut named: HashMap<&str, usize> = HashMap::new();
    for (record, caption) in &captions {
        named.entry(caption).or_insert(*record);
    }
    let mut found: HashMap<usize, Vec<(usize, Option<String>)>> = HashMap::new();
    for (record, caption) in &captions {
        for Replacement { from, to, say } in words {
            let other = (!to.is_empty() && caption.contains(to)).then(|| caption.replacen(to, from, 1));
            let other = other.and_then(|other| named.get(other.as_str()).copied());
            if let Some(other) = other.filter(|other| other != record) {
                found.entry(*record).or_default().push((other, say.clone()));
            }
        }
    }
    found
}

#[cfg(test)]
#[path = "tests/source.rs"]
mod tests;

//! How long the captions of a column are, and how many are missing.

use std::collections::BTreeMap;

use super::{Spread, spread};
use crate::{ColumnInfo, ColumnKind, Field};

/// One column without pictures.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CaptionSummary {
    /// The column.
    pub column: String,
    /// Its kind.
    pub kind: ColumnKind,
    /// Records with a value that is not empty.
    pub present: usize,
    /// Records without one.
    pub missing: usize,
    /// Characters of the values, lists joined by `, `; `None` for numbers and where no record has a value.
    pub characters: Option<Spread<usize>>,
    /// Words between white space; scripts that write without spaces count as one.
    pub words: Option<Spread<usize>>,
}

/// The length of one value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Length {
    characters: usize,
    words: usize,
}

/// A value's length, `None` where it is empty.
pub(crate) fn length(field: &Field) -> Option<Length> {
    let measure = |text: &str| {
        let words = text.split_whitespace().count();
        (words > 0).then(|| Length { characters: text.chars().count(), words })
    };
    match field {
        Field::Text(text) => measure(text),
        Field::List(items) => measure(&items.join(", ")),
        _ => Some(Length { characters: 0, words: 0 }),
    }
}

/// The lengths of a column, counted: memory follows the number of different lengths.
pub(crate) struct Lengths {
    column: ColumnInfo,
    present: usize,
    missing: usize,
    characters: BTreeMap<usize, usize>,
    words: BTreeMap<usize, usize>,
}

impl Lengths {
    pub(crate) fn new(column: &ColumnInfo) -> Self {
        let (characters, words) = (BTreeMap::new(), BTreeMap::new());
        Self { column: column.clone(), present: 0, missing: 0, characters, words }
    }

    pub(crate) fn add(&mut self, length: Option<Length>) {
        let Some(length) = length else {
            self.missing += 1;
            return;
        };
        self.present += 1;
        if matches!(self.column.kind, ColumnKind::Text | ColumnKind::List) {
            *self.characters.entry(length.characters).or_default() += 1;
            *self.words.entry(length.words).or_default() += 1;
        }
    }

    pub(crate) fn finish(self) -> CaptionSummary {
        CaptionSummary {
            column: self.column.name,
            kind: self.column.kind,
            present: self.present,
            missing: self.missing,
            characters: spread(self.characters),
            words: spread(self.words),
        }
    }
}

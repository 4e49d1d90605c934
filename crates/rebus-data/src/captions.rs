//! Which text stands for a record: columns chosen by weight, lists in random order.

use rand::Rng;

use crate::{
    Collection, ColumnKind, DataError, Field, Record,
    config::DataConfig,
    random::{below, shuffle, uniform},
    split::typo,
};

/// The caption columns of one collection with their weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Captions {
    /// From the heaviest to the lightest.
    choices: Vec<Choice>,
    /// Those of the configuration that the collection lacks.
    dropped: String,
    keywords_max: usize,
    typos: f32,
}

#[derive(Debug, Clone, PartialEq)]
struct Choice {
    columns: Vec<String>,
    weight: f32,
}

impl Captions {
    /// Keeps those captions of the configuration whose columns the collection has; the others are dropped, and the
    /// weights of the rest count for more. An empty table gives empty texts.
    ///
    /// # Errors
    /// [`DataError::NoCaptions`] where none is left; it lists the collection's columns.
    pub fn new(collection: &dyn Collection, config: &DataConfig) -> Result<Self, DataError> {
        let has = |name: &str| {
            let column = collection.columns().iter().find(|column| column.name == name);
            column.is_some_and(|column| matches!(column.kind, ColumnKind::Text | ColumnKind::List))
        };
        let mut choices = Vec::new();
        let mut dropped = Vec::new();
        for (name, &weight) in &config.captions {
            let columns: Vec<String> = name.split('+').map(|part| part.trim().to_string()).collect();
            if columns.iter().all(|column| has(column)) {
                choices.push(Choice { columns, weight });
            } else {
                dropped.push(name.as_str());
            }
        }
        if choices.is_empty() && !dropped.is_empty() {
            return Err(DataError::NoCaptions {
                location: collection.location().to_path_buf(),
                wanted: dropped.join(", "),
                columns: column_names(collection),
            });
        }
        let dropped = dropped.join(", ");
        // A stable sort: of equal weights the first named is the heaviest.
        choices.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        Ok(Self { choices, dropped, keywords_max: config.keywords_max, typos: config.typos })
    }

    /// A caption drawn by weight among those that the record has, now and then with a letter wrong; empty where it has none.
    pub fn draw(&self, record: &Record, generator: &mut impl Rng) -> String {
        let present: Vec<&Choice> = self.choices.iter().filter(|choice| choice.is_in(record)).collect();
        let total: f32 = present.iter().map(|choice| choice.weight).sum();
        let mut left = uniform(generator) * total;
        let chosen = present.iter().find(|choice| {
            left -= choice.weight;
            left < 0.0
        });
        let Some(choice) = chosen.or(present.last()) else { return String::new() };
        let text = choice.text(record, |items| {
            let mut items = items.to_vec();
            let count = 1 + below(generator, self.keywords_max.min(items.len()));
            shuffle(generator, &mut items);
            items.truncate(count);
            items
        });
        match self.typos > 0.0 && uniform(generator) < self.typos {
            true => typo(&text, generator).unwrap_or(text),
            false => text,
        }
    }

    /// The heaviest caption that the record has, the first items of its lists in their own order; empty where it has none.
    pub fn heaviest(&self, record: &Record) -> String {
        let choice = self.choices.iter().find(|choice| choice.is_in(record));
        choice.map_or_else(String::new, |choice| {
            choice.text(record, |items| items.iter().take(self.keywords_max).cloned().collect())
        })
    }

    /// Every text that may be drawn from a record, lists whole.
    pub fn all(&self, record: &Record) -> Vec<String> {
        let present = self.choices.iter().filter(|choice| choice.is_in(record));
        present.map(|choice| choice.text(record, <[String]>::to_vec)).collect()
    }
}

impl Choice {
    fn is_in(&self, record: &Record) -> bool {
        self.columns.iter().any(|column| record.text(column).is_some_and(|text| !text.is_empty()))
    }

    fn text(&self, record: &Record, mut pick: impl FnMut(&[String]) -> Vec<String>) -> String {
        let parts = self.columns.iter().filter_map(|column| match record.fields.get(column)? {
            Field::Text(text) if !text.is_empty() => Some(text.clone()),
            Field::List(items) if !items.is_empty() => Some(pick(items).join(", ")),
            _ => None,
        });
        parts.collect::<Vec<_>>().join(", ")
    }
}

/// All texts that training may show, for a tokenizer to be trained on. Records that cannot be read are left out; captions
/// that the collection lacks are warned of, here alone.
///
/// # Errors
/// As [`Captions::new`].
pub fn captions<'a>(
    collection: &'a dyn Collection,
    config: &DataConfig,
) -> Result<impl Iterator<Item = String> + Send + 'a, DataError> {
    let captions = Captions::new(collection, config)?;
    if !captions.dropped.is_empty() {
        let (location, dropped) = (collection.location().display(), &captions.dropped);
        tracing::warn!("{location} has no text in {dropped}; the other captions count for more");
    }
    Ok((0..collection.len())
        .filter_map(|index| collection.captions(index).ok())
        .flat_map(move |record| captions.all(&record)))
}

/// The column with the full caption: the first text column of the collection.
pub fn caption_column(collection: &dyn Collection) -> Option<&str> {
    let column = collection.columns().iter().find(|column| column.kind == ColumnKind::Text);
    column.map(|column| column.name.as_str())
}

pub(crate) fn column_names(collection: &dyn Collection) -> String {
    collection.columns().iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "tests/captions.rs"]
mod tests;

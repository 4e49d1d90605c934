//! The same captions said in another way: with a slip of the pen, by other words, in another order, in another language.

use unicode_segmentation::UnicodeSegmentation;

use super::{SplitCaption, SplitSet};
use crate::{
    Collection, ColumnKind, DataError, Field, Record,
    captions::caption_column,
    random::{Purpose, below, shuffle, stream},
};

/// Words of fewer letters are left as they are.
const LONG_ENOUGH: usize = 4;
/// Keywords that stand for a caption.
const KEYWORDS: usize = 2;

/// Sets of up to `count` captions each, of the same records, chosen by `seed`: `plain` (as they are), `typos`, `synonyms` (by the
/// collection's first list of keywords, without the caption's own words), `word order`, and `other language` (by the column that is
/// called as the caption's with more behind it, such as `text_zh`). A set is left out that no more than half of the records have
/// anything for, and so is the rarest while fewer than `count` records and fewer than half have all that are left: whatever differs
/// between two sets lies in how the captions are said.
///
/// # Errors
/// A collection without captions.
pub fn perturbed(
    collection: &dyn Collection,
    records: &[usize],
    count: usize,
    seed: u64,
) -> Result<Vec<SplitSet>, DataError> {
    let column = caption_column(collection).ok_or_else(|| DataError::NoCaptions {
        location: collection.location().to_path_buf(),
        wanted: "a column of texts".to_string(),
        columns: crate::captions::column_names(collection),
    })?;
    let columns = collection.columns();
    let keywords = columns.iter().find(|known| known.kind == ColumnKind::List);
    let other = columns
        .iter()
        .find(|known| known.kind == ColumnKind::Text && known.name.starts_with(&format!("{column}_")));
    let mut order = records.to_vec();
    shuffle(&mut stream(seed, Purpose::Order, 0, 0), &mut order);
    let said = order.into_iter().filter_map(|number| {
        let record = collection.captions(number).ok()?;
        let caption = record.text(column).filter(|caption| !caption.is_empty())?;
        let mut generator = stream(seed, Purpose::Caption, 0, number as u64);
        let said = [
            Some(caption.clone()),
            typo(&caption, &mut generator),
            keywords.and_then(|keywords| synonyms(&record, &keywords.name, &caption)),
            reordered(&caption, &mut generator),
            other.and_then(|other| record.text(&other.name)).filter(|text| !text.is_empty()),
        ];
        Some((record.key, said))
    });
    let said: Vec<_> = said.collect();
    let having = |set: usize| said.iter().filter(|(_, said)| said[set].is_some()).count();
    let names = ["plain", "typos", "synonyms", "word order", "other language"];
    let mut sets: Vec<usize> = (0..names.len()).filter(|set| 2 * having(*set) > said.len()).collect();
    let whole = |sets: &[usize]| -> Vec<_> {
        said.iter().filter(|(_, said)| sets.iter().all(|set| said[*set].is_some())).collect()
    };
    let mut chosen = whole(&sets);
    while chosen.len() < count.min(said.len().div_ceil(2)) {
        let Some(rarest) = sets.iter().copied().min_by_key(|set| having(*set)) else { break };
        sets.retain(|set| *set != rarest);
        chosen = whole(&sets);
    }
    chosen.truncate(count);
    let captions = |set: usize| {
        chosen.iter().filter_map(move |(key, said)| {
            Some(SplitCaption { key: key.clone(), caption: said[set].clone()? })
        })
    };
    let sets = sets
        .iter()
        .map(|set| SplitSet { name: names[*set].to_string(), captions: captions(*set).collect() })
        .filter(|set| !set.captions.is_empty());
    Ok(sets.collect())
}

/// One letter of a word left out, doubled, or changed with its neighbour. `None` where every word is short.
pub fn typo(caption: &str, generator: &mut impl rand::Rng) -> Option<String> {
    let mut parts: Vec<String> = caption.split_word_bounds().map(str::to_string).collect();
    let long = |part: &String| part.graphemes(true).count() >= LONG_ENOUGH;
    let places: Vec<usize> = (0..parts.len()).filter(|place| long(&parts[*place])).collect();
    let part = &mut parts[*places.get(below(generator, places.len().max(1)))?];
    let mut letters: Vec<&str> = part.graphemes(true).collect();
    // The first letter is seldom the wrong one.
    let at = 1 + below(generator, letters.len() - 2);
    match below(generator, 3) {
        0 => {
            letters.remove(at);
        }
        1 => letters.insert(at, letters[at]),
        _ => letters.swap(at, at + 1),
    }
    *part = letters.concat();
    let said = parts.concat();
    // Two equal neighbours changed places.
    (said != caption).then_some(said)
}

/// The first keywords that share no word with the caption.
fn synonyms(record: &Record, column: &str, caption: &str) -> Option<String> {
    let Some(Field::List(keywords)) = record.fields.get(column) else { return None };
    let caption = caption.to_lowercase();
    let own: Vec<&str> = caption.unicode_words().collect();
    let others = keywords.iter().filter(|keyword| {
        keyword
            .to_lowercase()
            .unicode_words()
            .all(|word| !own.iter().any(|own| own.contains(word) || word.contains(own)))
    });
    let others: Vec<&str> = others.take(KEYWORDS).map(String::as_str).collect();
    (!others.is_empty()).then(|| others.join(" "))
}

/// The words in another order. `None` where there is no other.
fn reordered(caption: &str, generator: &mut impl rand::Rng) -> Option<String> {
    let words: Vec<&str> = caption.unicode_words().collect();
    if words.windows(2).all(|pair| pair[0] == pair[1]) {
        return None;
    }
    let mut order = words.clone();
    while order == words {
        shuffle(generator, &mut order);
    }
    Some(order.join(" "))
}

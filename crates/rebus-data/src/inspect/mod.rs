//! A look at a collection before hours of training: what is in it, and what is wrong with it.

mod captions;
mod duplicates;
mod picture;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use rayon::prelude::*;

use crate::{Broken, Collection, ColumnInfo, ColumnKind, DataError, Field, main_pictures};
pub use captions::CaptionSummary;
pub use duplicates::Groups;

use picture::{Look, Refusal, look};

/// Records looked at together, between two calls of the observer.
const CHUNK: usize = 256;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectOptions {
    /// Pictures with more pixels are listed and not decoded.
    pub max_pixels: u64,
    /// How many sizes, and how many groups of duplicates, are listed.
    pub listed: usize,
}

impl Default for InspectOptions {
    fn default() -> Self {
        Self { max_pixels: 64_000_000, listed: 20 }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Inspection {
    /// Where the collection lies.
    pub location: PathBuf,
    /// Its format.
    pub format: &'static str,
    /// How many records it has, broken ones included.
    pub records: usize,
    /// Its columns.
    pub columns: Vec<ColumnInfo>,
    /// Its pictures, those over the limit included, broken ones not.
    pub pictures: PictureSummary,
    /// Each column without pictures.
    pub captions: Vec<CaptionSummary>,
    /// All records that cannot be read or whose pictures cannot be decoded.
    pub broken: Vec<Broken>,
    /// All pictures over the limit of pixels.
    pub over_limit: Vec<OverLimit>,
    /// Records whose first pictures have the same bytes.
    pub duplicates: Groups,
    /// Records whose first pictures look alike and are not the same file (difference hashes of 8 by 8 bits, at most 2
    /// bits apart); each set of equal files is named once.
    pub near_duplicates: Groups,
}

/// Counts over all pictures.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct PictureSummary {
    /// How many there are.
    pub count: usize,
    /// Their number by file format: `png`, `jpeg`, `webp`, `gif`.
    pub formats: BTreeMap<&'static str, usize>,
    /// The most common sizes, the most common first.
    pub sizes: Vec<SizeCount>,
    /// Pictures of sizes that are not listed.
    pub other_sizes: usize,
    /// Width over height, `None` without pictures.
    pub aspect_ratio: Option<Spread<f64>>,
    /// How many are wider than high, as wide as high, higher than wide.
    pub landscape: usize,
    /// As wide as high.
    pub square: usize,
    /// Higher than wide.
    pub portrait: usize,
    /// Their number by channels and depth, such as `RGBA 8 bit`.
    pub modes: BTreeMap<String, usize>,
    /// How many have an alpha channel.
    pub with_alpha: usize,
    /// How many ask by EXIF to be turned or mirrored before they are shown.
    pub turned_by_exif: usize,
}

/// A size, and how many pictures have it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SizeCount {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Pictures.
    pub count: usize,
}

/// The least, the middle and the greatest of some values; of an even number the lower middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Spread<T> {
    /// The least.
    pub min: T,
    /// The middle.
    pub median: T,
    /// The greatest.
    pub max: T,
}

/// A picture with too many pixels.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OverLimit {
    /// The record's key.
    pub key: String,
    /// The picture's column.
    pub column: String,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// Looks at every record on all cores; memory holds one picture a core, and a few bytes a record.
///
/// `observer` hears (done, total) now and then, from the calling thread.
///
/// # Errors
/// The collection fails as a whole; whatever is wrong with one record is part of the result.
pub fn inspect(
    collection: &dyn Collection,
    options: &InspectOptions,
    observer: &mut dyn FnMut(usize, usize),
) -> Result<Inspection, DataError> {
    let total = collection.len();
    let mut tally = Tally::new(collection, options);
    for start in (0..total).step_by(CHUNK) {
        let end = (start + CHUNK).min(total);
        let seen: Vec<Seen> =
            (start..end).into_par_iter().map(|index| see(collection, index, options)).collect();
        for (index, seen) in (start..end).zip(seen) {
            tally.add(index, seen);
        }
        observer(end, total);
    }
    Ok(tally.finish(collection))
}

/// What one record holds.
struct Seen {
    key: String,
    captions: Vec<Option<captions::Length>>,
    pictures: Vec<(String, Result<Look, Refusal>)>,
    broken: Option<String>,
}

fn see(collection: &dyn Collection, index: usize, options: &InspectOptions) -> Seen {
    let (record, broken) = match collection.record(index) {
        Ok(record) => (Some(record), None),
        // Its captions may be whole and count all the same.
        Err(error) => (collection.captions(index).ok(), Some(error.to_string())),
    };
    let field = |name: &str| record.as_ref().and_then(|record| record.fields.get(name));
    let (pictures, others) = pictures_and_captions(collection);
    Seen {
        key: record.as_ref().map_or_else(|| format!("record {index}"), |record| record.key.clone()),
        captions: others.iter().map(|column| field(&column.name).and_then(captions::length)).collect(),
        pictures: pictures
            .iter()
            .filter_map(|column| match field(&column.name)? {
                Field::Picture(picture) => Some((column.name.clone(), look(picture, options.max_pixels))),
                _ => None,
            })
            .collect(),
        broken,
    }
}

/// The columns that are looked at; files of other kinds are only named.
fn pictures_and_captions(collection: &dyn Collection) -> (Vec<&ColumnInfo>, Vec<&ColumnInfo>) {
    let columns = collection.columns().iter().filter(|column| column.kind != ColumnKind::File);
    columns.partition(|column| column.kind == ColumnKind::Picture)
}

/// Counts so far.
struct Tally<'a> {
    options: &'a InspectOptions,
    main: Option<String>,
    pictures: PictureSummary,
    sizes: HashMap<(u32, u32), usize>,
    captions: Vec<captions::Lengths>,
    broken: Vec<Broken>,
    over_limit: Vec<OverLimit>,
    prints: Vec<duplicates::Print>,
}

impl<'a> Tally<'a> {
    fn new(collection: &dyn Collection, options: &'a InspectOptions) -> Self {
        let (_, others) = pictures_and_captions(collection);
        Self {
            options,
            main: main_pictures(collection.columns()).map(|column| column.name.clone()),
            pictures: PictureSummary::default(),
            sizes: HashMap::new(),
            captions: others.into_iter().map(captions::Lengths::new).collect(),
            broken: Vec::new(),
            over_limit: Vec::new(),
            prints: Vec::new(),
        }
    }

    fn add(&mut self, index: usize, seen: Seen) {
        for (lengths, length) in self.captions.iter_mut().zip(seen.captions) {
            lengths.add(length);
        }
        if let Some(reason) = seen.broken {
            self.broken.push(Broken { key: seen.key.clone(), reason });
        }
        for (column, looked) in seen.pictures {
            match looked {
                Ok(look) => {
                    self.count(&look);
                    if Some(&column) == self.main.as_ref() {
                        self.prints.push(duplicates::Print {
                            record: index,
                            file: look.file,
                            view: look.view,
                        });
                    }
                }
                Err(Refusal::Broken(reason)) => self.broken.push(Broken { key: seen.key.clone(), reason }),
                Err(Refusal::TooLarge(look)) => {
                    self.count(&look);
                    let (width, height) = look.size;
                    self.over_limit.push(OverLimit { key: seen.key.clone(), column, width, height });
                }
            }
        }
    }

    fn count(&mut self, look: &Look) {
        let pictures = &mut self.pictures;
        pictures.count += 1;
        *pictures.formats.entry(look.format).or_default() += 1;
        *pictures.modes.entry(look.mode.clone()).or_default() += 1;
        pictures.with_alpha += usize::from(look.alpha);
        pictures.turned_by_exif += usize::from(look.turned);
        match look.size.0.cmp(&look.size.1) {
            std::cmp::Ordering::Greater => pictures.landscape += 1,
            std::cmp::Ordering::Equal => pictures.square += 1,
            std::cmp::Ordering::Less => pictures.portrait += 1,
        }
        *self.sizes.entry(look.size).or_default() += 1;
    }

    fn finish(mut self, collection: &dyn Collection) -> Inspection {
        let mut ratios: Vec<(f64, usize)> = self
            .sizes
            .iter()
            .map(|((width, height), count)| (f64::from(*width) / f64::from(*height), *count))
            .collect();
        ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.pictures.aspect_ratio = spread(ratios);
        let mut sizes: Vec<SizeCount> = self
            .sizes
            .into_iter()
            .map(|((width, height), count)| SizeCount { width, height, count })
            .collect();
        sizes.sort_by_key(|size| (std::cmp::Reverse(size.count), size.width, size.height));
        let other = sizes.split_off(self.options.listed.min(sizes.len()));
        self.pictures.other_sizes = other.iter().map(|size| size.count).sum();
        self.pictures.sizes = sizes;
        let key = |record: usize| {
            collection.captions(record).map_or_else(|_| format!("record {record}"), |record| record.key)
        };
        let (duplicates, near_duplicates) = duplicates::find(&self.prints, self.options.listed, key);
        Inspection {
            location: collection.location().to_path_buf(),
            format: collection.format(),
            records: collection.len(),
            columns: collection.columns().to_vec(),
            pictures: self.pictures,
            captions: self.captions.into_iter().map(captions::Lengths::finish).collect(),
            broken: self.broken,
            over_limit: self.over_limit,
            duplicates,
            near_duplicates,
        }
    }
}

/// The spread of values in rising order, each with the number of times that it occurs.
fn spread<T: Copy>(counts: impl IntoIterator<Item = (T, usize)>) -> Option<Spread<T>> {
    let counts: Vec<(T, usize)> = counts.into_iter().collect();
    let total: usize = counts.iter().map(|(_, count)| count).sum();
    let mut before = 0;
    let median = counts.iter().find(|(_, count)| {
        before += count;
        before * 2 >= total
    });
    Some(Spread { min: counts.first()?.0, median: median?.0, max: counts.last()?.0 })
}

#[cfg(test)]
mod tests;

//! What an encoder still finds where pictures are spoiled and captions misspelt, at five strengths.

use rebus_data::{
    Collection, DataConfig, Pictures,
    corrupt::Corruption,
    random::{Purpose, shuffle, stream},
    split::{self, typo},
};
use rebus_models::{ModelError, Observer};
use serde::Serialize;

use crate::{
    EvalError, Extractor, RetrievalHalf,
    captioned::{Ask, Captioned, captioned, stack},
    retrieval::{nothing, search, search_as},
};

/// Pictures that are spoiled and encoded together.
const AT_ONCE: usize = 64;

/// Settings of [`robustness`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Robustness {
    /// How pictures are read, and which are held out.
    pub data: DataConfig,
    /// The column of captions.
    pub column: String,
    /// The most pictures.
    pub samples: usize,
    /// The seed of the choice and of what is spoiled.
    pub seed: u64,
}

/// What [`robustness`] found, on held-out pairs, or on learned ones where none are held out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RobustnessReport {
    /// The column of captions.
    pub column: String,
    /// `held out` or `training`.
    pub half: &'static str,
    /// With nothing spoiled.
    pub clean: RetrievalHalf,
    /// A kind of spoiling each.
    pub spoiled: Vec<Spoiled>,
}

/// One kind of spoiling.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spoiled {
    /// `typos`, `blur`, `jpeg`, `crop`, `noise`, or `word` for one that is printed on the picture.
    pub kind: String,
    /// From the weakest of five strengths to the strongest.
    pub strengths: Vec<RetrievalHalf>,
}

impl Robustness {
    /// Up to 1,000 pictures, read as `data` says.
    pub fn new(data: DataConfig, column: impl Into<String>) -> Self {
        Self { data, column: column.into(), samples: 1000, seed: 0 }
    }
}

/// Searches spoiled pictures by captions and captions by spoiled pictures, then with misspelt captions.
///
/// # Errors
/// A model that knows no words, a collection without captions, an interruption.
pub fn robustness(
    encoder: &Extractor,
    collection: &dyn Collection,
    settings: &Robustness,
    observer: &mut dyn Observer,
) -> Result<RobustnessReport, EvalError> {
    let halves = split::split(collection, &settings.data)?;
    let (half, mut records) = match halves.validation.is_empty() {
        true => ("training", halves.train),
        false => ("held out", halves.validation),
    };
    shuffle(&mut stream(settings.seed, Purpose::Order, 0, 0), &mut records);
    records.truncate(settings.samples);
    records.sort_unstable();
    let read = captioned(collection, Ask::caption(&settings.data, &settings.column), &records)?;
    if read.is_empty() {
        return Err(EvalError::NoPictures { name: collection.location().display().to_string() });
    }
    let captions: Vec<String> = read.iter().map(|record| record.caption.clone()).collect();
    let mut bench = Bench { encoder, read: &read, seed: settings.seed, observer, done: 0 };
    let rows = bench.rows(None)?;
    let clean = search(encoder, &captions, &rows)?;
    let mut spoiled = vec![];
    let misspelt = (1..=Corruption::STRENGTHS).map(|strength| {
        let say = |number: usize, caption: &str| {
            let mut generator = stream(settings.seed, Purpose::Caption, strength as u64, number as u64);
            let slip = |said: String, _| typo(&said, &mut generator).unwrap_or(said);
            (0..strength).fold(caption.to_string(), slip)
        };
        search_as(encoder, &captions, &rows, say)
    });
    spoiled.push(Spoiled { kind: "typos".to_string(), strengths: misspelt.collect::<Result<_, _>>()? });
    for kind in Corruption::ALL {
        let strengths = (1..=Corruption::STRENGTHS)
            .map(|strength| search(encoder, &captions, &bench.rows(Some((kind, strength)))?));
        let strengths = strengths.collect::<Result<_, EvalError>>()?;
        spoiled.push(Spoiled { kind: format!("{kind:?}").to_lowercase(), strengths });
    }
    Ok(RobustnessReport { column: settings.column.clone(), half, clean, spoiled })
}

struct Bench<'a> {
    encoder: &'a Extractor,
    read: &'a [Captioned],
    seed: u64,
    observer: &'a mut dyn Observer,
    done: usize,
}

impl Bench<'_> {
    /// Embeddings of all pictures, spoiled in one way.
    fn rows(&mut self, how: Option<(Corruption, usize)>) -> Result<Vec<f32>, EvalError> {
        let total = self.read.len() * (1 + Corruption::ALL.len() * Corruption::STRENGTHS);
        let mut rows = vec![];
        for chunk in self.read.chunks(AT_ONCE) {
            for same in chunk.chunk_by(|a, b| a.picture.shape == b.picture.shape) {
                let pictures = match how {
                    None => stack(same.iter().map(|record| &record.picture)),
                    Some((kind, strength)) => {
                        let spoiled = same.iter().map(|record| self.spoil(record, kind, strength));
                        stack(spoiled.collect::<Result<Vec<_>, _>>()?.iter())
                    }
                };
                rows.extend(self.encoder.pictures(&pictures)?);
            }
            self.done += chunk.len();
            if self.observer.step(self.done, total, &nothing).is_break() {
                return Err(ModelError::Interrupted.into());
            }
        }
        Ok(rows)
    }

    fn spoil(&self, record: &Captioned, kind: Corruption, strength: usize) -> Result<Pictures, EvalError> {
        let mut generator = stream(self.seed, Purpose::Augment, strength as u64, record.record as u64);
        // A word of somebody else's caption, which lies to whoever reads.
        let place = self.read.iter().position(|other| other.record == record.record).unwrap_or(0);
        let other = &self.read[(place + self.read.len().div_ceil(2)) % self.read.len()];
        let word = other.caption.split_whitespace().last().unwrap_or_default();
        let images = record.picture.to_images()?;
        let spoiled = images.iter().map(|image| kind.apply(image, strength, word, &mut generator));
        Ok(Pictures::from_images(&spoiled.collect::<Result<Vec<_>, _>>()?)?)
    }
}

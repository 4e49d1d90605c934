//! One planned batch made real: records read, pictures decoded, fitted and augmented, captions drawn.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use image::DynamicImage;
use indexmap::IndexMap;

use crate::{
    Batch, Collection, Column, ColumnKind, DataError, EncodedFile, Field, Pictures, Record, SoundConfig,
    Sounds,
    augment::Augment,
    captions::{Captions, caption_column, column_names},
    config::DataConfig,
    fit::Fitter,
    order::{BatchPlan, Entry},
    picture,
    random::{Purpose, stream},
    source::{Pair, SOURCE, Sources},
};

/// A record that cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The record's number in the collection.
    pub record: usize,
    /// What was wrong; it names the record or its file.
    pub reason: String,
}

/// Everything that turns a plan into a batch; shared by the threads.
pub(crate) struct Assembler {
    collection: Arc<dyn Collection>,
    fitter: Fitter,
    augment: Augment,
    captions: Captions,
    caption_column: Option<String>,
    label: bool,
    picture_column: String,
    sound: Option<SoundConfig>,
    sources: Option<Sources>,
    max_pixels: u64,
    /// The records in use.
    records: Vec<usize>,
    seed: u64,
    training: bool,
    strict: bool,
    skipped: Mutex<BTreeMap<usize, Skipped>>,
}

struct Sample {
    key: String,
    picture: DynamicImage,
    source: Option<DynamicImage>,
    sound: Option<Sounds>,
    text: String,
    caption: String,
    label: i64,
}

impl Assembler {
    pub fn new(
        collection: Arc<dyn Collection>,
        config: &DataConfig,
        seed: u64,
        training: bool,
        strict: bool,
    ) -> Result<Self, DataError> {
        let has = |name: &str, kind: ColumnKind| {
            collection.columns().iter().any(|column| column.name == name && column.kind == kind)
        };
        if !has(&config.picture_column, ColumnKind::Picture) {
            return Err(DataError::NoColumn {
                location: collection.location().to_path_buf(),
                field: "picture_column",
                column: config.picture_column.clone(),
                columns: column_names(&*collection),
            });
        }
        if let Some(sound) = &config.sound
            && !has(&sound.column, ColumnKind::File)
        {
            return Err(DataError::NoColumn {
                location: collection.location().to_path_buf(),
                field: "sound.column",
                column: sound.column.clone(),
                columns: column_names(&*collection),
            });
        }
        Ok(Self {
            sound: config.sound.clone(),
            fitter: Fitter::new(config)?,
            augment: Augment::new(config)?,
            captions: Captions::new(&*collection, config)?,
            caption_column: caption_column(&*collection).map(str::to_string),
            label: has("label", ColumnKind::Integer),
            picture_column: config.picture_column.clone(),
            sources: config.source.as_ref().map(|source| Sources::new(&*collection, source)).transpose()?,
            max_pixels: config.max_pixels,
            records: Vec::new(),
            skipped: Mutex::default(),
            collection,
            seed,
            training,
            strict,
        })
    }

    /// Sets the records in use and gives each record of the collection its bucket, read from the pictures' headers
    /// where there are several. A record whose header is broken is reported and left out.
    pub fn choose(&mut self, records: Vec<usize>, workers: usize) -> Result<Vec<usize>, DataError> {
        let mut buckets = vec![0; self.collection.len()];
        self.records = match &mut self.sources {
            Some(sources) => sources.choose(&*self.collection, records)?,
            None => records,
        };
        if self.fitter.sizes().len() < 2 {
            return Ok(buckets);
        }
        let chunk = self.records.len().div_ceil(workers).max(1);
        let this = &*self;
        let measured: Vec<Result<usize, DataError>> = std::thread::scope(|scope| {
            let threads: Vec<_> = this
                .records
                .chunks(chunk)
                .map(|chunk| {
                    scope.spawn(move || chunk.iter().map(|&record| this.measure(record)).collect::<Vec<_>>())
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        });
        if measured.len() != self.records.len() {
            return Err(DataError::Worker);
        }
        let mut whole = Vec::new();
        for (&record, bucket) in self.records.iter().zip(measured) {
            match bucket {
                Ok(bucket) => {
                    buckets[record] = bucket;
                    whole.push(record);
                }
                Err(error) => self.skip(record, error)?,
            }
        }
        if whole.is_empty() {
            return Err(self.all_broken());
        }
        self.records = whole;
        Ok(buckets)
    }

    pub fn records(&self) -> &[usize] {
        &self.records
    }

    pub fn skipped(&self) -> MutexGuard<'_, BTreeMap<usize, Skipped>> {
        self.skipped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a batch; `None` where every record of a validation batch is broken, or where `stop` was set meanwhile.
    pub fn batch(&self, plan: &BatchPlan, stop: &AtomicBool) -> Result<Option<Batch>, DataError> {
        let mut samples = Vec::with_capacity(plan.entries.len());
        for entry in &plan.entries {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            samples.extend(self.entry(entry, plan.bucket)?);
        }
        if samples.is_empty() { Ok(None) } else { self.stack(samples).map(Some) }
    }

    pub fn all_broken(&self) -> DataError {
        let first = self.skipped().values().next().map_or_else(String::new, |skipped| skipped.reason.clone());
        DataError::AllBroken {
            location: self.collection.location().to_path_buf(),
            count: self.records.len(),
            first,
        }
    }

    fn measure(&self, record: usize) -> Result<usize, DataError> {
        let record = self.collection.record(record)?;
        let size = picture::dimensions(self.encoded(&record)?, self.max_pixels)?;
        let (width, height) = self.sources.as_ref().map_or(size, |sources| sources.size_of(size));
        Ok(self.fitter.bucket(width, height))
    }

    /// The sample for a position. In training a broken record gives way to the next in the order, and at last to any
    /// record in use; in validation it is left out.
    fn entry(&self, entry: &Entry, bucket: usize) -> Result<Option<Sample>, DataError> {
        let others = entry.substitutes().chain(self.records.iter().copied());
        let others = others.take(if self.training { usize::MAX } else { 0 });
        for record in std::iter::once(entry.record).chain(others) {
            if self.skipped().contains_key(&record) {
                continue;
            }
            match self.sample(record, entry.position, bucket) {
                Ok(sample) => return Ok(Some(sample)),
                Err(error) => self.skip(record, error)?,
            }
        }
        if self.training { Err(self.all_broken()) } else { Ok(None) }
    }

    fn skip(&self, record: usize, error: DataError) -> Result<(), DataError> {
        if self.strict {
            return Err(error);
        }
        let reason = error.to_string();
        self.skipped().entry(record).or_insert_with(|| {
            tracing::warn!(record, "skipped: {reason}");
            Skipped { record, reason }
        });
        Ok(())
    }

    fn sample(&self, index: usize, position: u64, bucket: usize) -> Result<Sample, DataError> {
        let record = match &self.sound {
            Some(_) => self.collection.whole(index)?,
            None => self.collection.record(index)?,
        };
        let sound = self.sound.as_ref().map(|config| self.sound(config, &record, position)).transpose()?;
        let Pair { picture, source, said } = self.pair((index, &record), position, bucket)?;
        let text = match self.training {
            _ if said.is_some() => said.unwrap_or_default(),
            true => self.captions.draw(&record, &mut stream(self.seed, Purpose::Caption, position, 0)),
            false => self.captions.heaviest(&record),
        };
        let caption = self.caption_column.as_ref().and_then(|column| record.text(column)).unwrap_or_default();
        let label = match record.fields.get("label") {
            Some(Field::Integer(label)) => *label,
            _ => -1,
        };
        Ok(Sample { key: record.key, picture, source, sound, text, caption, label })
    }

    /// The picture of a record and its source, if it has one, both as a model is to see them. Both are augmented in one way.
    fn pair(
        &self,
        (number, record): (usize, &Record),
        position: u64,
        bucket: usize,
    ) -> Result<Pair, DataError> {
        let decode = |file: &EncodedFile| picture::decode(file, self.max_pixels);
        let ready = |picture: DynamicImage| {
            let picture = self.fitter.fit(picture, bucket)?;
            Ok::<_, DataError>(match self.training {
                true => self.augment.apply(picture, &mut stream(self.seed, Purpose::Augment, position, 0)),
                false => picture,
            })
        };
        let picture = decode(self.encoded(record)?)?;
        let Some(sources) = &self.sources else {
            return Ok(Pair { picture: ready(picture)?, source: None, said: None });
        };
        let mut draws = stream(self.seed, Purpose::Source, position, 0);
        let column = &self.picture_column;
        let Pair { picture, source, said } =
            sources.pair(&*self.collection, (number, record), picture, column, &mut draws, decode)?;
        let picture = ready(picture)?;
        let source = match source {
            Some(source) => ready(source)?,
            None => sources.made_of(&picture, &mut draws)?,
        };
        Ok(Pair { picture, source: Some(source), said })
    }

    /// What a record sounds like; in training, as it might have sounded.
    fn sound(&self, config: &SoundConfig, record: &Record, position: u64) -> Result<Sounds, DataError> {
        let Some(Field::File(file)) = record.fields.get(&config.column) else {
            return Err(DataError::NoSound { key: record.key.clone(), column: config.column.clone() });
        };
        let mut draws = stream(self.seed, Purpose::Augment, position, 1);
        config.hear(file, self.training.then_some(&mut draws))
    }

    fn encoded<'a>(&self, record: &'a Record) -> Result<&'a EncodedFile, DataError> {
        record.picture(&self.picture_column).ok_or_else(|| DataError::NoPicture {
            key: record.key.clone(),
            column: self.picture_column.clone(),
        })
    }

    fn stack(&self, samples: Vec<Sample>) -> Result<Batch, DataError> {
        let mut keys = Vec::with_capacity(samples.len());
        let (mut pictures, mut sources, mut texts) = (vec![], vec![], vec![]);
        let (mut captions, mut labels, mut sounds) = (vec![], vec![], vec![]);
        for sample in samples {
            keys.push(sample.key);
            pictures.push(sample.picture);
            sources.extend(sample.source);
            sounds.extend(sample.sound);
            texts.push(sample.text);
            captions.push(sample.caption);
            labels.push(sample.label);
        }
        let mut columns = IndexMap::new();
        columns.insert(self.picture_column.clone(), Column::Pictures(Pictures::from_images(&pictures)?));
        if self.sources.is_some() {
            columns.insert(SOURCE.into(), Column::Pictures(Pictures::from_images(&sources)?));
        }
        if let Some(sound) = &self.sound {
            columns.insert(sound.column.clone(), Column::Sounds(Sounds::stack(&sounds)?));
        }
        columns.insert("text".into(), Column::Texts(texts));
        columns.insert("caption".into(), Column::Texts(captions));
        if self.label {
            columns.insert("label".into(), Column::Integers(labels));
        }
        Ok(Batch { keys, columns })
    }
}

//! Files and collections into a store: what is new or has changed is read and embedded, what is gone is forgotten.
//!
//! Each handful of records is one step that the store takes or does not take, so work that ends at any moment, however it
//! ends, goes on from there; and several who index the same share the work, since each claims what it reads.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use image::DynamicImage;
use indexmap::IndexMap;
use rayon::prelude::*;
use rebus_data::{
    Broken, Collection, ColumnKind, DataConfig, DataError, Field, MelConfig, Pictures, Record, Sounds,
    Stamped, captions::caption_column, file_record, main_pictures, main_sound, picture, sound, walk,
};
use rebus_models::{Model, ModelError, Observer};
use rebus_store::{Content, Embedded, Entry, Fields, Known, Part, Store, Value, Worker};
use serde::Serialize;

use super::embed::Embedder;
use crate::TaskError;

/// Records that are read, embedded and written together.
const AT_ONCE: usize = 64;
/// How long to wait for what another is reading.
const A_WHILE: Duration = Duration::from_millis(100);

/// What indexing did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct IndexReport {
    /// Items that are new.
    pub added: usize,
    /// Items that were read anew because they had changed.
    pub changed: usize,
    /// Items that are as they were.
    pub unchanged: usize,
    /// Items that are gone.
    pub forgotten: usize,
    /// What could not be read, of what was read now.
    pub broken: Vec<Broken>,
}

/// Indexes all that lies below some paths, which the store remembers, and forgets what it knew there and is gone.
///
/// `name` is what a person calls the model.
///
/// # Errors
/// A path is not there (nothing of it is forgotten), the model does not encode, the store is another model's, or an
/// interruption; what was written before is kept.
pub fn index(
    store: &dyn Store,
    model: &dyn Model,
    name: &str,
    paths: &[PathBuf],
    observer: &mut dyn Observer,
) -> Result<IndexReport, TaskError> {
    let embedder = Embedder::of(model)?;
    let walks = paths.iter().map(|path| Ok((stored_path(path)?, walk(path)?)));
    let mut walks = walks.collect::<Result<Vec<_>, TaskError>>()?;
    // Files that the model knows nothing of are not its to read.
    let (hears, sees) = (embedder.hears().is_some(), embedder.sees_pictures());
    for (_, walk) in &mut walks {
        walk.files.retain(|file| if sound::is_sound(&file.path) { hears } else { sees });
    }
    store.adopt(&embedder.key(name))?;
    let total = walks.iter().map(|(_, walk)| walk.files.len()).sum();
    let worker = store.worker()?;
    let mut work =
        Indexing { store, worker, embedder, observer, total, done: 0, report: IndexReport::default() };
    for (path, walk) in walks {
        store.add_source(&path)?;
        let mut present: HashSet<String> = walk.files.iter().map(|file| file.path.clone()).collect();
        work.report.broken.extend(walk.broken);
        let files = walk.files.into_iter().map(|file| Job {
            claim: file.path.clone(),
            path: Some(file.path.clone()),
            container: String::new(),
            stamp: file.stamp,
            from: From::File,
        });
        work.all(files.collect())?;
        let mut containers = HashSet::new();
        for collection in walk.collections {
            containers.insert(collection.path.clone());
            work.collection(&collection, &mut present)?;
        }
        work.forget(&path, &present, &containers)?;
    }
    drop(work.worker);
    store.refresh()?;
    Ok(work.report)
}

/// A path as a store keeps it: absolute, without a slash at its end.
///
/// # Errors
/// It is not UTF-8.
pub fn stored_path(path: &std::path::Path) -> Result<String, TaskError> {
    let absolute = std::path::absolute(path)?;
    let clean: PathBuf = absolute.components().collect();
    clean.to_str().map(str::to_string).ok_or_else(|| {
        let reason = "its name is not UTF-8; rename it".to_string();
        DataError::BrokenFile { name: clean.display().to_string(), place: PathBuf::new(), reason }.into()
    })
}

/// Something to read.
struct Job {
    /// By what it is claimed.
    claim: String,
    /// The item's path, where it is known before reading.
    path: Option<String>,
    /// The collection that it is a record of; empty for a file by itself.
    container: String,
    stamp: String,
    from: From,
}

/// Where its content comes from.
enum From {
    File,
    Record { collection: Arc<dyn Collection>, number: usize },
}

/// What the model knows, of what a record may have.
#[derive(Clone, Copy)]
struct Knows {
    pictures: bool,
    words: bool,
    sounds: Option<MelConfig>,
}

/// What was read of a job.
struct Read {
    path: String,
    /// Nothing if it is as it was; else its content, or why there is none.
    content: Option<Result<Unembedded, String>>,
}

/// Content whose parts have no embedding yet.
struct Unembedded {
    hash: String,
    fields: Fields,
    words: String,
    picture: Option<(String, DynamicImage)>,
    sound: Option<(String, Sounds)>,
    captions: Vec<String>,
}

struct Indexing<'a> {
    store: &'a dyn Store,
    worker: Box<dyn Worker + 'a>,
    embedder: Embedder<'a>,
    observer: &'a mut dyn Observer,
    total: usize,
    done: usize,
    report: IndexReport,
}

impl Indexing<'_> {
    /// A collection, unless none of its files has changed.
    fn collection(&mut self, found: &Stamped, present: &mut HashSet<String>) -> Result<(), TaskError> {
        if self.store.container(&found.path)?.as_ref() == Some(&found.stamp) {
            let known = self.store.paths_below(&found.path)?;
            self.report.unchanged += known.len();
            present.extend(known.into_iter().map(|of| of.path));
            return Ok(());
        }
        let collection = match rebus_data::open(found.path.as_ref(), &Default::default()) {
            Ok(collection) => collection,
            Err(error) => {
                // What was known of it stays: it may be whole again.
                present.extend(self.store.paths_below(&found.path)?.into_iter().map(|of| of.path));
                self.report.broken.push(Broken { key: found.path.clone(), reason: error.to_string() });
                return Ok(());
            }
        };
        self.total += collection.len();
        let jobs = (0..collection.len()).map(|number| Job {
            claim: format!("{}#:{number}", found.path),
            path: None,
            container: found.path.clone(),
            stamp: String::new(),
            from: From::Record { collection: collection.clone(), number },
        });
        present.extend(self.all(jobs.collect())?);
        Ok(self.store.finish_container(&found.path, &found.stamp)?)
    }

    /// All of some jobs, those last that another has claimed; the paths of their items.
    fn all(&mut self, mut jobs: Vec<Job>) -> Result<Vec<String>, TaskError> {
        let mut paths = vec![];
        loop {
            let before = jobs.len();
            let mut held = vec![];
            let mut jobs_left = jobs.into_iter().peekable();
            while jobs_left.peek().is_some() {
                let some = jobs_left.by_ref().take(AT_ONCE).collect();
                held.extend(self.some(some, &mut paths)?);
                let step = self.observer.step(self.done, self.total, &nothing);
                if step.is_break() {
                    return Err(ModelError::Interrupted.into());
                }
            }
            if held.is_empty() {
                return Ok(paths);
            }
            if held.len() == before {
                std::thread::sleep(A_WHILE);
            }
            jobs = held;
        }
    }

    /// Some jobs as one step; those come back that another has claimed.
    fn some(&mut self, jobs: Vec<Job>, paths: &mut Vec<String>) -> Result<Vec<Job>, TaskError> {
        let jobs = self.stale(jobs)?;
        let claims: Vec<String> = jobs.iter().map(|job| job.claim.clone()).collect();
        if claims.is_empty() {
            return Ok(vec![]);
        }
        let granted = self.worker.claim(&claims)?;
        let (jobs, held): (Vec<Job>, Vec<Job>) =
            jobs.into_iter().partition(|job| granted.contains(&job.claim));
        // Another may have read some of them just before they were claimed.
        let jobs = self.stale(jobs)?;
        let written = self.read_and_write(&jobs);
        self.worker.release(&granted.into_iter().collect::<Vec<_>>())?;
        paths.extend(written?);
        Ok(held)
    }

    /// Those that are not known by the stamp that they have.
    fn stale(&mut self, jobs: Vec<Job>) -> Result<Vec<Job>, TaskError> {
        let paths: Vec<String> = jobs.iter().filter_map(|job| job.path.clone()).collect();
        let known = self.store.known(&paths)?;
        let is_fresh = |job: &Job| {
            job.path.as_ref().and_then(|path| known.get(path)).is_some_and(|known| known.stamp == job.stamp)
        };
        let (fresh, stale): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(is_fresh);
        self.report.unchanged += fresh.len();
        self.done += fresh.len();
        Ok(stale)
    }

    /// Reads jobs that are claimed, embeds what is new and writes it; the paths of all.
    fn read_and_write(&mut self, jobs: &[Job]) -> Result<Vec<String>, TaskError> {
        let knows = Knows {
            pictures: self.embedder.sees_pictures(),
            words: self.embedder.reads_texts(),
            sounds: self.embedder.hears(),
        };
        let records: Vec<(String, Result<Record, String>)> =
            jobs.par_iter().map(|job| record(job, knows)).collect();
        let paths: Vec<String> = records.iter().map(|(path, _)| path.clone()).collect();
        let known = self.store.known(&paths)?;
        let read: Vec<Read> = jobs
            .par_iter()
            .zip(records)
            .map(|(job, (path, record))| {
                let content = match record {
                    Err(reason) => Some(Err(reason)),
                    Ok(record) => content(job, &path, record, known.get(&path), knows),
                };
                Read { path, content }
            })
            .collect();
        let (mut touched, mut entries) = (vec![], vec![]);
        let mut embedded = self.embed(&read)?;
        for (job, Read { path, content }) in jobs.iter().zip(read) {
            let content = match content {
                None => {
                    self.report.unchanged += 1;
                    touched.push((path, job.stamp.clone()));
                    continue;
                }
                Some(Ok(content)) => {
                    match known.contains_key(&path) {
                        true => self.report.changed += 1,
                        false => self.report.added += 1,
                    }
                    Ok(finished(content, &mut embedded))
                }
                Some(Err(reason)) => {
                    self.report.broken.push(Broken { key: path.clone(), reason: reason.clone() });
                    Err(reason)
                }
            };
            let (container, stamp) = (job.container.clone(), job.stamp.clone());
            entries.push(Entry { path, container, stamp, content });
        }
        self.worker.write(&entries)?;
        self.worker.touch(&touched)?;
        self.done += jobs.len();
        Ok(paths)
    }

    /// Embeddings of all parts that the store lacks, by part and hash.
    fn embed(&self, read: &[Read]) -> Result<HashMap<(Part, String), Vec<f32>>, TaskError> {
        let contents = || read.iter().filter_map(|read| read.content.as_ref()?.as_ref().ok());
        let mut embedded = HashMap::new();
        let mut keep = |part: Part, hashes: Vec<String>, rows: Vec<Vec<f32>>| {
            embedded.extend(hashes.into_iter().map(|hash| (part, hash)).zip(rows));
        };
        let pictures = contents().filter_map(|content| content.picture.as_ref());
        let (hashes, pictures) = self.lacking(Part::Picture, pictures)?;
        if !pictures.is_empty() {
            keep(Part::Picture, hashes, self.embedder.pictures(&pictures)?);
        }
        let sounds = contents().filter_map(|content| content.sound.as_ref());
        let (hashes, sounds) = self.lacking(Part::Sound, sounds)?;
        if !sounds.is_empty() {
            keep(Part::Sound, hashes, self.embedder.sounds(&Sounds::stack(&sounds)?)?);
        }
        let texts: Vec<(String, String)> = contents()
            .flat_map(|content| &content.captions)
            .map(|text| (hash_of(text.as_bytes()), text.clone()))
            .collect();
        let (hashes, texts) = self.lacking(Part::Caption, texts.iter())?;
        if !texts.is_empty() {
            keep(Part::Caption, hashes, self.embedder.texts(&texts)?);
        }
        Ok(embedded)
    }

    /// Those of some parts of which the store has no embedding, each once, with what each is known by.
    fn lacking<'a, T: Clone + 'a>(
        &self,
        part: Part,
        all: impl Iterator<Item = &'a (String, T)>,
    ) -> Result<(Vec<String>, Vec<T>), TaskError> {
        let all: IndexMap<&String, &T> = all.map(|(hash, content)| (hash, content)).collect();
        let there = self.store.embedded(part, &all.keys().map(|hash| (*hash).clone()).collect::<Vec<_>>())?;
        let lacking = all.into_iter().filter(|(hash, _)| !there.contains(*hash));
        Ok(lacking.map(|(hash, content)| (hash.clone(), content.clone())).unzip())
    }

    /// Forgets what is known below a path and was not met there.
    fn forget(
        &mut self,
        root: &str,
        present: &HashSet<String>,
        containers: &HashSet<String>,
    ) -> Result<(), TaskError> {
        let known = self.store.paths_below(root)?;
        let is_gone = |of: &rebus_store::PathOf| match of.container.is_empty() {
            true => !present.contains(&of.path),
            false => !containers.contains(&of.container) || !present.contains(&of.path),
        };
        let gone: Vec<String> = known.into_iter().filter(is_gone).map(|of| of.path).collect();
        self.store.forget(&gone)?;
        self.report.forgotten += gone.len();
        Ok(())
    }
}

/// No picture, for an observer.
pub(super) fn nothing() -> Pictures {
    Pictures { shape: [0; 4], data: vec![] }
}

pub(super) fn hash_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// A job's record and the path of its item.
fn record(job: &Job, knows: Knows) -> (String, Result<Record, String>) {
    match &job.from {
        From::File => {
            let path = job.path.clone().unwrap_or_default();
            let record = file_record(&path).map_err(|error| error.to_string());
            (path, record)
        }
        // Sounds are read only where they are heard.
        From::Record { collection, number } => {
            match knows.sounds.map_or_else(|| collection.record(*number), |_| collection.whole(*number)) {
                Ok(record) => (format!("{}#{}", job.container, record.key), Ok(record)),
                Err(error) => {
                    let key = collection.captions(*number).map(|record| record.key);
                    let path =
                        key.map_or_else(|_| job.claim.clone(), |key| format!("{}#{key}", job.container));
                    (path, Err(error.to_string()))
                }
            }
        }
    }
}

/// What is in a record; nothing if that is known.
fn content(
    job: &Job,
    path: &str,
    record: Record,
    known: Option<&Known>,
    knows: Knows,
) -> Option<Result<Unembedded, String>> {
    let (pictures, captions) = match &job.from {
        From::File => (Some("image".to_string()), Some("text".to_string())),
        From::Record { collection, .. } => (
            main_pictures(collection.columns()).map(|column| column.name.clone()),
            caption_column(&**collection).map(str::to_string),
        ),
    };
    let picture = pictures.filter(|_| knows.pictures).and_then(|column| record.picture(&column).cloned());
    let mut fields = fields(&record);
    let words = words(&record);
    let captions = if knows.words { captions_of(&record, captions.as_deref()) } else { vec![] };
    let picture_hash = picture.as_ref().map(|file| hash_of(&file.bytes));
    let sound = main_sound(&record).filter(|_| knows.sounds.is_some()).cloned();
    let sound_hash = sound.as_ref().map(|file| hash_of(&file.bytes));
    let whole = serde_json::json!([picture_hash, sound_hash, fields, captions, job.container]);
    let hash = hash_of(whole.to_string().as_bytes());
    if known.is_some_and(|known| known.hash.as_ref() == Some(&hash)) {
        return None;
    }
    let seen =
        picture.as_ref().map(|file| picture::decode(file, DataConfig::default().max_pixels)).transpose();
    let heard = sound
        .as_ref()
        .zip(knows.sounds)
        .map(|(file, mel)| {
            let sound = sound::decode(file)?;
            let seconds = sound.samples.len() as f64 / f64::from(sound.sample_rate);
            Ok::<_, DataError>((sound.log_mel(&mel)?, seconds))
        })
        .transpose();
    let (seen, heard) = match (seen, heard) {
        (Ok(None), Ok(None)) if knows.pictures => return Some(Err("it has no picture".to_string())),
        (Ok(None), Ok(None)) => return Some(Err("it has no sound".to_string())),
        (Ok(seen), Ok(heard)) => (seen, heard),
        (Err(error), _) | (_, Err(error)) => return Some(Err(error.to_string())),
    };
    let mut more = |name: &str, value: Value| {
        fields.entry(name.to_string()).or_insert(value);
    };
    if let Some(picture) = &seen {
        more("width", Value::Number(f64::from(picture.width())));
        more("height", Value::Number(f64::from(picture.height())));
    }
    if let Some((_, seconds)) = &heard {
        more("seconds", Value::Number(*seconds));
    }
    more("path", Value::Text(path.to_string()));
    let (picture, sound) = (picture_hash.zip(seen), sound_hash.zip(heard.map(|(sound, _)| sound)));
    Some(Ok(Unembedded { hash, fields, words, picture, sound, captions }))
}

/// What a filter can ask of a record.
fn fields(record: &Record) -> Fields {
    let value = |field: &Field| match field {
        Field::Text(text) => Some(Value::Text(text.clone())),
        Field::List(texts) => Some(Value::List(texts.clone())),
        Field::Integer(number) => Some(Value::Number(*number as f64)),
        Field::Real(number) => Some(Value::Number(*number)),
        Field::Boolean(yes) => Some(Value::Boolean(*yes)),
        _ => None,
    };
    let fields = record.fields.iter().filter_map(|(name, field)| Some((name.clone(), value(field)?)));
    fields.collect()
}

/// All that a record says in words.
fn words(record: &Record) -> String {
    let texts =
        record.fields.iter().filter(|(_, field)| matches!(field.kind(), ColumnKind::Text | ColumnKind::List));
    texts.filter_map(|(column, _)| record.text(column)).collect::<Vec<_>>().join("\n")
}

/// The caption of a record, and the same in other languages: columns such as `text_zh` beside `text`.
fn captions_of(record: &Record, column: Option<&str>) -> Vec<String> {
    let Some(column) = column else { return vec![] };
    let is_caption =
        |name: &str| name == column || name.strip_prefix(column).is_some_and(|rest| rest.starts_with('_'));
    let texts = record.fields.iter().filter_map(|(name, field)| match field {
        Field::Text(text) if is_caption(name) && !text.is_empty() => Some(text.clone()),
        _ => None,
    });
    texts.collect()
}

/// The content with its embeddings; those that are not among the new ones the store has.
fn finished(content: Unembedded, embedded: &mut HashMap<(Part, String), Vec<f32>>) -> Content {
    let picture = content.picture.map(|(hash, _)| (Part::Picture, hash));
    let sound = content.sound.map(|(hash, _)| (Part::Sound, hash));
    let captions = content.captions.iter().map(|text| (Part::Caption, hash_of(text.as_bytes())));
    let parts = picture.into_iter().chain(sound).chain(captions);
    let embedded = parts.map(|(part, hash)| {
        let vector = embedded.get(&(part, hash.clone())).cloned();
        Embedded { part, hash, vector }
    });
    Content { hash: content.hash, fields: content.fields, words: content.words, embedded: embedded.collect() }
}

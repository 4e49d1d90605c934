//! A run folder: where its files are, what it began with, and the lock that keeps two trainers apart.

use std::{
    collections::BTreeMap,
    fs::TryLockError,
    path::{Path, PathBuf},
};

use fs_err as fs;
use rebus_data::write::write_atomic;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::{Difference, Noted, Recipe, TrainError, keys};

const SETTINGS: &str = "run.toml";
const CHECKPOINTS: &str = "checkpoints";
/// Names that begin with this are of files and folders that are being written.
const TEMPORARY: &str = ".writing-";

/// Keys of which a resumed run may have other values: they do not change what it becomes.
const FREE: [&str; 13] = [
    "train.steps",
    "train.log_every",
    "train.checkpoint_every",
    "train.sample_every",
    "train.validate_every",
    "train.keep_every",
    "train.eval_every",
    "train.eval_samples",
    "train.best",
    "data.workers",
    "data.queue",
    "tokenizer.file",
    "condition.encoder",
];

/// The places in a run folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    folder: PathBuf,
}

/// `[run]` of `run.toml`: what the recipe does not say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunInfo {
    /// The release that began it.
    pub version: String,
    /// And its commit, where it was built with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The seed that the first weights and all else were made from.
    pub seed: u64,
    /// The device that it began on.
    pub device: String,
    /// The collection, as the user named it.
    pub data: PathBuf,
    /// The collection's fingerprint.
    pub fingerprint: String,
    /// The model folder that the first weights came from, and the weights' hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<String>,
    /// The models that it learns with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub needs: BTreeMap<String, Noted>,
}

/// Kept while a run is written; other trainers are refused until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: std::fs::File,
}

impl Run {
    /// A folder that is, or may become, a run.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// `log.jsonl`
    pub fn log(&self) -> PathBuf {
        self.folder.join("log.jsonl")
    }

    /// `run.toml`
    pub fn settings(&self) -> PathBuf {
        self.folder.join(SETTINGS)
    }

    /// `tokenizer.json`
    pub fn tokenizer(&self) -> PathBuf {
        self.folder.join("tokenizer.json")
    }

    /// `model/`
    pub fn model(&self) -> PathBuf {
        self.folder.join("model")
    }

    /// `samples/`
    pub fn samples(&self) -> PathBuf {
        self.folder.join("samples")
    }

    /// `checkpoints/`
    pub fn checkpoints(&self) -> PathBuf {
        self.folder.join(CHECKPOINTS)
    }

    /// A place in the run folder for something that is being written.
    pub fn temporary(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{TEMPORARY}{name}"))
    }

    /// Whether a run has begun here.
    pub fn exists(&self) -> bool {
        self.settings().exists() || self.checkpoints().exists()
    }

    /// Whether a run can begin here, told before hours are spent on getting ready. Nothing is left behind.
    ///
    /// # Errors
    /// A run has begun here, or nothing can be written here.
    pub fn can_begin(&self) -> Result<(), TrainError> {
        if self.exists() {
            return Err(TrainError::HasRun { run: self.folder.clone() });
        }
        let here = std::path::absolute(&self.folder)?;
        let there = here.ancestors().find(|folder| folder.exists()).unwrap_or(&here);
        match tempfile::tempfile_in(there) {
            Ok(_) => Ok(()),
            Err(error) => {
                let message = format!("nothing can be written in {} ({})", there.display(), error.kind());
                Err(std::io::Error::new(error.kind(), message).into())
            }
        }
    }

    /// Makes the folder where it is absent, and keeps other trainers out of it.
    ///
    /// # Errors
    /// Another trainer is there, or the folder cannot be written.
    pub fn lock(&self) -> Result<Lock, TrainError> {
        fs::create_dir_all(&self.folder)?;
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.folder.join(".lock"))?;
        let file = file.into_file();
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(TrainError::Locked { run: self.folder.clone() }),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// Removes what a crash left half written. The lock must be held.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub fn clean(&self, _lock: &Lock) -> Result<(), TrainError> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if !entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
                continue;
            }
            match entry.file_type()?.is_dir() {
                true => fs::remove_dir_all(entry.path())?,
                false => fs::remove_file(entry.path())?,
            }
        }
        Ok(())
    }

    /// Writes `run.toml`: the recipe with every key, and `[run]`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, info: &RunInfo, recipe: &Recipe) -> Result<(), TrainError> {
        let broken = |error: toml::ser::Error| TrainError::RunFile {
            file: self.settings(),
            reason: error.to_string(),
        };
        let mut table = Table::new();
        table.insert("run".into(), Value::try_from(info).map_err(broken)?);
        table.extend(recipe.to_table()?);
        let text = toml::to_string(&table).map_err(broken)?;
        Ok(write_atomic(&self.settings(), text.as_bytes())?)
    }

    /// Reads `run.toml`; the table is the recipe with every key.
    ///
    /// # Errors
    /// There is none, or it was edited into something else.
    pub fn read(&self) -> Result<(RunInfo, Table), TrainError> {
        let file = self.settings();
        if !file.is_file() {
            return Err(TrainError::NoRun { run: self.folder.clone() });
        }
        let broken = |reason: String| TrainError::RunFile { file: file.clone(), reason };
        let text = fs::read_to_string(&file)?;
        let mut table: Table = toml::from_str(&text).map_err(|error| broken(error.to_string()))?;
        let Some(Value::Table(info)) = table.remove("run") else {
            return Err(broken("it has no table `run`".into()));
        };
        let info = keys::read(info, "table `run`").map_err(|error| broken(error.to_string()))?;
        Ok((info, table))
    }

    /// Refuses a recipe that would make another run of this one.
    ///
    /// # Errors
    /// Every key that differs and may not.
    pub fn same(&self, old: &Recipe, new: &Recipe) -> Result<(), TrainError> {
        let (mut before, mut after) = (vec![], vec![]);
        flatten("", &Value::Table(old.to_table()?), &mut before);
        flatten("", &Value::Table(new.to_table()?), &mut after);
        let find = |list: &[(String, String)], key: &str| {
            let found = list.iter().find(|(name, _)| name == key);
            found.map_or_else(|| "not set".to_string(), |(_, value)| value.clone())
        };
        let mut keys: Vec<&String> = before.iter().chain(&after).map(|(key, _)| key).collect();
        keys.sort();
        keys.dedup();
        let differences: Vec<Difference> = keys
            .into_iter()
            // Of a model that it needs (an encoder of [condition] too), the weights count and not the place: see `needs`.
            .filter(|key| !FREE.contains(&key.as_str()) && !key.starts_with("needs."))
            .map(|key| Difference { key: key.clone(), old: find(&before, key), new: find(&after, key) })
            .filter(|difference| difference.old != difference.new)
            .collect();
        match differences.is_empty() {
            true => Ok(()),
            false => Err(TrainError::Differs { run: self.folder.clone(), differences }),
        }
    }
}

fn flatten(key: &str, value: &Value, list: &mut Vec<(String, String)>) {
    match value {
        Value::Table(table) => {
            for (name, value) in table {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(&key, value, list);
            }
        }
        value => list.push((key.to_string(), value.to_string())),
    }
}

/// Puts a whole folder, already written under a temporary name beside it, in the place of another; every file is
/// synced first. A crash leaves the old folder, the new one, or for a moment none, never a mixture.
///
/// # Errors
/// The disk is full, or a folder cannot be renamed.
pub(crate) fn put(temporary: &Path, place: &Path) -> Result<(), TrainError> {
    for entry in fs::read_dir(temporary)? {
        fs::File::open(entry?.path())?.sync_all()?;
    }
    sync_folder(temporary)?;
    let old = temporary.with_extension("old");
    if old.exists() {
        fs::remove_dir_all(&old)?;
    }
    if place.exists() {
        fs::rename(place, &old)?;
    }
    fs::rename(temporary, place)?;
    if let Some(parent) = place.parent() {
        sync_folder(parent)?;
    }
    if old.exists() {
        fs::remove_dir_all(&old)?;
    }
    Ok(())
}

/// Makes names in a folder outlive a crash, where the system can.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), TrainError> {
    #[cfg(unix)]
    fs::File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::parse;

    fn recipe(set: &[&str]) -> Recipe {
        let set: Vec<String> = set.iter().map(ToString::to_string).collect();
        Recipe::resolve(parse("[model]\nfamily = \"flow\"\npatch = 2", "").unwrap(), &set).unwrap()
    }

    #[test]
    fn settings_survive_run_toml() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::new(folder.path());
        assert!(matches!(run.read(), Err(TrainError::NoRun { .. })));
        let info = RunInfo {
            version: "0.1.0".into(),
            commit: None,
            seed: 3,
            device: "cpu".into(),
            data: "emoji".into(),
            fingerprint: "ab".into(),
            init: None,
            needs: BTreeMap::new(),
        };
        run.write(&info, &recipe(&[])).unwrap();
        let (again, table) = run.read().unwrap();
        assert_eq!((again, Recipe::resolve(table, &[]).unwrap()), (info, recipe(&[])));
    }

    #[test]
    fn only_free_keys_may_differ_and_all_others_are_shown() {
        let run = Run::new("runs/x");
        let free = ["train.steps=7", "train.sample_every=1", "data.workers=1", "tokenizer.file=t.json"];
        run.same(&recipe(&[]), &recipe(&free)).unwrap();
        let other =
            recipe(&["train.learning_rate=0.5", "model.patch=4", "model.blocks=1", "data.captions.zh=1"]);
        let Err(TrainError::Differs { differences, .. }) = run.same(&recipe(&[]), &other) else { panic!() };
        let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
        let wanted = [
            "data.captions.text: was 1.0, now not set",
            "data.captions.zh: was not set, now 1.0",
            "model.blocks: was not set, now 1",
            "model.patch: was 2, now 4",
            "train.learning_rate: was 0.001, now 0.5",
        ];
        assert_eq!(lines, wanted);
    }

    #[test]
    fn a_second_trainer_is_kept_out_until_the_first_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::new(folder.path().join("run"));
        let lock = run.lock().unwrap();
        assert!(matches!(run.lock(), Err(TrainError::Locked { .. })));
        drop(lock);
        run.lock().unwrap();
    }
}

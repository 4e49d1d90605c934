//! What can be wrong with training.

use std::{fmt, path::PathBuf};

/// An error of this crate; each says what was wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A file could not be read or written; the user must look at the path or its permissions.
    #[error(transparent)]
    Io(#[from] std::io::Error),

    /// Something about the collection or a picture in it.
    #[error(transparent)]
    Data(#[from] rebus_data::DataError),

    /// Something about the model family or a model folder.
    #[error(transparent)]
    Model(#[from] rebus_models::ModelError),

    /// A run without a best evaluation; the user must name a step.
    #[error(
        "{} has no best checkpoint: train with --set train.eval_every=500 --set train.best=agreement, or name a step",
        run.display()
    )]
    NoBest {
        /// The run folder.
        run: PathBuf,
    },

    /// A recipe that is no TOML; the user must mend it.
    #[error("{place} is no TOML: {reason}")]
    Syntax {
        /// The file, or what was being read.
        place: String,
        /// The parser's words, with line and column.
        reason: String,
    },

    /// A key that does not exist; the user must rename it.
    #[error("{place} has no key `{key}`{}. {keys}", suggestion(near))]
    Key {
        /// The table of the recipe.
        place: String,
        /// The key.
        key: String,
        /// The nearest right one, where one is near.
        near: Option<String>,
        /// All right ones, as a sentence.
        keys: String,
    },

    /// A key with a value of another kind; the user must change it.
    #[error("{place}: {reason}")]
    Kind {
        /// The key with its table.
        place: String,
        /// The parser's words.
        reason: String,
    },

    /// A value that cannot work; the user must change it.
    #[error("{field} = {value}: {rule}")]
    Config {
        /// The key with its table.
        field: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        rule: String,
    },

    /// `--set` without a key or a value.
    #[error("--set {text}: {reason}; write it as `--set train.steps=100`")]
    Set {
        /// What was said.
        text: String,
        /// What is wrong with it.
        reason: String,
    },

    /// There is no recipe of that name in the program.
    #[error(
        "there is no recipe named `{name}`{}; there are: {known}. A file's name ends in .toml",
        suggestion(near)
    )]
    NoRecipe {
        /// The name.
        name: String,
        /// The nearest name, where one is near.
        near: Option<String>,
        /// The names there are.
        known: String,
    },

    /// A fresh run was asked for where one lies already; the user must say which of the two is meant.
    #[error(
        "{} holds a run already. Go on with it by --resume, name another folder, or remove it",
        run.display()
    )]
    HasRun {
        /// The run folder.
        run: PathBuf,
    },

    /// A folder without `run.toml`; the user named the wrong folder, or meant to begin anew.
    #[error(
        "{} is no run: it has no run.toml. Name the folder of a run, or begin one there by `rebus train --run`",
        run.display()
    )]
    NoRun {
        /// The folder.
        run: PathBuf,
    },

    /// Another process writes this run; the user must wait or stop it.
    #[error("{} is being trained by another process; wait for it, or stop it first", run.display())]
    Locked {
        /// The run folder.
        run: PathBuf,
    },

    /// A recipe that is not the one the run began with; the user must take the old values, or begin a new run.
    #[error(
        "the run in {} began with other settings:{}\nA run goes on with the settings it began with (train.steps, the \
         *_every keys, data.workers, data.queue, the device and paths may differ). Take these changes back, or begin \
         a new run, with --init if it is to start from these weights",
        run.display(),
        differences.iter().map(|line| format!("\n  {line}")).collect::<String>()
    )]
    Differs {
        /// The run folder.
        run: PathBuf,
        /// Every key that differs.
        differences: Vec<Difference>,
    },

    /// The collection is not the one the run began with; the user must name the right one, or begin a new run.
    #[error(
        "{} is not the collection that the run in {} began with: its fingerprint is {found}, and was {wanted}. Name \
         the collection as it was, or begin a new run, with --init if it is to start from these weights",
        data.display(),
        run.display()
    )]
    DataDiffers {
        /// The collection.
        data: PathBuf,
        /// The run folder.
        run: PathBuf,
        /// The fingerprint when the run began.
        wanted: String,
        /// The fingerprint now.
        found: String,
    },

    /// A model that the recipe needs is not there; the user must make it, or say where it is.
    #[error(
        "the recipe needs a model `{name}`, and there is none at {model}{}. Say where it is: --set needs.{name}.model=PATH",
        made_by.is_empty().then(String::new).unwrap_or_else(|| format!("; `{made_by}` makes one"))
    )]
    NoNeed {
        /// What it is needed for.
        name: String,
        /// Where it was looked for.
        model: String,
        /// The command that makes it, where the recipe knows one.
        made_by: String,
    },

    /// A model that a run learned with has become another; the user must put the old one back.
    #[error(
        "{} began with another model `{name}` than {model} is now (its weights had the hash {wanted}). Put that one back, or \
         say where it is: --set needs.{name}.model=PATH",
        run.display()
    )]
    NeedDiffers {
        /// What it is needed for.
        name: String,
        /// Where it is.
        model: String,
        /// The hash of its weights when the run began.
        wanted: String,
        /// The run folder.
        run: PathBuf,
    },

    /// No collection was named for a fresh run; a caller's mistake.
    #[error("a new run needs {what}")]
    Missing {
        /// What it needs.
        what: &'static str,
    },

    /// `run.toml` that cannot be understood; it was edited, or is of another release.
    #[error("{} cannot be read as the settings of a run: {reason}", file.display())]
    RunFile {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// `log.jsonl` with a line that is no JSON; only the last line can be cut by a crash, so it was edited.
    #[error("{}, line {line}: {reason}. Remove the line", file.display())]
    Log {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },

    /// A checkpoint that is damaged; the user must name another.
    #[error("{} is no whole checkpoint: {reason}. Use another of this run, or remove it", path.display())]
    Checkpoint {
        /// Its folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// The run has no checkpoint of that number.
    #[error("{} has no checkpoint {wanted}; it has {have}", run.display())]
    NoCheckpoint {
        /// The run folder.
        run: PathBuf,
        /// The step asked for, or what was.
        wanted: String,
        /// The steps there are.
        have: String,
    },

    /// Training went astray; the user must change the recipe, most often to a lower learning rate.
    #[error(
        "step {step}: {what} is {value}. The run stops, and {kept}. Lower train.learning_rate or optimizer.clip_norm, \
         or raise train.warmup_steps, and begin a new run"
    )]
    NotFinite {
        /// The step, counted from 1.
        step: u64,
        /// The loss or the weight.
        what: String,
        /// Its value.
        value: f64,
        /// Which checkpoint is the last good one.
        kept: String,
    },

    /// A model to begin with, of which nothing fits; the user must name another, or begin without.
    #[error(
        "no weight of {} (family `{family}`) has its place in this recipe's network: nothing would be begun with. Name a \
         model of the same family and sizes, or leave it out",
        model.display()
    )]
    NothingFits {
        /// The model folder.
        model: PathBuf,
        /// Its family.
        family: String,
    },

    /// A folder that a model was to replace holds something else; the user must name another.
    #[error("{} holds `{name}`, which is no part of a model, and is not replaced; name another folder", folder.display())]
    Occupied {
        /// The folder.
        folder: PathBuf,
        /// A file in it.
        name: String,
    },

    /// A curve could not be drawn.
    #[error("the curves cannot be drawn: {reason}")]
    Plot {
        /// What is wrong.
        reason: String,
    },
}

/// One key of which a resumed run has another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The key with its table.
    pub key: String,
    /// Its value when the run began.
    pub old: String,
    /// Its value now.
    pub new: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: was {}, now {}", self.key, self.old, self.new)
    }
}

fn suggestion(near: &Option<String>) -> String {
    near.as_ref().map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"))
}

//! What can be wrong with a model.

use std::path::PathBuf;

use rebus_nn::named::Mismatch;

/// An error of this crate; each says what was wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file could not be read or written; the user must look at the path or its permissions.
    #[error(transparent)]
    Io(#[from] std::io::Error),

    /// Something in a batch or a tokenizer.
    #[error(transparent)]
    Data(#[from] rebus_data::DataError),

    /// A folder without `model.json`; the user named the wrong folder, or a run that was not exported.
    #[error(
        "{folder} is no model: it has no model.json. A run folder becomes a model by `rebus export RUN -o MODEL`; \
         a finished run has one in RUN/model"
    )]
    NoModel {
        /// The folder.
        folder: PathBuf,
    },

    /// `model.json` that cannot be understood; the folder is damaged.
    #[error("{file}: {reason}. Export or copy the model again")]
    Manifest {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A model of a later release; the user needs a newer Rebus.
    #[error(
        "{folder} has model format {found}, and this release reads up to {known}. Update Rebus, or export the model \
         again with this release"
    )]
    Version {
        /// The folder.
        folder: PathBuf,
        /// The format of the folder.
        found: u32,
        /// The newest format that is understood.
        known: u32,
    },

    /// A weights file that is cut short, too long or not what it says.
    #[error("{file} is no whole safetensors file: {reason}. Copy or export the model again")]
    Weights {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// Weights of another network.
    #[error("{place}: {mismatch}. The file belongs to another configuration or release")]
    Mismatch {
        /// The file, or what was being restored.
        place: String,
        /// All names that do not fit.
        mismatch: Mismatch,
    },

    /// A family that does not exist; a recipe's or a model's `family` is wrong.
    #[error("there is no model family named `{name}`{}; the families are: {known}", nearest(name, known))]
    UnknownFamily {
        /// The name.
        name: String,
        /// The names there are.
        known: String,
    },

    /// A configuration that cannot work; the user must change the field.
    #[error("{field} = {value}: {rule}")]
    Config {
        /// The field, with its section.
        field: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        rule: String,
    },

    /// A configuration that does not parse: a wrong key, a wrong type.
    #[error("[{section}] of family `{family}`: {reason}")]
    Section {
        /// The section of the recipe, or of `model.json`.
        section: &'static str,
        /// The family.
        family: String,
        /// The parser's words.
        reason: String,
    },

    /// A recipe of a family that learns with another model's help, and names none; the user must add it.
    #[error(
        "this family needs a model `{name}`: add a table `[needs.{name}]` with `model = \"PATH\"` to the recipe, or \
         --set needs.{name}.model=PATH"
    )]
    Needs {
        /// What it is needed for.
        name: &'static str,
    },

    /// A model was asked for what its family cannot do.
    #[error("this model, of family `{family}`, cannot {verb}; models of these families can: {able}")]
    Lacks {
        /// The family.
        family: String,
        /// The verb.
        verb: &'static str,
        /// Families that can.
        able: String,
    },

    /// A request with a value out of range; the user must change it.
    #[error("{option} = {value}: {rule}")]
    Request {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        rule: String,
    },

    /// An observer asked to stop; nothing is wrong.
    #[error("interrupted")]
    Interrupted,
}

impl ModelError {
    /// Refuses what is no share, by the names of settings.
    pub(crate) fn check_shares<const N: usize>(shares: [(&'static str, f32); N]) -> Result<(), Self> {
        match shares.into_iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
            Some((field, share)) => Err(Self::Config {
                field,
                value: share.to_string(),
                rule: "it must be from 0 to 1".to_string(),
            }),
            None => Ok(()),
        }
    }

    /// That a checkpoint is of another network.
    pub(crate) fn checkpoint(mismatch: Mismatch) -> Self {
        Self::Mismatch { place: "the checkpoint".to_string(), mismatch }
    }

    /// A condition of no text for a model that reads one.
    pub(crate) fn reads_no_pictures() -> Self {
        Self::Request {
            option: "image",
            value: "a picture".to_string(),
            rule: "this model reads words alone; one that was trained with `[condition] encoder` can be shown pictures"
                .to_string(),
        }
    }

    /// Numbers of a word and of all of a text, as they are and as they should be.
    pub(crate) fn told_otherwise(found: [usize; 2], wanted: [usize; 2]) -> Self {
        Self::Request {
            option: "condition",
            value: format!("{} numbers a word and {} in all", found[0], found[1]),
            rule: format!(
                "this model is told {} and {}; make it with this model's conditioner",
                wanted[0], wanted[1]
            ),
        }
    }

    pub(crate) fn without_text() -> Self {
        Self::Request {
            option: "condition",
            value: "without an embedding".to_string(),
            rule: "it must hold a text; make it with this model's conditioner".to_string(),
        }
    }
}

fn nearest(name: &str, known: &str) -> String {
    let near = known
        .split(", ")
        .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
    match near {
        Some(near) if strsim::jaro_winkler(near, name) > 0.7 => format!(" (did you mean `{near}`?)"),
        _ => String::new(),
    }
}

//! What can go wrong with a verb.

use std::path::PathBuf;

use rebus_data::DataError;
use rebus_models::ModelError;

/// An error of this crate; each says what was wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// A model, or what was asked of it.
    #[error(transparent)]
    Model(#[from] ModelError),

    /// A picture or a file.
    #[error(transparent)]
    Data(#[from] DataError),

    /// A store, or a filter.
    #[error(transparent)]
    Store(#[from] rebus_store::StoreError),

    /// Nothing to look for.
    #[error(
        "there is nothing to look for. Say it in words, show it by --image PICTURE, or name words of captions by --text"
    )]
    NothingToFind,

    /// A number, or several, that cannot be.
    #[error("{value}: {rule}")]
    Weights {
        /// What was said.
        value: String,
        /// What may be said.
        rule: String,
    },

    /// Labels that cannot be.
    #[error("labels: {reason}. Give some that differ, such as --labels cat,dog,bird")]
    Labels {
        /// What is wrong with them.
        reason: String,
    },

    /// A store whose items have no captions.
    #[error(
        "nothing in the store has a caption. Index a collection with captions, or pictures with a .txt file of the same name \
         beside each"
    )]
    NoCaptions,

    /// A file or folder that cannot be made; the user must look at the path or its permissions.
    #[error(transparent)]
    Io(#[from] std::io::Error),

    /// Several pictures for one file name.
    #[error(
        "{path} is one file, and {count} pictures are to be written. Give a folder instead (a name without .png)"
    )]
    OneFile {
        /// The file.
        path: PathBuf,
        /// How many pictures there are.
        count: usize,
    },

    /// A file that would be lost.
    #[error("{path} is there already, and is not replaced. Name another, or remove it first")]
    Exists {
        /// The file.
        path: PathBuf,
    },

    /// A format that pictures are not written in.
    #[error("{path}: pictures are written as PNG. Give a name that ends in .png, or a folder")]
    Format {
        /// The file.
        path: PathBuf,
    },

    /// A region that cannot be.
    #[error("{what} {value}: {rule}")]
    Region {
        /// What it is told by.
        what: &'static str,
        /// What was said.
        value: String,
        /// What may be said.
        rule: String,
    },

    /// Something in a scene that cannot be.
    #[error("{}, line {line}: {reason}", file.display())]
    Scene {
        /// The scene.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what may be said.
        reason: String,
    },

    /// A region without a pixel.
    #[error(
        "there is nothing to change: the mask is black all over (white is drawn anew; --invert-mask turns it)"
    )]
    NothingToChange,

    /// Nothing to reconstruct.
    #[error("there is no picture. Name one or more")]
    NoPicture,

    /// Fewer pictures than the two ends.
    #[error("{count} pictures on the way are too few: both ends are among them, so at least 2")]
    TooFew {
        /// How many were asked for.
        count: usize,
    },

    /// Nothing to draw.
    #[error("there is no prompt. Give one or more, `--prompts FILE`, or \"\" for whatever the model likes")]
    NoPrompt,
}

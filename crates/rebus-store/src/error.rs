//! What can be wrong with a store.

use std::path::PathBuf;

/// An error of this crate; each says what was wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file could not be read or written; the user must look at the path, its permissions or the disk.
    #[error(transparent)]
    Io(#[from] std::io::Error),

    /// A file of the store could not be written; the user must look at the folder or the disk.
    #[error(transparent)]
    Data(#[from] rebus_data::DataError),

    /// Another process holds the database; the user must wait for it or stop it.
    #[error("the store {} is locked by another process; wait until it is done, or stop it", place.display())]
    Locked {
        /// The store.
        place: PathBuf,
    },

    /// The database refused; the user must look at the disk, or at what else writes there.
    #[error("the store {} cannot be used: {reason}", place.display())]
    Database {
        /// The store.
        place: PathBuf,
        /// What the database said.
        reason: String,
    },

    /// The file is a database, or something else, of others; the user must name another place.
    #[error("{} is no store of Rebus; name another place by --store, and it is made there", place.display())]
    NotAStore {
        /// The file.
        place: PathBuf,
    },

    /// A newer release wrote the store; the user must use that release.
    #[error(
        "the store {} has version {found}, and this release knows versions up to {known}; use the release that made it, \
         or name another place by --store",
        place.display()
    )]
    Version {
        /// The store.
        place: PathBuf,
        /// Its version.
        found: i64,
        /// The newest known.
        known: i64,
    },

    /// Nothing was indexed there yet; the user must index first.
    #[error("there is no store at {}; `rebus index add PATH` makes one", place.display())]
    Missing {
        /// Where it should be.
        place: PathBuf,
    },

    /// The embeddings in the store are another model's; the user must name that model, or embed anew.
    #[error(
        "the store {} was made by the model {made_by}, and this is {model}: their embeddings cannot be compared. Name \
         that model by --model, or embed all anew by `rebus index sync --reembed`",
        place.display()
    )]
    OtherModel {
        /// The store.
        place: PathBuf,
        /// The model that made it: name and hash.
        made_by: String,
        /// The model that was to be used.
        model: String,
    },

    /// The address of a database cannot be read; the user must write it in another way.
    #[error("the address of the store: {reason}; an address is postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
    Address {
        /// What is wrong with it.
        reason: String,
    },

    /// This program cannot speak with servers; the user must build it so, or name a folder.
    #[error(
        "this program is built without PostgreSQL: build it by `cargo build --release --features postgres`, or name a \
         folder by --store"
    )]
    NoServers,

    /// A filter that cannot be read; the user must write it in another way.
    #[error("the filter `{filter}`{}: {reason}", place.map_or(String::new(), |place| format!(", at character {place}")))]
    Filter {
        /// The filter.
        filter: String,
        /// The character at which it goes wrong, from 1.
        place: Option<u64>,
        /// What is wrong there, and what would be right.
        reason: String,
    },

    /// The vector index refused; a fault of this program or of memory.
    #[error("the vector index: {0}")]
    Vectors(String),

    /// The path was never indexed; the user must name one that was.
    #[error("{path} was not indexed; what was: {indexed}")]
    NoSource {
        /// What was asked for.
        path: String,
        /// What there is.
        indexed: String,
    },
}

impl StoreError {
    /// What went wrong in the vector index.
    pub(crate) fn vectors(error: impl std::fmt::Display) -> Self {
        Self::Vectors(error.to_string())
    }
}

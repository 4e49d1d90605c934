//! What a store can do, whichever database keeps it.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use crate::{About, Entry, Filter, Hit, Item, Known, ModelKey, Part, SqliteStore, StoreError};

/// Keeps items and the embeddings of their parts, and finds them. It is shared between threads, and several processes may
/// have the same one open.
pub trait Store: Send + Sync {
    /// What it is, in numbers.
    ///
    /// # Errors
    /// The database cannot be read.
    fn about(&self) -> Result<About, StoreError>;

    /// Says by which model embeddings are made; the first one is kept.
    ///
    /// # Errors
    /// It was made by another ([`StoreError::OtherModel`]).
    fn adopt(&self, model: &ModelKey) -> Result<(), StoreError>;

    /// Forgets all embeddings, so that all is read again, and takes this model. What a person told it to index is kept.
    ///
    /// # Errors
    /// The database cannot be written.
    fn begin_anew(&self, model: &ModelKey) -> Result<(), StoreError>;

    /// Notes that a person wants all of this path indexed.
    ///
    /// # Errors
    /// The database cannot be written.
    fn add_source(&self, path: &str) -> Result<(), StoreError>;

    /// Forgets a path and all items of it, and says how many there were.
    ///
    /// # Errors
    /// It was never indexed.
    fn remove_source(&self, path: &str) -> Result<usize, StoreError>;

    /// One who indexes. What it claims is left to it by all others until it is dropped, or its process ends.
    ///
    /// # Errors
    /// The database cannot be written.
    fn worker(&self) -> Result<Box<dyn Worker + '_>, StoreError>;

    /// What is known of some paths.
    ///
    /// # Errors
    /// The database cannot be read.
    fn known(&self, paths: &[String]) -> Result<HashMap<String, Known>, StoreError>;

    /// Which parts have an embedding already.
    ///
    /// # Errors
    /// The database cannot be read.
    fn embedded(&self, part: Part, hashes: &[String]) -> Result<HashSet<String>, StoreError>;

    /// The stamp of a collection that was read as a whole.
    ///
    /// # Errors
    /// The database cannot be read.
    fn container(&self, path: &str) -> Result<Option<String>, StoreError>;

    /// Notes that a collection was read as a whole; not if an embedding of one of its records was dropped by another meanwhile,
    /// so that the record is read again.
    ///
    /// # Errors
    /// The database cannot be written.
    fn finish_container(&self, path: &str, stamp: &str) -> Result<(), StoreError>;

    /// Paths of all items, broken ones included, of a file by itself or of a collection whose path begins with this one.
    ///
    /// # Errors
    /// The database cannot be read.
    fn paths_below(&self, root: &str) -> Result<Vec<PathOf>, StoreError>;

    /// Forgets items that are gone.
    ///
    /// # Errors
    /// The database cannot be written.
    fn forget(&self, paths: &[String]) -> Result<(), StoreError>;

    /// The items whose part lies nearest to a query of length 1, the nearest first, equal ones by path.
    ///
    /// # Errors
    /// The database or the index cannot be read.
    fn nearest(
        &self,
        part: Part,
        query: &[f32],
        count: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Hit>, StoreError>;

    /// The items whose words match, the best first (BM25), equal ones by path. Any of the words will do.
    ///
    /// # Errors
    /// The database cannot be read.
    fn matching(&self, words: &str, count: usize, filter: Option<&Filter>) -> Result<Vec<Hit>, StoreError>;

    /// Items by number, in the order asked for; those that are gone meanwhile are left out.
    ///
    /// # Errors
    /// The database cannot be read.
    fn items(&self, ids: &[i64]) -> Result<Vec<Item>, StoreError>;

    /// The hashes of an item's parts of one kind with their embeddings.
    ///
    /// # Errors
    /// The database cannot be read.
    fn parts(&self, item: i64, part: Part) -> Result<Vec<(String, Vec<f32>)>, StoreError>;

    /// Every item that has this part with its embedding, by path.
    ///
    /// # Errors
    /// The database cannot be read.
    fn vectors(&self, part: Part, filter: Option<&Filter>) -> Result<Vec<(i64, Vec<f32>)>, StoreError>;

    /// Brings the index of nearest vectors up to date, if there are so many that one is kept.
    ///
    /// # Errors
    /// The index cannot be written.
    fn refresh(&self) -> Result<(), StoreError>;
}

/// A path in the store and the collection that it is a record of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathOf {
    /// The item's path.
    pub path: String,
    /// The collection's; empty for a file by itself.
    pub container: String,
}

/// One who indexes.
pub trait Worker: Send {
    /// Takes those of some paths that no other worker holds, and says which.
    ///
    /// # Errors
    /// The database cannot be written.
    fn claim(&mut self, paths: &[String]) -> Result<HashSet<String>, StoreError>;

    /// Writes entries that were claimed, all or none of them, and lets go of their paths.
    ///
    /// # Errors
    /// The database cannot be written; nothing of them is.
    fn write(&mut self, entries: &[Entry]) -> Result<(), StoreError>;

    /// Lets go of paths that need no writing but a new stamp.
    ///
    /// # Errors
    /// The database cannot be written.
    fn touch(&mut self, stamps: &[(String, String)]) -> Result<(), StoreError>;

    /// Lets go of paths untouched.
    ///
    /// # Errors
    /// The database cannot be written.
    fn release(&mut self, paths: &[String]) -> Result<(), StoreError>;
}

/// The store at a place, which is made if it is not there: a folder, or a database by its address `postgres://…`.
///
/// # Errors
/// The place cannot be written or reached, holds something else, or a newer release's; this program is built without servers.
pub fn create(place: &Path) -> Result<Box<dyn Store>, StoreError> {
    match address(place) {
        Some(address) => on_server(address, true),
        None => Ok(Box::new(SqliteStore::create(place)?)),
    }
}

/// The store at a place.
///
/// # Errors
/// There is none, or as [`create`].
pub fn open(place: &Path) -> Result<Box<dyn Store>, StoreError> {
    match address(place) {
        Some(address) => on_server(address, false),
        None => Ok(Box::new(SqliteStore::open(place)?)),
    }
}

/// The address of a database, if a place is one.
fn address(place: &Path) -> Option<&str> {
    place.to_str().filter(|text| text.starts_with("postgres://") || text.starts_with("postgresql://"))
}

#[cfg(feature = "postgres")]
fn on_server(address: &str, make: bool) -> Result<Box<dyn Store>, StoreError> {
    use crate::PostgresStore;
    let store = if make { PostgresStore::create(address)? } else { PostgresStore::open(address)? };
    Ok(Box::new(store))
}

#[cfg(not(feature = "postgres"))]
fn on_server(_address: &str, _make: bool) -> Result<Box<dyn Store>, StoreError> {
    Err(StoreError::NoServers)
}

/// What the paths of all that lies in a folder begin with.
pub(crate) fn below(root: &str) -> String {
    format!("{}{}", root.trim_end_matches('/'), std::path::MAIN_SEPARATOR)
}

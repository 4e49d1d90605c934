//! Whatever must not be lost: what was indexed, its embeddings, and what finds them again.
//!
//! A [`Store`] keeps items (files, and records of collections) with their fields, and an embedding for each of their
//! parts. [`SqliteStore`] is one in a folder: a database, and beside it an index of nearest vectors that can always be
//! made again from it. `PostgresStore` (feature `postgres`) is the same on a server. [`create`] and [`open`] choose by the place.
//!
//! ```
//! use rebus_store::{Part, SqliteStore, Store};
//!
//! let folder = tempfile::tempdir()?;
//! let store = SqliteStore::create(folder.path())?;
//! assert_eq!(store.about()?.items, 0);
//! assert!(store.nearest(Part::Picture, &[1.0, 0.0], 5, None)?.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Knows nothing of Burn, of models, or of what an embedding means.

#[cfg(test)]
mod contract;
mod error;
mod exact;
mod filter;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
mod sqlite;
mod store;
mod vectors;
mod words;

pub use error::StoreError;
pub use exact::dot;
pub use filter::{Comparison, Field, Filter, Scalar};
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
pub use record::{About, Content, Embedded, Entry, Fields, Hit, Item, Known, ModelKey, Part, Value};
pub use sqlite::SqliteStore;
pub use store::{PathOf, Store, Worker, create, open};
pub use vectors::{Quantization, VectorIndex, VectorIndexConfig};

//! A store in a folder: an SQLite database, and an index of nearest vectors beside it.

mod find;
mod worker;

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, types::ToSqlOutput};

use crate::{
    About, Fields, Filter, Hit, Item, Known, ModelKey, Part, PathOf, Scalar, Store, StoreError,
    VectorIndexConfig, Worker, exact::EXACT_UP_TO, store::below,
};

/// The version of the schema that this release writes.
const VERSION: i64 = 1;
/// What marks a database as ours: the letters `Rbus`.
const MARK: i64 = 0x5262_7573;
/// The database's name in its folder.
const DATABASE: &str = "store.sqlite";
/// How long another process may hold the database.
const PATIENCE: Duration = if cfg!(test) { Duration::from_millis(200) } else { Duration::from_secs(10) };

/// A store in a folder.
pub struct SqliteStore {
    folder: PathBuf,
    connection: Mutex<Connection>,
    ready: Mutex<HashMap<Part, (i64, Arc<find::Vectors>)>>,
    config: VectorIndexConfig,
    exact_up_to: usize,
}

/// What the database says, as an error of this store.
type Said<T> = Result<T, rusqlite::Error>;

impl SqliteStore {
    /// The store in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// The folder cannot be made; its database is another's, a newer release's, damaged, or locked.
    pub fn create(folder: &Path) -> Result<Self, StoreError> {
        fs_err::create_dir_all(folder)?;
        Self::at(folder, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
    }

    /// The store in a folder.
    ///
    /// # Errors
    /// There is none, or as [`create`](Self::create).
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        if !folder.join(DATABASE).is_file() {
            return Err(StoreError::Missing { place: folder.to_path_buf() });
        }
        Self::at(folder, OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    /// The same with an index of other sizes, and another number of vectors up to which none is needed.
    pub fn with_index(self, config: VectorIndexConfig, exact_up_to: usize) -> Self {
        Self { config, exact_up_to, ..self }
    }

    fn at(folder: &Path, flags: OpenFlags) -> Result<Self, StoreError> {
        let place = folder.join(DATABASE);
        let said = |error| said(&place, error);
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&place, flags).map_err(said)?;
        prepare(&mut connection, &place)?;
        Ok(Self {
            folder: folder.to_path_buf(),
            connection: Mutex::new(connection),
            ready: Mutex::default(),
            config: VectorIndexConfig::default(),
            exact_up_to: EXACT_UP_TO,
        })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn said(&self, error: rusqlite::Error) -> StoreError {
        said(&self.folder.join(DATABASE), error)
    }

    /// Reads.
    fn read<T>(&self, what: impl FnOnce(&Connection) -> Said<T>) -> Result<T, StoreError> {
        what(&self.connection()).map_err(|error| self.said(error))
    }

    /// Writes all of it or nothing.
    fn write<T>(&self, what: impl FnOnce(&Connection) -> Said<T>) -> Result<T, StoreError> {
        let mut connection = self.connection();
        let all = || {
            let transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let done = what(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        all().map_err(|error| self.said(error))
    }

    fn model(&self) -> Result<Option<ModelKey>, StoreError> {
        let value: Option<String> = self.read(|connection| {
            let query = "SELECT value FROM about WHERE name = 'model'";
            connection.query_row(query, [], |row| row.get(0)).optional()
        })?;
        Ok(value.and_then(|value| serde_json::from_str(&value).ok()))
    }
}

/// Settings of a connection, and the schema if there is none yet.
fn prepare(connection: &mut Connection, place: &Path) -> Result<(), StoreError> {
    let said = |error| said(place, error);
    connection.busy_timeout(PATIENCE).map_err(said)?;
    let number = |connection: &Connection, pragma: &str| {
        connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0)).map_err(said)
    };
    let check = |connection: &Connection| -> Result<bool, StoreError> {
        let (mark, found) = (number(connection, "application_id")?, number(connection, "user_version")?);
        let tables = "SELECT count(*) FROM sqlite_schema";
        let is_new = mark == 0
            && found == 0
            && connection.query_row(tables, [], |row| row.get::<_, i64>(0)).map_err(said)? == 0;
        match (is_new, mark) {
            (false, mark) if mark != MARK => Err(StoreError::NotAStore { place: place.to_path_buf() }),
            (false, _) if found != VERSION => {
                Err(StoreError::Version { place: place.to_path_buf(), found, known: VERSION })
            }
            (is_new, _) => Ok(is_new),
        }
    };
    check(connection)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).map_err(said)?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA cache_size = -65536").map_err(said)?;
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(said)?;
    // Another process may have made it meanwhile.
    if check(&transaction)? {
        transaction.execute_batch(include_str!("schema.sql")).map_err(said)?;
        transaction
            .execute_batch(&format!("PRAGMA application_id = {MARK}; PRAGMA user_version = {VERSION}"))
            .map_err(said)?;
    }
    transaction.commit().map_err(said)
}

/// An error of the database as a person can use it.
fn said(place: &Path, error: rusqlite::Error) -> StoreError {
    let place = place.to_path_buf();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked { place },
        Some(ErrorCode::NotADatabase) => StoreError::NotAStore { place },
        _ => StoreError::Database { place, reason: error.to_string() },
    }
}

fn count(connection: &Connection, query: &str) -> Said<usize> {
    connection.query_row(query, [], |row| row.get::<_, i64>(0)).map(|count| count as usize)
}

/// Texts of one column.
fn texts(connection: &Connection, query: &str, values: impl rusqlite::Params) -> Said<Vec<String>> {
    let mut statement = connection.prepare_cached(query)?;
    statement.query_map(values, |row| row.get(0))?.collect()
}

impl rusqlite::ToSql for Scalar {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Text(text) => text.to_sql(),
            Self::Number(number) => number.to_sql(),
        }
    }
}

/// A part as the database has it.
fn number_of(part: Part) -> i64 {
    part as i64
}

/// Several texts as one parameter, for `IN (SELECT value FROM json_each(?1))`.
fn json(texts: &[String]) -> String {
    serde_json::json!(texts).to_string()
}

impl Store for SqliteStore {
    fn about(&self) -> Result<About, StoreError> {
        let model = self.model()?;
        self.read(|connection| {
            let mut embeddings = indexmap::IndexMap::new();
            for part in Part::ALL {
                let query = format!("SELECT count(*) FROM vector WHERE part = {}", number_of(part));
                embeddings.insert(part.name(), count(connection, &query)?);
            }
            Ok(About {
                model,
                sources: texts(connection, "SELECT path FROM source ORDER BY id", [])?,
                items: count(connection, "SELECT count(*) FROM item WHERE reason IS NULL")?,
                broken: count(connection, "SELECT count(*) FROM item WHERE reason IS NOT NULL")?,
                embeddings,
                fields: texts(connection, "SELECT name FROM column_name ORDER BY name", [])?,
            })
        })
    }

    fn adopt(&self, model: &ModelKey) -> Result<(), StoreError> {
        match self.model()? {
            Some(made_by) => made_by.check(model, &self.folder),
            None => {
                let value = serde_json::json!(model).to_string();
                self.write(|connection| {
                    connection.execute("INSERT OR IGNORE INTO about VALUES ('model', ?1)", [value])
                })?;
                // Another process may have been first.
                self.adopt(model)
            }
        }
    }

    fn begin_anew(&self, model: &ModelKey) -> Result<(), StoreError> {
        let value = serde_json::json!(model).to_string();
        self.write(|connection| {
            connection.execute_batch(
                "INSERT INTO change (part, vector, removed) SELECT part, id, 1 FROM vector;
                 DELETE FROM vector; DELETE FROM item_vector; DELETE FROM field; DELETE FROM item; DELETE FROM words;
                 DELETE FROM container; DELETE FROM column_name;",
            )?;
            connection.execute("INSERT OR REPLACE INTO about VALUES ('model', ?1)", [value]).map(|_| ())
        })
    }

    fn add_source(&self, path: &str) -> Result<(), StoreError> {
        self.write(|connection| {
            connection.execute("INSERT OR IGNORE INTO source (path) VALUES (?1)", [path]).map(|_| ())
        })
    }

    fn remove_source(&self, path: &str) -> Result<usize, StoreError> {
        let sources = self.about()?.sources;
        if !sources.iter().any(|source| source == path) {
            return Err(StoreError::NoSource { path: path.to_string(), indexed: sources.join(", ") });
        }
        let gone: Vec<String> = self.paths_below(path)?.into_iter().map(|of| of.path).collect();
        self.forget(&gone)?;
        // Last: who is broken off finds it again.
        self.write(|connection| connection.execute("DELETE FROM source WHERE path = ?1", [path]))?;
        Ok(gone.len())
    }

    fn worker(&self) -> Result<Box<dyn Worker + '_>, StoreError> {
        Ok(Box::new(worker::SqliteWorker::begin(self)?))
    }

    fn known(&self, paths: &[String]) -> Result<HashMap<String, Known>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT path, stamp, hash FROM item WHERE path IN (SELECT value FROM json_each(?1))",
            )?;
            let row =
                |row: &rusqlite::Row<'_>| Ok((row.get(0)?, Known { stamp: row.get(1)?, hash: row.get(2)? }));
            statement.query_map([json(paths)], row)?.collect()
        })
    }

    fn embedded(&self, part: Part, hashes: &[String]) -> Result<HashSet<String>, StoreError> {
        self.read(|connection| {
            let query =
                "SELECT hash FROM vector WHERE part = ?1 AND hash IN (SELECT value FROM json_each(?2))";
            Ok(texts(connection, query, (number_of(part), json(hashes)))?.into_iter().collect())
        })
    }

    fn container(&self, path: &str) -> Result<Option<String>, StoreError> {
        self.read(|connection| {
            let query = "SELECT stamp FROM container WHERE path = ?1";
            connection.query_row(query, [path], |row| row.get(0)).optional()
        })
    }

    fn finish_container(&self, path: &str, stamp: &str) -> Result<(), StoreError> {
        self.write(|connection| {
            let query = "INSERT OR REPLACE INTO container SELECT ?1, ?2 WHERE NOT EXISTS
                         (SELECT 1 FROM item WHERE container = ?1 AND hash IS NULL AND reason IS NULL)";
            connection.execute(query, [path, stamp]).map(|_| ())
        })
    }

    fn paths_below(&self, root: &str) -> Result<Vec<PathOf>, StoreError> {
        self.read(|connection| {
            let place = "CASE container WHEN '' THEN path ELSE container END";
            let query = format!(
                "SELECT path, container FROM item
                 WHERE {place} = ?1 OR substr({place}, 1, length(?2)) = ?2 ORDER BY path"
            );
            let mut statement = connection.prepare_cached(&query)?;
            let row = |row: &rusqlite::Row<'_>| Ok(PathOf { path: row.get(0)?, container: row.get(1)? });
            statement.query_map([root, &below(root)], row)?.collect()
        })
    }

    fn forget(&self, paths: &[String]) -> Result<(), StoreError> {
        for some in paths.chunks(1024) {
            self.write(|connection| some.iter().try_for_each(|path| worker::remove(connection, path)))?;
        }
        Ok(())
    }

    fn nearest(
        &self,
        part: Part,
        query: &[f32],
        count: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Hit>, StoreError> {
        self.find_nearest(part, query, count, filter)
    }

    fn matching(&self, words: &str, count: usize, filter: Option<&Filter>) -> Result<Vec<Hit>, StoreError> {
        self.find_words(words, count, filter)
    }

    fn items(&self, ids: &[i64]) -> Result<Vec<Item>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT path, container, fields FROM item WHERE id = ?1")?;
            let mut items = vec![];
            for &id in ids {
                let row = |row: &rusqlite::Row<'_>| {
                    let fields: String = row.get(2)?;
                    let fields: Fields = serde_json::from_str(&fields).unwrap_or_default();
                    Ok(Item { id, path: row.get(0)?, container: row.get(1)?, fields })
                };
                items.extend(statement.query_row([id], row).optional()?);
            }
            Ok(items)
        })
    }

    fn parts(&self, item: i64, part: Part) -> Result<Vec<(String, Vec<f32>)>, StoreError> {
        self.parts_of(item, part)
    }

    fn vectors(&self, part: Part, filter: Option<&Filter>) -> Result<Vec<(i64, Vec<f32>)>, StoreError> {
        self.all_vectors(part, filter)
    }

    fn refresh(&self) -> Result<(), StoreError> {
        Part::ALL.into_iter().try_for_each(|part| self.ready(part).map(|_| ()))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

//! One who indexes, among others who do.
//!
//! A worker holds a locked file of its own. The system lets go of the lock when the process ends, however it ends; so the
//! claims of a worker whose file is not locked are nobody's.

use std::{collections::HashSet, fs::File, path::PathBuf};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Said, SqliteStore, json, number_of};
use crate::{Content, Entry, Fields, StoreError, Worker, words::words};

/// Where workers' files lie.
const WORKERS: &str = "workers";

pub(super) struct SqliteWorker<'a> {
    store: &'a SqliteStore,
    name: String,
    path: PathBuf,
    /// Locked as long as this lives.
    _lock: File,
}

impl<'a> SqliteWorker<'a> {
    pub(super) fn begin(store: &'a SqliteStore) -> Result<Self, StoreError> {
        let folder = store.folder.join(WORKERS);
        fs_err::create_dir_all(&folder)?;
        loop {
            let file = tempfile::Builder::new().prefix("worker-").tempfile_in(&folder)?;
            let (lock, path) = file.keep().map_err(|error| error.error)?;
            lock.lock()?;
            // Before it was locked it looked like that of a worker that is no more.
            if !path.exists() {
                continue;
            }
            let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            return Ok(Self { store, name, path, _lock: lock });
        }
    }

    /// Lets go of what workers held that are no more.
    fn bury(&self) -> Result<(), StoreError> {
        let mut gone = self.store.read(|connection| {
            super::texts(connection, "SELECT DISTINCT worker FROM claim WHERE worker <> ?1", [&self.name])
        })?;
        gone.retain(|name| !self.path.with_file_name(name).exists());
        for entry in fs_err::read_dir(self.store.folder.join(WORKERS))?.flatten() {
            if entry.path() == self.path {
                continue;
            }
            let Ok(file) = File::open(entry.path()) else { continue };
            // While this holds the lock, nobody else can take the file for his own.
            if file.try_lock().is_ok() && fs_err::remove_file(entry.path()).is_ok() {
                gone.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        self.store.write(|connection| {
            let query = "DELETE FROM claim WHERE worker IN (SELECT value FROM json_each(?1))";
            connection.execute(query, [json(&gone)]).map(|_| ())
        })
    }
}

impl Drop for SqliteWorker<'_> {
    fn drop(&mut self) {
        let _ = self
            .store
            .write(|connection| connection.execute("DELETE FROM claim WHERE worker = ?1", [&self.name]));
        let _ = fs_err::remove_file(&self.path);
    }
}

impl Worker for SqliteWorker<'_> {
    fn claim(&mut self, paths: &[String]) -> Result<HashSet<String>, StoreError> {
        self.bury()?;
        self.store.write(|connection| {
            let mut claimed = HashSet::new();
            let mut statement = connection.prepare_cached("INSERT OR IGNORE INTO claim VALUES (?1, ?2)")?;
            for path in paths {
                if statement.execute([path, &self.name])? > 0 {
                    claimed.insert(path.clone());
                }
            }
            Ok(claimed)
        })
    }

    fn write(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        self.store.write(|connection| {
            let mut left = vec![];
            for entry in entries {
                left.extend(put(connection, entry)?);
            }
            // Last: what an entry lets go of, it or another may have again.
            drop_orphans(connection, &left)?;
            let paths: Vec<String> = entries.iter().map(|entry| entry.path.clone()).collect();
            release(connection, &paths)
        })
    }

    fn touch(&mut self, stamps: &[(String, String)]) -> Result<(), StoreError> {
        self.store.write(|connection| {
            for (path, stamp) in stamps {
                connection.execute("UPDATE item SET stamp = ?2 WHERE path = ?1", [path, stamp])?;
            }
            let paths: Vec<String> = stamps.iter().map(|(path, _)| path.clone()).collect();
            release(connection, &paths)
        })
    }

    fn release(&mut self, paths: &[String]) -> Result<(), StoreError> {
        self.store.write(|connection| release(connection, paths))
    }
}

fn release(connection: &Connection, paths: &[String]) -> Said<()> {
    let query = "DELETE FROM claim WHERE path IN (SELECT value FROM json_each(?1))";
    connection.execute(query, [json(paths)]).map(|_| ())
}

/// Puts an entry in the place of what was at its path, and says which embeddings that had.
fn put(connection: &Connection, entry: &Entry) -> Said<Vec<i64>> {
    let left = detach(connection, &entry.path)?;
    let (hash, reason, fields) = match &entry.content {
        Ok(content) => (Some(&content.hash), None, serde_json::json!(content.fields).to_string()),
        Err(reason) => (None, Some(reason), "{}".to_string()),
    };
    let values = params![entry.path, entry.container, entry.stamp, hash, reason, fields];
    connection
        .prepare_cached(
            "INSERT INTO item (path, container, stamp, hash, reason, fields) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(values)?;
    let item = connection.last_insert_rowid();
    if let Ok(content) = &entry.content {
        put_content(connection, item, content)?;
    }
    Ok(left)
}

fn put_content(connection: &Connection, item: i64, content: &Content) -> Said<()> {
    put_fields(connection, item, &content.fields)?;
    connection
        .prepare_cached("INSERT INTO words (rowid, said) VALUES (?1, ?2)")?
        .execute(params![item, words(&content.words).join(" ")])?;
    for embedded in &content.embedded {
        let part = number_of(embedded.part);
        let there: Option<i64> = connection
            .prepare_cached("SELECT id FROM vector WHERE part = ?1 AND hash = ?2")?
            .query_row(params![part, embedded.hash], |row| row.get(0))
            .optional()?;
        let vector = match (there, &embedded.vector) {
            (Some(vector), _) => vector,
            (None, Some(numbers)) => {
                let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                connection
                    .prepare_cached("INSERT INTO vector (part, hash, data) VALUES (?1, ?2, ?3)")?
                    .execute(params![part, embedded.hash, bytes])?;
                let vector = connection.last_insert_rowid();
                note_change(connection, part, vector, false)?;
                vector
            }
            // It went away since it was asked for: without a hash the item is read again next time.
            (None, None) => {
                connection.execute("UPDATE item SET hash = NULL, stamp = '' WHERE id = ?1", [item])?;
                continue;
            }
        };
        connection
            .prepare_cached("INSERT OR IGNORE INTO item_vector VALUES (?1, ?2)")?
            .execute([item, vector])?;
    }
    Ok(())
}

fn put_fields(connection: &Connection, item: i64, fields: &Fields) -> Said<()> {
    let mut name_of = connection.prepare_cached("INSERT OR IGNORE INTO column_name VALUES (?1)")?;
    let mut row = connection.prepare_cached("INSERT INTO field VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (name, value) in fields {
        name_of.execute([name])?;
        for asked in value.asked() {
            row.execute(params![item, name, asked.text, asked.lowered(), asked.number])?;
        }
    }
    Ok(())
}

fn note_change(connection: &Connection, part: i64, vector: i64, removed: bool) -> Said<()> {
    connection
        .prepare_cached("INSERT INTO change (part, vector, removed) VALUES (?1, ?2, ?3)")?
        .execute(params![part, vector, removed])
        .map(|_| ())
}

/// Forgets what is at a path, and the embeddings that nothing else has.
pub(super) fn remove(connection: &Connection, path: &str) -> Said<()> {
    let left = detach(connection, path)?;
    drop_orphans(connection, &left)
}

/// Forgets those of some embeddings that no item has.
fn drop_orphans(connection: &Connection, vectors: &[i64]) -> Said<()> {
    for vector in vectors {
        let part: Option<i64> = connection
            .prepare_cached(
                "DELETE FROM vector WHERE id = ?1
                 AND NOT EXISTS (SELECT 1 FROM item_vector WHERE vector = ?1) RETURNING part",
            )?
            .query_row([vector], |row| row.get(0))
            .optional()?;
        if let Some(part) = part {
            note_change(connection, part, *vector, true)?;
        }
    }
    Ok(())
}

/// Forgets what is at a path, and says which embeddings it had.
fn detach(connection: &Connection, path: &str) -> Said<Vec<i64>> {
    let found: Option<(i64, String)> = connection
        .prepare_cached("SELECT id, container FROM item WHERE path = ?1")?
        .query_row([path], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((item, container)) = found else { return Ok(vec![]) };
    let vectors: Vec<i64> = connection
        .prepare_cached("SELECT vector FROM item_vector WHERE item = ?1")?
        .query_map([item], |row| row.get(0))?
        .collect::<Said<_>>()?;
    connection.prepare_cached("DELETE FROM item_vector WHERE item = ?1")?.execute([item])?;
    connection.prepare_cached("DELETE FROM field WHERE item = ?1")?.execute([item])?;
    connection.prepare_cached("DELETE FROM words WHERE rowid = ?1")?.execute([item])?;
    connection.prepare_cached("DELETE FROM item WHERE id = ?1")?.execute([item])?;
    // The collection is no longer read as a whole.
    connection.prepare_cached("DELETE FROM container WHERE path = ?1")?.execute([container])?;
    Ok(vectors)
}

//! One who indexes into a server, among others who do.
//!
//! What a worker claims is locked by its connection (`pg_try_advisory_lock`); the server lets go of that when the connection
//! ends, however it ends.

use std::collections::HashSet;

use indexmap::IndexMap;
use postgres::{Client, Transaction};

use super::{PostgresStore, Said, all_clean, clean, connect, number_of, said, write};
use crate::{Entry, StoreError, Worker, words::words};

pub(super) struct PostgresWorker<'a> {
    store: &'a PostgresStore,
    client: Client,
    held: HashSet<String>,
}

impl<'a> PostgresWorker<'a> {
    pub(super) fn begin(store: &'a PostgresStore) -> Result<Self, StoreError> {
        let mut client = connect(&store.address, false)?;
        // What was embedded is worth waiting for, while others write.
        let patient = client.batch_execute("SET lock_timeout = '10min'");
        patient.map_err(|error| said(&store.address, error))?;
        Ok(Self { store, client, held: HashSet::new() })
    }

    fn write(&mut self, what: impl FnOnce(&mut Transaction<'_>) -> Said<()>) -> Result<(), StoreError> {
        write(&mut self.client, what).map_err(|error| said(&self.store.address, error))
    }
}

impl Drop for PostgresWorker<'_> {
    fn drop(&mut self) {
        let _ = self.client.execute("SELECT pg_advisory_unlock_all()", &[]);
    }
}

impl Worker for PostgresWorker<'_> {
    fn claim(&mut self, paths: &[String]) -> Result<HashSet<String>, StoreError> {
        let free: Vec<String> = paths.iter().filter(|path| !self.held.contains(*path)).cloned().collect();
        let query = "SELECT place FROM unnest($1::text[]) WITH ORDINALITY AS asked (path, place)
                     WHERE pg_try_advisory_lock(hashtextextended(path, 0))";
        let rows = self.client.query(query, &[&all_clean(&free)]);
        let rows = rows.map_err(|error| said(&self.store.address, error))?;
        let places = rows.into_iter().map(|row| row.get::<_, i64>(0) as usize - 1);
        let claimed: HashSet<String> = places.map(|place| free[place].clone()).collect();
        self.held.extend(claimed.iter().cloned());
        Ok(claimed)
    }

    fn write(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        self.write(|transaction| put(transaction, entries))?;
        let paths: Vec<String> = entries.iter().map(|entry| entry.path.clone()).collect();
        self.release(&paths)
    }

    fn touch(&mut self, stamps: &[(String, String)]) -> Result<(), StoreError> {
        let (paths, stamps): (Vec<String>, Vec<String>) = stamps.iter().cloned().unzip();
        let query =
            "UPDATE item SET stamp = given.stamp FROM unnest($1::text[], $2::text[]) AS given (path, stamp)
                     WHERE item.path = given.path";
        self.write(|transaction| transaction.execute(query, &[&all_clean(&paths), &stamps]).map(|_| ()))?;
        self.release(&paths)
    }

    fn release(&mut self, paths: &[String]) -> Result<(), StoreError> {
        let held: Vec<String> = paths.iter().filter(|path| self.held.remove(*path)).cloned().collect();
        if held.is_empty() {
            return Ok(());
        }
        let query =
            "SELECT pg_advisory_unlock(hashtextextended(path, 0)) FROM unnest($1::text[]) AS given (path)";
        let done = self.client.query(query, &[&all_clean(&held)]);
        done.map(|_| ()).map_err(|error| said(&self.store.address, error))
    }
}

/// Puts entries in the place of what was at their paths: a statement for all of them each, as the way to a server is long.
fn put(transaction: &mut Transaction<'_>, entries: &[Entry]) -> Said<()> {
    // The last counts, where a path comes twice.
    let entries: IndexMap<String, &Entry> = entries.iter().map(|entry| (clean(&entry.path), entry)).collect();
    let paths: Vec<String> = entries.keys().cloned().collect();
    let left = detach(transaction, &paths)?;
    let items = put_items(transaction, &paths, &entries)?;
    put_fields(transaction, &items, &entries)?;
    put_words(transaction, &items, &entries)?;
    put_embeddings(transaction, &items, &entries)?;
    // Last: what an entry lets go of, it or another may have again.
    drop_orphans(transaction, &left)
}

/// The items' numbers, in the order of the entries.
fn put_items(
    transaction: &mut Transaction<'_>,
    paths: &[String],
    entries: &IndexMap<String, &Entry>,
) -> Said<Vec<i64>> {
    let (mut containers, mut stamps, mut hashes, mut reasons) = (vec![], vec![], vec![], vec![]);
    let (mut fields, mut lengths) = (vec![], vec![]);
    for entry in entries.values() {
        containers.push(clean(&entry.container));
        stamps.push(entry.stamp.as_str());
        let content = entry.content.as_ref();
        hashes.push(content.ok().map(|content| content.hash.as_str()));
        reasons.push(content.err().map(|reason| clean(reason)));
        fields
            .push(content.map_or("{}".to_string(), |content| serde_json::json!(content.fields).to_string()));
        lengths.push(content.map_or(0, |content| words(&content.words).len() as i32));
    }
    let query = "INSERT INTO item (path, container, stamp, hash, reason, fields, length)
                 SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[])
                 RETURNING path, id";
    let rows =
        transaction.query(query, &[&paths, &containers, &stamps, &hashes, &reasons, &fields, &lengths])?;
    let numbers: IndexMap<String, i64> = rows.into_iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(paths.iter().filter_map(|path| numbers.get(path).copied()).collect())
}

fn put_fields(
    transaction: &mut Transaction<'_>,
    items: &[i64],
    entries: &IndexMap<String, &Entry>,
) -> Said<()> {
    let (mut of, mut names) = (vec![], vec![]);
    let (mut texts, mut lowered, mut numbers) = (vec![], vec![], vec![]);
    for (item, entry) in items.iter().zip(entries.values()) {
        for (name, value) in entry.content.iter().flat_map(|content| &content.fields) {
            for asked in value.asked() {
                of.push(*item);
                names.push(clean(name));
                texts.push(asked.text.map(clean));
                lowered.push(asked.lowered().as_deref().map(clean));
                numbers.push(asked.number);
            }
        }
    }
    let query = "INSERT INTO field SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::float8[])";
    transaction.execute(query, &[&of, &names, &texts, &lowered, &numbers])?;
    let query = "INSERT INTO column_name SELECT DISTINCT name FROM unnest($1::text[]) AS given (name) ON CONFLICT DO NOTHING";
    // The name of an empty list too.
    let names: Vec<String> = entries
        .values()
        .flat_map(|entry| entry.content.iter())
        .flat_map(|content| content.fields.keys())
        .map(|name| clean(name))
        .collect();
    transaction.execute(query, &[&names]).map(|_| ())
}

fn put_words(
    transaction: &mut Transaction<'_>,
    items: &[i64],
    entries: &IndexMap<String, &Entry>,
) -> Said<()> {
    let (mut said, mut of, mut places) = (vec![], vec![], vec![]);
    for (item, entry) in items.iter().zip(entries.values()) {
        if let Ok(content) = &entry.content {
            for (place, word) in words(&content.words).into_iter().enumerate() {
                said.push(word);
                of.push(*item);
                places.push(place as i32);
            }
        }
    }
    let query = "INSERT INTO word SELECT * FROM unnest($1::text[], $2::bigint[], $3::int[])";
    transaction.execute(query, &[&said, &of, &places]).map(|_| ())
}

fn put_embeddings(
    transaction: &mut Transaction<'_>,
    items: &[i64],
    entries: &IndexMap<String, &Entry>,
) -> Said<()> {
    let (mut of, mut parts, mut hashes) = (vec![], vec![], vec![]);
    let (mut new_parts, mut new_hashes, mut numbers) = (vec![], vec![], vec![]);
    let mut width = 0;
    for (item, entry) in items.iter().zip(entries.values()) {
        for embedded in entry.content.iter().flat_map(|content| &content.embedded) {
            of.push(*item);
            parts.push(number_of(embedded.part));
            hashes.push(embedded.hash.as_str());
            if let Some(vector) = &embedded.vector {
                new_parts.push(number_of(embedded.part));
                new_hashes.push(embedded.hash.as_str());
                numbers.extend_from_slice(vector);
                width = vector.len() as i32;
            }
        }
    }
    let query = "INSERT INTO embedding (part, hash, data)
                 SELECT part, hash, ($3::real[])[(place::int - 1) * $4 + 1 : place::int * $4]::vector
                 FROM unnest($1::smallint[], $2::text[]) WITH ORDINALITY AS given (part, hash, place) ORDER BY place
                 ON CONFLICT (part, hash) DO NOTHING";
    transaction.execute(query, &[&new_parts, &new_hashes, &numbers, &width])?;
    let given = "unnest($1::bigint[], $2::smallint[], $3::text[]) AS given (item, part, hash)";
    let query = format!(
        "INSERT INTO item_embedding SELECT item, id FROM {given} JOIN embedding USING (part, hash) ON CONFLICT DO NOTHING"
    );
    transaction.execute(&query, &[&of, &parts, &hashes])?;
    // One that went away since it was asked for: without a hash the item is read again next time.
    let query = format!(
        "UPDATE item SET hash = NULL, stamp = '' WHERE id IN
         (SELECT item FROM {given} LEFT JOIN embedding USING (part, hash) WHERE embedding.id IS NULL)"
    );
    transaction.execute(&query, &[&of, &parts, &hashes]).map(|_| ())
}

/// Forgets what is at some paths, and says which embeddings it had.
pub(super) fn detach(transaction: &mut Transaction<'_>, paths: &[String]) -> Said<Vec<i64>> {
    let query = "SELECT DISTINCT embedding FROM item JOIN item_embedding ON item_embedding.item = item.id
                 WHERE path = ANY($1)";
    let left = transaction.query(query, &[&paths])?.into_iter().map(|row| row.get(0)).collect();
    // The collections are no longer read as a whole.
    let query = "WITH gone AS (DELETE FROM item WHERE path = ANY($1) RETURNING container)
                 DELETE FROM container WHERE path IN (SELECT container FROM gone)";
    transaction.execute(query, &[&paths])?;
    Ok(left)
}

/// Forgets those of some embeddings that no item has.
pub(super) fn drop_orphans(transaction: &mut Transaction<'_>, embeddings: &[i64]) -> Said<()> {
    let query = "DELETE FROM embedding WHERE id = ANY($1)
                 AND NOT EXISTS (SELECT 1 FROM item_embedding WHERE item_embedding.embedding = embedding.id)";
    transaction.execute(query, &[&embeddings]).map(|_| ())
}

//! A store on a server: PostgreSQL, and pgvector in it for the nearest vectors.
//!
//! All of it is in the schema `rebus` of one database, which several machines may use at once.

mod address;
mod find;
mod worker;

use std::{
    collections::{HashMap, HashSet},
    error::Error as _,
    sync::{Mutex, MutexGuard, PoisonError},
};

use postgres::{Client, GenericClient, Transaction, error::SqlState, types::ToSql};

use self::address::Address;
use crate::{
    About, Filter, Hit, Item, Known, ModelKey, Part, PathOf, Scalar, Store, StoreError, VectorIndexConfig,
    Worker, exact::EXACT_UP_TO, store::below,
};

/// The version of the schema that this release writes.
const VERSION: i64 = 1;
/// What is locked by whoever writes: one at a time, as in a folder, so that an embedding that one drops is not given to another.
const WRITING: (i32, i32) = (0x5262_7573, 1);
/// What is locked by whoever makes indices.
const INDEXING: (i32, i32) = (0x5262_7573, 2);
/// How long another may hold what is to be written.
const PATIENCE: &str = if cfg!(test) { "200ms" } else { "10s" };

/// A store on a server.
pub struct PostgresStore {
    address: Address,
    client: Mutex<Client>,
    config: VectorIndexConfig,
    exact_up_to: usize,
}

/// What the database says, as an error of this store.
type Said<T> = Result<T, postgres::Error>;

impl PostgresStore {
    /// The store in the database at an address such as `postgres://USER:PASSWORD@HOST:5432/DATABASE`, which is made there if the
    /// database has none.
    ///
    /// # Errors
    /// No such address or server; the database is without pgvector, or its schema `rebus` is another's or a newer release's.
    pub fn create(address: &str) -> Result<Self, StoreError> {
        Self::at(address, true)
    }

    /// The store in the database at an address.
    ///
    /// # Errors
    /// There is none, or as [`create`](Self::create).
    pub fn open(address: &str) -> Result<Self, StoreError> {
        Self::at(address, false)
    }

    /// The same with an index of other sizes, and another number of vectors up to which none is needed.
    pub fn with_index(self, config: VectorIndexConfig, exact_up_to: usize) -> Self {
        Self { config, exact_up_to, ..self }
    }

    fn at(address: &str, make: bool) -> Result<Self, StoreError> {
        let address = Address::parse(address)?;
        let client = Mutex::new(connect(&address, make)?);
        Ok(Self { address, client, config: VectorIndexConfig::default(), exact_up_to: EXACT_UP_TO })
    }

    fn client(&self) -> MutexGuard<'_, Client> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn said(&self, error: postgres::Error) -> StoreError {
        said(&self.address, error)
    }

    /// Reads.
    fn read<T>(&self, what: impl FnOnce(&mut Client) -> Said<T>) -> Result<T, StoreError> {
        what(&mut self.client()).map_err(|error| self.said(error))
    }

    /// Writes all of it or nothing.
    fn write<T>(&self, what: impl FnOnce(&mut Transaction<'_>) -> Said<T>) -> Result<T, StoreError> {
        write(&mut self.client(), what).map_err(|error| self.said(error))
    }

    fn model(&self) -> Result<Option<ModelKey>, StoreError> {
        let query = "SELECT value FROM about WHERE name = 'model'";
        let row = self.read(|client| client.query_opt(query, &[]))?;
        Ok(row.and_then(|row| serde_json::from_str(row.get(0)).ok()))
    }
}

/// A connection to a store, which is made if it may be and is not there.
fn connect(address: &Address, make: bool) -> Result<Client, StoreError> {
    let said = |error| said(address, error);
    let place = address.shown.clone();
    let mut client = address.connect().map_err(said)?;
    // A machine that vanishes without a word is missed within a minute, and what it had claimed is free.
    let settings = format!(
        "SET client_min_messages = warning; SET lock_timeout = '{PATIENCE}'; SET tcp_keepalives_idle = 30;
         SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"
    );
    client.batch_execute(&settings).map_err(said)?;
    let there = "SELECT to_regnamespace('rebus') IS NOT NULL, to_regclass('rebus.about') IS NOT NULL";
    let is_there = |client: &mut Client| client.query_one(there, &[]).map(|row| (row.get(0), row.get(1)));
    match is_there(&mut client).map_err(said)? {
        (true, true) => {}
        (true, false) => return Err(StoreError::NotAStore { place }),
        (false, _) if !make => return Err(StoreError::Missing { place }),
        (false, _) => {
            write(&mut client, |transaction| {
                // Another may have made it meanwhile.
                if transaction.query_one(there, &[])?.get(0) {
                    return Ok(());
                }
                transaction.batch_execute("CREATE EXTENSION IF NOT EXISTS vector; CREATE SCHEMA rebus")?;
                find_types(transaction)?;
                transaction.batch_execute(include_str!("schema.sql"))?;
                let value = VERSION.to_string();
                transaction.execute("INSERT INTO about VALUES ('version', $1)", &[&value]).map(|_| ())
            })
            .map_err(said)?;
        }
    }
    find_types(&mut client).map_err(said)?;
    let new_enough = "SELECT extversion, string_to_array(extversion, '.')::int[] >= '{0,8}' FROM pg_extension
                      WHERE extname = 'vector'";
    let extension = client.query_opt(new_enough, &[]).map_err(said)?;
    if let Some(row) = extension.filter(|row| !row.get::<_, bool>(1)) {
        let installed: String = row.get(0);
        let reason =
            format!("it has pgvector {installed}, and 0.8 or newer is needed: ALTER EXTENSION vector UPDATE");
        return Err(StoreError::Database { place, reason });
    }
    let version = "SELECT value FROM about WHERE name = 'version'";
    let found =
        client.query_opt(version, &[]).map_err(said)?.and_then(|row| row.get::<_, String>(0).parse().ok());
    match found {
        Some(VERSION) => Ok(client),
        Some(found) => Err(StoreError::Version { place, found, known: VERSION }),
        None => Err(StoreError::NotAStore { place }),
    }
}

/// Finds the store's tables, and pgvector's types wherever they were put.
fn find_types(client: &mut impl GenericClient) -> Said<()> {
    let place = "SELECT quote_ident(nspname) FROM pg_extension
                 JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'vector'";
    let types = client.query_opt(place, &[])?.map_or("public".to_string(), |row| row.get(0));
    client.batch_execute(&format!("SET search_path = rebus, {types}"))
}

/// Writes all of it or nothing, and nobody else meanwhile.
fn write<T>(client: &mut Client, what: impl FnOnce(&mut Transaction<'_>) -> Said<T>) -> Said<T> {
    let mut transaction = client.transaction()?;
    transaction.execute("SELECT pg_advisory_xact_lock($1, $2)", &[&WRITING.0, &WRITING.1])?;
    let done = what(&mut transaction)?;
    transaction.commit()?;
    Ok(done)
}

/// An error of the database as a person can use it.
fn said(address: &Address, error: postgres::Error) -> StoreError {
    let place = address.shown.clone();
    match error.code() {
        Some(&SqlState::LOCK_NOT_AVAILABLE) => StoreError::Locked { place },
        _ => StoreError::Database { place, reason: told(&error) },
    }
}

/// What the database or the network said.
fn told(error: &postgres::Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(said), _) => match said.hint() {
            Some(hint) => format!("{} ({hint})", said.message()),
            None => said.message().to_string(),
        },
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

/// A text without what a database's text cannot hold.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn all_clean(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| clean(text)).collect()
}

/// A part as the database has it.
fn number_of(part: Part) -> i16 {
    part as i16
}

impl ToSql for Scalar {
    fn to_sql(
        &self,
        kind: &postgres::types::Type,
        out: &mut bytes::BytesMut,
    ) -> Result<postgres::types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Text(text) => clean(text).to_sql(kind, out),
            Self::Number(number) => number.to_sql(kind, out),
        }
    }

    fn accepts(kind: &postgres::types::Type) -> bool {
        <String as ToSql>::accepts(kind) || <f64 as ToSql>::accepts(kind)
    }

    postgres::types::to_sql_checked!();
}

/// Values of a filter as parameters.
fn parameters(values: &[Scalar]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

impl Store for PostgresStore {
    fn about(&self) -> Result<About, StoreError> {
        let model = self.model()?;
        self.read(|client| {
            let mut count = |query: &str, values: &[&(dyn ToSql + Sync)]| {
                client.query_one(query, values).map(|row| row.get::<_, i64>(0) as usize)
            };
            let mut embeddings = indexmap::IndexMap::new();
            for part in Part::ALL {
                let query = "SELECT count(*) FROM embedding WHERE part = $1";
                embeddings.insert(part.name(), count(query, &[&number_of(part)])?);
            }
            let items = count("SELECT count(*) FROM item WHERE reason IS NULL", &[])?;
            let broken = count("SELECT count(*) FROM item WHERE reason IS NOT NULL", &[])?;
            let mut texts = |query: &str| {
                let rows = client.query(query, &[])?;
                Said::Ok(rows.into_iter().map(|row| row.get(0)).collect())
            };
            Ok(About {
                model,
                sources: texts("SELECT path FROM source ORDER BY id")?,
                items,
                broken,
                embeddings,
                fields: texts("SELECT name FROM column_name ORDER BY name")?,
            })
        })
    }

    fn adopt(&self, model: &ModelKey) -> Result<(), StoreError> {
        match self.model()? {
            Some(made_by) => made_by.check(model, &self.address.shown),
            None => {
                let value = serde_json::json!(model).to_string();
                let query = "INSERT INTO about VALUES ('model', $1) ON CONFLICT DO NOTHING";
                self.write(|transaction| transaction.execute(query, &[&value]))?;
                // Another process may have been first.
                self.adopt(model)
            }
        }
    }

    fn begin_anew(&self, model: &ModelKey) -> Result<(), StoreError> {
        let value = serde_json::json!(model).to_string();
        self.write(|transaction| {
            transaction.batch_execute(
                "DELETE FROM item; DELETE FROM embedding; DELETE FROM container; DELETE FROM column_name",
            )?;
            for part in Part::ALL {
                transaction.batch_execute(&format!("DROP INDEX IF EXISTS {}", find::index_of(part)))?;
            }
            let query = "INSERT INTO about VALUES ('model', $1) ON CONFLICT (name) DO UPDATE SET value = $1";
            transaction.execute(query, &[&value]).map(|_| ())
        })
    }

    fn add_source(&self, path: &str) -> Result<(), StoreError> {
        let query = "INSERT INTO source (path) VALUES ($1) ON CONFLICT DO NOTHING";
        self.write(|transaction| transaction.execute(query, &[&clean(path)]).map(|_| ()))
    }

    fn remove_source(&self, path: &str) -> Result<usize, StoreError> {
        let sources = self.about()?.sources;
        if !sources.contains(&clean(path)) {
            return Err(StoreError::NoSource { path: path.to_string(), indexed: sources.join(", ") });
        }
        let gone: Vec<String> = self.paths_below(path)?.into_iter().map(|of| of.path).collect();
        self.forget(&gone)?;
        // Last: who is broken off finds it again.
        let query = "DELETE FROM source WHERE path = $1";
        self.write(|transaction| transaction.execute(query, &[&clean(path)]))?;
        Ok(gone.len())
    }

    fn worker(&self) -> Result<Box<dyn Worker + '_>, StoreError> {
        Ok(Box::new(worker::PostgresWorker::begin(self)?))
    }

    fn known(&self, paths: &[String]) -> Result<HashMap<String, Known>, StoreError> {
        let query = "SELECT path, stamp, hash FROM item WHERE path = ANY($1)";
        let rows = self.read(|client| client.query(query, &[&all_clean(paths)]))?;
        let known = |row: postgres::Row| (row.get(0), Known { stamp: row.get(1), hash: row.get(2) });
        Ok(rows.into_iter().map(known).collect())
    }

    fn embedded(&self, part: Part, hashes: &[String]) -> Result<HashSet<String>, StoreError> {
        let query = "SELECT hash FROM embedding WHERE part = $1 AND hash = ANY($2)";
        let rows = self.read(|client| client.query(query, &[&number_of(part), &hashes]))?;
        Ok(rows.into_iter().map(|row| row.get(0)).collect())
    }

    fn container(&self, path: &str) -> Result<Option<String>, StoreError> {
        let query = "SELECT stamp FROM container WHERE path = $1";
        let row = self.read(|client| client.query_opt(query, &[&clean(path)]))?;
        Ok(row.map(|row| row.get(0)))
    }

    fn finish_container(&self, path: &str, stamp: &str) -> Result<(), StoreError> {
        let query = "INSERT INTO container SELECT $1, $2 WHERE NOT EXISTS
                     (SELECT 1 FROM item WHERE container = $1 AND hash IS NULL AND reason IS NULL)
                     ON CONFLICT (path) DO UPDATE SET stamp = $2";
        self.write(|transaction| transaction.execute(query, &[&clean(path), &stamp]).map(|_| ()))
    }

    fn paths_below(&self, root: &str) -> Result<Vec<PathOf>, StoreError> {
        let place = "CASE container WHEN '' THEN path ELSE container END";
        let query = format!(
            "SELECT path, container FROM item WHERE {place} = $1 OR starts_with({place}, $2) ORDER BY path"
        );
        let rows = self.read(|client| client.query(&query, &[&clean(root), &clean(&below(root))]))?;
        Ok(rows.into_iter().map(|row| PathOf { path: row.get(0), container: row.get(1) }).collect())
    }

    fn forget(&self, paths: &[String]) -> Result<(), StoreError> {
        for some in paths.chunks(1024) {
            self.write(|transaction| {
                let left = worker::detach(transaction, &all_clean(some))?;
                worker::drop_orphans(transaction, &left)
            })?;
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
        let query = "SELECT item.id, path, container, fields
                     FROM unnest($1::bigint[]) WITH ORDINALITY AS asked (id, place) JOIN item USING (id) ORDER BY place";
        let rows = self.read(|client| client.query(query, &[&ids]))?;
        let item = |row: postgres::Row| Item {
            id: row.get(0),
            path: row.get(1),
            container: row.get(2),
            fields: serde_json::from_str(row.get(3)).unwrap_or_default(),
        };
        Ok(rows.into_iter().map(item).collect())
    }

    fn parts(&self, item: i64, part: Part) -> Result<Vec<(String, Vec<f32>)>, StoreError> {
        let query = "SELECT hash, data::real[] FROM item_embedding JOIN embedding ON id = embedding
                     WHERE item = $1 AND part = $2 ORDER BY id";
        let rows = self.read(|client| client.query(query, &[&item, &number_of(part)]))?;
        Ok(rows.into_iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    fn vectors(&self, part: Part, filter: Option<&Filter>) -> Result<Vec<(i64, Vec<f32>)>, StoreError> {
        let mut values = vec![];
        let filter = filter.map_or("true".to_string(), |filter| filter.sql('$', &mut values));
        let query = format!(
            "SELECT item.id, embedding.data::real[] FROM item JOIN item_embedding ON item_embedding.item = item.id
             JOIN embedding ON embedding.id = item_embedding.embedding
             WHERE embedding.part = {} AND {filter} ORDER BY item.path, embedding.id",
            number_of(part)
        );
        let rows = self.read(|client| client.query(&query, &parameters(&values)))?;
        Ok(rows.into_iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    fn refresh(&self) -> Result<(), StoreError> {
        self.make_indices()
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

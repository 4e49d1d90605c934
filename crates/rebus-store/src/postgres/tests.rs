//! A store on a server: what is its own beside what every store keeps to. The server is the one that REBUS_TEST_POSTGRES names,
//! by an address without a database; each test has a database of its own there.

use std::{
    io::Write as _,
    sync::atomic::{AtomicU32, Ordering},
};

use proptest::{prelude::*, test_runner::TestRunner};

use super::*;
use crate::{
    SqliteStore,
    contract::{self, Place, filled, picture},
};

struct Database {
    server: String,
    name: String,
}

impl Database {
    fn address(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    fn admin(&self) -> Client {
        Client::connect(&format!("{}/postgres", self.server), postgres::NoTls).unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = self.admin().batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

impl Place for Database {
    fn open(&self) -> Box<dyn Store> {
        Box::new(PostgresStore::create(&self.address()).unwrap())
    }

    fn indexed(&self, candidates: usize) -> Box<dyn Store> {
        let config = VectorIndexConfig { expansion_search: candidates, ..Default::default() };
        Box::new(PostgresStore::open(&self.address()).unwrap().with_index(config, 10))
    }
}

/// A new database, if there is a server.
fn database() -> Option<Database> {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let Ok(server) = std::env::var("REBUS_TEST_POSTGRES") else {
        // Past what the test runner keeps to itself.
        let _ = std::io::stderr().write_all(
            b"skipped: REBUS_TEST_POSTGRES names no server; scripts/with_postgres.sh starts one\n",
        );
        return None;
    };
    let name = format!("rebus_test_{}_{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed));
    let database = Database { server, name };
    database.admin().batch_execute(&format!("CREATE DATABASE {}", database.name)).unwrap();
    Some(database)
}

contract::keeps_the_contract!(database);

#[test]
fn words_and_vectors_are_found_as_in_a_folder() {
    let Some(place) = database() else { return };
    let folder = tempfile::tempdir().unwrap();
    let here = SqliteStore::create(folder.path()).unwrap();
    let there = filled(&place, &[]);
    here.adopt(&contract::model()).unwrap();
    let text =
        prop::collection::vec("(red|Apple|cat|on|苹果|été|a-b|x)", 0..9).prop_map(|words| words.join(" "));
    let entries = prop::collection::vec((text.clone(), 0.0f32..360.0), 60).prop_map(|said| {
        let each = |(n, (text, angle)): (usize, (String, f32))| picture(&format!("/{n}"), angle, &text, &[]);
        said.into_iter().enumerate().map(each).collect::<Vec<_>>()
    });
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(8) };
    let same = |(entries, texts, angle): (Vec<_>, Vec<String>, f32)| {
        for store in [&here as &dyn Store, &*there] {
            contract::put(store, &entries);
        }
        let told = |store: &dyn Store, hits: &[Hit]| -> Vec<(String, f32)> {
            contract::paths(store, hits).into_iter().zip(hits.iter().map(|hit| hit.score)).collect()
        };
        for text in &texts {
            let (a, b) = (here.matching(text, 30, None).unwrap(), there.matching(text, 30, None).unwrap());
            prop_assert_eq!(told(&here, &a), told(&*there, &b), "{}", text);
        }
        let query = [angle.cos(), angle.sin()];
        let a = here.nearest(Part::Picture, &query, 30, None).unwrap();
        let b = there.nearest(Part::Picture, &query, 30, None).unwrap();
        prop_assert_eq!(told(&here, &a), told(&*there, &b));
        Ok(())
    };
    let cases = (entries, prop::collection::vec(text, 6), 0.0f32..6.0);
    TestRunner::new(config).run(&cases, same).unwrap();
}

#[test]
fn another_version_and_another_schema_are_refused_and_a_store_that_is_not_there() {
    let Some(place) = database() else { return };
    let open = || PostgresStore::open(&place.address()).err().unwrap();
    assert!(matches!(open(), StoreError::Missing { .. }));
    drop(place.open());
    let mut other = Client::connect(&place.address(), postgres::NoTls).unwrap();
    other.batch_execute("UPDATE pg_extension SET extversion = '0.7.4' WHERE extname = 'vector'").unwrap();
    let error = open().to_string();
    assert!(error.contains("pgvector 0.7.4") && error.contains("0.8"), "{error}");
    other.batch_execute("UPDATE pg_extension SET extversion = '0.10.0' WHERE extname = 'vector'").unwrap();
    drop(place.open());
    other.batch_execute("UPDATE rebus.about SET value = '9' WHERE name = 'version'").unwrap();
    assert!(matches!(open(), StoreError::Version { found: 9, .. }));
    other.batch_execute("DROP SCHEMA rebus CASCADE; CREATE SCHEMA rebus").unwrap();
    let error = PostgresStore::create(&place.address()).err().unwrap();
    assert!(
        matches!(error, StoreError::NotAStore { .. }) && error.to_string().contains(&place.name),
        "{error}"
    );
}

#[test]
fn a_server_that_is_not_there_and_a_store_that_another_holds_are_errors_that_say_so() {
    let error = PostgresStore::open("postgres://ann:secret@127.0.0.1:1/pictures").err().unwrap().to_string();
    assert!(error.contains("postgres://127.0.0.1:1/pictures") && error.contains("onnect"), "{error}");
    assert!(!error.contains("secret"), "{error}");
    let Some(place) = database() else { return };
    let store = place.open();
    let mut other = Client::connect(&place.address(), postgres::NoTls).unwrap();
    let mut held = other.transaction().unwrap();
    held.execute("SELECT pg_advisory_xact_lock($1, $2)", &[&WRITING.0, &WRITING.1]).unwrap();
    assert!(matches!(store.add_source("/p"), Err(StoreError::Locked { .. })));
    assert!(store.about().unwrap().sources.is_empty(), "reading goes on");
    held.rollback().unwrap();
    store.add_source("/p").unwrap();
}

#[test]
fn what_a_text_of_the_database_cannot_hold_does_no_harm() {
    let Some(place) = database() else { return };
    let value = crate::Value::Text("a\0b".into());
    let store = filled(&place, &[picture("/a\0b", 1.0, "wo\0rd", &[("na\0me", value)])]);
    assert_eq!(store.about().unwrap().fields, ["na\u{fffd}me"]);
    store.forget(&["/a\0b".into()]).unwrap();
    assert_eq!(store.about().unwrap().items, 0);
}

//! A store in a folder: what is its own beside what every store keeps to.

use super::*;
use crate::contract::{self, Place};

struct Folder(tempfile::TempDir);

impl Place for Folder {
    fn open(&self) -> Box<dyn Store> {
        Box::new(SqliteStore::create(self.0.path()).unwrap())
    }

    fn indexed(&self, candidates: usize) -> Box<dyn Store> {
        let config = VectorIndexConfig { expansion_search: candidates, ..Default::default() };
        Box::new(SqliteStore::open(self.0.path()).unwrap().with_index(config, 10))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a folder can always be had, a server cannot")]
fn folder() -> Option<Folder> {
    Some(Folder(tempfile::tempdir().unwrap()))
}

contract::keeps_the_contract!(folder);

#[test]
fn an_index_cut_short_or_without_its_note_is_made_again() {
    let place = Folder(tempfile::tempdir().unwrap());
    let folder = place.0.path();
    let store = contract::filled(&place, &contract::many(300));
    let exact = store.nearest(Part::Picture, &[1.0, 0.0], 5, None).unwrap();
    // One thread: what several make of a circle's graph is another each time.
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let same = || {
        let found = alone.install(|| place.indexed(300).nearest(Part::Picture, &[1.0, 0.0], 5, None));
        assert_eq!(found.unwrap(), exact);
    };
    same();
    let files = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let file = files.into_iter().find(|path| path.extension().is_some_and(|e| e == "usearch")).unwrap();
    let bytes = fs_err::read(&file).unwrap();
    fs_err::write(&file, &bytes[..100]).unwrap();
    same();
    fs_err::remove_file(folder.join("picture.json")).unwrap();
    same();
    assert!(folder.join("picture.json").is_file());
}

#[test]
fn another_version_and_another_file_are_refused() {
    let place = Folder(tempfile::tempdir().unwrap());
    let folder = place.0.path();
    drop(place.open());
    let file = folder.join(DATABASE);
    Connection::open(&file).unwrap().execute_batch("PRAGMA user_version = 9").unwrap();
    assert!(matches!(SqliteStore::open(folder), Err(StoreError::Version { found: 9, .. })));
    Connection::open(&file).unwrap().execute_batch("PRAGMA application_id = 7").unwrap();
    assert!(matches!(SqliteStore::open(folder), Err(StoreError::NotAStore { .. })));
    fs_err::write(&file, "words ".repeat(100)).unwrap();
    assert!(matches!(SqliteStore::open(folder), Err(StoreError::NotAStore { .. })));
    assert!(matches!(SqliteStore::open(&folder.join("no")), Err(StoreError::Missing { .. })));
}

#[test]
fn a_database_that_another_holds_is_an_error_that_says_so() {
    let place = Folder(tempfile::tempdir().unwrap());
    let store = place.open();
    let other = Connection::open(place.0.path().join(DATABASE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(store.add_source("/p"), Err(StoreError::Locked { .. })));
    assert!(store.about().unwrap().sources.is_empty(), "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    store.add_source("/p").unwrap();
}

#[test]
fn workers_leave_no_files() {
    let place = Folder(tempfile::tempdir().unwrap());
    let store = place.open();
    store.worker().unwrap().claim(&["a".into()]).unwrap();
    assert_eq!(fs_err::read_dir(place.0.path().join("workers")).unwrap().count(), 0);
}

//! A store in a folder: what it finds, forgets, refuses, and shares with others.

use proptest::prelude::*;

use super::*;
use crate::{Content, Embedded, Entry, Value};

fn model() -> ModelKey {
    ModelKey { name: "toy".into(), hash: "0123456789abcdef".into(), width: 2 }
}

fn store() -> (tempfile::TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::create(folder.path()).unwrap();
    store.adopt(&model()).unwrap();
    (folder, store)
}

/// A picture at an angle, of degrees.
fn picture(path: &str, angle: f32, words: &str, fields: &[(&str, Value)]) -> Entry {
    let (sin, cos) = angle.to_radians().sin_cos();
    let hash = format!("{angle}");
    let embedded = Embedded { part: Part::Picture, hash: hash.clone(), vector: Some(vec![cos, sin]) };
    let fields = fields.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    Entry {
        path: path.into(),
        container: String::new(),
        stamp: "1".into(),
        content: Ok(Content { hash, fields, words: words.into(), embedded: vec![embedded] }),
    }
}

fn put(store: &SqliteStore, entries: &[Entry]) {
    let paths: Vec<String> = entries.iter().map(|entry| entry.path.clone()).collect();
    let mut worker = store.worker().unwrap();
    assert_eq!(worker.claim(&paths).unwrap().len(), paths.len());
    worker.write(entries).unwrap();
}

fn paths(store: &SqliteStore, hits: &[Hit]) -> Vec<String> {
    let ids: Vec<i64> = hits.iter().map(|hit| hit.item).collect();
    store.items(&ids).unwrap().into_iter().map(|item| item.path).collect()
}

fn some() -> Vec<Entry> {
    let text = |text: &str| Value::Text(text.into());
    let list = |texts: &[&str]| Value::List(texts.iter().map(|text| text.to_string()).collect());
    vec![
        picture(
            "/p/apple.png",
            0.0,
            "a red apple 红苹果",
            &[
                ("group", text("Food & Drink")),
                ("width", Value::Number(64.0)),
                ("keywords", list(&["fruit", "red"])),
            ],
        ),
        picture(
            "/p/cat.png",
            80.0,
            "a cat",
            &[("group", text("Tiere Äpfel")), ("width", Value::Number(32.0)), ("tame", Value::Boolean(true))],
        ),
        picture("/p/a copy.png", 0.0, "the red apple again", &[]),
    ]
}

#[test]
fn the_nearest_come_first_and_equal_ones_by_path() {
    let (_folder, store) = store();
    put(&store, &some());
    let hits = store.nearest(Part::Picture, &[1.0, 0.0], 2, None).unwrap();
    assert_eq!(paths(&store, &hits), ["/p/a copy.png", "/p/apple.png"]);
    assert_eq!(hits[0].score, hits[1].score);
    assert!(store.nearest(Part::Sound, &[1.0, 0.0], 2, None).unwrap().is_empty());
    let all = store.vectors(Part::Picture, None).unwrap();
    assert_eq!(all.len(), 3);
    let about = store.about().unwrap();
    assert_eq!((about.items, about.embeddings["picture"]), (3, 2), "equal pictures have one embedding");
}

#[test]
fn filters_ask_for_fields() {
    let (_folder, store) = store();
    put(&store, &some());
    for (filter, expected) in [
        ("group = 'Food & Drink' AND width >= 64", &["/p/apple.png"][..]),
        ("64 <= width", &["/p/apple.png"]),
        ("width > -1", &["/p/apple.png", "/p/cat.png"]),
        ("width BETWEEN 10 AND 40 OR keywords = 'red'", &["/p/apple.png", "/p/cat.png"]),
        ("keywords IN ('fruit', 'leaf')", &["/p/apple.png"]),
        ("group LIKE '%äPF%'", &["/p/cat.png"]),
        ("NOT (group LIKE 'food%')", &["/p/a copy.png", "/p/cat.png"]),
        ("group IS NULL", &["/p/a copy.png"]),
        ("tame", &["/p/cat.png"]),
        ("tame = true AND group IS NOT NULL", &["/p/cat.png"]),
        ("group <> 'Food & Drink'", &["/p/cat.png"]),
        ("group = '''; DROP TABLE item; --'", &[]),
    ] {
        let parsed = Filter::parse(filter).unwrap();
        let mut found = paths(&store, &store.nearest(Part::Picture, &[1.0, 0.0], 9, Some(&parsed)).unwrap());
        found.sort();
        assert_eq!(found, expected, "{filter}");
        let mut all: Vec<i64> =
            store.vectors(Part::Picture, Some(&parsed)).unwrap().iter().map(|v| v.0).collect();
        all.dedup();
        assert_eq!(all.len(), expected.len(), "{filter}");
    }
    assert_eq!(store.about().unwrap().items, 3);
}

#[test]
fn a_wrong_filter_says_where() {
    for (filter, place, said) in [
        ("group = ", 8, "expression"),
        ("group = 'x' AND width ~ 3", 17, "not understood"),
        ("width = (SELECT 1)", 10, "no value"),
        ("width + 1 = 2", 1, "one side must be a field"),
        ("group = 'x' extra", 13, "extra"),
        ("lower(group) = 'x'", 1, "one side must be a field"),
        ("group = 'x", 9, "Unterminated"),
    ] {
        match Filter::parse(filter).unwrap_err() {
            StoreError::Filter { place: Some(found), reason, .. } => {
                assert!(reason.contains(said), "{filter}: {reason}");
                assert_eq!(found, place, "{filter}: {reason}");
            }
            other => panic!("{filter}: {other}"),
        }
    }
    let filter = "widht >= 64";
    let error = Filter::parse(filter).unwrap().check(filter, &["width".into()]).unwrap_err().to_string();
    assert!(error.contains("at character 1") && error.contains("`widht`; there are: width"), "{error}");
}

#[test]
fn words_are_found_in_any_language_and_a_filter_holds_there_too() {
    let (_folder, store) = store();
    put(&store, &some());
    let found = |words: &str| paths(&store, &store.matching(words, 9, None).unwrap());
    assert_eq!(found("RED cat"), ["/p/cat.png", "/p/a copy.png", "/p/apple.png"]);
    assert_eq!(found("苹果"), ["/p/apple.png"]);
    assert!(found("果苹").is_empty() && found("\"(*").is_empty());
    let filter = Filter::parse("width = 64").unwrap();
    assert_eq!(paths(&store, &store.matching("red", 9, Some(&filter)).unwrap()), ["/p/apple.png"]);
}

#[test]
fn what_is_gone_is_forgotten_and_an_embedding_with_its_last_item() {
    let (_folder, store) = store();
    put(&store, &some());
    store.nearest(Part::Picture, &[1.0, 0.0], 9, None).unwrap();
    store.forget(&["/p/apple.png".into()]).unwrap();
    assert_eq!(store.about().unwrap().embeddings["picture"], 2);
    store.forget(&["/p/a copy.png".into(), "/p/never.png".into()]).unwrap();
    assert_eq!(store.about().unwrap().embeddings["picture"], 1);
    let hits = store.nearest(Part::Picture, &[1.0, 0.0], 9, None).unwrap();
    assert_eq!(paths(&store, &hits), ["/p/cat.png"]);
    assert!(store.matching("apple", 9, None).unwrap().is_empty());
}

#[test]
fn what_is_written_again_takes_the_place() {
    let (_folder, store) = store();
    put(&store, &some());
    put(&store, &[picture("/p/cat.png", 10.0, "a dog", &[])]);
    put(&store, &[Entry { content: Err("no picture".into()), ..picture("/p/apple.png", 0.0, "", &[]) }]);
    let about = store.about().unwrap();
    assert_eq!((about.items, about.broken, about.embeddings["picture"]), (2, 1, 2));
    assert!(store.matching("cat", 9, None).unwrap().is_empty());
    let known = store.known(&["/p/apple.png".into(), "/p/x".into()]).unwrap();
    assert_eq!(known["/p/apple.png"], Known { stamp: "1".into(), hash: None });
    assert_eq!(known.len(), 1);
}

/// The picture's embedding is not given again where the store has it.
#[test]
fn another_caption_leaves_the_embedding_of_the_same_picture() {
    let (_folder, store) = store();
    put(&store, &some());
    let mut entry = picture("/p/cat.png", 80.0, "a kitten", &[]);
    if let Ok(content) = &mut entry.content {
        content.embedded[0].vector = None;
    }
    put(&store, &[entry]);
    let hits = store.nearest(Part::Picture, &[0.0, 1.0], 1, None).unwrap();
    assert_eq!(paths(&store, &hits), ["/p/cat.png"]);
    assert!(store.known(&["/p/cat.png".into()]).unwrap()["/p/cat.png"].hash.is_some());
}

#[test]
fn sources_are_kept_and_paths_below_them_found() {
    let (_folder, store) = store();
    store.add_source("/p").unwrap();
    store.add_source("/p").unwrap();
    put(&store, &some());
    put(&store, &[picture("/pp/x.png", 3.0, "", &[])]);
    put(&store, &[Entry { container: "/p/set.tar".into(), ..picture("/p/set.tar#x", 4.0, "", &[]) }]);
    assert_eq!(store.paths_below("/p").unwrap().len(), 4);
    assert_eq!(store.paths_below("/p/set.tar").unwrap()[0].path, "/p/set.tar#x");
    assert!(matches!(store.remove_source("/q"), Err(StoreError::NoSource { .. })));
    assert_eq!(store.remove_source("/p").unwrap(), 4);
    assert_eq!(store.about().unwrap().items, 1);
}

/// Vectors over the circle, at angles that all differ.
fn many(count: usize) -> Vec<Entry> {
    (0..count)
        .map(|n| {
            picture(
                &format!("/p/{n:04}.png"),
                n as f32 * 137.5 % 360.0,
                "",
                &[("n", Value::Number(n as f64))],
            )
        })
        .collect()
}

#[test]
fn an_index_finds_what_looking_at_each_finds_and_follows_changes() {
    // One thread: what several would make of a circle's graph is another each time.
    rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(follow_changes);
}

fn follow_changes() {
    let (folder, store) = store();
    put(&store, &many(300));
    let config = VectorIndexConfig { expansion_search: 300, ..Default::default() };
    let indexed = || SqliteStore::open(folder.path()).unwrap().with_index(config, 10);
    let even = Filter::parse("n < 100").unwrap();
    let same = |other: &SqliteStore| {
        for filter in [None, Some(&even)] {
            for query in [[1.0, 0.0], [0.6, 0.8], [-0.8, 0.6]] {
                let exact = store.nearest(Part::Picture, &query, 5, filter).unwrap();
                assert_eq!(other.nearest(Part::Picture, &query, 5, filter).unwrap(), exact);
            }
        }
    };
    let open = indexed();
    same(&open);
    assert!(folder.path().join("picture.json").is_file());
    put(&store, &[picture("/p/new.png", 0.5, "", &[("n", Value::Number(1.0))])]);
    store.forget(&["/p/0000.png".into()]).unwrap();
    same(&open);
    same(&indexed());
    // The same cut short, and gone.
    let file = fs_err::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path());
    let file = file.into_iter().find(|path| path.extension().is_some_and(|e| e == "usearch")).unwrap();
    let bytes = fs_err::read(&file).unwrap();
    fs_err::write(&file, &bytes[..100]).unwrap();
    same(&indexed());
    fs_err::remove_file(folder.path().join("picture.json")).unwrap();
    same(&indexed());
}

#[test]
fn another_model_another_version_and_another_file_are_refused() {
    let (folder, store) = store();
    put(&store, &some());
    let other = ModelKey { name: "other".into(), hash: "fff".into(), width: 2 };
    let error = store.adopt(&other).unwrap_err().to_string();
    assert!(error.contains("toy (0123456789ab)") && error.contains("--reembed"), "{error}");
    store.begin_anew(&other).unwrap();
    store.adopt(&other).unwrap();
    assert!(store.nearest(Part::Picture, &[1.0, 0.0], 2, None).unwrap().is_empty());
    assert!(store.known(&["/p/cat.png".into()]).unwrap().is_empty());
    drop(store);
    let file = folder.path().join(DATABASE);
    Connection::open(&file).unwrap().execute_batch("PRAGMA user_version = 9").unwrap();
    assert!(matches!(SqliteStore::open(folder.path()), Err(StoreError::Version { found: 9, .. })));
    Connection::open(&file).unwrap().execute_batch("PRAGMA application_id = 7").unwrap();
    assert!(matches!(SqliteStore::open(folder.path()), Err(StoreError::NotAStore { .. })));
    fs_err::write(&file, "words ".repeat(100)).unwrap();
    assert!(matches!(SqliteStore::open(folder.path()), Err(StoreError::NotAStore { .. })));
    assert!(matches!(SqliteStore::open(&folder.path().join("no")), Err(StoreError::Missing { .. })));
}

#[test]
fn a_database_that_another_holds_is_an_error_that_says_so() {
    let (folder, store) = store();
    let other = Connection::open(folder.path().join(DATABASE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(store.add_source("/p"), Err(StoreError::Locked { .. })));
    assert!(store.about().unwrap().sources.is_empty(), "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    store.add_source("/p").unwrap();
}

#[test]
fn workers_share_paths_and_what_is_dropped_is_free() {
    let (folder, store) = store();
    let second = SqliteStore::open(folder.path()).unwrap();
    let paths: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
    let mut one = store.worker().unwrap();
    let mut two = second.worker().unwrap();
    assert_eq!(one.claim(&paths[..2]).unwrap().len(), 2);
    assert_eq!(two.claim(&paths).unwrap(), HashSet::from(["c".to_string()]));
    one.release(&paths[..1]).unwrap();
    assert_eq!(two.claim(&paths).unwrap(), HashSet::from(["a".to_string()]));
    drop(one);
    assert_eq!(two.claim(&paths).unwrap(), HashSet::from(["b".to_string()]));
    two.touch(&[("a".into(), "2".into())]).unwrap();
    let mut three = store.worker().unwrap();
    assert_eq!(three.claim(&paths).unwrap(), HashSet::from(["a".to_string()]));
    drop((two, three));
    assert_eq!(fs_err::read_dir(folder.path().join("workers")).unwrap().count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever a person writes is read or refused, and never more than a condition.
    #[test]
    fn no_filter_does_any_harm(filter in "[a-z' =<>();,%\\-0-9]{0,40}") {
        let (_folder, store) = store();
        put(&store, &some());
        if let Ok(parsed) = Filter::parse(&filter) {
            store.nearest(Part::Picture, &[1.0, 0.0], 9, Some(&parsed)).unwrap();
        }
        prop_assert_eq!(store.about().unwrap().items, 3);
    }
}

//! What every store keeps to, whichever database it is in.

use std::collections::HashSet;

use proptest::{prelude::*, test_runner::TestRunner};

use crate::{Content, Embedded, Entry, Filter, Hit, Known, ModelKey, Part, Store, StoreError, Value};

/// Where one store is, which several may have open.
pub(crate) trait Place: Sync {
    fn open(&self) -> Box<dyn Store>;

    /// The same store, with an index of nearest vectors that looks at `candidates` where there are more than a handful.
    fn indexed(&self, candidates: usize) -> Box<dyn Store>;
}

/// A test for each property below, on a new store; `$new` says why where there can be none.
macro_rules! keeps_the_contract {
    ($new:path) => {
        crate::contract::keeps_the_contract!($new:
            the_nearest_come_first_and_equal_ones_by_path,
            an_item_of_several_captions_counts_once,
            an_index_finds_what_looking_at_each_finds_and_follows_changes,
            filters_ask_for_fields,
            no_filter_does_any_harm,
            words_are_found_in_any_language_and_a_filter_holds_there_too,
            words_are_ranked_by_how_often_and_how_rare,
            what_is_gone_is_forgotten_and_an_embedding_with_its_last_item,
            what_is_written_again_takes_the_place,
            another_caption_leaves_the_embedding_of_the_same_picture,
            sources_are_kept_and_paths_below_them_found,
            a_collection_is_whole_only_with_all_its_embeddings,
            another_model_is_refused_until_all_begins_anew,
            workers_share_paths_and_what_is_dropped_is_free,
        );
    };
    ($new:path: $($property:ident,)+) => {
        $(#[test]
        fn $property() {
            if let Some(place) = $new() {
                crate::contract::$property(&place);
            }
        })+
    };
}
pub(crate) use keeps_the_contract;

pub(crate) fn model() -> ModelKey {
    ModelKey { name: "toy".into(), hash: "0123456789abcdef".into(), width: 2 }
}

/// A picture at an angle, of degrees.
pub(crate) fn picture(path: &str, angle: f32, words: &str, fields: &[(&str, Value)]) -> Entry {
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

pub(crate) fn put(store: &dyn Store, entries: &[Entry]) {
    let paths: Vec<String> = entries.iter().map(|entry| entry.path.clone()).collect();
    let mut worker = store.worker().unwrap();
    assert_eq!(worker.claim(&paths).unwrap().len(), paths.len());
    worker.write(entries).unwrap();
}

pub(crate) fn paths(store: &dyn Store, hits: &[Hit]) -> Vec<String> {
    let ids: Vec<i64> = hits.iter().map(|hit| hit.item).collect();
    store.items(&ids).unwrap().into_iter().map(|item| item.path).collect()
}

pub(crate) fn some() -> Vec<Entry> {
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

/// Vectors over the circle, at angles that all differ.
pub(crate) fn many(count: usize) -> Vec<Entry> {
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

/// A new store with these in it.
pub(crate) fn filled(place: &dyn Place, entries: &[Entry]) -> Box<dyn Store> {
    let store = place.open();
    store.adopt(&model()).unwrap();
    put(&*store, entries);
    store
}

pub(crate) fn the_nearest_come_first_and_equal_ones_by_path(place: &dyn Place) {
    let store = filled(place, &some());
    let hits = store.nearest(Part::Picture, &[1.0, 0.0], 2, None).unwrap();
    assert_eq!(paths(&*store, &hits), ["/p/a copy.png", "/p/apple.png"]);
    assert_eq!(hits[0].score, hits[1].score);
    assert!(store.nearest(Part::Sound, &[1.0, 0.0], 2, None).unwrap().is_empty());
    let all = store.vectors(Part::Picture, None).unwrap();
    assert_eq!(all.len(), 3);
    let about = store.about().unwrap();
    assert_eq!((about.items, about.embeddings["picture"]), (3, 2), "equal pictures have one embedding");
}

pub(crate) fn filters_ask_for_fields(place: &dyn Place) {
    let store = filled(place, &some());
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
        let mut found = paths(&*store, &store.nearest(Part::Picture, &[1.0, 0.0], 9, Some(&parsed)).unwrap());
        found.sort();
        assert_eq!(found, expected, "{filter}");
        let mut all: Vec<i64> =
            store.vectors(Part::Picture, Some(&parsed)).unwrap().iter().map(|v| v.0).collect();
        all.dedup();
        assert_eq!(all.len(), expected.len(), "{filter}");
    }
    assert_eq!(store.about().unwrap().items, 3);
}

pub(crate) fn words_are_found_in_any_language_and_a_filter_holds_there_too(place: &dyn Place) {
    let store = filled(place, &some());
    let found = |words: &str| paths(&*store, &store.matching(words, 9, None).unwrap());
    assert_eq!(found("RED cat"), ["/p/cat.png", "/p/a copy.png", "/p/apple.png"]);
    assert_eq!(found("苹果"), ["/p/apple.png"]);
    assert!(found("果苹").is_empty() && found("\"(*").is_empty());
    let filter = Filter::parse("width = 64").unwrap();
    assert_eq!(paths(&*store, &store.matching("red", 9, Some(&filter)).unwrap()), ["/p/apple.png"]);
}

pub(crate) fn what_is_gone_is_forgotten_and_an_embedding_with_its_last_item(place: &dyn Place) {
    let store = filled(place, &some());
    store.nearest(Part::Picture, &[1.0, 0.0], 9, None).unwrap();
    store.forget(&["/p/apple.png".into()]).unwrap();
    assert_eq!(store.about().unwrap().embeddings["picture"], 2);
    store.forget(&["/p/a copy.png".into(), "/p/never.png".into()]).unwrap();
    assert_eq!(store.about().unwrap().embeddings["picture"], 1);
    let hits = store.nearest(Part::Picture, &[1.0, 0.0], 9, None).unwrap();
    assert_eq!(paths(&*store, &hits), ["/p/cat.png"]);
    assert!(store.matching("apple", 9, None).unwrap().is_empty());
}

pub(crate) fn what_is_written_again_takes_the_place(place: &dyn Place) {
    let store = filled(place, &some());
    put(&*store, &[picture("/p/cat.png", 10.0, "a dog", &[])]);
    put(&*store, &[Entry { content: Err("no picture".into()), ..picture("/p/apple.png", 0.0, "", &[]) }]);
    let about = store.about().unwrap();
    assert_eq!((about.items, about.broken, about.embeddings["picture"]), (2, 1, 2));
    assert!(store.matching("cat", 9, None).unwrap().is_empty());
    let known = store.known(&["/p/apple.png".into(), "/p/x".into()]).unwrap();
    assert_eq!(known["/p/apple.png"], Known { stamp: "1".into(), hash: None });
    assert_eq!(known.len(), 1);
}

/// The picture's embedding is not given again where the store has it.
pub(crate) fn another_caption_leaves_the_embedding_of_the_same_picture(place: &dyn Place) {
    let store = filled(place, &some());
    let mut entry = picture("/p/cat.png", 80.0, "a kitten", &[]);
    if let Ok(content) = &mut entry.content {
        content.embedded[0].vector = None;
    }
    put(&*store, &[entry]);
    let hits = store.nearest(Part::Picture, &[0.0, 1.0], 1, None).unwrap();
    assert_eq!(paths(&*store, &hits), ["/p/cat.png"]);
    assert!(store.known(&["/p/cat.png".into()]).unwrap()["/p/cat.png"].hash.is_some());
}

pub(crate) fn sources_are_kept_and_paths_below_them_found(place: &dyn Place) {
    let store = filled(place, &[]);
    store.add_source("/p").unwrap();
    store.add_source("/p").unwrap();
    put(&*store, &some());
    put(&*store, &[picture("/pp/x.png", 3.0, "", &[])]);
    put(&*store, &[Entry { container: "/p/set.tar".into(), ..picture("/p/set.tar#x", 4.0, "", &[]) }]);
    assert_eq!(store.paths_below("/p").unwrap().len(), 4);
    assert_eq!(store.paths_below("/p/set.tar").unwrap()[0].path, "/p/set.tar#x");
    assert!(matches!(store.remove_source("/q"), Err(StoreError::NoSource { .. })));
    assert_eq!(store.remove_source("/p").unwrap(), 4);
    assert_eq!(store.about().unwrap().items, 1);
}

pub(crate) fn an_item_of_several_captions_counts_once(place: &dyn Place) {
    let said = |path: &str, angles: &[f32]| {
        let captions = angles.iter().map(|angle| {
            let (sin, cos) = angle.to_radians().sin_cos();
            Embedded { part: Part::Caption, hash: format!("{angle}"), vector: Some(vec![cos, sin]) }
        });
        let mut entry = picture(path, 0.0, "", &[]);
        if let Ok(content) = &mut entry.content {
            content.embedded = captions.collect();
        }
        entry
    };
    let entries = [said("/a", &[0.0, 1.0, 2.0, 3.0]), said("/b", &[4.0, 90.0]), said("/c", &[50.0])];
    let store = filled(place, &entries);
    let hits = store.nearest(Part::Caption, &[1.0, 0.0], 2, None).unwrap();
    assert_eq!(paths(&*store, &hits), ["/a", "/b"]);
    assert_eq!(hits[0].score, 1.0);
    let of = store.parts(hits[1].item, Part::Caption).unwrap();
    assert_eq!(of.iter().map(|(hash, _)| hash.as_str()).collect::<Vec<_>>(), ["4", "90"]);
    assert!((of[1].1[0].abs() < 1e-6) && of[1].1[1] == 1.0);
}

pub(crate) fn an_index_finds_what_looking_at_each_finds_and_follows_changes(place: &dyn Place) {
    let store = filled(place, &many(300));
    let low = Filter::parse("n < 100").unwrap();
    let same = |other: &dyn Store| {
        other.refresh().unwrap();
        for filter in [None, Some(&low)] {
            for query in [[1.0, 0.0], [0.6, 0.8], [-0.8, 0.6]] {
                for count in [5, 400] {
                    let exact = store.nearest(Part::Picture, &query, count, filter).unwrap();
                    assert_eq!(other.nearest(Part::Picture, &query, count, filter).unwrap(), exact);
                }
            }
        }
    };
    let open = place.indexed(300);
    // One thread: what several make of a circle's graph is another each time.
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    alone.install(|| same(&*open));
    put(&*store, &[picture("/p/new.png", 0.5, "", &[("n", Value::Number(1.0))])]);
    store.forget(&["/p/0000.png".into()]).unwrap();
    alone.install(|| same(&*open));
    alone.install(|| same(&*place.indexed(300)));
}

pub(crate) fn words_are_ranked_by_how_often_and_how_rare(place: &dyn Place) {
    let texts =
        ["red red apple", "red car", "a blue car of a kind", "an old red apple tree in a garden", "sea"];
    let entries: Vec<Entry> =
        texts.iter().enumerate().map(|(n, text)| picture(&format!("/{n}"), n as f32, text, &[])).collect();
    let store = filled(place, &entries);
    // Robertson and Zaragoza 2009, with k1 1.2 and b 0.75: counted by hand.
    let mean = (3 + 2 + 6 + 8 + 1) as f64 / 5.0;
    let idf = |with: f64| ((5.0 - with + 0.5) / (with + 0.5)).ln().max(1e-6);
    let of = |often: f64, length: f64| often * 2.2 / (often + 1.2 * (0.25 + 0.75 * length / mean));
    let found = |words: &str| store.matching(words, 9, None).unwrap();
    let near = |hits: &[Hit], expected: &[f64]| {
        assert_eq!(hits.len(), expected.len());
        for (hit, expected) in hits.iter().zip(expected) {
            assert!((f64::from(hit.score) - expected).abs() < 1e-6, "{hits:?} {expected:?}");
        }
    };
    let apples = found("apple");
    assert_eq!(paths(&*store, &apples), ["/0", "/3"]);
    near(&apples, &[idf(2.0) * of(1.0, 3.0), idf(2.0) * of(1.0, 8.0)]);
    let either = found("car garden");
    assert_eq!(paths(&*store, &either), ["/3", "/1", "/2"]);
    near(&either, &[idf(1.0) * of(1.0, 8.0), idf(2.0) * of(1.0, 2.0), idf(2.0) * of(1.0, 6.0)]);
    let phrase = found("red-apple");
    assert_eq!(paths(&*store, &phrase), ["/0", "/3"]);
    near(&phrase, &[idf(2.0) * of(1.0, 3.0), idf(2.0) * of(1.0, 8.0)]);
    near(&found("sea sea"), &[2.0 * idf(1.0) * of(1.0, 1.0)]);
}

pub(crate) fn a_collection_is_whole_only_with_all_its_embeddings(place: &dyn Place) {
    let record = |key: &str, angle: f32| Entry {
        container: "/p/set.tar".into(),
        ..picture(&format!("/p/set.tar#{key}"), angle, "", &[])
    };
    let store = filled(place, &[record("a", 1.0)]);
    store.finish_container("/p/set.tar", "1").unwrap();
    assert_eq!(store.container("/p/set.tar").unwrap().as_deref(), Some("1"));
    // The store had the embedding when it was asked, and has it no longer.
    let mut entry = record("b", 2.0);
    if let Ok(content) = &mut entry.content {
        content.embedded[0].vector = None;
    }
    put(&*store, &[entry]);
    store.finish_container("/p/set.tar", "2").unwrap();
    assert_ne!(store.container("/p/set.tar").unwrap().as_deref(), Some("2"));
    assert_eq!(store.known(&["/p/set.tar#b".into()]).unwrap()["/p/set.tar#b"].hash, None);
    put(&*store, &[record("b", 2.0)]);
    store.finish_container("/p/set.tar", "2").unwrap();
    assert_eq!(store.container("/p/set.tar").unwrap().as_deref(), Some("2"));
}

pub(crate) fn another_model_is_refused_until_all_begins_anew(place: &dyn Place) {
    let store = filled(place, &some());
    store.add_source("/p").unwrap();
    let other = ModelKey { name: "other".into(), hash: "fff".into(), width: 2 };
    let error = store.adopt(&other).unwrap_err().to_string();
    assert!(error.contains("toy (0123456789ab)") && error.contains("--reembed"), "{error}");
    store.begin_anew(&other).unwrap();
    store.adopt(&other).unwrap();
    assert!(store.nearest(Part::Picture, &[1.0, 0.0], 2, None).unwrap().is_empty());
    assert!(store.matching("apple", 2, None).unwrap().is_empty());
    assert!(store.known(&["/p/cat.png".into()]).unwrap().is_empty());
    let about = store.about().unwrap();
    assert_eq!((about.model, about.sources, about.fields), (Some(other), vec!["/p".to_string()], vec![]));
    put(&*store, &some());
    assert_eq!(store.about().unwrap().items, 3);
}

pub(crate) fn workers_share_paths_and_what_is_dropped_is_free(place: &dyn Place) {
    let store = filled(place, &[]);
    let second = place.open();
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
}

/// Whatever a person writes is read or refused, and never more than a condition.
pub(crate) fn no_filter_does_any_harm(place: &dyn Place) {
    let store = filled(place, &some());
    let written = proptest::string::string_regex("[a-z' =<>();,%\\\\\\-0-9]{0,40}").unwrap();
    let like = "[a-z%_\\\\']{0,12}".prop_map(|pattern| format!("group LIKE '{pattern}'"));
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) };
    let harmless = |filter: String| {
        if let Ok(parsed) = Filter::parse(&filter) {
            store.nearest(Part::Picture, &[1.0, 0.0], 9, Some(&parsed)).unwrap();
        }
        prop_assert_eq!(store.about().unwrap().items, 3);
        Ok(())
    };
    TestRunner::new(config).run(&prop_oneof![written, like], harmless).unwrap();
}

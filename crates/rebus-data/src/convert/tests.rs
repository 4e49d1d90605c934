//! Whatever is converted and opened again is the same.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    EncodedFile, OpenOptions, open,
    testing::{Memory, picture, record},
};

const FORMATS: [Format; 3] = [Format::Webdataset, Format::Parquet, Format::Folder];

fn quiet(_: usize, _: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Fields without what a format may change: the name of a file.
fn essence(record: &Record) -> Vec<(String, Field)> {
    let mut fields: Vec<_> = record
        .fields
        .iter()
        .map(|(name, field)| match field {
            Field::Picture(found) => (name.clone(), picture("", &found.bytes)),
            Field::File(found) => (name.clone(), file("", &found.bytes)),
            other => (name.clone(), other.clone()),
        })
        .collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    fields
}

fn file(name: &str, bytes: &[u8]) -> Field {
    Field::File(EncodedFile { name: name.to_string(), bytes: bytes.into() })
}

/// Columns of values that share a shape, and one of values that do not.
fn any_json() -> impl Strategy<Value = Vec<(&'static str, Field)>> {
    let numbers = || proptest::collection::vec(any::<i32>(), 1..4);
    let mixed = prop_oneof![
        Just(json!({})),
        Just(json!({ "a": null })),
        any::<u64>().prop_map(|value| json!([value, "x"])),
        any::<bool>().prop_map(|value| json!({ "b": value })),
    ];
    let named = (any::<String>(), proptest::option::of(any::<bool>()));
    let (option, good) = (proptest::option::of(mixed), proptest::option::of(any::<bool>()));
    (numbers(), numbers(), named, option, good).prop_map(|(numbers, inner, (name, seen), mixed, good)| {
        let mut object = json!({ "name": name, "boxes": [inner, []] });
        object.as_object_mut().unwrap().extend(seen.map(|seen| ("seen".to_string(), json!(seen))));
        let mut fields = vec![("box", Field::Json(json!(numbers))), ("object", Field::Json(object))];
        fields.extend(mixed.map(|mixed| ("mixed", Field::Json(mixed))));
        fields.extend(good.map(|good| ("good", Field::Boolean(good))));
        fields
    })
}

fn any_record() -> impl Strategy<Value = Record> {
    let text = proptest::option::of(any::<String>());
    let list = proptest::option::of(proptest::collection::vec(any::<String>(), 0..4));
    let bytes = || proptest::collection::vec(any::<u8>(), 1..40);
    let real = proptest::option::of(proptest::num::f64::NORMAL | proptest::num::f64::ZERO);
    let name = "[a-cA-C./]{0,4}[a-c]\\.(png|jpg)";
    let files = (bytes(), proptest::option::of(bytes()), proptest::option::of(bytes()));
    (name, text, list, proptest::option::of(any::<i64>()), real, files, any_json()).prop_map(
        |(name, text, list, label, score, (image, mask, sound), json)| {
            let mut made = record(&name, &[("image", picture(&name, &image))]);
            made.fields.extend(text.map(|text| ("text".to_string(), Field::Text(text))));
            made.fields.extend(list.map(|list| ("key words".to_string(), Field::List(list))));
            made.fields.extend(label.map(|label| ("label".to_string(), Field::Integer(label))));
            made.fields.extend(score.map(|score| ("score".to_string(), Field::Real(score))));
            made.fields.extend(mask.map(|mask| ("mask".to_string(), picture("m.png", &mask))));
            made.fields.extend(sound.map(|sound| ("wav".to_string(), file("s.wav", &sound))));
            made.fields.extend(json.into_iter().map(|(name, field)| (name.to_string(), field)));
            made
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_records_come_back_from_every_format(records in proptest::collection::vec(any_record(), 1..8)) {
        let source = Memory::new(records.clone());
        let folder = tempfile::tempdir().unwrap();
        for format in FORMATS {
            let out = folder.path().join(format!("{format:?}"));
            let report = convert(&source, format, &out, &mut quiet).unwrap();
            prop_assert_eq!((report.records, report.broken.len()), (records.len(), 0));
            let opened = open(&out, &OpenOptions::default()).unwrap();
            prop_assert_eq!(opened.len(), records.len());
            let mut kinds: Vec<_> = opened.columns().to_vec();
            let mut wanted: Vec<_> = source.columns().to_vec();
            for columns in [&mut kinds, &mut wanted] {
                columns.sort_by(|a, b| a.name.cmp(&b.name));
            }
            prop_assert_eq!(kinds, wanted);
            for (index, given) in records.iter().enumerate() {
                let found = opened.whole(index).unwrap();
                prop_assert_eq!(essence(&found), essence(given), "{:?}", format);
                let captions = opened.captions(index).unwrap();
                prop_assert_eq!(captions.key, found.key);
                prop_assert!(captions.fields.values().all(|field| !field.kind().is_file()));
                let record = opened.record(index).unwrap();
                prop_assert!(record.fields.values().all(|field| field.kind() != ColumnKind::File));
            }
        }
    }
}

fn many(count: usize) -> Memory {
    Memory::new(
        (0..count)
            .map(|index| {
                let name = format!("{index}.png");
                record(
                    &name,
                    &[("image", picture(&name, name.as_bytes())), ("n", Field::Integer(index as i64))],
                )
            })
            .collect(),
    )
}

#[test]
fn shards_and_row_groups_hold_a_thousand() {
    let folder = tempfile::tempdir().unwrap();
    let shards = folder.path().join("set");
    let report = convert(&many(2001), Format::Webdataset, &shards, &mut quiet).unwrap();
    assert_eq!(report.files, 3);
    assert!(shards.join("set-000002.tar").is_file());
    let opened = open(&folder.path().join("set/set-{000000..000002}.tar"), &OpenOptions::default()).unwrap();
    assert_eq!(opened.blocks(), [0..1000, 1000..2000, 2000..2001]);

    let file = folder.path().join("set.parquet");
    convert(&many(2001), Format::Parquet, &file, &mut quiet).unwrap();
    let opened = open(&file, &OpenOptions { cache_bytes: 0 }).unwrap();
    assert_eq!(opened.blocks(), [0..1000, 1000..2000, 2000..2001]);
    for index in [2000, 0, 999, 1000] {
        let record = opened.record(index).unwrap();
        assert_eq!(record.key, format!("set.parquet#{index}"));
        assert_eq!(record.picture("image").unwrap().name, format!("{index}.png"));
        assert_eq!(record.fields["n"], Field::Integer(index as i64));
    }
    assert_eq!(
        opened.fingerprint().unwrap(),
        open(&file, &OpenOptions::default()).unwrap().fingerprint().unwrap()
    );
}

#[test]
fn broken_records_are_left_out_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let source = Memory::new(vec![
        record("good.png", &[("image", picture("good.png", b"1"))]),
        record("gone.png", &[("image", picture("gone.png", b""))]),
        record("odd", &[("image", picture("odd", b"no picture"))]),
    ]);
    let mut heard = Vec::new();
    let out = folder.path().join("deep/er");
    let mut hear = |done, total| {
        heard.push((done, total));
        ControlFlow::Continue(())
    };
    let report = convert(&source, Format::Folder, &out, &mut hear).unwrap();
    assert_eq!(heard, [(1, 3), (2, 3), (3, 3)]);
    assert_eq!(report.records, 1);
    let keys: Vec<_> = report.broken.iter().map(|broken| broken.key.as_str()).collect();
    assert_eq!(keys, ["gone.png", "odd"]);
    assert!(report.broken[0].reason.contains("missing"));
    let lines = fs_err::read_to_string(out.join("metadata.jsonl")).unwrap();
    assert_eq!(lines, "{\"file_name\":\"good.png\"}\n");
}

#[test]
fn nothing_is_overwritten_and_a_failure_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs_err::create_dir(root.join("full")).unwrap();
    fs_err::write(root.join("full/mine"), "mine").unwrap();
    fs_err::write(root.join("mine.parquet"), "mine").unwrap();
    fs_err::create_dir(root.join("empty")).unwrap();
    for (format, name) in
        [(Format::Folder, "full"), (Format::Webdataset, "full"), (Format::Parquet, "mine.parquet")]
    {
        let error = convert(&many(1), format, &root.join(name), &mut quiet).unwrap_err().to_string();
        assert!(error.contains("is not overwritten"), "{error}");
    }
    let broken = Memory::new(vec![record("x", &[("image", picture("x.png", b""))])]);
    let error = convert(&broken, Format::Folder, &root.join("new"), &mut quiet).unwrap_err().to_string();
    assert!(error.contains("`x`") && error.contains("missing"), "{error}");
    let taken = Memory::new(vec![record("x", &[("file_name", Field::Text("x".into()))])]);
    assert!(convert(&taken, Format::Folder, &root.join("new"), &mut quiet).is_err());
    let mut stop = |done, _| if done == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let stopped = convert(&many(3), Format::Webdataset, &root.join("new"), &mut stop);
    assert!(matches!(stopped, Err(DataError::Interrupted)));
    convert(&many(1), Format::Folder, &root.join("empty"), &mut quiet).unwrap();
    let mut left: Vec<_> = fs_err::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["empty", "full", "mine.parquet"]);
    assert_eq!(fs_err::read_to_string(root.join("full/mine")).unwrap(), "mine");
}

//! Collections written by the Python tools that own the formats (`tests/golden/make_data_fixtures.py`), and the
//! repository's own emoji.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use rebus_data::{
    ColumnKind, EncodedFile, Field, Format, InspectOptions, OpenOptions, Record, convert, inspect, open,
};
use serde_json::json;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn emoji() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/emoji200")
}

fn texts(items: &[&str]) -> Field {
    Field::List(items.iter().map(|item| item.to_string()).collect())
}

#[test]
fn parquet_by_datasets() {
    let collection = open(&fixture("datasets.parquet"), &OpenOptions::default()).unwrap();
    assert_eq!((collection.format(), collection.len()), ("parquet", 3));
    let kinds: Vec<_> =
        collection.columns().iter().map(|column| (column.name.as_str(), column.kind)).collect();
    use ColumnKind::{Boolean, Integer, List, Picture, Real, Text};
    let wanted = [
        ("image", Picture),
        ("text", Text),
        ("keywords", List),
        ("label", Integer),
        ("score", Real),
        ("good", Boolean),
    ];
    assert_eq!(kinds, wanted);
    let red = collection.record(0).unwrap();
    assert_eq!(red.key, "datasets.parquet#0");
    let picture = red.picture("image").unwrap();
    assert_eq!((picture.name.as_str(), &picture.bytes[1..4]), ("red.png", &b"PNG"[..]));
    assert_eq!(red.text("text").as_deref(), Some("a red field"));
    assert_eq!(red.fields["keywords"], texts(&["red", "field"]));
    assert_eq!(red.fields["good"], Field::Boolean(true));
    let green = collection.record(1).unwrap();
    assert_eq!((&green.fields["keywords"], &green.fields["score"]), (&texts(&[]), &Field::Real(0.25)));
    let blue = collection.captions(2).unwrap();
    assert!(!blue.fields.contains_key("text") && !blue.fields.contains_key("image"));
    assert_eq!(blue.fields["label"], Field::Integer(2));
}

#[test]
fn parquet_by_pyarrow() {
    let collection = open(&fixture("pyarrow.parquet"), &OpenOptions::default()).unwrap();
    assert_eq!(collection.blocks(), [0..2, 2..3]);
    let first = collection.record(0).unwrap();
    assert_eq!(&first.picture("img").unwrap().bytes[1..4], b"PNG");
    assert_eq!(first.text("group").as_deref(), Some("warm"));
    let second = collection.record(1).unwrap();
    assert_eq!(second.fields.keys().collect::<Vec<_>>(), ["img", "text", "group"]);
    let third = collection.record(2).unwrap();
    assert_eq!((third.key.as_str(), &third.fields["label"]), ("pyarrow.parquet#2", &Field::Integer(3)));
    assert_eq!(third.fields["keywords"], texts(&["b", "c"]));
}

/// Lists of files, and maps whose keys are no texts, are left out, with a warning.
#[test]
fn columns_that_are_no_texts_numbers_or_pictures_are_kept_by_all_formats() {
    use ColumnKind::{Boolean, File, Json, Picture};
    let source = open(&fixture("nested.parquet"), &OpenOptions::default()).unwrap();
    let kinds: Vec<_> = source.columns().iter().map(|column| (column.name.as_str(), column.kind)).collect();
    let wanted = [
        ("image", Picture),
        ("boxes", Json),
        ("embedding", Json),
        ("taken", Json),
        ("zoned", Json),
        ("day", Json),
        ("price", Json),
        ("good", Boolean),
        ("nothing", Json),
        ("sound", File),
        ("weights", File),
        ("said", Json),
    ];
    assert_eq!(kinds, wanted);
    let file = |name: &str, bytes: &[u8]| Field::File(EncodedFile { name: name.into(), bytes: bytes.into() });
    let text = |text: &str| Field::Json(json!(text));
    let wanted = [
        ("boxes", Field::Json(json!([{ "at": [0.0, 0.5], "label": 1 }, { "at": [] }]))),
        ("embedding", Field::Json(json!([1.0, 2.5]))),
        ("taken", text("2024-02-29T12:30:15.250")),
        ("zoned", text("2024-02-29T12:30:15.250Z")),
        ("day", text("2024-02-29")),
        ("price", text("12.50")),
        ("good", Field::Boolean(true)),
        ("sound", file("0.wav", b"RIFF-0")),
        ("weights", file("nested.parquet#0", b"\x00\x01")),
        ("said", Field::Json(json!({ "a": [1, "b"] }))),
    ];
    let mut first = source.whole(0).unwrap();
    assert!(first.fields.shift_remove("image").is_some());
    let expected = wanted.map(|(name, field)| (name.to_string(), field));
    assert_eq!(first.fields.into_iter().collect::<Vec<_>>(), expected);
    assert!(!source.record(0).unwrap().fields.contains_key("sound"));

    let folder = tempfile::tempdir().unwrap();
    for format in [Format::Parquet, Format::Webdataset, Format::Folder] {
        let out = folder.path().join(format!("{format:?}"));
        convert(&*source, format, &out, &mut |_, _| ControlFlow::Continue(())).unwrap();
        let opened = open(&out, &OpenOptions::default()).unwrap();
        for index in 0..3 {
            let (mut found, given) = (opened.whole(index).unwrap(), source.whole(index).unwrap());
            for (name, field) in given.fields {
                let found = found.fields.swap_remove(&name);
                match (field.file(), &found) {
                    (Some(file), Some(found)) => {
                        assert_eq!(found.file().unwrap().bytes, file.bytes, "{format:?} {name}");
                        assert_eq!(found.kind(), field.kind());
                    }
                    // What is written as a text comes back as one.
                    (_, Some(Field::Text(text))) => assert_eq!(Field::Json(json!(text)), field),
                    _ => assert_eq!(found, Some(field), "{format:?} {name}"),
                }
            }
            assert!(found.fields.is_empty(), "{format:?} {:?}", found.fields);
        }
    }
}

#[test]
fn a_shard_by_webdataset() {
    let collection = open(&fixture("webdataset-000000.tar"), &OpenOptions::default()).unwrap();
    assert_eq!((collection.format(), collection.len()), ("webdataset", 3));
    let red = collection.record(0).unwrap();
    assert_eq!((red.key.as_str(), red.text("text").as_deref()), ("red", Some("a red field")));
    assert_eq!(&red.picture("image").unwrap().bytes[1..4], b"PNG");
    assert_eq!((&red.fields["label"], &red.fields["score"]), (&Field::Integer(0), &Field::Real(0.0)));
    let blue = collection.record(2).unwrap();
    assert!(!blue.fields.contains_key("text"));
    assert_eq!(blue.fields["keywords"], texts(&["blue", "field"]));
}

#[test]
fn the_emoji_are_the_same_in_every_format() {
    let source = open(&emoji(), &OpenOptions::default()).unwrap();
    assert_eq!((source.format(), source.len()), ("imagefolder", 200));
    let apple = (0..200)
        .map(|index| source.record(index).unwrap())
        .find(|record| record.text("text").as_deref() == Some("red apple"));
    assert_eq!(apple.unwrap().text("text_zh").as_deref(), Some("红苹果"));
    let fields = |record: Record| {
        let mut fields: Vec<_> = record.fields.into_iter().collect();
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        fields
    };
    let folder = tempfile::tempdir().unwrap();
    for (format, name) in
        [(Format::Parquet, "set.parquet"), (Format::Webdataset, "shards"), (Format::Folder, "folder")]
    {
        let out = folder.path().join(name);
        let report = convert(&*source, format, &out, &mut |_, _| ControlFlow::Continue(())).unwrap();
        assert_eq!((report.records, report.broken.len()), (200, 0));
        let opened = open(&out, &OpenOptions::default()).unwrap();
        for index in 0..200 {
            assert_eq!(fields(opened.record(index).unwrap()), fields(source.record(index).unwrap()));
        }
        if format == Format::Folder {
            assert_eq!(opened.fingerprint().unwrap(), source.fingerprint().unwrap());
        }
    }
    let found = inspect(&*source, &InspectOptions::default(), &mut |_, _| {}).unwrap();
    assert_eq!((found.pictures.count, found.pictures.modes["RGBA 8 bit"]), (200, 200));
    assert!(found.broken.is_empty() && found.duplicates.count == 0);
}

//! `data inspect` and `data convert`.

use std::fs;

use crate::{done, emoji};

#[test]
fn inspect_counts_and_draws_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let emoji = emoji();
    let path = emoji.to_str().unwrap();
    let said: serde_json::Value =
        serde_json::from_str(&done(folder.path(), &["data", "inspect", path, "--json"])).unwrap();
    assert_eq!(said["records"], 200);
    assert_eq!(said["pictures"]["count"], 200);
    assert_eq!(said["broken"].as_array().unwrap().len(), 0);
    let args = [
        "data",
        "inspect",
        path,
        "--sheet",
        "sheet.png",
        "--augmented",
        "augmented.png",
        "--recipe",
        "emoji-gan",
    ];
    let said = done(folder.path(), &args);
    assert!(said.contains("200 records"), "{said}");
    for file in ["sheet.png", "augmented.png"] {
        assert!(fs::metadata(folder.path().join(file)).unwrap().len() > 1000, "{file}");
    }
}

#[test]
fn a_collection_survives_every_format_in_turn() {
    let folder = tempfile::tempdir().unwrap();
    let emoji = emoji();
    let mut from = emoji.to_str().unwrap().to_string();
    for format in ["parquet", "webdataset", "folder"] {
        done(folder.path(), &["data", "convert", &from, "--to", format, "-o", format]);
        from = format.to_string();
    }
    let name = "1f34e.png"; // red apple
    let original = fs::read(emoji.join(name)).unwrap();
    let mut found = false;
    for entry in walk(&folder.path().join("folder")) {
        found |= fs::read(entry).unwrap() == original;
    }
    assert!(found, "the bytes of {name}");
}

#[test]
fn inspect_names_what_is_there_twice() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["one.png", "two.png"] {
        fs::copy(emoji().join("1f34e.png"), folder.path().join(name)).unwrap();
    }
    let said = done(folder.path(), &["data", "inspect", "."]);
    assert!(said.contains("1 more than needed, in 1 groups\n               one.png, two.png\n"), "{said}");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = vec![];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

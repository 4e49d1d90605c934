//! `data inspect`, `data convert` and `data split`.

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

#[test]
fn a_split_is_written_once_and_measured() {
    let folder = tempfile::tempdir().unwrap();
    let emoji = emoji();
    let path = emoji.to_str().unwrap();
    let args = ["data", "split", path, "--kind", "perturbed", "--count", "3", "-o", "perturbed.json"];
    insta::assert_snapshot!(done(folder.path(), &args));
    let before = fs::read(folder.path().join("perturbed.json")).unwrap();
    let (code, said) = crate::failed(folder.path(), &args);
    assert!(code == 2 && said.contains("never changes"), "{code} {said}");
    assert_eq!(fs::read(folder.path().join("perturbed.json")).unwrap(), before);
    let args =
        ["eval", "--data", path, "--samples", "2", "--steps", "1", "--split", "perturbed.json", "--json"];
    let said: serde_json::Value = serde_json::from_str(&done(folder.path(), &args)).unwrap();
    let sets = said["sets"].as_array().unwrap();
    let names: Vec<&str> = sets.iter().map(|set| set["name"].as_str().unwrap()).collect();
    let expected = ["training", "plain", "typos", "synonyms", "word order", "other language"];
    assert_eq!(names, expected);
    // No true picture of a split's captions is among what it is compared with.
    let file: serde_json::Value = serde_json::from_slice(&before).unwrap();
    let sets_of_file = file["sets"].as_array().unwrap().iter();
    let keys: std::collections::HashSet<&str> = sets_of_file
        .flat_map(|set| set["captions"].as_array().unwrap())
        .map(|entry| entry["key"].as_str().unwrap())
        .collect();
    assert_eq!(said["collection"]["reference"].as_u64(), Some(200 - keys.len() as u64 - 2));
    assert_eq!(sets[2]["lost"]["against"], "plain");
    assert!(sets[1]["lost"]["against"] == "training" && sets[0].get("lost").is_none());

    let args =
        ["data", "split", path, "--kind", "composition", "--fraction", "0.3", "-o", "composition.json"];
    let said = done(folder.path(), &args);
    assert!(said.starts_with("tones"), "{said}");
    let rule = "things=^(?<a>[a-z]+) (?<b>[0-9]+)$";
    let args = ["data", "split", path, "--kind", "composition", "--rule", rule, "-o", "other.json"];
    let (code, said) = crate::failed(folder.path(), &args);
    assert!(code == 2 && said.contains("--rule"), "{code} {said}");
    let (code, said) = crate::failed(folder.path(), &["eval", "--data", path, "--split", "gone.json"]);
    assert!(code == 2 && said.contains("gone.json"), "{code} {said}");
}

//! Wrong input of many kinds: one paragraph that names the thing and the way out, exit code 2 or 1, never a panic.

use std::fs;

use crate::{done, emoji, failed};

/// Expects an exit code and words in what was said.
fn refused(folder: &std::path::Path, args: &[&str], code: i32, words: &[&str]) {
    let (found, said) = failed(folder, args);
    assert_eq!(found, code, "{args:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{args:?} does not say `{word}`: {said}");
    }
}

#[test]
fn things_that_are_not_there_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    refused(at, &["data", "inspect", "nowhere"], 2, &["nowhere"]);
    refused(at, &["train", "emoji-flow", "--data", "nowhere"], 2, &["nowhere"]);
    refused(at, &["train", "nothing.toml", "--data", "."], 2, &["nothing.toml"]);
    refused(at, &["train", "emoji-flou", "--data", "."], 2, &["emoji-flou", "emoji-flow"]);
    refused(at, &["generate", "sun", "--model", "nowhere"], 2, &["nowhere", "model.json", "rebus export"]);
    refused(at, &["generate", "--prompts", "none.txt"], 2, &["none.txt", "Check the path"]);
    refused(at, &["train", "--run", "nowhere", "--resume"], 2, &["nowhere"]);
    refused(at, &["export", "nowhere"], 2, &["nowhere"]);
    refused(at, &["generate", "sun", "--device", "abacus"], 2, &["abacus", "cpu"]);
}

#[test]
fn values_out_of_range_name_the_rule() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    refused(at, &["generate"], 2, &["prompt"]);
    refused(at, &["generate", "sun", "--steps", "0"], 2, &["num_inference_steps", "1 to"]);
    refused(at, &["generate", "sun", "--guidance-scale", "nan"], 2, &["guidance_scale"]);
    refused(
        at,
        &["generate", "sun", "--guidance-scale", "-5"],
        2,
        &["guidance_scale = -5", "3 is a good choice"],
    );
    refused(
        at,
        &["generate", "sun", "--guidance-interval", "0.8", "0.2"],
        2,
        &["guidance_interval = 0.8 0.2", "the lower one first"],
    );
    refused(at, &["generate", "sun", "--sampler", "eular"], 2, &["eular", "euler", "multistep"]);
    refused(at, &["generate", "sun", "--width", "33"], 2, &["33", "multiples of"]);
    refused(at, &["generate", "sun", "-n", "2", "-o", "one.png"], 2, &["one.png", "folder"]);
    refused(at, &["generate", "sun", "-o", "one.jpg"], 2, &["one.jpg", "PNG"]);
    refused(at, &["generate", "sun", "-n", "0"], 2, &["0"]);
    refused(at, &["generate", "sun", "--width", "1000000"], 2, &["1000000", "at most 1048576 pixels"]);
    refused(at, &["generate", "sun", "--sheet", "sheet.jpg"], 2, &["sheet.jpg", ".png"]);
    refused(at, &["runs", "run", "-o", "curves.txt"], 2, &["curves.txt", ".png"]);
    refused(at, &["eval", "--data", "x", "--samples", "0"], 2, &["at least one"]);
    refused(at, &["eval", "--data", "x", "--validation-fraction", "2"], 2, &["from 0 to below 1"]);
}

#[test]
fn what_is_a_persons_own_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("photo.png"), "mine").unwrap();
    fs::create_dir(at.join("site")).unwrap();
    fs::write(at.join("site/index.html"), "<p>mine").unwrap();
    refused(at, &["generate", "sun", "-o", "photo.png"], 2, &["photo.png", "there already"]);
    refused(at, &["generate", "sun", "--sheet", "photo.png"], 2, &["photo.png", "there already"]);
    refused(at, &["demo", "-o", "site"], 2, &["site/index.html", "your own"]);
    refused(at, &["demo", "-o", "photo.png"], 2, &["photo.png", "name another place"]);
    assert_eq!(fs::read_to_string(at.join("photo.png")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(at.join("site/index.html")).unwrap(), "<p>mine");
}

#[test]
fn an_empty_prompt_is_a_wish_and_a_long_one_is_cut_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let long = "apple ".repeat(200);
    let output = crate::rebus(folder.path(), &["generate", "", &long, "--seed", "1", "--steps", "1"]);
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("cut off: \"apple apple")
            && said.contains("apple …\"")
            && said.len() < 400
            && !said.contains('\u{1b}'),
        "{said}"
    );
}

#[test]
fn collections_that_cannot_be_learned_from_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir(at.join("empty")).unwrap();
    refused(at, &["train", "emoji-flow", "--data", "empty"], 2, &["empty", "metadata.jsonl"]);
    let bare = at.join("bare");
    fs::create_dir(&bare).unwrap();
    for name in ["1f34e.png", "1f30b.png"] {
        fs::copy(emoji().join(name), bare.join(name)).unwrap();
    }
    refused(at, &["train", "emoji-flow", "--data", "bare"], 2, &["caption"]);
    fs::create_dir(at.join("odd")).unwrap();
    fs::write(at.join("odd/metadata.jsonl"), r#"{"file_name": "../\u001b[31m.png"}"#).unwrap();
    refused(at, &["data", "inspect", "odd"], 2, &[r"../\u{1b}[31m.png"]);
}

#[test]
fn a_wrong_key_names_the_nearest_right_one() {
    let folder = tempfile::tempdir().unwrap();
    let emoji = emoji();
    let path = emoji.to_str().unwrap();
    let set = |key: &str| failed(folder.path(), &["train", "emoji-flow", "--data", path, "--set", key]);
    for (key, near) in [
        ("train.step=3", "steps"),
        ("model.width=3", "widths"),
        ("objective.caption_dropuot=0.2", "caption_dropout"),
        ("data.image_siez=3", "image_size"),
    ] {
        let (code, said) = set(key);
        assert_eq!(code, 2, "{key}: {said}");
        assert!(said.contains(near), "{key}: {said}");
    }
    assert!(!folder.path().join("runs").exists(), "nothing is written before the settings are right");
}

#[test]
fn damaged_models_are_refused_by_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let emoji = emoji();
    let mut args = vec!["train", "emoji-flow", "--data", emoji.to_str().unwrap(), "--run", "run"];
    args.extend([
        "--set",
        "model.widths=[16]",
        "--set",
        "model.attention_from=9",
        "--set",
        "data.image_size=16",
    ]);
    args.extend(["--set", "train.steps=1", "--set", "train.batch_size=2", "--set", "train.sample_every=0"]);
    done(at, &args);
    let model = at.join("run/model");
    let draw = ["generate", "sun", "--model", "run/model", "--steps", "1"];
    let weights = fs::read(model.join("model.safetensors")).unwrap();
    let manifest = fs::read_to_string(model.join("model.json")).unwrap();

    fs::write(model.join("model.safetensors"), &weights[..weights.len() / 2]).unwrap();
    refused(at, &draw, 2, &["model.safetensors"]);
    let mut oversized = weights.clone();
    oversized[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    fs::write(model.join("model.safetensors"), &oversized).unwrap();
    refused(at, &draw, 2, &["model.safetensors"]);
    let mut flipped = weights.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(model.join("model.safetensors"), &flipped).unwrap();
    refused(at, &draw, 2, &["model.safetensors", "hash"]);
    fs::write(model.join("model.safetensors"), &weights).unwrap();

    fs::write(model.join("model.json"), manifest.replace("\"format\": 1", "\"format\": 99")).unwrap();
    refused(at, &draw, 2, &["99", "Update Rebus"]);
    fs::write(model.join("model.json"), manifest.replace("\"family\": \"flow\"", "\"family\": \"flew\""))
        .unwrap();
    refused(at, &draw, 2, &["flew", "flow"]);
    fs::write(model.join("model.json"), &manifest[..40]).unwrap();
    refused(at, &draw, 2, &["model.json"]);
    fs::remove_file(model.join("tokenizer.json")).unwrap();
    fs::write(model.join("model.json"), &manifest).unwrap();
    refused(at, &draw, 2, &["tokenizer.json"]);
}

#[test]
fn a_place_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    refused(
        folder.path(),
        &["generate", "sun", "--steps", "1", "-o", "file/out"],
        2,
        &["file/out", "name another"],
    );
}

/// A limit on the size of files stands for a full disk.
#[cfg(unix)]
#[test]
fn a_full_disk_is_an_error_of_the_machine_and_leaves_earlier_pictures_whole() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    done(at, &["generate", "sun", "--seed", "1", "--steps", "1", "-o", "out"]);
    let picture = at.join("out/001-sun-1.png");
    let before = fs::read(&picture).unwrap();
    let program = assert_cmd::cargo::cargo_bin("rebus");
    let line = "trap '' XFSZ; ulimit -f 1; exec \"$0\" generate sun --seed 2 --steps 1 -o out";
    let output =
        std::process::Command::new("bash").current_dir(at).args(["-c", line]).arg(program).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("out/") && said.contains("name another place"), "{said}");
    assert_eq!(fs::read(&picture).unwrap(), before);
    assert_eq!(fs::read_dir(at.join("out")).unwrap().count(), 1, "nothing half-written is left");
}

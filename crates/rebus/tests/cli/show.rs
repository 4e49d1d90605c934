//! What a picture says of how it was made, and the command that makes it again.

use std::path::Path;

use crate::{done, failed};

/// The arguments of the command that `show` prints last.
fn command(folder: &Path, picture: &str) -> Vec<String> {
    let said = done(folder, &["show", picture]);
    let last = said.lines().last().unwrap();
    let arguments = shlex::split(last).unwrap();
    assert_eq!(arguments[0], "rebus", "{said}");
    arguments[1..].to_vec()
}

/// Runs that command, to another file.
fn again(folder: &Path, picture: &str) {
    let mut arguments = command(folder, picture);
    arguments.splice(1..1, ["-o", "again.png"].map(String::from));
    done(folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let file = |name: &str| std::fs::read(folder.join(name)).unwrap();
    assert!(file(picture) == file("again.png"), "{arguments:?}");
    std::fs::remove_file(folder.join("again.png")).unwrap();
}

#[test]
fn a_drawing_is_made_again_by_its_own_command() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("wishes.txt"), "-5 degrees\n").unwrap();
    let args = [
        "generate",
        "it's a \"sun\"",
        "",
        "--prompts",
        "wishes.txt",
        "-n",
        "2",
        "--seed",
        "7",
        "--steps",
        "2",
        "--negative-prompt=-moon",
        "--guidance-interval",
        "0.2",
        "0.8",
        "--sampler",
        "heun",
        "-o",
        "out",
    ];
    let said = done(folder.path(), &args);
    for picture in said.lines() {
        again(folder.path(), picture);
    }
    let first = done(folder.path(), &["show", said.lines().next().unwrap()]);
    let hash = first.lines().find(|line| line.starts_with("model")).unwrap();
    assert!(hash.contains("shipped (flow, "), "{hash}");
    let lines: Vec<&str> = first.lines().filter(|line| !line.starts_with("model")).collect();
    insta::assert_snapshot!(lines.join("\n"));
    let json = done(folder.path(), &["show", said.lines().next().unwrap(), "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["pictures"][0]["made"]["seed"], 7);
}

#[test]
fn an_edited_picture_too_and_no_path_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("private")).unwrap();
    let picture = folder.path().join("private/disc.png");
    image::RgbImage::from_fn(40, 40, |x, _| image::Rgb([x as u8 * 6, 90, 20])).save(&picture).unwrap();
    let args =
        ["edit", "private/disc.png", "--prompt", "sun", "--box", "2,3,20,20", "--seed", "4", "-n", "2"];
    let said = done(folder.path(), &[&args[..], &["--steps", "3", "-o", "out"]].concat());
    std::fs::copy(&picture, folder.path().join("disc.png")).unwrap();
    for picture in said.lines() {
        assert!(!command(folder.path(), picture).concat().contains("private"));
        again(folder.path(), picture);
    }
    let last = said.lines().last().unwrap();
    let bytes = std::fs::read(folder.path().join(last)).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("private"));
}

#[test]
fn what_says_nothing_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["generate", "sun", "--seed", "1", "--steps", "1", "--no-metadata", "-o", "bare.png"];
    done(folder.path(), &args);
    let bytes = std::fs::read(folder.path().join("bare.png")).unwrap();
    assert!(!bytes.windows(4).any(|part| part == b"tEXt" || part == b"iTXt"));
    let (code, said) = failed(folder.path(), &["show", "bare.png"]);
    assert!(code == 2 && said.contains("bare.png says nothing"), "{said}");
    std::fs::write(folder.path().join("text.png"), "no picture").unwrap();
    let (code, said) = failed(folder.path(), &["show", "text.png"]);
    assert!(code == 2 && said.contains("text.png"), "{said}");
    let (code, said) = failed(folder.path(), &["show", "nowhere.png"]);
    assert!(code == 2 && said.contains("nowhere.png"), "{said}");
    // What other programs of the field write.
    let texts = [("parameters".to_string(), "a cat\nSteps: 20, Sampler: Euler a".to_string())];
    rebus_data::write_png(&folder.path().join("other.png"), &image::DynamicImage::new_rgb8(2, 2), &texts)
        .unwrap();
    assert_eq!(done(folder.path(), &["show", "other.png"]), "a cat\nSteps: 20, Sampler: Euler a\n");
}

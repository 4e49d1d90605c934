//! Help, completions and the manual page come from one definition.

use crate::done;

#[test]
fn the_help_names_every_subcommand() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(done(folder.path(), &["--help"]));
}

#[test]
fn completions_and_the_manual_know_the_subcommands() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        assert!(done(folder.path(), &["completions", shell]).contains("generate"), "{shell}");
    }
    let manual = done(folder.path(), &["manual"]);
    assert!(manual.starts_with(".ie") || manual.contains(".TH rebus"), "{manual}");
    assert!(manual.contains("train"));
    done(folder.path(), &["manual", "-o", "man"]);
    let page = fs_err::read_to_string(folder.path().join("man/rebus-generate.1")).unwrap();
    assert!(page.contains("negative"), "{page}");
}

/// Who reads us may stop at any line, and standard output may be a full disk.
#[cfg(target_os = "linux")]
#[test]
fn a_closed_output_ends_in_silence_and_a_full_one_is_an_error() {
    use std::{fs::OpenOptions, process::Command};
    let program = || Command::new(assert_cmd::cargo::cargo_bin("rebus"));
    for args in
        [&["recipe", "list"][..], &["recipe", "show", "emoji-flow"], &["completions", "bash"], &["manual"]]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = program().args(args).stdout(writer).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{args:?}: {said}");

        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = program().args(args).stdout(full).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains("No space"), "{args:?}: {said}");
    }
    // What is said on standard error alone stops nothing.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let folder = tempfile::tempdir().unwrap();
    let draw = ["generate", "sun", "--steps", "1"];
    let output = program().current_dir(folder.path()).args(draw).stderr(writer).output().unwrap();
    assert!(output.status.success() && !output.stdout.is_empty());
}

#[test]
fn recipes_are_built_in() {
    let folder = tempfile::tempdir().unwrap();
    let list = done(folder.path(), &["recipe", "list"]);
    for name in ["emoji-flow", "emoji-vae", "emoji-gan", "emoji-dual", "emoji-classifier", "article-gan"] {
        assert!(list.contains(name), "{list}");
        assert!(done(folder.path(), &["recipe", "show", name]).contains("[model]"));
    }
}

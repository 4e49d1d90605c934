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
}

#[test]
fn recipes_are_built_in() {
    let folder = tempfile::tempdir().unwrap();
    let list = done(folder.path(), &["recipe", "list"]);
    for name in ["emoji-flow", "emoji-gan", "article-gan"] {
        assert!(list.contains(name), "{list}");
        assert!(done(folder.path(), &["recipe", "show", name]).contains("[model]"));
    }
}

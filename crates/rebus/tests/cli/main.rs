//! The program as a user meets it: each subcommand once on real input, and wrong input of many kinds.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test that fails is the test that fails")]

mod bad_input;
mod compose;
mod data;
mod draw;
mod edit;
mod eval;
mod find;
mod help;
mod latents;
#[cfg(feature = "postgres")]
mod server;
mod show;
mod training;
mod translate;

use std::{path::PathBuf, process::Output};

use assert_cmd::Command;

/// The 200 emoji that every test may read.
pub fn emoji() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/emoji200")
}

/// Runs the program in a folder and gives what it said.
pub fn rebus(folder: &std::path::Path, args: &[&str]) -> Output {
    let mut command = Command::cargo_bin("rebus").unwrap();
    // What is kept for the next time is nobody's own here.
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command.current_dir(folder).env_remove("REBUS_MODEL").args(args).output().unwrap()
}

/// As [`rebus`], where exit code 0 is expected; gives standard output.
pub fn done(folder: &std::path::Path, args: &[&str]) -> String {
    let output = rebus(folder, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// As [`rebus`], where an error is expected: its exit code and what it said, in one line.
pub fn failed(folder: &std::path::Path, args: &[&str]) -> (i32, String) {
    let output = rebus(folder, args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("panicked"), "{args:?}: {said}");
    (output.status.code().unwrap_or(-1), said.split_whitespace().collect::<Vec<_>>().join(" "))
}

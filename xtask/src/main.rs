//! Checks of the whole repository.
//!
//!     cargo xtask check    # format, tidy, clippy, docs, tests: before a commit
//!     cargo xtask tidy     # the rules of the house alone, in a few seconds
//!
//! Knows nothing of the crates' code: it reads files, `cargo metadata`, and calls cargo.

mod check;
mod tidy;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

/// Checks of the whole repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Format, tidy, clippy, docs and tests, cheapest first; stops at the first that fails.
    Check,
    /// The rules of the house: headers, lengths, crate arrows, unsafe, README, licences, words.
    Tidy,
}

fn main() -> ExitCode {
    let root = root();
    let passed = match Command::parse() {
        Command::Check => check::run(&root),
        Command::Tidy => tidy::run(&root),
    };
    match passed {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// The repository: above this crate, whose folder cargo names when it runs or tests it. Read at run time, because a
/// target folder may be shared between several work trees.
fn root() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    own.and_then(|own| own.parent().map(PathBuf::from)).unwrap_or_else(|| PathBuf::from("."))
}

//! What `cargo metadata` tells of crates and dependencies, as far as the rules ask.

use std::{
    path::{Path, PathBuf},
    process,
};

use serde::Deserialize;

use crate::check::cargo;

/// The workspace and everything below it, with every feature and for every platform.
#[derive(Deserialize)]
pub struct Metadata {
    /// All crates, foreign ones too.
    pub packages: Vec<Package>,
    /// The identifiers of our own.
    pub workspace_members: Vec<String>,
    /// The repository.
    pub workspace_root: PathBuf,
}

/// A crate.
#[derive(Deserialize)]
pub struct Package {
    /// What `workspace_members` calls it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// An SPDX expression, or an older form with `/` for "or".
    pub license: Option<String>,
    /// What its own Cargo.toml asks for.
    pub dependencies: Vec<Dependency>,
}

/// What a crate's Cargo.toml asks for.
#[derive(Deserialize)]
pub struct Dependency {
    /// The crate's name, not what it is renamed to.
    pub name: String,
    /// `dev`, `build`, or none.
    pub kind: Option<String>,
}

impl Metadata {
    /// Asks cargo. It may fetch crates of other platforms and of features that are off, but builds nothing.
    pub fn read(root: &Path) -> Result<Self, String> {
        let mut command = process::Command::new(cargo());
        command.args(["metadata", "--format-version", "1", "--all-features", "--locked"]).current_dir(root);
        let output = command.output().map_err(|error| format!("`cargo metadata` did not start: {error}"))?;
        if !output.status.success() {
            return Err(format!("`cargo metadata` failed: {}", String::from_utf8_lossy(&output.stderr)));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| format!("`cargo metadata`: {error}"))
    }

    /// Our own crates.
    pub fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }
}

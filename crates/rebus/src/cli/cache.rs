//! Where things are kept that may be computed again.

use std::path::PathBuf;

use walkdir::WalkDir;

/// All of it; nowhere, where the system has no such place.
pub(crate) fn place() -> Option<PathBuf> {
    Some(directories::ProjectDirs::from("", "", "rebus")?.cache_dir().to_path_buf())
}

/// A folder in it.
pub(crate) fn folder(of: &str) -> Option<PathBuf> {
    Some(place()?.join(of))
}

/// How many bytes are in it.
pub(crate) fn bytes() -> u64 {
    let files = place().into_iter().flat_map(|place| WalkDir::new(place).into_iter().flatten());
    files.filter_map(|entry| entry.metadata().ok()).filter(|of| of.is_file()).map(|of| of.len()).sum()
}

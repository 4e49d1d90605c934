//! Where things are kept that may be computed again.

use std::path::PathBuf;

/// A folder in the cache of the system; nowhere, where the system has no such place.
pub(crate) fn folder(of: &str) -> Option<PathBuf> {
    Some(directories::ProjectDirs::from("", "", "rebus")?.cache_dir().join(of))
}

//! Output that is whole or not there: written under another name beside it, synced, renamed.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use tempfile::TempDir;
use walkdir::WalkDir;

use super::Format;
use crate::DataError;

/// A folder beside the output in which it comes to be; it vanishes where the work is not finished.
pub(crate) struct Staging {
    folder: TempDir,
    target: PathBuf,
    /// The output is the one file in the folder, not the folder.
    single: bool,
}

impl Staging {
    /// Makes the folder, and those above the output.
    ///
    /// # Errors
    /// The output exists and is not empty, or nothing can be written there.
    pub(crate) fn beside(target: &Path, format: Format) -> Result<Self, DataError> {
        let single =
            format == Format::Parquet && target.extension().is_some_and(|extension| extension == "parquet");
        refuse_existing(target, single)?;
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs_err::create_dir_all(parent)?;
        let prefix = format!(".{}.", name(target));
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".partial");
        // Such folders are private as a rule; this one becomes the output and follows the user's umask.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        Ok(Self { folder: builder.tempdir_in(parent)?, target: target.to_path_buf(), single })
    }

    /// The folder to write in.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The output's own name.
    pub(crate) fn name(&self) -> String {
        name(&self.target)
    }

    /// The file to write, under the output's name where it is that file.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        if self.single { self.path().join(self.name()) } else { self.path().join(name) }
    }

    /// Syncs everything and puts it in its place; returns the number of files and their bytes.
    ///
    /// # Errors
    /// Syncing or renaming fails, or somebody else has made the output meanwhile.
    pub(crate) fn finish(self) -> Result<(usize, u64), DataError> {
        let entries = WalkDir::new(self.path()).contents_first(true).into_iter();
        let entries = entries.collect::<Result<Vec<_>, _>>().map_err(std::io::Error::from)?;
        let (folders, files): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.file_type().is_dir());
        let sizes = files.par_iter().map(|entry| {
            let file = fs_err::OpenOptions::new().write(true).open(entry.path())?;
            file.sync_all()?;
            Ok(file.metadata()?.len())
        });
        let sizes = sizes.collect::<Result<Vec<u64>, std::io::Error>>()?;
        folders.iter().try_for_each(|folder| sync_folder(folder.path()))?;
        refuse_existing(&self.target, self.single)?;
        if self.single {
            fs_err::rename(self.path().join(self.name()), &self.target)?;
        } else {
            if self.target.is_dir() {
                // Only an empty one can be removed.
                fs_err::remove_dir(&self.target)?;
            }
            fs_err::rename(self.folder.keep(), &self.target)?;
        }
        match self.target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent)?,
            _ => sync_folder(Path::new("."))?,
        }
        Ok((sizes.len(), sizes.iter().sum()))
    }
}

/// The last part of a path, also of `.` and the like.
fn name(target: &Path) -> String {
    target.file_name().map_or_else(|| "data".to_string(), |name| name.to_string_lossy().into_owned())
}

fn refuse_existing(target: &Path, single: bool) -> Result<(), DataError> {
    let taken = match fs_err::metadata(target) {
        Err(_) => target.is_symlink(),
        Ok(found) if found.is_dir() => single || fs_err::read_dir(target)?.next().is_some(),
        Ok(found) => !single || found.len() > 0,
    };
    if taken { Err(DataError::OutputExists { path: target.to_path_buf() }) } else { Ok(()) }
}

/// A rename lasts only when the folder is synced too; systems other than Unix do not open folders.
fn sync_folder(folder: &Path) -> Result<(), DataError> {
    if cfg!(unix) {
        fs_err::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

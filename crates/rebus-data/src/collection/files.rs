//! A folder or an archive behind the same few functions. No name leads out of it.

use std::{
    io::ErrorKind,
    path::{Component, Path, PathBuf},
};

use walkdir::WalkDir;

use super::archive::{Archive, is_hidden};
use crate::DataError;

/// The extensions of pictures that can be decoded.
const PICTURES: [&str; 5] = ["png", "jpg", "jpeg", "webp", "gif"];

/// Files under relative names with `/` between the parts.
#[derive(Debug)]
pub(crate) enum Files {
    /// A folder and the same without links, against which every file is checked.
    Folder { root: PathBuf, real: PathBuf },
    /// The members of an archive whose names start with a prefix, empty or ending in `/`.
    Archive { archive: Archive, prefix: String },
}

impl Files {
    /// The files below a folder.
    ///
    /// # Errors
    /// No such folder.
    pub(crate) fn folder(root: &Path) -> Result<Self, DataError> {
        Ok(Self::Folder { root: root.to_path_buf(), real: fs_err::canonicalize(root)? })
    }

    /// The path that error messages show.
    pub(crate) fn place(&self) -> &Path {
        match self {
            Self::Folder { root, .. } => root,
            Self::Archive { archive, .. } => &archive.path,
        }
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// The file is missing or unreadable, or its name or a link leads out.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, DataError> {
        let name = safe_name(name, self.place())?;
        match self {
            Self::Folder { .. } => Ok(fs_err::read(self.resolve(&name)?)?),
            Self::Archive { archive, prefix } => archive.read(&format!("{prefix}{name}")),
        }
    }

    /// The text in a file, without the white space around it.
    ///
    /// # Errors
    /// As [`read`](Self::read), or the file is not UTF-8.
    pub(crate) fn read_text(&self, name: &str) -> Result<String, DataError> {
        text(self.read(name)?, name, self.place())
    }

    /// The size of a file in bytes, `None` where it is missing or leads out.
    pub(crate) fn size(&self, name: &str) -> Option<u64> {
        let name = safe_name(name, self.place()).ok()?;
        match self {
            Self::Folder { .. } => Some(fs_err::metadata(self.resolve(&name).ok()?).ok()?.len()),
            Self::Archive { archive, prefix } => {
                archive.members.get(&format!("{prefix}{name}")).map(|span| span.size)
            }
        }
    }

    /// The file's real path, which lies below the folder's.
    fn resolve(&self, name: &str) -> Result<PathBuf, DataError> {
        let Self::Folder { root, real } = self else { return Ok(PathBuf::from(name)) };
        let path = root.join(name);
        let found = match path.canonicalize() {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(DataError::MissingFile { name: name.to_string(), place: root.clone() });
            }
            // Once more through fs_err, so that the message names the file.
            Err(_) => fs_err::canonicalize(&path)?,
        };
        if !found.starts_with(real) {
            return Err(DataError::UnsafeName { name: name.to_string(), place: root.clone() });
        }
        // A pipe or a device would be read for ever.
        if !found.is_file() {
            return Err(DataError::BrokenFile {
                name: name.to_string(),
                place: root.clone(),
                reason: "it is not a file".to_string(),
            });
        }
        Ok(found)
    }
}

/// Every file below a folder by relative name, hidden ones left out, in the order of names. Links to folders are not
/// followed.
///
/// # Errors
/// A folder cannot be listed, or a name is not UTF-8.
pub(crate) fn list(root: &Path) -> Result<Vec<String>, DataError> {
    let mut names = Vec::new();
    let entries = WalkDir::new(root)
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !entry.file_name().to_str().is_some_and(is_hidden));
    for entry in entries {
        let entry = entry.map_err(std::io::Error::from)?;
        if entry.file_type().is_dir() {
            continue;
        }
        let relative = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let name = relative.to_str().ok_or_else(|| DataError::BrokenFile {
            name: relative.display().to_string(),
            place: root.to_path_buf(),
            reason: "its name is not UTF-8; rename it".to_string(),
        })?;
        names.push(safe_name(name, root)?);
    }
    names.sort_unstable();
    Ok(names)
}

/// The names of the pictures below a folder, with `/` between their parts, in order. Hidden files are left out, and links not followed.
///
/// # Errors
/// A folder cannot be listed, or a name is not UTF-8.
pub fn picture_names(root: &Path) -> Result<Vec<String>, DataError> {
    Ok(list(root)?.into_iter().filter(|name| is_picture(name)).collect())
}

/// Whether the name's extension is that of a picture.
pub(crate) fn is_picture(name: &str) -> bool {
    extension(name).is_some_and(|extension| is_picture_extension(&extension))
}

/// Whether the extension, in lower case and without its dot, is that of a picture.
pub(crate) fn is_picture_extension(extension: &str) -> bool {
    PICTURES.contains(&extension)
}

/// Whether bytes begin as a picture does that can be decoded.
pub(crate) fn is_picture_content(bytes: &[u8]) -> bool {
    use image::ImageFormat::{Gif, Jpeg, Png, WebP};
    matches!(image::guess_format(bytes), Ok(Png | Jpeg | WebP | Gif))
}

/// The extension in lower case, without its dot.
pub(crate) fn extension(name: &str) -> Option<String> {
    Some(Path::new(name).extension()?.to_str()?.to_ascii_lowercase())
}

/// The name with `/` between its parts, if it stays below the place.
///
/// # Errors
/// An empty or absolute name, or one with `..`.
pub(crate) fn safe_name(name: &str, place: &Path) -> Result<String, DataError> {
    let mut parts = Vec::new();
    let mut safe = !name.contains('\0');
    for component in Path::new(name).components() {
        match component {
            Component::Normal(part) => parts.extend(part.to_str()),
            Component::CurDir => {}
            _ => safe = false,
        }
    }
    if !safe || parts.is_empty() {
        return Err(DataError::UnsafeName { name: name.to_string(), place: place.to_path_buf() });
    }
    Ok(parts.join("/"))
}

/// Bytes as text, without the white space around it.
///
/// # Errors
/// Not UTF-8.
pub(crate) fn text(bytes: Vec<u8>, name: &str, place: &Path) -> Result<String, DataError> {
    let text = String::from_utf8(bytes).map_err(|error| DataError::BrokenFile {
        name: name.to_string(),
        place: place.to_path_buf(),
        reason: format!("its text is not UTF-8 ({})", error.utf8_error()),
    })?;
    Ok(text.trim_start_matches('\u{feff}').trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_are_refused() {
        let place = Path::new("pictures");
        for name in ["../a.png", "a/../../b.png", "/etc/hosts", "", ".", "a\0.png"] {
            let error = safe_name(name, place).unwrap_err().to_string();
            assert!(error.contains("leads out of the collection"), "{error}");
        }
        assert_eq!(safe_name("./a//b.png", place).unwrap(), "a/b.png");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_may_stay_in_the_folder_but_not_leave_it() {
        let outside = tempfile::tempdir().unwrap();
        fs_err::write(outside.path().join("secret.png"), b"secret").unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("a.png"), b"a").unwrap();
        let link = fs_err::os::unix::fs::symlink::<PathBuf, PathBuf>;
        link(outside.path().join("secret.png"), folder.path().join("out.png")).unwrap();
        link(folder.path().join("a.png"), folder.path().join("in.png")).unwrap();
        link(outside.path().to_path_buf(), folder.path().join("dir")).unwrap();
        let files = Files::folder(folder.path()).unwrap();
        assert_eq!(files.read("in.png").unwrap(), b"a");
        for name in ["out.png", "dir/secret.png"] {
            let error = files.read(name).unwrap_err().to_string();
            assert!(error.contains(&format!("`{name}`")) && error.contains("leads out"), "{error}");
            assert_eq!(files.size(name), None);
        }
    }

    #[test]
    fn a_listing_is_in_the_order_of_names_without_hidden_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.png", "a/c.png", ".DS_Store", ".git/x.png"] {
            let path = folder.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, b"").unwrap();
        }
        assert_eq!(list(folder.path()).unwrap(), ["a/c.png", "b.png"]);
    }
}

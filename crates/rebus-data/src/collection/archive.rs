//! A tar archive, indexed once and then read by offset. Nothing is ever extracted.

use std::{
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use indexmap::IndexMap;
use tar::EntryType;

use super::files::safe_name;
use crate::DataError;

/// Where a member's bytes lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

/// An indexed archive. Directories and hidden files are left out; of members of one name the last counts.
#[derive(Debug)]
pub(crate) struct Archive {
    pub(crate) path: PathBuf,
    pub(crate) members: IndexMap<String, Span>,
}

impl Archive {
    /// Reads the headers of all members.
    ///
    /// # Errors
    /// Not a tar archive, or a member that leads out of it, by its name or as a link.
    pub(crate) fn index(path: &Path) -> Result<Self, DataError> {
        let broken = |error: std::io::Error| DataError::BrokenContainer {
            file: path.to_path_buf(),
            format: "a tar archive",
            reason: format!("{error}; compressed archives must be unpacked to .tar first"),
        };
        let mut archive = tar::Archive::new(fs_err::File::open(path)?);
        let mut members = IndexMap::new();
        for entry in archive.entries_with_seek().map_err(broken)? {
            let entry = entry.map_err(broken)?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let span = Span { offset: entry.raw_file_position(), size: entry.size() };
            match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => {
                    let name = safe_name(&name, path)?;
                    if !is_hidden(&name) {
                        members.insert(name, span);
                    }
                }
                EntryType::Symlink | EntryType::Link => {
                    return Err(DataError::UnsafeName { name, place: path.to_path_buf() });
                }
                // Directories are refused where they lead out, devices and the like are never read.
                _ if name.trim_matches(['.', '/']).is_empty() => {}
                _ => drop(safe_name(&name, path)?),
            }
        }
        Ok(Self { path: path.to_path_buf(), members })
    }

    /// The bytes of a member.
    ///
    /// # Errors
    /// No such member, or the archive is cut short.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, DataError> {
        let span = self
            .members
            .get(name)
            .ok_or_else(|| DataError::MissingFile { name: name.to_string(), place: self.path.clone() })?;
        read_span(&self.path, name, *span)
    }
}

/// Reads a member's bytes; the file is opened anew so that threads do not wait for one another.
pub(crate) fn read_span(path: &Path, name: &str, span: Span) -> Result<Vec<u8>, DataError> {
    let mut file = fs_err::File::open(path)?;
    file.seek(SeekFrom::Start(span.offset))?;
    let mut bytes = Vec::new();
    // A header may promise any size: the buffer grows only with what is there.
    file.take(span.size).read_to_end(&mut bytes)?;
    if (bytes.len() as u64) < span.size {
        return Err(DataError::BrokenFile {
            name: name.to_string(),
            place: path.to_path_buf(),
            reason: format!("the archive ends after {} of {} bytes", bytes.len(), span.size),
        });
    }
    Ok(bytes)
}

/// Whether a part of the name starts with a dot, as those that desktops leave behind do.
pub(crate) fn is_hidden(name: &str) -> bool {
    name.split('/').any(|part| part.starts_with('.') || part == "__MACOSX")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, EntryType, &[u8])]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        let mut builder = tar::Builder::new(fs_err::File::create(&path).unwrap());
        for (name, kind, bytes) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(bytes.len() as u64);
            // Written as raw bytes: the library itself refuses to write names that lead out.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, *bytes).unwrap();
        }
        builder.finish().unwrap();
        drop(builder);
        (folder, path)
    }

    #[test]
    fn members_are_read_by_name_and_the_last_of_a_name_counts() {
        let (_folder, path) = archive(&[
            ("./x/", EntryType::Directory, b""),
            ("./x/a.txt", EntryType::Regular, b"old"),
            ("x/._a.txt", EntryType::Regular, b"hidden"),
            ("x/b.txt", EntryType::Regular, b"b"),
            ("x/a.txt", EntryType::Regular, b"new"),
        ]);
        let archive = Archive::index(&path).unwrap();
        assert_eq!(archive.members.keys().collect::<Vec<_>>(), ["x/a.txt", "x/b.txt"]);
        assert_eq!(archive.read("x/a.txt").unwrap(), b"new");
        assert!(archive.read("x/c.txt").unwrap_err().to_string().contains("`x/c.txt` is missing"));
    }

    #[test]
    fn a_member_that_leads_out_is_refused_by_name() {
        for (name, kind) in [
            ("../up.png", EntryType::Regular),
            ("/abs.png", EntryType::Regular),
            ("a/../../b.png", EntryType::Regular),
            ("link.png", EntryType::Symlink),
            ("../dir/", EntryType::Directory),
        ] {
            let (_folder, path) = archive(&[(name, kind, b"")]);
            let error = Archive::index(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("`{name}`")), "{error}");
        }
    }

    #[test]
    fn a_cut_archive_breaks_only_its_last_member() {
        let (_folder, path) =
            archive(&[("a", EntryType::Regular, &[1; 600]), ("b", EntryType::Regular, &[2; 600])]);
        fs_err::OpenOptions::new().write(true).open(&path).unwrap().set_len(512 + 1024 + 512 + 100).unwrap();
        let archive = Archive::index(&path).unwrap();
        assert_eq!(archive.read("a").unwrap(), [1; 600]);
        assert!(archive.read("b").unwrap_err().to_string().contains("ends after 100 of 600"));
    }
}

//! All that can be looked at below a path: pictures and sounds that lie about, and collections, each told from its like by a stamp
//! that needs no reading.

use std::{
    fs::Metadata,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use indexmap::IndexMap;
use walkdir::{DirEntry, WalkDir};

use crate::{
    Broken, DataError, EncodedFile, Field, Record,
    collection::{
        METADATA,
        files::{extension, is_picture, text},
    },
    sound::is_sound,
};

/// What lies below a path, in the order of names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walk {
    /// Pictures and sounds that belong to no collection.
    pub files: Vec<Stamped>,
    /// Folders with a metadata file, archives and Parquet files: what [`open`](crate::open) opens.
    pub collections: Vec<Stamped>,
    /// What could not be looked at.
    pub broken: Vec<Broken>,
}

/// A path, and what changes whenever its content is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped {
    /// The path, absolute.
    pub path: String,
    /// Sizes and times of what lies there.
    pub stamp: String,
}

/// Looks below a path, or at it if it is a file. Hidden files are left out, and links not followed.
///
/// # Errors
/// The path is not there, or is a file of which nothing is known.
pub fn walk(root: &Path) -> Result<Walk, DataError> {
    let root = std::path::absolute(root)?;
    let mut walk = Walk::default();
    if !fs_err::metadata(&root)?.is_dir() && !looks_like(&root) {
        let looked_for =
            "it is neither a folder nor a picture, a sound, a .tar or a .parquet file".to_string();
        return Err(DataError::NothingFound { path: root, looked_for });
    }
    let mut entries = WalkDir::new(&root).sort_by_file_name().into_iter();
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let key = error.path().unwrap_or(&root).display().to_string();
                walk.broken.push(Broken { key, reason: std::io::Error::from(error).to_string() });
                continue;
            }
        };
        let is_folder = entry.file_type().is_dir();
        if entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.') {
            if is_folder {
                entries.skip_current_dir();
            }
        } else if is_folder && METADATA.iter().any(|name| entry.path().join(name).is_file()) {
            entries.skip_current_dir();
            walk.collection(&entry);
        } else if entry.file_type().is_file() {
            walk.file(&entry);
        }
    }
    Ok(walk)
}

/// Whether a file's name is that of something that [`walk`] takes.
fn looks_like(path: &Path) -> bool {
    path.to_str().is_some_and(|name| is_picture(name) || is_sound(name) || is_collection(name))
}

fn is_collection(name: &str) -> bool {
    matches!(extension(name).as_deref(), Some("tar" | "parquet"))
}

impl Walk {
    fn file(&mut self, entry: &DirEntry) {
        let Some(path) = self.name(entry) else { return };
        let stamp = || -> std::io::Result<String> {
            let own = stamp(&fs_err::metadata(entry.path())?);
            Ok(match fs_err::metadata(caption_of(entry.path())) {
                Ok(caption) => format!("{own} {}", stamp(&caption)),
                Err(_) => own,
            })
        };
        let found = match (is_picture(&path) || is_sound(&path), is_collection(&path)) {
            (true, _) => &mut self.files,
            (_, true) => &mut self.collections,
            _ => return,
        };
        match stamp() {
            Ok(stamp) => found.push(Stamped { path, stamp }),
            Err(error) => self.broken.push(Broken { key: path, reason: error.to_string() }),
        }
    }

    fn collection(&mut self, entry: &DirEntry) {
        let Some(path) = self.name(entry) else { return };
        let mut hasher = blake3::Hasher::new();
        for below in WalkDir::new(entry.path()).sort_by_file_name().into_iter().flatten() {
            if let Ok(metadata) = below.metadata() {
                hasher.update(below.path().to_string_lossy().as_bytes());
                hasher.update(stamp(&metadata).as_bytes());
            }
        }
        self.collections.push(Stamped { path, stamp: hasher.finalize().to_hex().to_string() });
    }

    /// The entry's path as text; a name that is none is broken.
    fn name(&mut self, entry: &DirEntry) -> Option<String> {
        let name = entry.path().to_str().map(str::to_string);
        if name.is_none() {
            let key = entry.path().display().to_string();
            self.broken.push(Broken { key, reason: "its name is not UTF-8; rename it".to_string() });
        }
        name
    }
}

/// Size and time of a file.
fn stamp(metadata: &Metadata) -> String {
    let time = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("{}-{}", metadata.len(), time.map_or(0, |time| time.as_nanos()))
}

/// Where the caption of a file lies, if it has one.
fn caption_of(path: &Path) -> PathBuf {
    path.with_extension("txt")
}

/// A picture or a sound that lies about as a record: `image` or `audio`, `text` from the .txt file of the same name, and the name of its `folder`.
///
/// # Errors
/// The file or its caption cannot be read.
pub fn file_record(path: &str) -> Result<Record, DataError> {
    let file = Path::new(path);
    let bytes = fs_err::read(file)?;
    let mut fields = IndexMap::new();
    let content = EncodedFile { name: path.into(), bytes: bytes.into() };
    match is_sound(path) {
        true => fields.insert("audio".into(), Field::File(content)),
        false => fields.insert("image".into(), Field::Picture(content)),
    };
    let caption = caption_of(file);
    if caption.is_file() {
        let place = caption.parent().unwrap_or(Path::new(""));
        let text = text(fs_err::read(&caption)?, &caption.display().to_string(), place)?;
        fields.insert("text".into(), Field::Text(text));
    }
    if let Some(folder) = file.parent().and_then(Path::file_name) {
        fields.insert("folder".into(), Field::Text(folder.to_string_lossy().into_owned()));
    }
    Ok(Record { key: path.to_string(), fields })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in files {
            let path = folder.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, name).unwrap();
        }
        folder
    }

    #[test]
    fn pictures_and_collections_are_found_and_hidden_files_are_not() {
        let folder = folder(&[
            "b.PNG",
            "b.txt",
            "notes.md",
            ".git/x.png",
            "deep/er/a.jpg",
            "deep/set.tar",
            "deep/t.parquet",
            "collection/metadata.jsonl",
            "collection/1.png",
            ".hidden.png",
            "meow.ogg",
        ]);
        let walk = walk(folder.path()).unwrap();
        let below = |found: &[Stamped]| {
            let names = found.iter().map(|f| f.path[folder.path().to_str().unwrap().len() + 1..].to_string());
            names.collect::<Vec<_>>()
        };
        assert_eq!(below(&walk.files), ["b.PNG", "deep/er/a.jpg", "meow.ogg"]);
        assert_eq!(below(&walk.collections), ["collection", "deep/set.tar", "deep/t.parquet"]);
        assert!(walk.broken.is_empty());
    }

    #[test]
    fn a_stamp_changes_with_the_picture_its_caption_and_any_file_of_a_collection() {
        let folder = folder(&["a.png", "c/metadata.jsonl", "c/1.png"]);
        let stamps = || {
            let walk = walk(folder.path()).unwrap();
            (walk.files[0].stamp.clone(), walk.collections[0].stamp.clone())
        };
        let first = stamps();
        assert_eq!(stamps(), first);
        fs_err::write(folder.path().join("a.txt"), "a cat").unwrap();
        let second = stamps();
        assert_ne!(second.0, first.0);
        fs_err::write(folder.path().join("a.png"), "longer than before").unwrap();
        fs_err::write(folder.path().join("c/1.png"), "longer than before").unwrap();
        let third = stamps();
        assert!(third.0 != second.0 && third.1 != first.1);
    }

    #[test]
    fn a_record_has_caption_and_folder() {
        let folder = folder(&["cats/a.png", "cats/a.txt"]);
        let record = file_record(folder.path().join("cats/a.png").to_str().unwrap()).unwrap();
        assert_eq!(record.text("text").unwrap(), "cats/a.txt");
        assert_eq!(record.text("folder").unwrap(), "cats");
        assert_eq!(&*record.picture("image").unwrap().bytes, b"cats/a.png");
    }

    #[test]
    fn what_is_not_there_or_unknown_is_an_error() {
        let folder = folder(&["a.md"]);
        assert!(walk(&folder.path().join("no")).unwrap_err().to_string().contains("no"));
        let error = walk(&folder.path().join("a.md")).unwrap_err().to_string();
        assert!(error.contains("neither a folder nor a picture"), "{error}");
    }
}

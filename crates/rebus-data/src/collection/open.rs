//! From a path to the reader that understands it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    archive::Archive,
    captions::Captions,
    classes::Classes,
    files::{Files, extension, is_picture, list},
    imagefolder::{ImageFolder, METADATA},
    parquet::Parquet,
    pictures::Pictures,
    webdataset::WebDataset,
};
use crate::{Collection, DataError};

/// How a collection is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOptions {
    /// The most bytes of decoded row groups that a Parquet reader keeps; one row group is always kept.
    pub cache_bytes: usize,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { cache_bytes: 256 << 20 }
    }
}

/// Opens the collection at a path, whose format is found by looking at what is there, in this order:
///
/// 1. `metadata.jsonl` or `metadata.csv`, in the folder or `.tar`, or in its only subfolder: `imagefolder`;
/// 2. `.parquet` files: `parquet`;
/// 3. `.tar` files, also as a range `shards-{0000..0009}.tar`: `webdataset`;
/// 4. pictures with `.txt` files of the same names: `captions`;
/// 5. pictures in two subfolders at least, and none beside these: `classes`;
/// 6. any pictures: `pictures`.
///
/// A folder that holds nothing but one subfolder stands for that subfolder.
///
/// # Errors
/// Nothing is there, or nothing that is understood; a metadata file or archive is broken; a name leads out.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Arc<dyn Collection>, DataError> {
    let opened: Arc<dyn Collection> = if path.exists() {
        open_existing(path, options)?
    } else if path.to_string_lossy().contains('{') {
        let paths = expand(path)?;
        if paths.iter().all(|path| has_extension(path, "parquet")) {
            Arc::new(Parquet::open(path, paths, options.cache_bytes)?)
        } else {
            Arc::new(WebDataset::open(path, paths)?)
        }
    } else {
        return Err(nothing(path, "there is no such file or folder, or it may not be looked at"));
    };
    if opened.is_empty() {
        return Err(nothing(path, &format!("it was opened as `{}` and has no records", opened.format())));
    }
    Ok(opened)
}

fn open_existing(path: &Path, options: &OpenOptions) -> Result<Arc<dyn Collection>, DataError> {
    if fs_err::metadata(path)?.is_dir() {
        open_folder(path, path, options)
    } else if has_extension(path, "parquet") {
        Ok(Arc::new(Parquet::open(path, vec![path.to_path_buf()], options.cache_bytes)?))
    } else if has_extension(path, "tar") {
        open_archive(path)
    } else if METADATA.iter().any(|name| path.ends_with(name)) {
        let root = path.parent().filter(|root| !root.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Arc::new(ImageFolder::open(path, Files::folder(root)?, &name)?))
    } else {
        Err(nothing(path, "it is neither a folder nor a .tar, .parquet or metadata file"))
    }
}

/// Opens what lies in `folder`, which is `location` or its only subfolder.
fn open_folder(
    location: &Path,
    folder: &Path,
    options: &OpenOptions,
) -> Result<Arc<dyn Collection>, DataError> {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden {
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    folders.sort();
    files.sort();
    if let Some(name) = METADATA.iter().find(|name| folder.join(name).is_file()) {
        return Ok(Arc::new(ImageFolder::open(location, Files::folder(folder)?, name)?));
    }
    let of =
        |wanted: &str| files.iter().filter(|path| has_extension(path, wanted)).cloned().collect::<Vec<_>>();
    let (tables, shards) = (of("parquet"), of("tar"));
    if !tables.is_empty() {
        return Ok(Arc::new(Parquet::open(location, tables, options.cache_bytes)?));
    }
    if !shards.is_empty() {
        return Ok(Arc::new(WebDataset::open(location, shards)?));
    }
    let has_pictures = files.iter().any(|path| path.to_str().is_some_and(is_picture));
    if let ([only], false) = (folders.as_slice(), has_pictures) {
        return open_folder(location, only, options);
    }
    let several: Vec<String> = folders
        .iter()
        .filter(|folder| METADATA.iter().any(|name| folder.join(name).is_file()))
        .map(|folder| folder.display().to_string())
        .collect();
    if !several.is_empty() {
        return Err(DataError::SeveralCollections {
            path: location.to_path_buf(),
            folders: several.join(", "),
        });
    }
    open_loose(location, folder)
}

/// Opens pictures that no metadata file describes.
fn open_loose(location: &Path, folder: &Path) -> Result<Arc<dyn Collection>, DataError> {
    let names = list(folder)?;
    let pictures: Vec<String> = names.iter().filter(|name| is_picture(name)).cloned().collect();
    if pictures.is_empty() {
        let looked_for = format!("no metadata, .parquet, .tar or picture is among its {} files", names.len());
        return Err(nothing(location, &looked_for));
    }
    let classes = Classes::fits(&pictures);
    let captions = Captions::open(Pictures::new(location, folder, pictures)?, &names);
    if captions.has_texts() {
        return Ok(Arc::new(captions));
    }
    let pictures = captions.into_pictures();
    if classes { Ok(Arc::new(Classes::open(pictures))) } else { Ok(Arc::new(pictures)) }
}

/// Opens one archive: a folder with metadata that was packed, or a shard.
fn open_archive(path: &Path) -> Result<Arc<dyn Collection>, DataError> {
    let archive = Archive::index(path)?;
    let mut found: Vec<&String> = archive
        .members
        .keys()
        .filter(|name| name.split('/').count() <= 2)
        .filter(|name| METADATA.iter().any(|wanted| name.rsplit('/').next() == Some(wanted)))
        .collect();
    // The shallowest counts, and JSON lines before CSV.
    found.sort_by_key(|name| (name.split('/').count(), name.ends_with(".csv")));
    let Some(first) = found.first().map(|name| name.to_string()) else {
        return Ok(Arc::new(WebDataset::of(path, std::iter::once(Ok(archive)))?));
    };
    let (prefix, name) = match first.split_once('/') {
        Some((folder, name)) => (format!("{folder}/"), name.to_string()),
        None => (String::new(), first.clone()),
    };
    let elsewhere: Vec<&str> = found
        .iter()
        .filter_map(|name| name.split_once('/'))
        .map(|(folder, _)| folder)
        .filter(|folder| !prefix.is_empty() && format!("{folder}/") != prefix)
        .collect();
    if !elsewhere.is_empty() {
        let folders = format!("{}, {}", prefix.trim_end_matches('/'), elsewhere.join(", "));
        return Err(DataError::SeveralCollections { path: path.to_path_buf(), folders });
    }
    Ok(Arc::new(ImageFolder::open(path, Files::Archive { archive, prefix }, &name)?))
}

/// The files of a range in braces, which must stand in the file's own name.
fn expand(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    let pattern = path.file_name().unwrap_or_default().to_string_lossy();
    let names = bracoxide::bracoxidize(&pattern)
        .map_err(|error| nothing(path, &format!("its name is no range of shards ({error:?})")))?;
    Ok(names.into_iter().map(|name| path.with_file_name(name)).collect())
}

fn has_extension(path: &Path, wanted: &str) -> bool {
    path.to_str().and_then(extension).is_some_and(|found| found == wanted)
}

fn nothing(path: &Path, looked_for: &str) -> DataError {
    DataError::NothingFound { path: path.to_path_buf(), looked_for: looked_for.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, content).unwrap();
        }
        folder
    }

    #[test]
    fn formats_are_told_apart_by_what_is_there() {
        let line = "{\"file_name\": \"1.png\"}";
        let cases: [(&[(&str, &str)], &str); 7] = [
            (&[("metadata.jsonl", line), ("1.png", "")], "imagefolder"),
            (
                &[("only/metadata.csv", "file_name\n1.png\n"), ("only/1.png", ""), ("README.md", "")],
                "imagefolder",
            ),
            (&[("1.png", ""), ("1.txt", "one")], "captions"),
            (&[("cat/1.png", ""), ("dog/1.png", "")], "classes"),
            (&[("all/cat/1.png", ""), ("all/dog/1.png", "")], "classes"),
            (&[("cat/1.png", ""), ("cat/1.txt", "a cat"), ("dog/1.png", "")], "captions"),
            (&[("1.png", ""), ("dog/1.png", "")], "pictures"),
        ];
        for (files, format) in cases {
            let folder = build(files);
            assert_eq!(open(folder.path(), &OpenOptions::default()).unwrap().format(), format);
        }
    }

    #[test]
    fn nothing_to_read_is_an_error_that_lists_the_conventions() {
        for files in [&[][..], &[("readme.md", "x")], &[("metadata.jsonl", "")], &[("a.txt", "x")]] {
            let folder = build(files);
            let error = open(folder.path(), &OpenOptions::default()).err().unwrap().to_string();
            assert!(error.contains("holds no collection"), "{error}");
            assert!(error.contains("shards-{0000..0009}.tar") && error.contains("file_name"), "{error}");
        }
        let error = open(Path::new("no/such/place"), &OpenOptions::default()).err().unwrap().to_string();
        assert!(error.contains("no/such/place"), "{error}");
    }

    #[test]
    fn splits_side_by_side_are_not_taken_for_classes() {
        let line = "{\"file_name\": \"1.png\"}";
        let folder = build(&[
            ("train/metadata.jsonl", line),
            ("train/1.png", ""),
            ("test/metadata.jsonl", line),
            ("test/1.png", ""),
        ]);
        let error = open(folder.path(), &OpenOptions::default()).err().unwrap().to_string();
        assert!(error.contains("several collections") && error.contains("train"), "{error}");
    }

    #[test]
    fn a_packed_folder_with_metadata_is_not_a_shard() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.tar");
        let mut builder = tar::Builder::new(fs_err::File::create(&path).unwrap());
        for (name, content) in
            [("set/1.png", "picture"), ("set/metadata.jsonl", r#"{"file_name": "1.png", "text": "one"}"#)]
        {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        builder.finish().unwrap();
        let opened = open(&path, &OpenOptions::default()).unwrap();
        assert_eq!((opened.format(), opened.len()), ("imagefolder", 1));
        let record = opened.record(0).unwrap();
        assert_eq!(
            (record.key.as_str(), &*record.picture("image").unwrap().bytes),
            ("1.png", &b"picture"[..])
        );
    }
}

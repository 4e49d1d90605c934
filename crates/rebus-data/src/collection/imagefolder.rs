//! The imagefolder convention of Hugging Face: pictures, and `metadata.jsonl` or `metadata.csv` that names each in
//! `file_name` beside any other columns. More pictures a row stand in columns called `NAME_file_name`.

use std::{
    collections::HashMap,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use indexmap::IndexMap;

use super::{
    check_index,
    files::{Files, is_picture, safe_name},
    fingerprint::fingerprint,
    metadata::{Table, line_error},
    single_blocks,
};
use crate::{Collection, ColumnInfo, ColumnKind, DataError, EncodedFile, Field, Record};

/// The metadata files that are looked for.
pub(crate) const METADATA: [&str; 2] = ["metadata.jsonl", "metadata.csv"];

/// Pictures named by a metadata file, in a folder or in an archive.
#[derive(Debug)]
pub(crate) struct ImageFolder {
    location: PathBuf,
    files: Files,
    table: Table,
    keys: Vec<String>,
    columns: Vec<ColumnInfo>,
    /// What each column of the table becomes.
    roles: Vec<Role>,
}

#[derive(Debug)]
enum Role {
    /// A column of its own.
    Value(String),
    /// Names of files, which become the column.
    File(String, ColumnKind),
}

impl ImageFolder {
    /// Reads the metadata file, which lies among the files.
    ///
    /// # Errors
    /// A broken line, one without a picture or with a name that leads out.
    pub(crate) fn open(location: &Path, files: Files, metadata: &str) -> Result<Self, DataError> {
        let file = files.place().join(metadata);
        let mut table = Table::read(&files.read(metadata)?, &file)?;
        let found = table.schema.columns();
        let roles: Vec<Role> = found
            .iter()
            .enumerate()
            .map(|(number, column)| {
                let named = file_column(&column.name).filter(|_| column.kind == ColumnKind::Text);
                let file =
                    named.and_then(|name| Some((name, file_kind(&table, number, &files, &column.name)?)));
                match file {
                    Some((name, kind)) => Role::File(name.to_string(), kind),
                    None => Role::Value(column.name.clone()),
                }
            })
            .collect();
        let mut seen: HashMap<String, usize> = HashMap::with_capacity(table.rows.len());
        let mut keys = Vec::with_capacity(table.rows.len());
        for row in &mut table.rows {
            let mut first = None;
            for (cell, role) in row.cells.iter_mut().zip(&roles) {
                if let (Role::File(_, kind), Some(Field::Text(name))) = (role, cell) {
                    *name = safe_name(name, &file)?;
                    if *kind == ColumnKind::Picture {
                        first.get_or_insert_with(|| name.clone());
                    }
                }
            }
            let name = first.ok_or_else(|| {
                line_error(&file, row.line, "no picture is named; each line needs a `file_name`".to_string())
            })?;
            // A picture may have several captions, a line each; keys stay unique.
            let times = seen.entry(name.clone()).or_insert(0);
            *times += 1;
            keys.push(if *times == 1 { name } else { format!("{name}#{times}") });
        }
        let columns = found
            .iter()
            .zip(&roles)
            .map(|(column, role)| match role {
                Role::Value(_) => column.clone(),
                Role::File(name, kind) => ColumnInfo { name: name.clone(), kind: *kind },
            })
            .collect();
        Ok(Self { location: location.to_path_buf(), files, table, keys, columns, roles })
    }

    /// A record with the files of some kinds.
    fn read(&self, index: usize, kinds: &[ColumnKind]) -> Result<Record, DataError> {
        check_index(index, self.len())?;
        let mut fields = IndexMap::new();
        for (cell, role) in self.table.rows[index].cells.iter().zip(&self.roles) {
            match (role, cell) {
                (Role::File(column, kind), Some(Field::Text(name))) if kinds.contains(kind) => {
                    let file = EncodedFile { name: name.clone(), bytes: Arc::from(self.files.read(name)?) };
                    let field = match kind {
                        ColumnKind::Picture => Field::Picture(file),
                        _ => Field::File(file),
                    };
                    fields.insert(column.clone(), field);
                }
                (Role::Value(column), Some(field)) => drop(fields.insert(column.clone(), field.clone())),
                _ => {}
            }
        }
        Ok(Record { key: self.keys[index].clone(), fields })
    }
}

impl Collection for ImageFolder {
    fn location(&self) -> &Path {
        &self.location
    }

    fn format(&self) -> &'static str {
        "imagefolder"
    }

    fn len(&self) -> usize {
        self.keys.len()
    }

    fn columns(&self) -> &[ColumnInfo] {
        &self.columns
    }

    fn record(&self, index: usize) -> Result<Record, DataError> {
        self.read(index, &[ColumnKind::Picture])
    }

    fn whole(&self, index: usize) -> Result<Record, DataError> {
        self.read(index, &[ColumnKind::Picture, ColumnKind::File])
    }

    fn captions(&self, index: usize) -> Result<Record, DataError> {
        self.read(index, &[])
    }

    fn blocks(&self) -> Vec<Range<usize>> {
        single_blocks(self.len())
    }

    fn fingerprint(&self) -> Result<String, DataError> {
        fingerprint(self, |index| {
            let cells = self.table.rows[index].cells.iter().zip(&self.roles);
            cells
                .map(|cell| match cell {
                    (Some(Field::Text(name)), Role::File(..)) => self.files.size(name).unwrap_or(0),
                    _ => 0,
                })
                .sum()
        })
    }
}

/// The column of files that a column of names stands for.
fn file_column(name: &str) -> Option<&str> {
    if name == "file_name" {
        Some("image")
    } else {
        name.strip_suffix("_file_name").filter(|rest| !rest.is_empty())
    }
}

/// What a column of names stands for, `None` for a mere text. `file_name` always names pictures; `original_file_name` may
/// be no more than a note, so its first value is tried.
fn file_kind(table: &Table, number: usize, files: &Files, names: &str) -> Option<ColumnKind> {
    if names == "file_name" {
        return Some(ColumnKind::Picture);
    }
    match table.rows.iter().find_map(|row| row.cells.get(number)?.as_ref())? {
        Field::Text(name) if files.size(name).is_some() => {
            Some(if is_picture(name) { ColumnKind::Picture } else { ColumnKind::File })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(metadata: &str, pictures: &[&str]) -> (tempfile::TempDir, Result<ImageFolder, DataError>) {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("metadata.jsonl"), metadata).unwrap();
        for name in pictures {
            let path = folder.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, name.as_bytes()).unwrap();
        }
        let files = Files::folder(folder.path()).unwrap();
        let opened = ImageFolder::open(folder.path(), files, "metadata.jsonl");
        (folder, opened)
    }

    #[test]
    fn columns_of_all_kinds_and_several_pictures_a_row() {
        let metadata = r#"{"file_name": "a/1.png", "text": "one", "keywords": ["x", "y"], "label": 3, "mask_file_name": "m.png", "sound_file_name": "s.wav", "box": [1, 2.5], "good": true, "original_file_name": "IMG.JPG"}
{"file_name": "2.png", "text": null, "score": 0.5}"#;
        let (_folder, opened) = folder(metadata, &["a/1.png", "2.png", "m.png", "s.wav"]);
        let opened = opened.unwrap();
        let first = opened.record(0).unwrap();
        assert_eq!(first.key, "a/1.png");
        assert_eq!(&*first.picture("image").unwrap().bytes, b"a/1.png");
        assert_eq!(&*first.picture("mask").unwrap().bytes, b"m.png");
        assert_eq!(first.text("keywords").unwrap(), "x, y");
        assert_eq!(first.text("original_file_name").unwrap(), "IMG.JPG");
        assert_eq!(first.fields["box"], Field::Json(serde_json::json!([1, 2.5])));
        assert_eq!(first.fields["good"], Field::Boolean(true));
        assert!(!first.fields.contains_key("sound"), "files that are no pictures are read on demand");
        let whole = opened.whole(0).unwrap();
        assert!(matches!(&whole.fields["sound"], Field::File(file) if &*file.bytes == b"s.wav"));
        let second = opened.captions(1).unwrap();
        assert_eq!(second.fields.keys().collect::<Vec<_>>(), ["score"]);
        assert!(opened.record(2).is_err());
    }

    #[test]
    fn a_missing_picture_breaks_its_record_only() {
        let metadata =
            "{\"file_name\": \"1.png\"}\n{\"file_name\": \"gone.png\"}\n{\"file_name\": \"1.png\"}";
        let (_folder, opened) = folder(metadata, &["1.png"]);
        let opened = opened.unwrap();
        assert!(opened.record(0).is_ok());
        assert!(opened.record(1).unwrap_err().to_string().contains("`gone.png` is missing"));
        assert_eq!(opened.record(2).unwrap().key, "1.png#2");
    }

    #[test]
    fn lines_without_a_picture_or_with_one_elsewhere_are_refused() {
        let (_folder, opened) = folder("{\"file_name\": \"1.png\"}\n{\"text\": \"x\"}", &["1.png"]);
        assert!(opened.unwrap_err().to_string().contains("line 2: no picture is named"));
        for name in ["../x.png", "/etc/passwd", "a/../../x.png"] {
            let (_folder, opened) = folder(&format!("{{\"file_name\": \"{name}\"}}"), &[]);
            assert!(opened.unwrap_err().to_string().contains(&format!("`{name}`")));
        }
    }

    #[test]
    fn the_fingerprint_moves_with_the_folder_and_changes_with_its_content() {
        let metadata = "{\"file_name\": \"1.png\", \"text\": \"x\"}";
        let print = |metadata: &str, pictures: &[&str]| {
            let (_folder, opened) = folder(metadata, pictures);
            opened.unwrap().fingerprint().unwrap()
        };
        let base = print(metadata, &["1.png"]);
        assert_eq!(base, print(metadata, &["1.png", "other.png"]));
        assert_ne!(base, print(&metadata.replace("\"x\"", "\"y\""), &["1.png"]));
        assert_ne!(base, print(metadata, &[]));
    }
}

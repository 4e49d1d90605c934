//! Pictures with a `.txt` of the same name beside each, in any depth of folders.

use std::{ops::Range, path::Path};

use super::{fingerprint::fingerprint, pictures::Pictures, single_blocks};
use crate::{Collection, ColumnInfo, ColumnKind, DataError, Field, Record};

/// Pictures, and for those that have one the name of their text.
#[derive(Debug)]
pub(crate) struct Captions {
    pictures: Pictures,
    texts: Vec<Option<String>>,
    columns: Vec<ColumnInfo>,
}

impl Captions {
    /// Pairs pictures with texts; `names` lists all files in order.
    pub(crate) fn open(pictures: Pictures, names: &[String]) -> Self {
        let texts = pictures
            .names
            .iter()
            .map(|picture| {
                let text = format!("{}.txt", stem(picture));
                names.binary_search(&text).is_ok().then_some(text)
            })
            .collect();
        let columns = vec![
            ColumnInfo { name: "image".to_string(), kind: ColumnKind::Picture },
            ColumnInfo { name: "text".to_string(), kind: ColumnKind::Text },
        ];
        Self { pictures, texts, columns }
    }

    /// Whether any picture has a text.
    pub(crate) fn has_texts(&self) -> bool {
        self.texts.iter().any(Option::is_some)
    }

    /// The pictures alone.
    pub(crate) fn into_pictures(self) -> Pictures {
        self.pictures
    }

    fn with_text(&self, index: usize, mut record: Record) -> Result<Record, DataError> {
        if let Some(name) = &self.texts[index] {
            let text = self.pictures.files.read_text(name)?;
            if !text.is_empty() {
                record.fields.insert("text".to_string(), Field::Text(text));
            }
        }
        Ok(record)
    }
}

/// The name without its extension.
fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

impl Collection for Captions {
    fn location(&self) -> &Path {
        self.pictures.location()
    }

    fn format(&self) -> &'static str {
        "captions"
    }

    fn len(&self) -> usize {
        self.texts.len()
    }

    fn columns(&self) -> &[ColumnInfo] {
        &self.columns
    }

    fn record(&self, index: usize) -> Result<Record, DataError> {
        self.with_text(index, self.pictures.record(index)?)
    }

    fn captions(&self, index: usize) -> Result<Record, DataError> {
        self.with_text(index, self.pictures.captions(index)?)
    }

    fn blocks(&self) -> Vec<Range<usize>> {
        single_blocks(self.len())
    }

    fn fingerprint(&self) -> Result<String, DataError> {
        fingerprint(self, |index| self.pictures.size(index))
    }
}

#[cfg(test)]
mod tests {
    use crate::{OpenOptions, open};

    #[test]
    fn each_picture_takes_the_text_of_its_name() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [
            ("a.jpg", "a"),
            ("a.txt", "\u{feff} a red apple\n"),
            ("deep/er/b.PNG", "b"),
            ("deep/er/b.txt", "a volcano"),
            ("c.webp", "c"),
            ("d.gif", "d"),
            ("d.txt", ""),
            ("e.png", "e"),
            ("notes.txt", "no picture of this name"),
        ] {
            let path = folder.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, content).unwrap();
        }
        fs_err::write(folder.path().join("e.txt"), [0xff, 0xfe]).unwrap();
        let opened = open(folder.path(), &OpenOptions::default()).unwrap();
        assert_eq!(opened.format(), "captions");
        let found: Vec<_> = (0..4)
            .map(|index| opened.record(index).unwrap())
            .map(|record| (record.text("text"), record.key))
            .collect();
        let wanted = [
            (Some("a red apple".to_string()), "a.jpg".to_string()),
            (None, "c.webp".to_string()),
            (None, "d.gif".to_string()),
            (Some("a volcano".to_string()), "deep/er/b.PNG".to_string()),
        ];
        assert_eq!(found, wanted);
        let error = opened.record(4).unwrap_err().to_string();
        assert!(error.contains("`e.txt`") && error.contains("not UTF-8"), "{error}");
        assert_eq!(opened.len(), 5);
    }
}

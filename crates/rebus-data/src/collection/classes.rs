//! A folder whose subfolders are class names: `cats/1.jpg`, `garden_dogs/2.jpg`.

use std::{collections::BTreeSet, ops::Range, path::Path};

use super::{fingerprint::fingerprint, pictures::Pictures, single_blocks};
use crate::{Collection, ColumnInfo, ColumnKind, DataError, Field, Record};

/// Pictures, and the number of the class of each.
#[derive(Debug)]
pub(crate) struct Classes {
    pictures: Pictures,
    /// Folder names in order; their place is the label.
    classes: Vec<String>,
    labels: Vec<usize>,
    columns: Vec<ColumnInfo>,
}

impl Classes {
    /// Whether the names look like classes: none lies outside a folder, and there are two folders at least.
    pub(crate) fn fits(names: &[String]) -> bool {
        let folders: Option<BTreeSet<&str>> = names.iter().map(|name| class(name)).collect();
        folders.is_some_and(|folders| folders.len() > 1)
    }

    /// Numbers the classes in the order of their names.
    pub(crate) fn open(pictures: Pictures) -> Self {
        let of = |name: &String| class(name).unwrap_or_default().to_string();
        let classes: Vec<String> =
            pictures.names.iter().map(of).collect::<BTreeSet<_>>().into_iter().collect();
        let labels =
            pictures.names.iter().map(|name| classes.binary_search(&of(name)).unwrap_or_default()).collect();
        let column = |name: &str, kind| ColumnInfo { name: name.to_string(), kind };
        let columns = vec![
            column("image", ColumnKind::Picture),
            column("text", ColumnKind::Text),
            column("label", ColumnKind::Integer),
        ];
        Self { pictures, classes, labels, columns }
    }

    fn with_class(&self, index: usize, mut record: Record) -> Record {
        let label = self.labels[index];
        record.fields.insert("text".to_string(), Field::Text(in_words(&self.classes[label])));
        record.fields.insert("label".to_string(), Field::Integer(label as i64));
        record
    }
}

/// A class's name as a caption.
pub(super) fn in_words(class: &str) -> String {
    class.replace(['_', '-'], " ").trim().to_string()
}

/// The first folder in the name.
fn class(name: &str) -> Option<&str> {
    name.split_once('/').map(|(folder, _)| folder)
}

impl Collection for Classes {
    fn location(&self) -> &Path {
        self.pictures.location()
    }

    fn format(&self) -> &'static str {
        "classes"
    }

    fn len(&self) -> usize {
        self.labels.len()
    }

    fn columns(&self) -> &[ColumnInfo] {
        &self.columns
    }

    fn record(&self, index: usize) -> Result<Record, DataError> {
        Ok(self.with_class(index, self.pictures.record(index)?))
    }

    fn captions(&self, index: usize) -> Result<Record, DataError> {
        Ok(self.with_class(index, self.pictures.captions(index)?))
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
    use crate::{Field, OpenOptions, open};

    #[test]
    fn folders_are_classes_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["garden_dogs/2.jpg", "cats/1.jpg", "cats/deep/3.jpg"] {
            let path = folder.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, name).unwrap();
        }
        let opened = open(folder.path(), &OpenOptions::default()).unwrap();
        assert_eq!((opened.format(), opened.len()), ("classes", 3));
        let last = opened.record(2).unwrap();
        assert_eq!(last.text("text").unwrap(), "garden dogs");
        assert_eq!(last.fields["label"], Field::Integer(1));
        assert_eq!(&*last.picture("image").unwrap().bytes, b"garden_dogs/2.jpg");
        assert_eq!(opened.captions(1).unwrap().text("text").unwrap(), "cats");
    }
}

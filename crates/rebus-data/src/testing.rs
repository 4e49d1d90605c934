//! A collection in memory, for this crate's tests.

use std::{
    ops::Range,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

use crate::{Collection, ColumnInfo, DataError, EncodedFile, Field, Record, collection::schema::Schema};

pub(crate) struct Memory {
    pub columns: Vec<ColumnInfo>,
    pub records: Vec<Record>,
    pub blocks: Vec<Range<usize>>,
    pub reads: AtomicUsize,
    pub delay: Duration,
}

impl Memory {
    /// A picture of no bytes stands for one that is missing.
    pub fn new(records: Vec<Record>) -> Self {
        let mut schema = Schema::default();
        for (name, field) in records.iter().flat_map(|record| &record.fields) {
            schema.observe(name, field);
        }
        let blocks = std::iter::once(0..records.len()).collect();
        Self { columns: schema.columns(), records, blocks, reads: AtomicUsize::new(0), delay: Duration::ZERO }
    }

    /// Records with numbers for keys.
    pub fn of(fields: &[&[(&str, Field)]]) -> Self {
        let records = fields.iter().enumerate();
        Self::new(records.map(|(index, fields)| record(&format!("{index:03}"), fields)).collect())
    }

    /// Pictures of 8x8 pixels, 16x8 and 8x16 in turn with `mixed`; record `i` has the red value `i`, the caption
    /// `picture i`, three keywords and the label `i`.
    pub fn pictures(count: usize, mixed: bool) -> Self {
        let fields: Vec<Vec<(&str, Field)>> = (0..count)
            .map(|index| {
                let (width, height) = if mixed { [(8, 8), (16, 8), (8, 16)][index % 3] } else { (8, 8) };
                let words = ["red", "round", "small"].map(|word| format!("{word} {index}"));
                vec![
                    ("image", Field::Picture(plain(width, height, index as u8))),
                    ("text", Field::Text(format!("picture {index}"))),
                    ("keywords", Field::List(words.to_vec())),
                    ("label", Field::Integer(index as i64)),
                ]
            })
            .collect();
        Self::of(&fields.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    /// Cuts the files of some pictures short.
    pub fn with_broken(mut self, broken: &[usize]) -> Self {
        for &index in broken {
            let broken = picture(&format!("broken-{index}.png"), b"\x89PNG");
            self.records[index].fields.insert("image".into(), broken);
        }
        self
    }
}

impl Collection for Memory {
    fn location(&self) -> &Path {
        Path::new("memory")
    }

    fn format(&self) -> &'static str {
        "memory"
    }

    fn len(&self) -> usize {
        self.records.len()
    }

    fn columns(&self) -> &[ColumnInfo] {
        &self.columns
    }

    fn record(&self, index: usize) -> Result<Record, DataError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(self.delay);
        let record = self.records[index].clone();
        match record.picture("image") {
            Some(picture) if picture.bytes.is_empty() => {
                Err(DataError::MissingFile { name: picture.name.clone(), place: "memory".into() })
            }
            _ => Ok(record),
        }
    }

    fn captions(&self, index: usize) -> Result<Record, DataError> {
        let mut record = self.records[index].clone();
        record.fields.retain(|_, field| !field.kind().is_file());
        Ok(record)
    }

    fn blocks(&self) -> Vec<Range<usize>> {
        self.blocks.clone()
    }

    fn fingerprint(&self) -> Result<String, DataError> {
        Ok("memory".into())
    }
}

/// A record of the fields given.
pub(crate) fn record(key: &str, fields: &[(&str, Field)]) -> Record {
    let fields = fields.iter().map(|(name, field)| (name.to_string(), field.clone())).collect();
    Record { key: key.to_string(), fields }
}

/// A picture field.
pub(crate) fn picture(name: &str, bytes: &[u8]) -> Field {
    Field::Picture(EncodedFile { name: name.to_string(), bytes: bytes.into() })
}

/// A picture file of one colour, whose green grows from left to right so that a mirrored one differs.
pub(crate) fn plain(width: u32, height: u32, red: u8) -> EncodedFile {
    let image = RgbImage::from_fn(width, height, |x, _| Rgb([red, 10 * x as u8, 0]));
    encoded("plain.png", &DynamicImage::ImageRgb8(image), ImageFormat::Png)
}

pub(crate) fn encoded(name: &str, image: &DynamicImage, format: ImageFormat) -> EncodedFile {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    EncodedFile { name: name.into(), bytes: bytes.into_inner().into() }
}

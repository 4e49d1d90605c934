//! A collection in memory, for this crate's tests.

use std::{
    ops::Range,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use indexmap::IndexMap;

use crate::{Collection, ColumnInfo, ColumnKind, DataError, EncodedPicture, Field, Record};

pub(crate) struct Memory {
    pub columns: Vec<ColumnInfo>,
    pub records: Vec<Record>,
    pub blocks: Vec<Range<usize>>,
    pub reads: AtomicUsize,
    pub delay: Duration,
}

impl Memory {
    /// Records without pictures.
    pub fn of(fields: &[&[(&str, Field)]]) -> Self {
        let mut columns: Vec<ColumnInfo> = Vec::new();
        let mut records = Vec::new();
        for (index, fields) in fields.iter().enumerate() {
            for (name, field) in *fields {
                let kind = match field {
                    Field::Text(_) => ColumnKind::Text,
                    Field::List(_) => ColumnKind::List,
                    Field::Integer(_) => ColumnKind::Integer,
                    Field::Real(_) => ColumnKind::Real,
                    Field::Picture(_) => ColumnKind::Picture,
                };
                let column = ColumnInfo { name: name.to_string(), kind };
                if !columns.contains(&column) {
                    columns.push(column);
                }
            }
            let fields = fields.iter().map(|(name, field)| (name.to_string(), field.clone()));
            records.push(Record { key: format!("{index:03}"), fields: fields.collect::<IndexMap<_, _>>() });
        }
        let blocks = std::iter::once(0..records.len()).collect();
        Self { columns, records, blocks, reads: AtomicUsize::new(0), delay: Duration::ZERO }
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
            let picture =
                EncodedPicture { name: format!("broken-{index}.png"), bytes: b"\x89PNG"[..].into() };
            self.records[index].fields.insert("image".into(), Field::Picture(picture));
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
        Ok(self.records[index].clone())
    }

    fn captions(&self, index: usize) -> Result<Record, DataError> {
        let mut record = self.records[index].clone();
        record.fields.retain(|_, field| !matches!(field, Field::Picture(_)));
        Ok(record)
    }

    fn blocks(&self) -> Vec<Range<usize>> {
        self.blocks.clone()
    }

    fn fingerprint(&self) -> Result<String, DataError> {
        Ok("memory".into())
    }
}

/// A picture file of one colour, whose green grows from left to right so that a mirrored one differs.
pub(crate) fn plain(width: u32, height: u32, red: u8) -> EncodedPicture {
    let image = RgbImage::from_fn(width, height, |x, _| Rgb([red, 10 * x as u8, 0]));
    encoded("plain.png", &DynamicImage::ImageRgb8(image), ImageFormat::Png)
}

pub(crate) fn encoded(name: &str, image: &DynamicImage, format: ImageFormat) -> EncodedPicture {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    EncodedPicture { name: name.into(), bytes: bytes.into_inner().into() }
}

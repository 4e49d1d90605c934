//! WebDataset shards: tar archives whose members of one stem are one record. `key.png` is the picture, `key.txt` the
//! column `text`, `key.cls` the column `label`, the fields of the object in `key.json` are columns.
//! `key.NAME.png` is a picture in a column of its own, `key.NAME.txt` a text. Any other member is a file: `key.wav` in the
//! column `wav`, `key.NAME.wav` in the column NAME.

use std::{
    collections::HashSet,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use indexmap::IndexMap;

use super::{
    archive::{Archive, Span, read_span},
    check_index,
    files::{is_picture_extension, text},
    fingerprint::fingerprint,
    json,
    schema::Schema,
};
use crate::{Collection, ColumnInfo, ColumnKind, DataError, EncodedFile, Field, Record};

/// Indexed shards.
#[derive(Debug)]
pub(crate) struct WebDataset {
    location: PathBuf,
    shards: Vec<PathBuf>,
    samples: Vec<Sample>,
    blocks: Vec<Range<usize>>,
    schema: Schema,
    columns: Vec<ColumnInfo>,
}

/// One record's members.
#[derive(Debug)]
struct Sample {
    key: String,
    stem: String,
    shard: usize,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    suffix: String,
    part: Part,
    span: Span,
}

/// What a member is, by its suffix.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    Json,
    Text(String),
    Label,
    Picture(String),
    File(String),
}

impl WebDataset {
    /// Indexes the shards, and reads their texts once to learn the columns.
    ///
    /// # Errors
    /// A shard is missing or no tar archive, or a member's name leads out.
    pub(crate) fn open(location: &Path, shards: Vec<PathBuf>) -> Result<Self, DataError> {
        let archives = shards.iter().map(|path| Archive::index(path));
        Self::of(location, archives)
    }

    /// As [`open`](Self::open), of archives that may be indexed already.
    pub(crate) fn of(
        location: &Path,
        archives: impl Iterator<Item = Result<Archive, DataError>>,
    ) -> Result<Self, DataError> {
        let (mut shards, mut samples, mut blocks) = (Vec::new(), Vec::new(), Vec::new());
        for archive in archives {
            let archive = archive?;
            let first = samples.len();
            samples.extend(group(&archive, shards.len()));
            blocks.push(first..samples.len());
            shards.push(archive.path);
        }
        blocks.retain(|block| !block.is_empty());
        name_keys(&mut samples, &shards);
        let mut opened = Self {
            location: location.to_path_buf(),
            shards,
            samples,
            blocks,
            schema: Schema::default(),
            columns: Vec::new(),
        };
        opened.learn_columns();
        Ok(opened)
    }

    /// A broken text is an error of its record when it is read, not of the collection.
    fn learn_columns(&mut self) {
        let mut schema = Schema::default();
        for sample in &self.samples {
            for member in &sample.members {
                if let Part::Picture(column) = &member.part {
                    schema.declare(column, ColumnKind::Picture);
                }
            }
            if let Ok(fields) = self.texts(sample) {
                for (name, field) in &fields {
                    schema.observe(name, field);
                }
            }
        }
        // Files come last: they take no column from a picture or a text, nor from one another.
        let taken: HashSet<String> = schema.columns().into_iter().map(|column| column.name).collect();
        for sample in &mut self.samples {
            let mut own: HashSet<String> = HashSet::new();
            for member in &mut sample.members {
                let Part::File(column) = &mut member.part else { continue };
                let free = |name: &String| !taken.contains(name) && !own.contains(name);
                let names = [column.clone(), member.suffix.clone(), format!("{}_file", member.suffix)];
                if let Some(name) = names.into_iter().find(free) {
                    own.insert(name.clone());
                    schema.declare(&name, ColumnKind::File);
                    *column = name;
                }
            }
        }
        self.columns = schema.columns();
        self.schema = schema;
    }

    fn read(&self, sample: &Sample, member: &Member) -> Result<Vec<u8>, DataError> {
        read_span(&self.shards[sample.shard], &member.name(sample), member.span)
    }

    /// Adds those members to a record whose columns are of a kind of files.
    fn add_files(&self, sample: &Sample, record: &mut Record, kind: ColumnKind) -> Result<(), DataError> {
        for member in &sample.members {
            let column = match (&member.part, kind) {
                (Part::Picture(column), ColumnKind::Picture) | (Part::File(column), ColumnKind::File) => {
                    column
                }
                _ => continue,
            };
            // Of two members for a column the first counts.
            if record.fields.contains_key(column) {
                continue;
            }
            let file =
                EncodedFile { name: member.name(sample), bytes: Arc::from(self.read(sample, member)?) };
            let field = if kind == ColumnKind::Picture { Field::Picture(file) } else { Field::File(file) };
            record.fields.insert(column.clone(), field);
        }
        Ok(())
    }

    fn kind(&self, column: &str) -> Option<ColumnKind> {
        self.schema.get(column).map(|(_, kind)| kind)
    }

    /// All fields but files, as they stand in the members.
    fn texts(&self, sample: &Sample) -> Result<IndexMap<String, Field>, DataError> {
        let mut fields = IndexMap::new();
        let mut beside = Vec::new();
        for member in &sample.members {
            let broken = |reason: String| DataError::BrokenFile {
                name: member.name(sample),
                place: self.shards[sample.shard].clone(),
                reason,
            };
            let read_text =
                || text(self.read(sample, member)?, &member.name(sample), &self.shards[sample.shard]);
            match &member.part {
                Part::Picture(_) | Part::File(_) => {}
                Part::Json => {
                    let object = json::object(&self.read(sample, member)?).map_err(broken)?;
                    fields.extend(
                        object.into_iter().filter_map(|(name, value)| Some((name, json::field(value)?))),
                    );
                }
                Part::Text(column) => beside.push((column.clone(), Field::Text(read_text()?))),
                Part::Label => {
                    let label = read_text()?;
                    let number =
                        label.parse().map_err(|_| broken(format!("`{label}` is not a whole number")))?;
                    beside.push(("label".to_string(), Field::Integer(number)));
                }
            }
        }
        // What the JSON says counts: it keeps kinds and white space.
        for (name, field) in beside {
            if field != Field::Text(String::new()) {
                fields.entry(name).or_insert(field);
            }
        }
        Ok(fields)
    }

    fn sample(&self, index: usize) -> Result<&Sample, DataError> {
        check_index(index, self.samples.len())?;
        Ok(&self.samples[index])
    }
}

impl Member {
    fn name(&self, sample: &Sample) -> String {
        format!("{}.{}", sample.stem, self.suffix)
    }
}

/// Puts members of one stem together, in the order in which the stems come.
fn group(archive: &Archive, shard: usize) -> impl Iterator<Item = Sample> {
    let mut samples: IndexMap<String, Vec<Member>> = IndexMap::new();
    for (name, span) in &archive.members {
        if let Some((stem, suffix)) = split(name) {
            let members = samples.entry(stem.to_string()).or_default();
            members.push(Member { suffix: suffix.to_string(), part: part(suffix), span: *span });
        }
    }
    // A file of no known kind that stands alone is no record: a licence, a README.
    let known = |members: &[Member]| members.iter().any(|member| !matches!(member.part, Part::File(_)));
    let samples = samples.into_iter().filter(move |(_, members)| known(members));
    samples.map(move |(stem, members)| Sample { key: stem.clone(), stem, shard, members })
}

/// Stem and suffix: the suffix starts at the first dot of the file's own name.
fn split(name: &str) -> Option<(&str, &str)> {
    let start = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = start + name[start..].find('.')?;
    (dot > start).then(|| (&name[..dot], &name[dot + 1..]))
}

fn part(suffix: &str) -> Part {
    let lower = suffix.to_ascii_lowercase();
    let (column, extension) = match lower.rsplit_once('.') {
        Some((_, extension)) => (Some(&suffix[..suffix.len() - extension.len() - 1]), extension),
        None => (None, lower.as_str()),
    };
    let named = |usual: &str| column.unwrap_or(usual).to_string();
    match (column, extension) {
        (None, "json") => Part::Json,
        (None, "cls") => Part::Label,
        (_, "txt") => Part::Text(named("text")),
        (_, extension) if is_picture_extension(extension) => Part::Picture(named("image")),
        _ => Part::File(named(&lower)),
    }
}

/// Shards may count from zero each; then keys get the shard's name in front.
fn name_keys(samples: &mut [Sample], shards: &[PathBuf]) {
    let mut seen = HashSet::with_capacity(samples.len());
    if samples.iter().all(|sample| seen.insert(sample.stem.as_str())) {
        return;
    }
    for sample in samples {
        let shard = shards[sample.shard].file_name().unwrap_or_default();
        sample.key = format!("{}/{}", shard.to_string_lossy(), sample.stem);
    }
}

impl Collection for WebDataset {
    fn location(&self) -> &Path {
        &self.location
    }

    fn format(&self) -> &'static str {
        "webdataset"
    }

    fn len(&self) -> usize {
        self.samples.len()
    }

    fn columns(&self) -> &[ColumnInfo] {
        &self.columns
    }

    fn record(&self, index: usize) -> Result<Record, DataError> {
        let mut record = self.captions(index)?;
        self.add_files(self.sample(index)?, &mut record, ColumnKind::Picture)?;
        Ok(record)
    }

    fn whole(&self, index: usize) -> Result<Record, DataError> {
        let mut record = self.record(index)?;
        self.add_files(self.sample(index)?, &mut record, ColumnKind::File)?;
        Ok(record)
    }

    fn captions(&self, index: usize) -> Result<Record, DataError> {
        let sample = self.sample(index)?;
        let fields = self
            .texts(sample)?
            .into_iter()
            // A field of the JSON that is called as a column of files is: the file counts.
            .filter(|(name, _)| !self.kind(name).is_some_and(ColumnKind::is_file))
            .map(|(name, field)| (name.clone(), self.schema.fit(&name, field)))
            .collect();
        Ok(Record { key: sample.key.clone(), fields })
    }

    fn blocks(&self) -> Vec<Range<usize>> {
        self.blocks.clone()
    }

    fn fingerprint(&self) -> Result<String, DataError> {
        fingerprint(self, |index| {
            let pictures = self.samples[index].members.iter();
            pictures
                .filter(|member| matches!(member.part, Part::Picture(_) | Part::File(_)))
                .map(|member| member.span.size)
                .sum()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OpenOptions, open};

    fn shard(path: &Path, members: &[(&str, &str)]) {
        let mut builder = tar::Builder::new(fs_err::File::create(path).unwrap());
        for (name, content) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        builder.finish().unwrap();
    }

    #[test]
    fn members_of_one_stem_are_one_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        shard(
            &path,
            &[
                ("d/0.png", "p0"),
                ("d/0.txt", "zero\n"),
                ("d/0.json", r#"{"score": 1, "words": ["x"], "image": "url"}"#),
                ("d/0.mask.png", "m0"),
                ("d/0.wav", "s0"),
                ("d/0.depth.npy", "a0"),
                ("d/0.image.npy", "i0"),
                ("d/0.depth.exr", "e0"),
                ("d/0.text", "t0"),
                ("d/1.JPG", "p1"),
                ("d/1.cls", "7"),
                ("d/1.json", r#"{"score": 0.5}"#),
                ("d/2.png", "p2"),
                ("d/2.json", "{"),
                ("README", "ignored"),
                ("LICENCE.md", "ignored"),
            ],
        );
        let opened = open(&path, &OpenOptions::default()).unwrap();
        assert_eq!((opened.format(), opened.len()), ("webdataset", 3));
        let zero = opened.record(0).unwrap();
        assert_eq!((zero.key.as_str(), zero.text("text").as_deref()), ("d/0", Some("zero")));
        assert_eq!(&*zero.picture("image").unwrap().bytes, b"p0");
        assert_eq!(zero.picture("mask").unwrap().name, "d/0.mask.png");
        assert_eq!(zero.fields["score"], Field::Real(1.0));
        assert!(!zero.fields.contains_key("wav"), "files that are no pictures are read on demand");
        let whole = opened.whole(0).unwrap();
        let file = |column: &str| whole.fields[column].file().unwrap();
        assert_eq!((&*file("wav").bytes, file("wav").name.as_str()), (&b"s0"[..], "d/0.wav"));
        assert_eq!(&*file("depth").bytes, b"a0");
        assert!(matches!(&whole.fields["depth"], Field::File(_)));
        // Names that are taken: whole suffixes.
        assert_eq!(&*file("image.npy").bytes, b"i0");
        assert_eq!(&*file("depth.exr").bytes, b"e0");
        assert_eq!(&*file("text_file").bytes, b"t0");
        let one = opened.record(1).unwrap();
        assert_eq!(one.fields["label"], Field::Integer(7));
        let error = opened.record(2).unwrap_err().to_string();
        assert!(error.contains("`d/2.json`") && error.contains("a.tar"), "{error}");
    }

    #[test]
    fn a_range_of_shards_is_one_collection_with_unique_keys() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..12 {
            shard(&folder.path().join(format!("s-{number:02}.tar")), &[("0.png", "p"), ("1.png", "p")]);
        }
        let range = open(&folder.path().join("s-{02..10}.tar"), &OpenOptions::default()).unwrap();
        assert_eq!(range.len(), 18);
        assert_eq!(range.blocks()[1], 2..4);
        assert_eq!(range.captions(17).unwrap().key, "s-10.tar/1");
        let all = open(folder.path(), &OpenOptions::default()).unwrap();
        assert_eq!(all.len(), 24);
        let error = open(&folder.path().join("s-{10..13}.tar"), &OpenOptions::default()).err().unwrap();
        assert!(error.to_string().contains("s-12.tar"), "{error}");
    }
}

//! What can be wrong with data.

use std::path::PathBuf;

/// An error of this crate; each says what was wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A colour key that is none; the user must write it in another way.
    #[error("`{part}` is {rule}")]
    Color {
        /// The part of it that is wrong.
        part: String,
        /// What it is not.
        rule: &'static str,
    },

    /// A file of `rebus data split` that cannot be used.
    #[error("{} cannot be used as a split: {reason}. `rebus data split` writes one", file.display())]
    Split {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A file could not be read or written; the user must look at the path or its permissions.
    #[error(transparent)]
    Io(#[from] std::io::Error),

    /// A batch was asked for a column that it has not; a recipe names the wrong column.
    #[error("the batch has no {kind} in a column named `{column}`; its columns are: {columns}")]
    BatchColumn {
        /// The column asked for.
        column: String,
        /// The kind asked for.
        kind: &'static str,
        /// The columns that are there.
        columns: String,
    },

    /// A picture's bytes are not a whole picture; the user must replace or remove the file.
    #[error("the picture `{name}` cannot be decoded: {reason}; replace or remove it")]
    Picture {
        /// The picture's file.
        name: String,
        /// What the decoder said.
        reason: String,
    },

    /// A picture is larger than the configuration allows; the user must shrink it or raise the limit.
    #[error(
        "the picture `{name}` has {width}x{height} pixels, more than the {limit} allowed; shrink it, or raise `max_pixels`"
    )]
    PictureTooLarge {
        /// The picture's file.
        name: String,
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
        /// The most pixels allowed.
        limit: u64,
    },

    /// A sound's bytes are not a whole sound, or nothing can be heard; the user must replace or remove the file.
    #[error(
        "the sound `{name}` cannot be used: {reason}. It must be a WAV, FLAC, MP3 or Ogg Vorbis file in which something is heard"
    )]
    Sound {
        /// The sound's file.
        name: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A record has no picture; the user must add or remove it.
    #[error("the record `{key}` has no picture in the column `{column}`; add one, or remove the record")]
    NoPicture {
        /// The record.
        key: String,
        /// The picture column.
        column: String,
    },

    /// A record has no sound; the user must add or remove it.
    #[error("the record `{key}` has no sound in the column `{column}`; add one, or remove the record")]
    NoSound {
        /// The record.
        key: String,
        /// The sound column.
        column: String,
    },

    /// Pictures that do not fit together, or an array that is no picture; a fault of the caller.
    #[error("pictures cannot be stacked: {reason}")]
    Stack {
        /// What does not fit.
        reason: String,
    },

    /// A picture could not be encoded; a fault of the caller.
    #[error("the picture cannot be written as {format}: {reason}")]
    Encode {
        /// The file format.
        format: &'static str,
        /// What the encoder said.
        reason: String,
    },

    /// A file could not be written; the user must look at the path, its permissions or the disk.
    #[error("`{}` cannot be written: {source}; look at the folder, its permissions and the space left", path.display())]
    Write {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// A configured value breaks a rule; the user must change it.
    #[error("`{field}` is `{value}`, but must be {rule}")]
    Config {
        /// The key in the configuration.
        field: String,
        /// Its value.
        value: String,
        /// What it must be.
        rule: String,
    },

    /// The configuration names a column that the collection lacks; the user must name another.
    #[error("`{field}` names the column `{column}`, which {} lacks; its columns are: {columns}", location.display())]
    NoColumn {
        /// The collection.
        location: std::path::PathBuf,
        /// The key in the configuration.
        field: &'static str,
        /// The column asked for.
        column: String,
        /// The columns that are there.
        columns: String,
    },

    /// None of the caption columns is there; the user must name others.
    #[error("{} has no text in any of the caption columns {wanted}; its columns are: {columns}; name some of them in `captions`, or set `captions = {{}}` to train without", location.display())]
    NoCaptions {
        /// The collection.
        location: std::path::PathBuf,
        /// The columns asked for.
        wanted: String,
        /// The columns that are there.
        columns: String,
    },

    /// Nothing is left to train on; the user must look at the collection, the split and the sampling rules.
    #[error("{} leaves no record to train on; look at its contents, `validation_fraction` and `sampling`", location.display())]
    NoRecords {
        /// The collection.
        location: std::path::PathBuf,
    },

    /// Every record is broken; the user must look at the collection.
    #[error("all {count} records of {} are broken; the first: {first}", location.display())]
    AllBroken {
        /// The collection.
        location: std::path::PathBuf,
        /// How many records were tried.
        count: usize,
        /// What was wrong with the first.
        first: String,
    },

    /// A batch was asked for after the last one of a pass; a fault of the caller.
    #[error("the pass over the validation records is over; make a new loader for another")]
    End,

    /// A loading thread died; a fault of this program.
    #[error("a thread that loads pictures stopped unexpectedly; its message stands above; please report it")]
    Worker,

    /// A tokenizer cannot be read, trained or used; the user must look at the file it names.
    #[error("the tokenizer {place}: {reason}")]
    Tokenizer {
        /// The file, or what was being done.
        place: String,
        /// What is wrong, and what to do.
        reason: String,
    },

    /// The path holds nothing that a reader knows; the user must name another folder or rearrange it.
    #[error(
        "{} holds no collection of pictures: {looked_for}. Understood are: a folder or .tar with `metadata.jsonl` or \
         `metadata.csv` whose `file_name` column names pictures; a folder of pictures with a .txt of the same name \
         beside each; a folder whose subfolders are class names; a folder of bare pictures; WebDataset .tar shards \
         (`key.png`, `key.txt`, `key.json`, `key.cls`), also as `shards-{{0000..0009}}.tar`; .parquet files as Hugging \
         Face `datasets` writes them. Pictures are .png, .jpg, .jpeg, .webp and .gif",
        path.display()
    )]
    NothingFound {
        /// The path that was opened.
        path: PathBuf,
        /// What was looked for and not found.
        looked_for: String,
    },

    /// More than one collection lies in the folder; the user must name one of them.
    #[error("{} holds several collections ({folders}); name one of them", path.display())]
    SeveralCollections {
        /// The path that was opened.
        path: PathBuf,
        /// The folders that hold one each.
        folders: String,
    },

    /// A line of a metadata file is broken; the user must mend it.
    #[error("{}, line {line}: {reason}", file.display())]
    MetadataLine {
        /// The metadata file.
        file: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },

    /// A name leads out of the collection, by `..`, by an absolute path or by a link; it is never followed.
    #[error(
        "`{name}` in {} leads out of the collection and is not read; name files below that place, without `..` and \
         without links",
        place.display()
    )]
    UnsafeName {
        /// The entry.
        name: String,
        /// The folder, archive or metadata file that holds it.
        place: PathBuf,
    },

    /// A record names a file that is not there; the user must add the file or drop the record.
    #[error("`{name}` is missing from {}", place.display())]
    MissingFile {
        /// The file as the record names it.
        name: String,
        /// The folder or archive in which it should lie.
        place: PathBuf,
    },

    /// One file or archive member is there and cannot be understood; the user must replace it.
    #[error("`{name}` in {} is broken: {reason}", place.display())]
    BrokenFile {
        /// The file or member.
        name: String,
        /// The folder or archive that holds it.
        place: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// An archive or Parquet file as a whole cannot be understood; the user must fetch or write it again.
    #[error("{} cannot be read as {format}: {reason}", file.display())]
    BrokenContainer {
        /// The file.
        file: PathBuf,
        /// The format that it was taken for.
        format: &'static str,
        /// What the format's reader said.
        reason: String,
    },

    /// A record was asked for beyond the end; a caller's mistake.
    #[error("record {index} was asked for and the collection has {len}")]
    NoSuchRecord {
        /// The number asked for.
        index: usize,
        /// How many there are.
        len: usize,
    },

    /// The output of a conversion exists already; the user must name another or remove it.
    #[error("{} exists already and is not overwritten; name another output or remove it", path.display())]
    OutputExists {
        /// The output.
        path: PathBuf,
    },

    /// Whoever watches the work broke it off; nothing of it is left.
    #[error("interrupted")]
    Interrupted,
    /// The records cannot be written in the format asked for; the user must choose another.
    #[error("the collection cannot be written as {format}: {reason}")]
    CannotWrite {
        /// The format asked for.
        format: &'static str,
        /// Why not.
        reason: String,
    },
}

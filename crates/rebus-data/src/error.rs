//! What can be wrong with data.

use std::path::PathBuf;

/// An error of this crate; each says what was wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
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

    /// The records cannot be written in the format asked for; the user must choose another.
    #[error("the collection cannot be written as {format}: {reason}")]
    CannotWrite {
        /// The format asked for.
        format: &'static str,
        /// Why not.
        reason: String,
    },
}

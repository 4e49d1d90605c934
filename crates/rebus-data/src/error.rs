//! What can be wrong with data.

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

    /// A record has no picture; the user must add or remove it.
    #[error("the record `{key}` has no picture in the column `{column}`; add one, or remove the record")]
    NoPicture {
        /// The record.
        key: String,
        /// The picture column.
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
}

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
}

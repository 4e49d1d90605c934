//! What can go wrong with a measure.

use rebus_data::DataError;
use rebus_models::ModelError;

/// An error of this crate; each says what was wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// The collection.
    #[error(transparent)]
    Data(#[from] DataError),

    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),

    /// A collection in which there is nothing to rank.
    #[error("{records} records with a picture and a caption: too few to rank among; at least 2 are needed")]
    TooFew {
        /// How many there are.
        records: usize,
    },
}

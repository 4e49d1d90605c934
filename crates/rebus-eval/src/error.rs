//! What can go wrong with a measure.

use rebus_data::DataError;
use rebus_models::ModelError;
use rebus_store::StoreError;

/// An error of this crate; each says what was wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// Nothing to translate; the user must say where sources are, or hold some records back.
    #[error(
        "{} has no held-out pairs: a model that translates is measured on those. Say where sources are as its recipe did \
         (`[data.source]`), and hold some back (--validation-fraction 0.05)",
        place.display()
    )]
    NoPairs {
        /// The collection.
        place: std::path::PathBuf,
    },

    /// A file could not be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),

    /// The collection.
    #[error(transparent)]
    Data(#[from] DataError),

    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),

    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),

    /// A store without what is searched; the user must index something.
    #[error("no {part} is indexed there: `rebus index add PATH` indexes what has some")]
    NothingIndexed {
        /// What is searched.
        part: &'static str,
    },

    /// A file of features.
    #[error(
        "{file} cannot be read as features: {reason}. Wanted is a NumPy file (.npy) of float32 or float64 in rows, one a picture"
    )]
    BadFeatures {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A number among features that is none.
    #[error(
        "{name} has {value} in row {row}, column {column}: an extractor that gives no number cannot be measured by"
    )]
    NotFinite {
        /// Whose features.
        name: String,
        /// The picture, from 0.
        row: usize,
        /// The feature, from 0.
        column: usize,
        /// What stands there.
        value: f32,
    },

    /// Features of two extractors.
    #[error(
        "{drawn} has {drawn_width} features a picture and {real} has {real_width}: both must come from one extractor"
    )]
    WidthsDiffer {
        /// The drawn pictures' features.
        drawn: String,
        /// Their width.
        drawn_width: usize,
        /// The real pictures' features.
        real: String,
        /// Their width.
        real_width: usize,
    },

    /// An extractor of pictures alone, asked about words.
    #[error(
        "{name} knows no words: name an encoder of words and pictures, or leave the option out for the one that ships"
    )]
    KnowsNoWords {
        /// What reports call it.
        name: String,
    },

    /// An encoder without a tower of sounds, asked about sounds.
    #[error("{name} hears nothing: `rebus train emoji-dual-sound --data PATH` binds sounds to an encoder")]
    HearsNothing {
        /// What reports call it.
        name: String,
    },

    /// Nothing to hear.
    #[error("there is no sound with a picture and words among {name}: look at it with `rebus data inspect`")]
    NoSounds {
        /// The collection.
        name: String,
    },

    /// Nothing to measure.
    #[error("there is no picture with what it takes among {name}: look at it with `rebus data inspect`")]
    NoPictures {
        /// Which pictures.
        name: String,
    },

    /// A model that follows captions, and a collection without.
    #[error("{location} has no captions for the model to draw: name a collection with a column of texts")]
    NoCaptions {
        /// The collection.
        location: String,
    },

    /// Too few samples for a measure.
    #[error("{name} has {samples} pictures, too few for {measure}: at least {needed} are needed")]
    TooFewSamples {
        /// Whose features.
        name: String,
        /// How many there are.
        samples: usize,
        /// The measure.
        measure: &'static str,
        /// How many it takes.
        needed: usize,
    },

    /// Pictures that cannot lie on one another.
    #[error(
        "a picture of {}x{} cannot be compared with one of {}x{}: resize one of them",
        picture.0, picture.1, reference.0, reference.1
    )]
    SizesDiffer {
        /// Width and height of the picture.
        picture: (u32, u32),
        /// And of the one that it should be.
        reference: (u32, u32),
    },

    /// Numbers so far apart that no eigenvalues come out.
    #[error(
        "the Fréchet distance of {name} does not converge; look for features that are far larger than others"
    )]
    NoEigenvalues {
        /// Whose covariance.
        name: String,
    },

    /// A file that should be a report.
    #[error("that is no report of `rebus eval`: it has no list `sets` of named sets")]
    NoReport,

    /// The page of a report cannot be made.
    #[error("the report's page cannot be made: {reason}")]
    Page {
        /// Why.
        reason: String,
    },
}

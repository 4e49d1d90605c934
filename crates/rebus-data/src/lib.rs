//! Captioned pictures on disk, as named columns in memory.
//!
//! A [`Record`] is one row of a collection: named fields, each of one modality. A [`Collection`] is a list of
//! records behind any file format. A [`Batch`] is the same columns stacked as host arrays, decoded, resized and
//! augmented, ready for a model.
//!
//! Knows nothing of Burn or of models.

pub mod batch;
pub mod collection;
pub mod convert;
pub mod error;
pub mod inspect;
pub mod random;
pub mod record;

mod assemble;
pub mod augment;
pub mod captions;
pub mod config;
pub mod corrupt;
pub mod fit;
pub mod hearing;
pub mod loader;
mod order;
pub mod picture;
pub mod sets;
pub mod sheet;
pub mod sound;
pub mod source;
pub mod split;
#[cfg(test)]
mod testing;
pub mod tokenizer;
pub mod transform;
pub mod walk;
pub mod write;

pub use captions::captions;
pub use config::DataConfig;
pub use loader::{Loader, LoaderPlan, Subset};
pub use sheet::contact_sheet;
pub use sound::{MelConfig, Sound, Sounds};
pub use source::{SOURCE, SourceConfig};
pub use split::{Split, SplitFile, SplitKind, split};
pub use tokenizer::{Tokenizer, TokenizerConfig, Tokens};
pub use transform::Transform;
pub use walk::{Stamped, Walk, file_record, walk};
pub use write::{PngExtras, write_atomic, write_png};

pub use batch::{Batch, Column, Pictures};
pub use collection::{Collection, OpenOptions, open};
pub use convert::{Format, Report, convert};
pub use error::DataError;
pub use hearing::SoundConfig;
pub use inspect::{InspectOptions, Inspection, inspect};
pub use record::{Broken, ColumnInfo, ColumnKind, EncodedFile, Field, Record, main_pictures, main_sound};

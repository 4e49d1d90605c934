//! The verbs of Rebus: a file a verb, over the capabilities of any model.
//!
//! [`generate()`] draws pictures from words, [`edit()`] changes those that exist, [`adjust`] without a model, [`translate()`] makes
//! another of each, [`compose()`] one of several, [`reconstruct()`] shows what a model keeps of them, [`interpolate()`] the way from one to another. [`find`]
//! keeps what was indexed in a store, and finds, names and captions by it. [`Output`] decides where pictures go, and never overwrites what it named itself. A verb never names a model family.
//!
//! Knows nothing of families by name, of HTTP or of the command line.

pub mod compose;
pub mod edit;
pub mod error;
pub mod find;
mod frame;
pub mod generate;
pub mod interpolate;
pub mod made;
pub mod output;
pub mod reconstruct;
pub mod translate;

pub use compose::{Composer, Kept, Scene, clone_seamlessly, compose};
pub use edit::{
    Adjustment, Attribute, Change, Contrast, EditTask, InvertTask, Inverted, Place, Point, Region, Warp,
    adjust, edit, invert,
};
pub use error::TaskError;
pub use find::{DuplicatesTask, SearchTask, Shelf, caption, duplicates, index, label, map, search};
pub use generate::{Drawing, GenerateTask, Generated, generate};
pub use interpolate::{Ends, InterpolateTask, interpolate};
pub use made::{Made, MadeBy, Told};
pub use output::{Output, PictureName};
pub use reconstruct::{ReconstructTask, Reconstruction, reconstruct};
pub use translate::{TranslateTask, Translation, translate};

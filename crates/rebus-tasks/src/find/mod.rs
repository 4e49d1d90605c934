//! Finding in a store of what was indexed: by words, by pictures, by filters; naming and captioning by what lies nearest.
//!
//! Naming and captioning are searches on purpose: what is said of a picture was said by a person of another, and how sure
//! it is can be measured.

mod caption;
mod duplicates;
mod embed;
mod index;
mod label;
mod map;
mod search;
mod shelf;

pub use caption::{Captioned, Guess, caption};
pub use duplicates::{DuplicatesTask, Group, duplicates};
pub use embed::model_key;
pub use index::{IndexReport, index, stored_path};
pub use label::{Labelled, label};
pub use map::{Spot, map};
pub use search::{Found, SearchTask, search};
pub use shelf::Shelf;

//! The verbs of Rebus: a file a verb, over the capabilities of any model.
//!
//! [`generate()`] draws pictures from words. [`Output`] decides where pictures go, and never overwrites what it named
//! itself. A verb never names a model family.
//!
//! Knows nothing of families by name, of HTTP or of the command line.

pub mod error;
pub mod generate;
pub mod output;

pub use error::TaskError;
pub use generate::{Drawing, GenerateTask, Generated, generate};
pub use output::Output;

//! Measures of how well a model draws what it is told.
//!
//! [`pixel_rank`] draws a picture for a caption and asks at which place the true picture stands among all pictures of
//! a collection. A measure is a file: settings in, named numbers out.
//!
//! Knows nothing of tasks or of the command line.

mod error;
mod pixel_rank;

pub use error::EvalError;
pub use pixel_rank::{Half, PixelRank, PixelRankReport, pixel_rank};

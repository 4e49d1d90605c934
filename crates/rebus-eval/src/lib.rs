//! Measures of how well a model draws what it is told.
//!
//! [`pixel_rank`] draws a picture for a caption and asks at which place the true picture stands among all pictures of
//! a collection. [`distances`](fn@distances) compares two sets of pictures over [`Features`] of any extractor. A measure is
//! a file: settings in, named numbers out.
//!
//! Knows nothing of tasks or of the command line.

mod captioned;
mod distances;
mod error;
mod features;
mod frechet;
mod kernel;
mod neighbours;
mod pixel_rank;
mod retrieval;
mod similarity;

pub use distances::{DistanceSettings, Distances, distances};
pub use error::EvalError;
pub use features::Features;
pub use frechet::{Moments, frechet_distance};
pub use kernel::{KernelDistance, Subset, kernel_distance, subsets};
pub use neighbours::{Neighbours, neighbours};
pub use pixel_rank::{Half, PixelRank, PixelRankReport, pixel_rank};
pub use retrieval::{Recall, Retrieval, RetrievalHalf, RetrievalReport, retrieval};
pub use similarity::{Similarity, similarity};

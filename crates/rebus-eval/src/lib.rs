//! Measures of how well a model draws what it is told.
//!
//! [`evaluate`](fn@evaluate) draws the captions of a collection and compares the drawings with its pictures, beside the same measures
//! of real pictures. [`distances`](fn@distances) compares two sets of pictures over [`Features`] of any extractor,
//! [`retrieval`](fn@retrieval) asks an encoder to find pictures by captions. A measure is a file: settings in, named numbers out.
//!
//! Knows nothing of tasks or of the command line.

mod calibration;
mod captioned;
mod distances;
mod editing;
mod error;
mod evaluate;
mod extractor;
mod features;
mod finding;
mod frechet;
mod hearing;
mod judge;
mod kernel;
mod memorisation;
mod neighbours;
mod page;
mod perceptual;
mod plot;
mod ranks;
mod report;
mod retrieval;
mod robustness;
mod similarity;
mod table;
mod translation;

pub use calibration::{Among, Calibrated, Calibration, calibration};
pub use distances::{DistanceSettings, Distances, distances};
pub use editing::{EditPair, Faithfulness, faithfulness};
pub use error::EvalError;
pub use evaluate::{CaptionSet, Drawing, Evaluated, Evaluation, Pair, Rulers, Shown, Source, evaluate};
pub use extractor::Extractor;
pub use features::Features;
pub use finding::{Finding, FindingReport, finding};
pub use frechet::{Moments, frechet_distance};
pub use hearing::{HeardHalf, Hearing, HearingReport, hearing};
pub use judge::Judge;
pub use kernel::{KernelDistance, Subset, kernel_distance, subsets};
pub use memorisation::Memorisation;
pub use neighbours::{Neighbours, neighbours};
pub use page::page;
pub use perceptual::perceptual_distance;
pub use plot::bars;
pub use ranks::Ranks;
pub use report::{Accuracy, Against, Agreement, Lost, Measured, Report, Ruler, SetReport, Subject};
pub use retrieval::{Recall, Retrieval, RetrievalHalf, RetrievalReport, retrieval};
pub use robustness::{Robustness, RobustnessReport, Spoiled, robustness};
pub use similarity::{Similarity, similarity};
pub use table::{Number, Row, numbers, table};
pub use translation::{Likeness, Translation, TranslationReport, Triple, translation};

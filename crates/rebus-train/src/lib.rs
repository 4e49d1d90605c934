//! The one training loop, over any model family: recipes, run folders, checkpoints and logs.
//!
//! A [`Recipe`] says what a run becomes; [`train`] makes a run folder of it, or goes on with one; [`export`] makes a
//! model folder of any of its checkpoints.
//!
//! ```no_run
//! use rebus_train::{NoTrainObserver, Source, TrainOptions, recipe, train};
//! let mut options = TrainOptions::new("runs/mine", burn::tensor::Device::default(), "cpu");
//! options.data = Some(Source::Path("pictures".into()));
//! options.recipe = Some(recipe::parse("[model]\nfamily = \"flow\"", "mine")?);
//! train(&options, &mut NoTrainObserver)?;
//! # Ok::<(), rebus_train::TrainError>(())
//! ```
//!
//! Knows nothing of tasks, evaluation or faces, and of the families nothing but their names.

mod card;
pub mod checkpoint;
pub mod curves;
pub mod error;
mod estimate;
mod export;
mod feed;
mod keys;
pub mod log;
mod needs;
mod observer;
mod prepare;
pub mod recipe;
pub mod recipes;
pub mod run;
mod samples;
mod schedule;
mod train;
mod trainer;

pub use error::{Difference, TrainError};
pub use estimate::{Estimate, estimate};
pub use export::{Chosen, ExportOptions, export};
pub use needs::{Home, Need, Noted};
pub use observer::{Event, Measure, NoTrainObserver, Progress, TrainObserver};
pub use prepare::{Source, Start, TrainOptions};
pub use recipe::{ConditionSection, ModelSection, Recipe, SampleConfig, TrainConfig};
pub use run::{Run, RunInfo};
pub use schedule::learning_rate;
pub use train::{Outcome, train};

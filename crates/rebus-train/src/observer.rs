//! Watching a run, and stopping it.

use std::{ops::ControlFlow, path::PathBuf, sync::Arc};

use rebus_models::{Losses, Model};

use crate::Recipe;

/// Progress bars, Ctrl-C and a server's cancel are all observers.
pub trait TrainObserver {
    /// A step has ended. `Break` stops the run: a checkpoint is written, and the outcome says that it was interrupted.
    fn step(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        let _ = progress;
        ControlFlow::Continue(())
    }

    /// The names of what [`evaluate`](Self::evaluate) measures of such a model; none where nobody measures it.
    fn measures(&self, model: &dyn Model) -> Vec<&'static str> {
        let _ = model;
        vec![]
    }

    /// Measures of the model as it stands, asked for every `train.eval_every` steps; none where nobody measures.
    ///
    /// # Errors
    /// What went wrong with a measure; the run goes on without it, and says so.
    fn evaluate(&mut self, model: Arc<dyn Model>, recipe: &Recipe) -> Result<Vec<Measure>, String> {
        let _ = (model, recipe);
        Ok(vec![])
    }

    /// Something other than a step has happened.
    fn event(&mut self, event: &Event) {
        let _ = event;
    }
}

/// A number that tells how good a model is.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// Its name, as `train.best` and the log have it.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Whether more is better.
    pub more_is_better: bool,
}

impl Measure {
    /// Whether this one is better than another value of the same measure.
    pub fn is_better_than(&self, before: f64) -> bool {
        if self.more_is_better { self.value > before } else { self.value < before }
    }
}

/// Watches nothing and never stops.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoTrainObserver;

impl TrainObserver for NoTrainObserver {}

/// Where a run stands after a step.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// Steps done.
    pub step: u64,
    /// Steps to do in all.
    pub steps: u64,
    /// Pictures learned from.
    pub images_seen: u64,
    /// The rate of this step.
    pub learning_rate: f64,
    /// The losses of this step.
    pub losses: &'a Losses,
    /// Pictures a second, without the time for samples, checkpoints and held-out pictures.
    pub images_per_s: f64,
}

/// What happens in a run beside its steps.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The loop begins at a step.
    Started {
        /// Steps done before.
        step: u64,
        /// Numbers that are learned.
        parameters: usize,
        /// Records to learn from.
        records: usize,
        /// Held-out pictures that are looked at.
        held_out: usize,
    },
    /// First weights were taken from a model.
    Initialized {
        /// How many weights were taken.
        taken: usize,
        /// Weights that the model lacks or has in another shape; they begin anew.
        anew: Vec<String>,
        /// Weights of the model that this network has no place for.
        unused: Vec<String>,
    },
    /// The losses on the held-out pictures.
    Validated {
        /// Steps done.
        step: u64,
        /// The losses.
        losses: Losses,
    },
    /// The model was measured.
    Evaluated {
        /// Steps done.
        step: u64,
        /// What was found.
        measures: Vec<Measure>,
        /// Whether it is the best so far by the measure that `train.best` names.
        best: bool,
    },
    /// The model could not be measured.
    NotEvaluated {
        /// Why.
        reason: String,
    },
    /// A grid of samples was drawn.
    Sampled {
        /// The picture.
        path: PathBuf,
    },
    /// A checkpoint was written.
    Checkpointed {
        /// Its folder.
        path: PathBuf,
    },
    /// Records proved broken since the last line of the log; others took their places.
    Skipped {
        /// How many have, in this sitting.
        total: usize,
        /// What was wrong with the first few of the new ones.
        reasons: Vec<String>,
    },
    /// The model was written.
    Exported {
        /// Its folder.
        path: PathBuf,
    },
}

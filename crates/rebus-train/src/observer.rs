//! Watching a run, and stopping it.

use std::{ops::ControlFlow, path::PathBuf};

use rebus_models::Losses;

/// Progress bars, Ctrl-C and a server's cancel are all observers.
pub trait TrainObserver {
    /// A step has ended. `Break` stops the run: a checkpoint is written, and the outcome says that it was interrupted.
    fn step(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        let _ = progress;
        ControlFlow::Continue(())
    }

    /// Something other than a step has happened.
    fn event(&mut self, event: &Event) {
        let _ = event;
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

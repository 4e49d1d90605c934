//! A run from its first to its last step, or from where it stopped.

use std::path::PathBuf;

use rebus_models::{Losses, Precision, Which};

use crate::{
    Event, Run, Start, TrainError, TrainObserver, TrainOptions, checkpoint,
    checkpoint::State,
    export, feed, log, prepare,
    trainer::{End, Trainer},
};

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// All steps are done.
    Finished {
        /// Steps done.
        step: u64,
        /// The model folder.
        model: PathBuf,
        /// The losses at the end, on held-out pictures (`validation_*`) where there are any, else `loss_*`.
        losses: Losses,
    },
    /// It was asked to stop; resuming goes on as if it had not.
    Interrupted {
        /// Steps done.
        step: u64,
        /// The checkpoint.
        checkpoint: PathBuf,
    },
}

/// Trains: a new run, or the rest of one. Only the run folder is written.
///
/// # Errors
/// A recipe that cannot work (nothing is written then), a folder that holds a run or holds none, settings or data
/// other than the run began with, a loss that is no number any more.
pub fn train(options: &TrainOptions, observer: &mut dyn TrainObserver) -> Result<Outcome, TrainError> {
    let run = Run::new(&options.run);
    let resume = options.start == Start::Resume;
    if resume {
        run.read()?;
    } else {
        run.can_begin()?;
    }
    let prepared = match resume {
        true => prepare::resumed(options, &run)?,
        false => prepare::fresh(options)?,
    };
    let prepare::Prepared { recipe, info, collection, tokenizer, mut objective, initialized } = prepared;
    let held_out = feed::held_out(collection.clone(), &recipe)?;

    let lock = run.lock()?;
    run.clean(&lock)?;
    let mut state = State::new();
    let mut saved = None;
    if resume {
        if let Some((snapshot, found)) = checkpoint::newest(&run)? {
            objective.restore(&snapshot, &found.objective)?;
            saved = Some(found.step);
            state = found;
        }
        log::cut(&run.log(), state.step)?;
    } else if run.exists() {
        return Err(TrainError::HasRun { run: options.run.clone() });
    }
    let mut feed = feed::LoaderFeed::new(collection, &recipe, options.strict, state.batches)?;
    if !resume {
        if let Some(tokenizer) = &tokenizer {
            tokenizer.save(&run.tokenizer())?;
        }
        if let Some(event) = &initialized {
            // So that a run that is resumed before its first checkpoint does not need the model.
            state.objective = objective.state();
            checkpoint::write(&run, &objective.snapshot(), &state)?;
            saved = Some(0);
            observer.event(event);
        }
        run.write(&info, &recipe)?;
    }

    let mut trainer = Trainer {
        run: &run,
        recipe: &recipe,
        objective: &mut *objective,
        feed: &mut feed,
        held_out: &held_out,
        observer,
        stop: &options.stop,
        state,
        saved,
    };
    let end = trainer.run()?;
    let state = trainer.state;
    match end {
        End::Interrupted(checkpoint) => Ok(Outcome::Interrupted { step: state.step, checkpoint }),
        End::Finished(losses) => {
            let about = export::About { info: &info, recipe: &recipe, state: &state, losses: &losses };
            let model = run.model();
            export::write(objective.package(Which::Average), &about, &model, Precision::Float32)?;
            observer.event(&Event::Exported { path: model.clone() });
            Ok(Outcome::Finished { step: state.step, model, losses })
        }
    }
}

//! The one training loop: steps, and what happens between them.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use rebus_data::Batch;
use rebus_models::{Losses, ModelError, Objective, Step, Which};
use serde_json::{Map, json};

use crate::{
    Event, Measure, Progress, Recipe, Run, TrainError, TrainObserver, checkpoint,
    checkpoint::{Best, State},
    feed::Feed,
    log::Log,
    samples,
    schedule::learning_rate,
};

/// How many broken records a line of the log tells of.
const REASONS: usize = 10;

/// How the loop ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    /// All steps are done; the losses on the held-out pictures, or else on the last ones learned from.
    Finished(Losses),
    /// It was asked to stop, and left a checkpoint.
    Interrupted(PathBuf),
}

/// All that the loop needs.
pub(crate) struct Trainer<'a> {
    pub run: &'a Run,
    pub recipe: &'a Recipe,
    pub objective: &'a mut dyn Objective,
    pub feed: &'a mut dyn Feed,
    /// Batches that are looked at and not learned from.
    pub held_out: &'a [Batch],
    pub observer: &'a mut dyn TrainObserver,
    pub stop: &'a AtomicBool,
    pub state: State,
    /// Steps in the newest checkpoint.
    pub saved: Option<u64>,
}

/// Time since the last line of the log.
struct Clock {
    start: Instant,
    before: f64,
    /// Spent in steps.
    busy: Duration,
    images: u64,
}

impl Clock {
    fn elapsed_s(&self) -> f64 {
        self.before + self.start.elapsed().as_secs_f64()
    }

    fn images_per_s(&self) -> f64 {
        self.images as f64 / self.busy.as_secs_f64().max(1e-9)
    }
}

impl Trainer<'_> {
    /// Runs to the end, or until it is asked to stop.
    pub(crate) fn run(&mut self) -> Result<End, TrainError> {
        let mut log = Log::open(&self.run.log())?;
        let before = self.state.elapsed_s;
        let mut clock = Clock { start: Instant::now(), before, busy: Duration::ZERO, images: 0 };
        self.begin(&mut log)?;
        let mut stopping = false;
        let mut told = HashSet::new();
        while self.state.step < self.recipe.train.steps {
            if stopping || self.stop.load(Ordering::Relaxed) {
                return self.interrupt(&mut log, &clock);
            }
            stopping = self.step(&mut log, &mut clock)?;
            self.skipped(&mut log, &mut told)?;
            let (step, train) = (self.state.step, &self.recipe.train);
            let held_out = if due(step, train.validate_every) { self.validate()? } else { None };
            let (measures, best) =
                if due(step, train.eval_every) { self.evaluate(&mut log)? } else { (vec![], false) };
            if due(step, train.log_every) || held_out.is_some() || !measures.is_empty() {
                self.log_step(&mut log, &mut clock, held_out.as_ref(), &measures)?;
            }
            if best || due(step, train.checkpoint_every) || step == train.steps {
                self.checkpoint(&mut log, &clock)?;
            }
            if due(step, train.sample_every) {
                self.sample(&mut log, &clock)?;
            }
        }
        self.finish(&mut log, &clock)
    }

    /// Refuses to wait for a measure that will never come.
    fn check_best(&self) -> Result<(), TrainError> {
        let train = &self.recipe.train;
        if train.eval_every == 0 {
            return Ok(());
        }
        let names = self.observer.measures(&*self.objective.model(Which::Average));
        match train.best.is_empty() || names.contains(&train.best.as_str()) {
            true => Ok(()),
            false => Err(TrainError::Config {
                field: "train.best",
                value: train.best.clone(),
                rule: match names.is_empty() {
                    true => "empty here: nothing is measured of this family".to_string(),
                    false => {
                        format!("empty, or one of what is measured of this family: {}", names.join(", "))
                    }
                },
            }),
        }
    }

    fn begin(&mut self, log: &mut Log) -> Result<(), TrainError> {
        self.check_best()?;
        let (step, snapshot) = (self.state.step, self.objective.snapshot());
        let parameters = snapshot.weights.values().map(|data| data.shape().iter().product::<usize>()).sum();
        let (records, held_out) = (self.feed.records(), self.held_out.iter().map(Batch::len).sum());
        log.event(
            "started",
            json!({ "from": step, "version": env!("CARGO_PKG_VERSION"), "records": records }),
        )?;
        self.observer.event(&Event::Started { step, parameters, records, held_out });
        // The grid of the step at which the run was interrupted, where it was not drawn any more.
        let drawn = samples::path(self.run, step).exists();
        match step > 0 && due(step, self.recipe.train.sample_every) && !drawn {
            true => self.draw(log),
            false => Ok(()),
        }
    }

    /// One step; whether the observer asks to stop.
    fn step(&mut self, log: &mut Log, clock: &mut Clock) -> Result<bool, TrainError> {
        let (start, train) = (Instant::now(), &self.recipe.train);
        let batches = (0..train.accumulate).map(|_| self.feed.next()).collect::<Result<Vec<_>, _>>()?;
        let images = batches.iter().map(|batch| batch.len() as u64).sum::<u64>();
        let number = self.state.step;
        let step = Step { number, seed: train.seed, learning_rate: learning_rate(train, number) };
        let losses = self.objective.step(&batches, &step)?;
        if let Some((name, value)) = losses.iter().find(|(_, value)| !value.is_finite()) {
            log.event("not_finite", json!({ "at": number + 1, "loss": name, "value": value.to_string() }))?;
            return Err(checkpoint::not_finite(self.run, number + 1, format!("the loss `{name}`"), *value));
        }
        clock.busy += start.elapsed();
        clock.images += images;
        let state = &mut self.state;
        state.step += 1;
        state.batches += train.accumulate as u64;
        state.images_seen += images;
        state.pending_steps += 1;
        for (name, value) in &losses {
            *state.pending.entry(name.clone()).or_default() += value;
        }
        let progress = Progress {
            step: state.step,
            steps: train.steps,
            images_seen: state.images_seen,
            learning_rate: step.learning_rate,
            losses: &losses,
            images_per_s: clock.images_per_s(),
        };
        Ok(self.observer.step(&progress).is_break())
    }

    fn log_step(
        &mut self,
        log: &mut Log,
        clock: &mut Clock,
        held_out: Option<&Losses>,
        measures: &[Measure],
    ) -> Result<(), TrainError> {
        let state = &mut self.state;
        let count = state.pending_steps.max(1) as f64;
        state.losses =
            std::mem::take(&mut state.pending).into_iter().map(|(name, sum)| (name, sum / count)).collect();
        state.pending_steps = 0;
        let mut line = Map::new();
        line.insert("step".into(), json!(state.step));
        line.insert("images_seen".into(), json!(state.images_seen));
        line.insert("learning_rate".into(), json!(learning_rate(&self.recipe.train, state.step - 1)));
        line.extend(state.losses.iter().map(|(name, value)| (format!("loss_{name}"), json!(value))));
        line.extend(
            held_out.into_iter().flatten().map(|(name, value)| (format!("validation_{name}"), json!(value))),
        );
        line.extend(measures.iter().map(|measure| (format!("eval_{}", measure.name), json!(measure.value))));
        line.insert("images_per_s".into(), json!(round(clock.images_per_s())));
        line.insert("elapsed_s".into(), json!(round(clock.elapsed_s())));
        (clock.busy, clock.images) = (Duration::ZERO, 0);
        log.line(&line)
    }

    /// Tells of records that have proved broken since it was last asked.
    fn skipped(&mut self, log: &mut Log, told: &mut HashSet<String>) -> Result<(), TrainError> {
        let skipped = self.feed.skipped();
        if skipped.len() <= told.len() {
            return Ok(());
        }
        let total = skipped.len();
        // Found late, a record may stand before those that were told of.
        let new: Vec<String> = skipped.into_iter().filter(|reason| told.insert(reason.clone())).collect();
        for reasons in new.chunks(REASONS) {
            log.event("skipped", json!({ "total": total, "reasons": reasons }))?;
            self.observer.event(&Event::Skipped { total, reasons: reasons.to_vec() });
        }
        Ok(())
    }

    /// The mean losses over the held-out pictures, always with the same noise.
    fn validate(&mut self) -> Result<Option<Losses>, TrainError> {
        let mut sums = Losses::new();
        let mut total = 0.0;
        for (number, batch) in (0..).zip(self.held_out) {
            let step = Step { number, seed: self.recipe.train.seed, learning_rate: 0.0 };
            for (name, value) in self.objective.evaluate(batch, &step)? {
                *sums.entry(name).or_default() += value * batch.len() as f64;
            }
            total += batch.len() as f64;
        }
        if total == 0.0 {
            return Ok(None);
        }
        sums.values_mut().for_each(|sum| *sum /= total);
        self.observer.event(&Event::Validated { step: self.state.step, losses: sums.clone() });
        Ok(Some(sums))
    }

    /// Has the averaged model measured, and tells whether it is the best so far.
    fn evaluate(&mut self, log: &mut Log) -> Result<(Vec<Measure>, bool), TrainError> {
        let (step, wanted) = (self.state.step, &self.recipe.train.best);
        let model = self.objective.model(Which::Average);
        let measures = match self.observer.evaluate(model, self.recipe) {
            Ok(measures) => measures,
            Err(reason) => {
                log.event("not_evaluated", json!({ "at": step, "reason": reason }))?;
                self.observer.event(&Event::NotEvaluated { reason });
                return Ok((vec![], false));
            }
        };
        let found = measures.iter().find(|measure| measure.name == *wanted);
        if found.is_none() && !wanted.is_empty() {
            let reason =
                format!("there is no `{wanted}` this time, so that no best is known: see train.eval_samples");
            log.event("not_evaluated", json!({ "at": step, "reason": reason }))?;
            self.observer.event(&Event::NotEvaluated { reason });
        }
        let before = self.state.best.as_ref().filter(|best| best.measure == *wanted).map(|best| best.value);
        let found = found.filter(|found| before.is_none_or(|before| found.is_better_than(before)));
        if let Some(found) = found {
            self.state.best = Some(Best { measure: found.name.clone(), step, value: found.value });
        }
        let best = found.is_some();
        if !measures.is_empty() {
            self.observer.event(&Event::Evaluated { step, measures: measures.clone(), best });
        }
        Ok((measures, best))
    }

    fn sample(&mut self, log: &mut Log, clock: &Clock) -> Result<(), TrainError> {
        let drawn = self.draw(log);
        if drawn.is_err() && self.saved != Some(self.state.step) {
            self.checkpoint(log, clock)?;
        }
        drawn
    }

    /// A grid of samples. Being asked to stop meanwhile is no error: the loop looks for itself.
    fn draw(&mut self, log: &mut Log) -> Result<(), TrainError> {
        let step = self.state.step;
        match samples::draw(self.run, &self.recipe.sample, self.objective, self.held_out, step, self.stop) {
            Ok(Some(path)) => {
                log.event("samples", json!({ "at": step }))?;
                self.observer.event(&Event::Sampled { path });
                Ok(())
            }
            Ok(None) | Err(TrainError::Model(ModelError::Interrupted)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn checkpoint(&mut self, log: &mut Log, clock: &Clock) -> Result<PathBuf, TrainError> {
        self.state.objective = self.objective.state();
        let state = State { elapsed_s: clock.elapsed_s(), ..self.state.clone() };
        // The log first: it must not end before the checkpoint does.
        log.sync()?;
        let path = checkpoint::write(self.run, &self.objective.snapshot(), &state)?;
        self.saved = Some(state.step);
        let (train, best) = (&self.recipe.train, self.state.best.as_ref().map(|best| best.step));
        checkpoint::prune(self.run, train.keep_checkpoints, train.keep_every, best)?;
        log.event("checkpoint", json!({ "at": state.step }))?;
        self.observer.event(&Event::Checkpointed { path: path.clone() });
        Ok(path)
    }

    fn interrupt(&mut self, log: &mut Log, clock: &Clock) -> Result<End, TrainError> {
        let path = match self.saved == Some(self.state.step) {
            true => self.run.checkpoints().join(checkpoint::name(self.state.step)),
            false => self.checkpoint(log, clock)?,
        };
        log.event("interrupted", json!({ "at": self.state.step }))?;
        Ok(End::Interrupted(path))
    }

    fn finish(&mut self, log: &mut Log, clock: &Clock) -> Result<End, TrainError> {
        if self.saved != Some(self.state.step) {
            self.checkpoint(log, clock)?;
        }
        let losses = self.final_losses()?;
        let line = json!({ "at": self.state.step, "elapsed_s": round(clock.elapsed_s()), "losses": losses });
        log.event("finished", line)?;
        log.sync()?;
        Ok(End::Finished(losses))
    }

    fn final_losses(&mut self) -> Result<Losses, TrainError> {
        if let Some(held_out) = self.validate()? {
            return Ok(held_out
                .into_iter()
                .map(|(name, value)| (format!("validation_{name}"), value))
                .collect());
        }
        Ok(last_losses(&self.state))
    }
}

/// The means since the last line of the log, or those of that line.
pub(crate) fn last_losses(state: &State) -> Losses {
    let means: Losses = match state.pending_steps {
        0 => state.losses.clone(),
        count => state.pending.iter().map(|(name, sum)| (name.clone(), sum / count as f64)).collect(),
    };
    means.into_iter().map(|(name, value)| (format!("loss_{name}"), value)).collect()
}

/// Whether something that happens every so many steps, or never, happens now.
fn due(step: u64, every: u64) -> bool {
    every > 0 && step.is_multiple_of(every)
}

/// To milliseconds: the log is read by people too.
fn round(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests;

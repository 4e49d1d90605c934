//! What a run will cost, measured by a few steps of it that are thrown away.

use std::time::Instant;

use fs_err as fs;
use rebus_data::Batch;
use rebus_models::Step;
use serde::Serialize;

use crate::{
    Run, Start, TrainError, TrainOptions,
    feed::{Feed, LoaderFeed},
    prepare,
    schedule::learning_rate,
};

/// What a run will cost on this machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Estimate {
    /// Numbers that are learned.
    pub parameters: usize,
    /// Records to learn from.
    pub records: usize,
    /// Seconds of one step, the reading of its pictures included.
    pub seconds_per_step: f64,
    /// Pictures a second.
    pub images_per_s: f64,
    /// Steps still to do.
    pub steps: u64,
    /// Seconds of all of them, without the time for samples and checkpoints.
    pub total_s: f64,
    /// The most main memory that the program held so far, bytes, where the system tells; a GPU's own is not in it.
    pub peak_memory: Option<u64>,
}

/// Builds everything that [`train`](crate::train) would, takes one step to warm up and `steps` more to measure, and
/// throws it all away: nothing is written.
///
/// # Errors
/// As [`train`](crate::train) before its first step.
pub fn estimate(options: &TrainOptions, steps: u64) -> Result<Estimate, TrainError> {
    let run = Run::new(&options.run);
    let (mut prepared, done) = match options.start {
        Start::Resume => {
            let done = crate::checkpoint::steps(&run)?.last().copied().unwrap_or(0);
            (prepare::resumed(options, &run)?, done)
        }
        _ => (prepare::fresh(options)?, 0),
    };
    let train = &prepared.recipe.train;
    let mut feed = LoaderFeed::new(prepared.collection.clone(), &prepared.recipe, options.strict, 0)?;
    let measured = steps.max(1);
    let (mut images, mut start) = (0, Instant::now());
    for number in 0..=measured {
        if number == 1 {
            (images, start) = (0, Instant::now());
        }
        let batches = (0..train.accumulate).map(|_| feed.next()).collect::<Result<Vec<Batch>, _>>()?;
        let step = Step { number, seed: train.seed, learning_rate: learning_rate(train, number) };
        prepared.objective.step(&batches, &step)?;
        images += batches.iter().map(Batch::len).sum::<usize>();
    }
    let seconds = start.elapsed().as_secs_f64();
    let weights = prepared.objective.snapshot().weights;
    let left = train.steps.saturating_sub(done);
    Ok(Estimate {
        parameters: weights.values().map(|data| data.shape().iter().product::<usize>()).sum(),
        records: feed.records(),
        seconds_per_step: seconds / measured as f64,
        images_per_s: images as f64 / seconds.max(1e-9),
        steps: left,
        total_s: seconds / measured as f64 * left as f64,
        peak_memory: peak_memory(),
    })
}

/// The high-water mark of this process's memory, as Linux tells it.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

//! Batches for training and validation, made ahead on threads of their own.
//!
//! Batch `k` follows from the collection, the configuration, the seed and `k` alone: a loader that starts at `k`
//! gives the same bytes as one that came there from 0, with any number of workers.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use crate::{
    Batch, Collection, DataError,
    assemble::Assembler,
    config::DataConfig,
    order::{BatchPlan, Epochs, Planner},
    split::split,
};

pub use crate::assemble::Skipped;

/// Which batches a [`Loader`] gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderPlan {
    /// Records a batch.
    pub batch_size: usize,
    /// Makes the order, the augmentations and the choice of captions.
    pub seed: u64,
    /// The number of the first batch, from 0.
    pub start: u64,
    /// Which half of the split.
    pub subset: Subset,
    /// Whether a broken record is an error instead of being replaced by the next one.
    pub strict: bool,
}

/// A half of the split, and how it is gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subset {
    /// Without end, in random order, augmented; a broken record is replaced by the next in the order.
    Train,
    /// Once, in the order of the collection, as it is, with the heaviest caption; a broken record is left out.
    Validation,
}

/// Gives batches in order, made ahead on threads of their own. Dropping it stops them.
///
/// A batch has the picture column; `source`, from which each is to be made, where the configuration says so; `text`, the chosen caption; `caption`, the first text column as it is; and
/// `label`, where the collection has whole numbers of that name (-1 where a record has none).
pub struct Loader {
    assembler: Arc<Assembler>,
    planner: Planner,
    jobs: Option<SyncSender<Job>>,
    ahead: VecDeque<Receiver<Made>>,
    queue: usize,
    delivered: bool,
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
}

type Made = Result<Option<Batch>, DataError>;
type Job = (BatchPlan, SyncSender<Made>);

impl Loader {
    /// Splits and orders the records, and starts the threads. With bucketed shapes the header of every picture is read first.
    ///
    /// # Errors
    /// The configuration is invalid or names columns that the collection lacks, there is no record to train on, or
    /// every picture is broken.
    pub fn new(
        collection: Arc<dyn Collection>,
        config: &DataConfig,
        plan: LoaderPlan,
    ) -> Result<Self, DataError> {
        config.validate()?;
        if plan.batch_size == 0 {
            return Err(DataError::Config {
                field: "batch_size".into(),
                value: "0".into(),
                rule: "at least 1".into(),
            });
        }
        let training = plan.subset == Subset::Train;
        let halves = split(&*collection, config)?;
        let records = if training { halves.train } else { halves.validation };
        if training && records.is_empty() {
            return Err(DataError::NoRecords { location: collection.location().to_path_buf() });
        }
        let mut assembler =
            Assembler::new(Arc::clone(&collection), config, plan.seed, training, plan.strict)?;
        let buckets = assembler.choose(records, config.workers)?;
        let planner = if training {
            let epochs = Epochs::new(&*collection, config, assembler.records(), plan.seed)?;
            Planner::endless(epochs, Arc::new(buckets), plan.batch_size, plan.start)
        } else {
            Planner::once(assembler.records(), &buckets, plan.batch_size, plan.start)
        };
        let mut loader = Self {
            assembler: Arc::new(assembler),
            planner,
            jobs: None,
            ahead: VecDeque::new(),
            queue: config.queue,
            delivered: false,
            stop: Arc::default(),
            workers: Vec::new(),
        };
        loader.spawn(config.workers)?;
        loader.fill();
        Ok(loader)
    }

    /// The next batch.
    ///
    /// # Errors
    /// As the iterator's; [`DataError::End`] after the last batch of a validation pass.
    pub fn next_batch(&mut self) -> Result<Batch, DataError> {
        self.next().unwrap_or(Err(DataError::End))
    }

    /// How many records are in use, before any of them proves broken.
    pub fn records(&self) -> usize {
        self.assembler.records().len()
    }

    /// How many records have proved broken so far.
    pub fn skipped(&self) -> usize {
        self.assembler.skipped().len()
    }

    /// The records that have proved broken so far, by number.
    pub fn skipped_records(&self) -> Vec<Skipped> {
        self.assembler.skipped().values().cloned().collect()
    }

    fn spawn(&mut self, workers: usize) -> Result<(), DataError> {
        let (sender, receiver) = sync_channel::<Job>(self.queue);
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..workers.min(self.queue) {
            let (assembler, stop) = (Arc::clone(&self.assembler), Arc::clone(&self.stop));
            let receiver = Arc::clone(&receiver);
            let work = move || {
                loop {
                    let job = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((plan, answer)) = job else { return };
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    // Nobody waits for it any more where the loader was dropped.
                    let _ = answer.send(assembler.batch(&plan, &stop));
                }
            };
            let name = format!("rebus-load-{number}");
            self.workers.push(std::thread::Builder::new().name(name).spawn(work)?);
        }
        self.jobs = Some(sender);
        Ok(())
    }

    /// Orders batches until `queue` of them are under way.
    fn fill(&mut self) {
        while self.ahead.len() < self.queue {
            let (Some(jobs), Some(plan)) = (&self.jobs, self.planner.next()) else { return };
            let (answer, made) = sync_channel(1);
            // Never waits, since the channel holds `queue` jobs; where all threads have died, `made` tells.
            let _ = jobs.send((plan, answer));
            self.ahead.push_back(made);
        }
    }
}

impl Iterator for Loader {
    type Item = Result<Batch, DataError>;

    /// The next batch: without end in training, `None` after the last one in validation.
    ///
    /// # Errors
    /// A broken record with `strict`; [`DataError::AllBroken`] where no record is left.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.fill();
            let Some(made) = self.ahead.pop_front() else {
                let broken = !self.delivered && self.skipped() > 0;
                self.delivered = true;
                return broken.then(|| Err(self.assembler.all_broken()));
            };
            match made.recv() {
                Ok(Ok(Some(batch))) => {
                    self.delivered = true;
                    // The batch that was taken makes room for another.
                    self.fill();
                    return Some(Ok(batch));
                }
                Ok(Ok(None)) => {}
                Ok(Err(error)) => return Some(Err(error)),
                Err(_) => return Some(Err(DataError::Worker)),
            }
        }
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        self.ahead.clear();
        for worker in self.workers.drain(..) {
            // A thread that panicked has told so through its batch.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
#[path = "tests/loader.rs"]
mod tests;

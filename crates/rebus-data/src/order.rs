//! Which records make up which batch: an endless sequence of epochs, each a permutation made from the seed.
//!
//! Batch `k` follows from the seed and `k` alone. Records are numbered by their *position* in the endless sequence,
//! and every random choice about one is keyed by that position.

use std::{collections::HashSet, sync::Arc};

use crate::{
    Collection, DataError,
    config::{DataConfig, SamplingRule},
    random::{Purpose, shuffle, stream, uniform},
};

/// Records are shuffled inside groups of this many blocks, so that a reader that keeps as many reads each about once.
const WINDOW: usize = 4;

/// What decides the order of records in every epoch.
#[derive(Debug)]
pub(crate) struct Epochs {
    seed: u64,
    /// The records in use, block by block.
    blocks: Vec<Vec<usize>>,
    /// The probability of each record of the collection to be in an epoch; none where all are.
    weights: Option<Vec<f32>>,
}

/// One pass over the records.
#[derive(Debug)]
pub(crate) struct Epoch {
    number: u64,
    /// The position of its first record.
    start: u64,
    pub records: Vec<usize>,
}

/// One record's turn.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub position: u64,
    pub record: usize,
    epoch: Arc<Epoch>,
}

/// The records of one batch, all to be brought to one size.
#[derive(Debug, Clone)]
pub(crate) struct BatchPlan {
    pub bucket: usize,
    pub entries: Vec<Entry>,
}

/// Hands out the batches one after the other.
#[derive(Debug)]
pub(crate) enum Planner {
    Endless { epochs: Epochs, buckets: Arc<Vec<usize>>, size: usize, at: Entry, pending: Vec<Vec<Entry>> },
    Once(std::vec::IntoIter<BatchPlan>),
}

impl Epochs {
    /// # Errors
    /// A sampling rule names a column that is not there, or together they leave next to no record.
    pub fn new(
        collection: &dyn Collection,
        config: &DataConfig,
        records: &[usize],
        seed: u64,
    ) -> Result<Self, DataError> {
        let used: HashSet<usize> = records.iter().copied().collect();
        let in_use = |block: std::ops::Range<usize>| block.filter(|record| used.contains(record)).collect();
        let blocks: Vec<Vec<usize>> = collection.blocks().into_iter().map(in_use).collect();
        let weights = weights(collection, config, records)?;
        let expected = match &weights {
            None => records.len() as f64,
            Some(weights) => records.iter().map(|&record| f64::from(weights[record])).sum(),
        };
        if expected < 1e-3 {
            return Err(DataError::NoRecords { location: collection.location().to_path_buf() });
        }
        Ok(Self { seed, blocks: blocks.into_iter().filter(|block| !block.is_empty()).collect(), weights })
    }

    fn epoch(&self, number: u64, start: u64) -> Epoch {
        let mut generator = stream(self.seed, Purpose::Order, number, 0);
        let mut order: Vec<usize> = (0..self.blocks.len()).collect();
        shuffle(&mut generator, &mut order);
        let mut records = Vec::new();
        for window in order.chunks(WINDOW) {
            let mut group: Vec<usize> =
                window.iter().flat_map(|&block| self.blocks[block].iter().copied()).collect();
            shuffle(&mut generator, &mut group);
            records.extend(group.into_iter().filter(|&record| self.keeps(number, record)));
        }
        Epoch { number, start, records }
    }

    fn keeps(&self, epoch: u64, record: usize) -> bool {
        match self.weights.as_ref().map_or(1.0, |weights| weights[record]) {
            1.0 => true,
            weight => uniform(&mut stream(self.seed, Purpose::Order, epoch, 1 + record as u64)) < weight,
        }
    }

    /// The first record of the first epoch from `number` on that has any.
    fn first(&self, mut number: u64, start: u64) -> Entry {
        loop {
            let epoch = self.epoch(number, start);
            if let Some(&record) = epoch.records.first() {
                return Entry { position: start, record, epoch: Arc::new(epoch) };
            }
            number += 1;
        }
    }

    fn after(&self, entry: &Entry) -> Entry {
        let epoch = &entry.epoch;
        let position = entry.position + 1;
        match epoch.records.get((position - epoch.start) as usize) {
            Some(&record) => Entry { position, record, epoch: Arc::clone(epoch) },
            None => self.first(epoch.number + 1, position),
        }
    }
}

fn weights(
    collection: &dyn Collection,
    config: &DataConfig,
    records: &[usize],
) -> Result<Option<Vec<f32>>, DataError> {
    if config.sampling.is_empty() {
        return Ok(None);
    }
    let known = |rule: &&SamplingRule| collection.columns().iter().any(|column| column.name == rule.column);
    // One recipe serves collections that have only some of its columns.
    let rules: Vec<&SamplingRule> = config.sampling.iter().filter(known).collect();
    for rule in config.sampling.iter().filter(|rule| !known(rule)) {
        let (location, column) = (collection.location().display(), &rule.column);
        tracing::warn!("{location} has no column `{column}`, by which `{}` was to be weighed", rule.contains);
    }
    let mut weights = vec![1.0; collection.len()];
    for &index in records {
        // One that cannot be read keeps its turn, and is reported there.
        let Ok(record) = collection.captions(index) else { continue };
        for rule in &rules {
            if record.text(&rule.column).is_some_and(|text| text.contains(&rule.contains)) {
                weights[index] *= rule.weight;
            }
        }
    }
    Ok(Some(weights))
}

impl Entry {
    /// The records that stand in for this one, in turn: the rest of its epoch, then the epoch's beginning.
    pub fn substitutes(&self) -> impl Iterator<Item = usize> + '_ {
        let (before, rest) = self.epoch.records.split_at((self.position - self.epoch.start) as usize);
        rest.iter().skip(1).chain(before).copied()
    }
}

impl Planner {
    /// Training: batches from number `first` on, without end. `buckets` has the bucket of each record of the
    /// collection; a batch is handed out as soon as some bucket has enough records, over the ends of epochs.
    pub fn endless(epochs: Epochs, buckets: Arc<Vec<usize>>, size: usize, first: u64) -> Self {
        let many = buckets.iter().copied().max().unwrap_or(0);
        let mut skipped = first;
        let mut at = epochs.first(0, 0);
        if many == 0 && epochs.weights.is_none() {
            // Every epoch has the same length: whole epochs are skipped without making them.
            let length = at.epoch.records.len() as u64;
            let position = first * size as u64;
            let start = position / length * length;
            let epoch = Arc::new(epochs.epoch(position / length, start));
            at = Entry { position, record: epoch.records[(position - start) as usize], epoch };
            skipped = 0;
        }
        let mut planner = Self::Endless { epochs, buckets, size, at, pending: vec![Vec::new(); many + 1] };
        for _ in 0..skipped {
            planner.next();
        }
        planner
    }

    /// Validation: every record once, in order, bucket by bucket; the last batch of a bucket may be smaller.
    pub fn once(records: &[usize], buckets: &[usize], size: usize, first: u64) -> Self {
        let many = records.iter().map(|&record| buckets[record]).max().unwrap_or(0);
        let epoch = Arc::new(Epoch { number: 0, start: 0, records: records.to_vec() });
        let mut grouped = vec![Vec::new(); many + 1];
        for (position, &record) in records.iter().enumerate() {
            let entry = Entry { position: position as u64, record, epoch: Arc::clone(&epoch) };
            grouped[buckets[record]].push(entry);
        }
        let batches = grouped.iter().enumerate().flat_map(|(bucket, entries)| {
            entries.chunks(size).map(move |entries| BatchPlan { bucket, entries: entries.to_vec() })
        });
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        Self::Once(batches.skip(first).collect::<Vec<_>>().into_iter())
    }
}

impl Iterator for Planner {
    type Item = BatchPlan;

    fn next(&mut self) -> Option<BatchPlan> {
        let (epochs, buckets, size, at, pending) = match self {
            Self::Once(batches) => return batches.next(),
            Self::Endless { epochs, buckets, size, at, pending } => (epochs, buckets, *size, at, pending),
        };
        loop {
            let after = epochs.after(at);
            let entry = std::mem::replace(at, after);
            let bucket = buckets[entry.record];
            pending[bucket].push(entry);
            if pending[bucket].len() == size {
                return Some(BatchPlan { bucket, entries: std::mem::take(&mut pending[bucket]) });
            }
        }
    }
}

#[cfg(test)]
#[path = "tests/order.rs"]
mod tests;

//! Which captions are drawn, and which pictures are the reference.

use std::collections::HashSet;

use rebus_data::{
    Collection,
    random::{Purpose, shuffle, stream},
    split,
};

use super::{Evaluation, Source};
use crate::EvalError;

/// Captions of each set of a model, where no other number is asked for.
const SAMPLES: usize = 1000;
/// Fewer held-out pictures than this do not tell what is usual.
const ENOUGH_UNSEEN: usize = 20;

/// A set of captions to draw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptionSet {
    /// What reports call it.
    pub name: String,
    /// Record numbers, whose pictures are the true ones.
    pub records: Vec<usize>,
    /// Other captions than the records' own, one each.
    pub captions: Option<Vec<String>>,
}

impl CaptionSet {
    /// Records with their own captions.
    pub fn new(name: impl Into<String>, records: Vec<usize>) -> Self {
        Self { name: name.into(), records, captions: None }
    }
}

/// Everything that an evaluation looks at.
pub(crate) struct Plan {
    /// What is drawn, set by set.
    pub(crate) sets: Vec<CaptionSet>,
    /// The reference of distances: no caption of these is drawn.
    pub(crate) reference: Vec<usize>,
    /// Which set's pictures belong to training, beside the reference.
    pub(crate) training_set: Option<usize>,
    /// Which set's pictures were never shown to the model.
    pub(crate) unseen: Option<usize>,
    /// All records that the model learned.
    pub(crate) learned: HashSet<usize>,
}

impl Plan {
    /// Half of what was learned at most is drawn, so that the other half is there to compare with.
    pub(crate) fn new(
        source: Source<'_>,
        collection: &dyn Collection,
        settings: &Evaluation,
    ) -> Result<Self, EvalError> {
        let choose = |mut records: Vec<usize>, most: usize| {
            shuffle(&mut stream(settings.drawing.seed, Purpose::Order, 0, 0), &mut records);
            let mut rest = records.split_off(most.min(records.len()));
            // In the order in which they lie, since that is how they are read fastest.
            records.sort_unstable();
            rest.sort_unstable();
            (records, rest)
        };
        if let Source::Pictures(drawn) = source {
            let (records, _) = choose((0..drawn.len()).collect(), settings.samples.unwrap_or(usize::MAX));
            return Ok(Self {
                sets: vec![CaptionSet::new("pictures", records)],
                reference: (0..collection.len()).collect(),
                training_set: None,
                unseen: None,
                learned: HashSet::new(),
            });
        }
        let samples = settings.samples.unwrap_or(SAMPLES);
        let halves = split(collection, &settings.data)?;
        let learned: HashSet<usize> = halves.train.iter().copied().collect();
        // The sets of a split have true pictures of their own, which are no reference for themselves.
        let apart: HashSet<usize> =
            settings.sets.iter().flat_map(|set| set.records.iter().copied()).collect();
        let others =
            |records: Vec<usize>| records.into_iter().filter(|record| !apart.contains(record)).collect();
        let train: Vec<usize> = others(halves.train);
        let half = samples.min(train.len() / 2);
        let (drawn, reference) = choose(train, half);
        let mut sets = vec![CaptionSet::new("training", drawn)];
        let mut unseen = None;
        if source.follows_captions() {
            let held_out: Vec<usize> = others(halves.validation);
            if !held_out.is_empty() {
                let (records, _) = choose(held_out, samples);
                unseen = (records.len() >= ENOUGH_UNSEEN).then_some(sets.len());
                sets.push(CaptionSet::new("held out", records));
            }
            for set in &settings.sets {
                let (numbers, _) = choose((0..set.records.len()).collect(), samples);
                let captions = set.captions.as_ref();
                sets.push(CaptionSet {
                    name: set.name.clone(),
                    records: numbers.iter().map(|number| set.records[*number]).collect(),
                    captions: captions.map(|all| numbers.iter().map(|number| all[*number].clone()).collect()),
                });
            }
        }
        if settings.last_set_only && sets.len() > 1 {
            sets.drain(..sets.len() - 1);
            let unseen = unseen.map(|_| 0);
            return Ok(Self { sets, reference, training_set: None, unseen, learned });
        }
        Ok(Self { sets, reference, training_set: Some(0), unseen, learned })
    }
}

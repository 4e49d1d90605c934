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
    pub(crate) learned: Option<usize>,
    /// Which set's pictures were never shown to the model.
    pub(crate) unseen: Option<usize>,
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
                learned: None,
                unseen: None,
            });
        }
        let samples = settings.samples.unwrap_or(SAMPLES);
        let halves = split(collection, &settings.data)?;
        let half = samples.min(halves.train.len() / 2);
        let (learned, reference) = choose(halves.train, half);
        let mut sets = vec![CaptionSet::new("training", learned)];
        let mut unseen = None;
        if source.follows_captions() {
            // What a split holds back is measured in its own sets.
            let apart: HashSet<usize> = settings.sets.iter().flat_map(|set| set.records.clone()).collect();
            let held_back: HashSet<usize> = halves.validation.iter().copied().collect();
            let mut others = halves.validation;
            if apart.is_subset(&held_back) {
                others.retain(|record| !apart.contains(record));
            }
            if !others.is_empty() {
                let (records, _) = choose(others, samples);
                unseen = (records.len() >= ENOUGH_UNSEEN).then_some(sets.len());
                sets.push(CaptionSet::new("held out", records));
            }
            for set in &settings.sets {
                let (numbers, _) = choose((0..set.records.len()).collect(), samples);
                sets.push(CaptionSet {
                    name: set.name.clone(),
                    records: numbers.iter().map(|number| set.records[*number]).collect(),
                    captions: set
                        .captions
                        .as_ref()
                        .map(|captions| numbers.iter().map(|number| captions[*number].clone()).collect()),
                });
            }
        }
        if settings.last_set_only && sets.len() > 1 {
            sets.drain(..sets.len() - 1);
            return Ok(Self { sets, reference, learned: None, unseen: unseen.map(|_| 0) });
        }
        Ok(Self { sets, reference, learned: Some(0), unseen })
    }
}

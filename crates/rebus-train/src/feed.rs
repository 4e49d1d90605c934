//! Batches for the loop, from a collection's loader.

use std::sync::Arc;

use rebus_data::{Batch, Collection, Loader, LoaderPlan, Subset};

use crate::{Recipe, TrainError};

/// The column in which the families look for pictures.
pub(crate) const PICTURES: &str = "image";
/// The column of captions in a batch.
pub(crate) const CAPTIONS: &str = "text";

/// Where the loop takes its batches from: batch `k` is always the same one.
pub(crate) trait Feed {
    /// The next batch.
    fn next(&mut self) -> Result<Batch, TrainError>;

    /// What was wrong with records that have proved broken so far.
    fn skipped(&self) -> Vec<String>;

    /// How many records there are to learn from.
    fn records(&self) -> usize;
}

/// The training half of a collection.
pub(crate) struct LoaderFeed {
    loader: Loader,
    column: String,
}

impl LoaderFeed {
    /// From batch number `start` on.
    pub(crate) fn new(
        collection: Arc<dyn Collection>,
        recipe: &Recipe,
        strict: bool,
        start: u64,
    ) -> Result<Self, TrainError> {
        let plan = LoaderPlan {
            batch_size: recipe.train.batch_size / recipe.train.accumulate,
            seed: recipe.train.seed,
            start,
            subset: Subset::Train,
            strict,
        };
        let loader = Loader::new(collection, &recipe.data, plan)?;
        Ok(Self { loader, column: recipe.data.picture_column.clone() })
    }
}

impl Feed for LoaderFeed {
    fn next(&mut self) -> Result<Batch, TrainError> {
        Ok(named(self.loader.next_batch()?, &self.column))
    }

    fn skipped(&self) -> Vec<String> {
        self.loader.skipped_records().into_iter().map(|skipped| skipped.reason).collect()
    }

    fn records(&self) -> usize {
        self.loader.records()
    }
}

/// The first held-out batches, kept in memory; none where nothing is held out.
pub(crate) fn held_out(collection: Arc<dyn Collection>, recipe: &Recipe) -> Result<Vec<Batch>, TrainError> {
    let none = recipe.data.validation_fraction <= 0.0 && recipe.data.held_back.is_empty();
    if none || recipe.train.validate_every == 0 {
        return Ok(vec![]);
    }
    let plan = LoaderPlan {
        batch_size: recipe.train.batch_size / recipe.train.accumulate,
        seed: recipe.train.seed,
        start: 0,
        subset: Subset::Validation,
        strict: false,
    };
    let loader = Loader::new(collection, &recipe.data, plan)?;
    let batches = loader.take(recipe.train.validation_batches);
    batches.map(|batch| Ok(named(batch?, &recipe.data.picture_column))).collect()
}

/// The pictures under the name that the families know.
fn named(mut batch: Batch, column: &str) -> Batch {
    if column != PICTURES
        && let Some(pictures) = batch.columns.shift_remove(column)
    {
        batch.columns.insert(PICTURES.to_string(), pictures);
    }
    batch
}

//! A collection on a plane: what lies near in the space of embeddings lies near there (t-SNE, van der Maaten and Hinton
//! 2008, with interpolated repulsion, Linderman et al. 2019).

use std::ops::ControlFlow;

use rebus_data::random::{Purpose, stream, uniform};
use rebus_models::{ModelError, Observer};
use rebus_store::{Filter, Item, Part, Store};

use super::index::nothing;
use crate::TaskError;

/// How many neighbours of an item count, about.
const PERPLEXITY: f32 = 20.0;
/// Steps of the search for good places.
const STEPS: usize = 750;
/// How far items are apart before the first step.
const FIRST_SPREAD: f32 = 1e-4;

/// An item on the plane.
#[derive(Debug, Clone, PartialEq)]
pub struct Spot {
    /// The item.
    pub item: Item,
    /// Where it is, from 0 to 1 both ways.
    pub at: [f32; 2],
}

/// The items of a store that have this part, on a plane, by path.
///
/// # Errors
/// The store cannot be read, or an interruption.
pub fn map(
    store: &dyn Store,
    part: Part,
    filter: Option<&Filter>,
    seed: u64,
    observer: &mut dyn Observer,
) -> Result<Vec<Spot>, TaskError> {
    let mut vectors = store.vectors(part, filter)?;
    // An item with several captions is at the place of its first.
    vectors.dedup_by_key(|(item, _)| *item);
    let rows: Vec<&[f32]> = vectors.iter().map(|(_, row)| row.as_slice()).collect();
    let places = match rows.len() {
        0..10 => (0..rows.len()).map(|place| [place as f32, 0.0]).collect(),
        _ => on_a_plane(&rows, seed, observer)?,
    };
    let (low, side) = frame(&places);
    let ids: Vec<i64> = vectors.iter().map(|(item, _)| *item).collect();
    let spots = store.items(&ids)?.into_iter().zip(places).map(|(item, [x, y])| {
        let at = [(x - low[0]) / side, (y - low[1]) / side];
        Spot { item, at }
    });
    Ok(spots.collect())
}

fn on_a_plane(rows: &[&[f32]], seed: u64, observer: &mut dyn Observer) -> Result<Vec<[f32; 2]>, TaskError> {
    let apart = |a: &&[f32], b: &&[f32]| a.iter().zip(*b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
    let first: Vec<f32> = (0..rows.len())
        .flat_map(|row| {
            let mut generator = stream(seed, Purpose::Noise, 0, row as u64);
            [FIRST_SPREAD * uniform(&mut generator), FIRST_SPREAD * uniform(&mut generator)]
        })
        .collect();
    if observer.step(0, 1, &nothing).is_break() {
        return Err(ModelError::Interrupted.into());
    }
    let mut tsne: bhtsne::tSNE<'_, f32, &[f32]> = bhtsne::tSNE::new(rows);
    tsne.perplexity(PERPLEXITY.min((rows.len() - 1) as f32 / 3.0))
        .epochs(STEPS)
        .initial_embedding(first)
        .fit_sne(apart);
    match observer.step(1, 1, &nothing) {
        ControlFlow::Break(()) => Err(ModelError::Interrupted.into()),
        ControlFlow::Continue(()) => {
            Ok(tsne.embedding().chunks(2).map(|place| [place[0], place[1]]).collect())
        }
    }
}

/// The lower corner of a square around all places, and its side.
fn frame(places: &[[f32; 2]]) -> ([f32; 2], f32) {
    let bound = |way: usize, start: f32, pick: fn(f32, f32) -> f32| {
        places.iter().map(|place| place[way]).fold(start, pick)
    };
    let low = [bound(0, f32::INFINITY, f32::min), bound(1, f32::INFINITY, f32::min)];
    let high = [bound(0, f32::NEG_INFINITY, f32::max), bound(1, f32::NEG_INFINITY, f32::max)];
    let side = (high[0] - low[0]).max(high[1] - low[1]);
    (low, if side > 0.0 { side } else { 1.0 })
}

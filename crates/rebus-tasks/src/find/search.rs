//! Items of a store by words, pictures and filters.

use std::collections::HashMap;

use image::DynamicImage;
use rebus_data::Sound;
use rebus_models::Model;
use rebus_store::{Filter, Hit, Item, Part, Store};
use serde::Serialize;

use super::embed::{Embedder, unit};
use crate::TaskError;

/// How much of what is not wanted is taken from what is, where nobody says.
const LESS: f32 = 0.5;
/// What a rank is added to in reciprocal rank fusion (Cormack et al. 2009).
const RANK_OFFSET: f32 = 60.0;
/// How many more than asked for each of two rankings has before they are fused.
const FUSED: usize = 100;

/// What to look for.
#[derive(Debug, Clone)]
pub struct SearchTask {
    /// What the items show, in words.
    pub texts: Vec<String>,
    /// Pictures like which they are.
    pub pictures: Vec<DynamicImage>,
    /// Sounds that tell what they show.
    pub sounds: Vec<Sound>,
    /// What they do not show, in words.
    pub without: Vec<String>,
    /// How much each of them counts, in this order: texts, pictures, sounds, then what is not wanted; 1 and for the last 0.5 by default.
    pub weights: Option<Vec<f32>>,
    /// Words of which their captions must have some: alone, or fused with the rest by their ranks.
    pub words: Option<String>,
    /// What their fields must be.
    pub filter: Option<Filter>,
    /// Which part of an item is compared.
    pub part: Part,
    /// How many at most.
    pub count: usize,
}

impl Default for SearchTask {
    fn default() -> Self {
        Self {
            texts: vec![],
            pictures: vec![],
            sounds: vec![],
            without: vec![],
            weights: None,
            words: None,
            filter: None,
            part: Part::Picture,
            count: 10,
        }
    }
}

impl SearchTask {
    /// Whether a model must look at something.
    pub fn shows(&self) -> bool {
        !(self.texts.is_empty()
            && self.pictures.is_empty()
            && self.sounds.is_empty()
            && self.without.is_empty())
    }
}

/// An item that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// The item.
    #[serde(flatten)]
    pub item: Item,
    /// A cosine; of words a BM25 score; of both the sum of reciprocal ranks.
    pub score: f32,
}

/// Items that fit best, the best first, equal ones by path.
///
/// # Errors
/// Nothing to look for, weights of another number, a model that does not encode or made not this store.
pub fn search(
    store: &dyn Store,
    model: Option<(&dyn Model, &str)>,
    task: &SearchTask,
) -> Result<Vec<Found>, TaskError> {
    let by_words = |count| match &task.words {
        Some(words) => Ok(store.matching(words, count, task.filter.as_ref())?),
        None => Ok::<_, TaskError>(vec![]),
    };
    let is_shown = task.shows();
    let hits = match (is_shown, model) {
        (false, _) if task.words.is_some() => by_words(task.count)?,
        (true, Some((model, name))) => {
            let embedder = Embedder::of(model)?;
            store.adopt(&embedder.key(name))?;
            let query = query(&embedder, task)?;
            let near = |count| store.nearest(task.part, &query, count, task.filter.as_ref());
            match task.words {
                Some(_) => fused(&[near(task.count + FUSED)?, by_words(task.count + FUSED)?]),
                None => near(task.count)?,
            }
        }
        _ => return Err(TaskError::NothingToFind),
    };
    let items = store.items(&hits.iter().map(|hit| hit.item).collect::<Vec<_>>())?;
    let scores: HashMap<i64, f32> = hits.iter().map(|hit| (hit.item, hit.score)).collect();
    let scored =
        items.into_iter().map(|item| Found { score: scores.get(&item.id).copied().unwrap_or(0.0), item });
    let mut found: Vec<Found> = scored.collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.item.path.cmp(&b.item.path)));
    found.truncate(task.count);
    Ok(found)
}

/// One direction for all that is looked for.
fn query(embedder: &Embedder<'_>, task: &SearchTask) -> Result<Vec<f32>, TaskError> {
    let mut rows = vec![];
    if !task.texts.is_empty() {
        rows.extend(embedder.texts(&task.texts)?);
    }
    if !task.pictures.is_empty() {
        rows.extend(embedder.pictures(&task.pictures)?);
    }
    if !task.sounds.is_empty() {
        let mel = embedder.must_hear()?;
        let heard = task.sounds.iter().map(|sound| sound.log_mel(&mel)).collect::<Result<Vec<_>, _>>()?;
        rows.extend(embedder.sounds(&rebus_data::Sounds::stack(&heard)?)?);
    }
    let wanted = rows.len();
    if !task.without.is_empty() {
        rows.extend(embedder.texts(&task.without)?);
    }
    let weights = match &task.weights {
        Some(weights) if weights.len() == rows.len() && weights.iter().all(|weight| weight.is_finite()) => {
            weights.clone()
        }
        Some(weights) => {
            let rule = format!(
                "one number for each of {} texts, {} pictures, {} sounds and {} that are not wanted, in this order",
                task.texts.len(),
                task.pictures.len(),
                task.sounds.len(),
                task.without.len()
            );
            return Err(TaskError::Weights { value: format!("{weights:?}"), rule });
        }
        None => (0..rows.len()).map(|place| if place < wanted { 1.0 } else { LESS }).collect(),
    };
    let mut sum = vec![0.0; rows.first().map_or(0, Vec::len)];
    for (place, (row, weight)) in rows.iter().zip(weights).enumerate() {
        let weight = if place < wanted { weight } else { -weight };
        sum.iter_mut().zip(row).for_each(|(sum, number)| *sum += weight * number);
    }
    Ok(unit(&sum))
}

/// Several rankings as one: each item counts by its places alone.
fn fused(rankings: &[Vec<Hit>]) -> Vec<Hit> {
    let mut scores: HashMap<i64, f32> = HashMap::new();
    for ranking in rankings {
        for (place, hit) in ranking.iter().enumerate() {
            *scores.entry(hit.item).or_default() += 1.0 / (RANK_OFFSET + place as f32 + 1.0);
        }
    }
    scores.into_iter().map(|(item, score)| Hit { item, score }).collect()
}

//! What people said of the pictures that were indexed and fits another picture best.

use image::DynamicImage;
use rebus_models::Model;
use rebus_store::{Filter, Item, Part, Store, Value, dot};
use serde::Serialize;

use super::{embed::Embedder, index::hash_of};
use crate::TaskError;

/// Captions that share a picture's certainty: those further away have next to none of it.
const AMONG: usize = 256;

/// A caption that may fit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Guess {
    /// The caption.
    pub caption: String,
    /// How likely it is the right one, if one of all captions is.
    pub confidence: f32,
    /// The cosine between caption and picture.
    pub cosine: f32,
    /// The item whose caption it is.
    pub path: String,
}

/// The captions that fit a picture best.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Captioned {
    /// The likeliest first.
    pub guesses: Vec<Guess>,
}

/// The `count` captions of a store that lie nearest to each picture; of items that a filter lets through, if there is one.
///
/// # Errors
/// A model that does not encode or made not this store, or a store without captions.
pub fn caption(
    store: &dyn Store,
    model: (&dyn Model, &str),
    pictures: &[DynamicImage],
    count: usize,
    filter: Option<&Filter>,
) -> Result<Vec<Captioned>, TaskError> {
    let embedder = Embedder::of(model.0)?;
    store.adopt(&embedder.key(model.1))?;
    let count_of_all = store.about()?.embeddings.get(Part::Caption.name()).copied().unwrap_or(0);
    let each = embedder.pictures(pictures)?.into_iter().map(|picture| {
        let hits = store.nearest(Part::Caption, &picture, AMONG.max(count), filter)?;
        if hits.is_empty() {
            return Err(TaskError::NoCaptions);
        }
        let cosines: Vec<f32> = hits.iter().map(|hit| hit.score).collect();
        let confidences = embedder.confidences(&cosines, count_of_all);
        let some = hits.iter().zip(confidences).take(count);
        let ids: Vec<i64> = some.clone().map(|(hit, _)| hit.item).collect();
        let mut guesses = vec![];
        for item in store.items(&ids)? {
            // One that is gone meanwhile is left out.
            let Some((hit, confidence)) = some.clone().find(|(hit, _)| hit.item == item.id) else { continue };
            let caption = nearest_caption(store, &item, &picture)?;
            guesses.push(Guess { caption, confidence, cosine: hit.score, path: item.path });
        }
        Ok(Captioned { guesses })
    });
    each.collect()
}

/// Which of an item's captions, in any language, lies nearest to a picture.
fn nearest_caption(store: &dyn Store, item: &Item, picture: &[f32]) -> Result<String, TaskError> {
    let parts = store.parts(item.id, Part::Caption)?;
    let nearest = parts.iter().max_by(|a, b| dot(&a.1, picture).total_cmp(&dot(&b.1, picture)));
    let texts = item.fields.values().filter_map(|value| match value {
        Value::Text(text) => Some(text),
        _ => None,
    });
    let caption = nearest
        .and_then(|(hash, _)| texts.into_iter().find(|text| hash_of(text.as_bytes()) == *hash))
        .cloned();
    Ok(caption.unwrap_or_default())
}

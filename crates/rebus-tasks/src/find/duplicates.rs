//! Groups of items that look alike.

use rayon::prelude::*;
use rebus_data::sets::Sets;
use rebus_store::{Filter, Part, Store, dot};
use serde::Serialize;

use crate::TaskError;

/// Up to so many items each is compared with each; beyond, each with its nearest ones.
const EACH_UP_TO: usize = 16_384;
/// How many of the nearest, then.
const NEAREST: usize = 32;

/// What counts as alike.
#[derive(Debug, Clone)]
pub struct DuplicatesTask {
    /// Which part of an item is compared.
    pub part: Part,
    /// The cosine from which on two items are alike.
    pub threshold: f32,
    /// What their fields must be.
    pub filter: Option<Filter>,
}

impl Default for DuplicatesTask {
    fn default() -> Self {
        Self { part: Part::Picture, threshold: 0.97, filter: None }
    }
}

/// Items that are alike, also by way of a third.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// Their paths, in order.
    pub paths: Vec<String>,
    /// The smallest cosine of a pair that joined them.
    pub cosine: f32,
    #[serde(skip)]
    pub(crate) items: Vec<i64>,
}

impl Group {
    /// The numbers of its items in the store.
    pub fn items(&self) -> &[i64] {
        &self.items
    }
}

/// Groups of items that are alike, the largest first.
///
/// # Errors
/// The store cannot be read, or a threshold that is no cosine.
pub fn duplicates(store: &dyn Store, task: &DuplicatesTask) -> Result<Vec<Group>, TaskError> {
    if !(-1.0..=1.0).contains(&task.threshold) {
        let rule = "a cosine is a number from -1 to 1, and near-duplicates have one above 0.9".to_string();
        return Err(TaskError::Weights { value: task.threshold.to_string(), rule });
    }
    let vectors = store.vectors(task.part, task.filter.as_ref())?;
    let pairs: Vec<(usize, usize, f32)> = match vectors.len() <= EACH_UP_TO {
        true => among_all(&vectors, task.threshold),
        false => among_nearest(store, &vectors, task)?,
    };
    let mut sets = Sets::new(vectors.len());
    for &(one, other, _) in &pairs {
        sets.join(one, other);
    }
    let mut lowest = vec![1.0f32; vectors.len()];
    for &(one, _, cosine) in &pairs {
        let root = sets.root(one);
        lowest[root] = lowest[root].min(cosine);
    }
    let mut groups = vec![];
    for members in sets.groups() {
        let mut items: Vec<i64> = members.iter().map(|&member| vectors[member].0).collect();
        items.dedup();
        if items.len() > 1 {
            let paths = store.items(&items)?.into_iter().map(|item| item.path).collect();
            groups.push(Group { paths, cosine: lowest[members[0]], items });
        }
    }
    groups.sort_by(|a, b| b.items.len().cmp(&a.items.len()).then_with(|| a.paths.cmp(&b.paths)));
    Ok(groups)
}

fn among_all(vectors: &[(i64, Vec<f32>)], threshold: f32) -> Vec<(usize, usize, f32)> {
    let of = |one: usize| {
        let others =
            (one + 1..vectors.len()).map(move |other| (one, other, dot(&vectors[one].1, &vectors[other].1)));
        others.filter(move |(.., cosine)| *cosine >= threshold)
    };
    (0..vectors.len()).into_par_iter().flat_map_iter(of).collect()
}

fn among_nearest(
    store: &dyn Store,
    vectors: &[(i64, Vec<f32>)],
    task: &DuplicatesTask,
) -> Result<Vec<(usize, usize, f32)>, TaskError> {
    let places: std::collections::HashMap<i64, usize> =
        vectors.iter().enumerate().map(|(place, (item, _))| (*item, place)).collect();
    let of = |(one, (_, vector)): (usize, &(i64, Vec<f32>))| -> Result<Vec<(usize, usize, f32)>, TaskError> {
        let hits = store.nearest(task.part, vector, NEAREST, task.filter.as_ref())?;
        let near = hits.into_iter().filter(|hit| hit.score >= task.threshold);
        let pairs = near.filter_map(|hit| Some((one, *places.get(&hit.item)?, hit.score)));
        Ok(pairs.filter(|(one, other, _)| one != other).collect())
    };
    let found: Result<Vec<_>, _> = vectors.par_iter().enumerate().map(of).collect();
    Ok(found?.into_iter().flatten().collect())
}

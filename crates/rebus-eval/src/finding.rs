//! How many of the truly nearest a store's index finds, and how fast.

use std::{collections::HashSet, time::Instant};

use rayon::prelude::*;
use rebus_data::random::{Purpose, below, shuffle, stream};
use rebus_store::{Part, Store, dot};
use serde::Serialize;

use crate::EvalError;

/// Scores that differ by less are the same: an index on a server sums in another order.
const SAME: f32 = 1e-6;

/// Settings of [`finding`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Finding {
    /// Which part of items is looked for.
    pub part: Part,
    /// How many are asked for.
    pub count: usize,
    /// How many queries at most.
    pub queries: usize,
    /// The seed of their choice.
    pub seed: u64,
}

impl Default for Finding {
    fn default() -> Self {
        Self { part: Part::Picture, count: 10, queries: 1_000, seed: 0 }
    }
}

/// How well and how fast a store finds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FindingReport {
    /// Embeddings that are searched.
    pub vectors: usize,
    /// How often it was asked.
    pub queries: usize,
    /// What was asked by: `caption` or `picture`, or `between` for directions halfway between two that are searched.
    pub asked_by: &'static str,
    /// How many were asked for.
    pub count: usize,
    /// The share of the truly nearest that the store found, 0 to 1. Where it looks at each, 1.
    pub recall: f64,
    /// Queries a second, one after the other, the store's own reading of items included.
    pub queries_per_s: f64,
    /// Queries a second by looking at each embedding in memory, one query after the other, on all threads.
    pub exact_queries_per_s: f64,
}

/// Asks a store by its own captions for pictures and sounds, and by its own pictures for captions, as people do; where it has
/// none, by directions halfway between two of what is searched.
///
/// # Errors
/// The store cannot be read, or has nothing to search.
pub fn finding(store: &dyn Store, settings: &Finding) -> Result<FindingReport, EvalError> {
    let all = store.vectors(settings.part, None)?;
    if all.is_empty() || settings.count == 0 {
        return Err(EvalError::NothingIndexed { part: settings.part.name() });
    }
    let (asked_by, queries) = queries(store, settings, &all)?;
    // Whatever is made once is not the search's.
    store.refresh()?;
    store.nearest(settings.part, &queries[0], settings.count, None)?;
    let start = Instant::now();
    let found = queries
        .iter()
        .map(|query| store.nearest(settings.part, query, settings.count, None))
        .collect::<Result<Vec<_>, _>>()?;
    let asked = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let least: Vec<(f32, usize)> =
        queries.iter().map(|query| least_of_nearest(query, &all, settings.count)).collect();
    let exact = start.elapsed().as_secs_f64();
    let (mut right, mut wanted) = (0, 0);
    for (hits, (least, there)) in found.iter().zip(least) {
        right += hits.iter().filter(|hit| hit.score >= least - SAME).count().min(there);
        wanted += there;
    }
    Ok(FindingReport {
        vectors: all.len(),
        queries: queries.len(),
        asked_by,
        count: settings.count,
        recall: right as f64 / wanted as f64,
        queries_per_s: queries.len() as f64 / asked,
        exact_queries_per_s: queries.len() as f64 / exact,
    })
}

/// What is asked, and by what.
fn queries(
    store: &dyn Store,
    settings: &Finding,
    all: &[(i64, Vec<f32>)],
) -> Result<(&'static str, Vec<Vec<f32>>), EvalError> {
    let other = if settings.part == Part::Caption { Part::Picture } else { Part::Caption };
    let mut asking: Vec<Vec<f32>> =
        store.vectors(other, None)?.into_iter().map(|(_, vector)| vector).collect();
    let mut draws = stream(settings.seed, Purpose::Order, 0, 0);
    if !asking.is_empty() {
        shuffle(&mut draws, &mut asking);
        asking.truncate(settings.queries.max(1));
        return Ok((other.name(), asking));
    }
    let mut halfway = || {
        let [a, b] = [&all[below(&mut draws, all.len())].1, &all[below(&mut draws, all.len())].1];
        let sum: Vec<f32> = a.iter().zip(b).map(|(a, b)| a + b).collect();
        let length = dot(&sum, &sum).sqrt();
        // Two that are opposite have no middle.
        match length > SAME {
            true => sum.iter().map(|number| number / length).collect(),
            false => a.clone(),
        }
    };
    Ok(("between", (0..settings.queries.max(1)).map(|_| halfway()).collect()))
}

/// The score of the last of the nearest items, and how many those are. An item of several captions counts once.
fn least_of_nearest(query: &[f32], all: &[(i64, Vec<f32>)], count: usize) -> (f32, usize) {
    let mut scored: Vec<(f32, i64)> =
        all.par_iter().map(|(item, vector)| (dot(query, vector), *item)).collect();
    let mut most = 4 * count;
    loop {
        let most_of_all = most >= scored.len();
        if !most_of_all {
            scored.select_nth_unstable_by(most, |a, b| b.0.total_cmp(&a.0));
        }
        let end = most.min(scored.len());
        let mut nearest = scored[..end].to_vec();
        nearest.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let mut seen = HashSet::new();
        nearest.retain(|(_, item)| seen.insert(*item));
        if nearest.len() >= count || most_of_all {
            nearest.truncate(count);
            return (nearest.last().map_or(f32::INFINITY, |last| last.0), nearest.len());
        }
        most *= 2;
    }
}

#[cfg(test)]
mod tests {
    use rebus_store::{Content, Embedded, Entry, ModelKey, SqliteStore, VectorIndexConfig};

    use super::*;

    fn filled(place: &std::path::Path, captions: bool) {
        let store = SqliteStore::create(place).unwrap();
        store.adopt(&ModelKey { name: "toy".into(), hash: "f".into(), width: 16 }).unwrap();
        let vector = |number: u64, part: u64| {
            let mut numbers = vec![0.0; 16];
            rebus_data::random::fill_normal(&mut stream(part, Purpose::Other, 0, number), &mut numbers);
            let length = dot(&numbers, &numbers).sqrt();
            Some(numbers.iter().map(|number| number / length).collect())
        };
        let entries: Vec<Entry> = (0..600)
            .map(|number| {
                let mut embedded = vec![Embedded {
                    part: Part::Picture,
                    hash: number.to_string(),
                    vector: vector(number, 0),
                }];
                if captions {
                    for one in 0..3 {
                        let number = 3 * number + one;
                        let vector = vector(number, 1);
                        embedded.push(Embedded { part: Part::Caption, hash: number.to_string(), vector });
                    }
                }
                let content =
                    Content { hash: "h".into(), fields: Default::default(), words: String::new(), embedded };
                Entry {
                    path: format!("/{number}"),
                    container: String::new(),
                    stamp: "1".into(),
                    content: Ok(content),
                }
            })
            .collect();
        let mut worker = store.worker().unwrap();
        worker.claim(&entries.iter().map(|entry| entry.path.clone()).collect::<Vec<_>>()).unwrap();
        worker.write(&entries).unwrap();
    }

    #[test]
    fn looking_at_each_finds_all_and_few_candidates_find_less() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), true);
        let settings = Finding { queries: 50, ..Default::default() };
        for part in [Part::Picture, Part::Caption] {
            let store = SqliteStore::open(folder.path()).unwrap();
            let report = finding(&store, &Finding { part, ..settings.clone() }).unwrap();
            assert_eq!((report.recall, report.queries), (1.0, 50), "{part:?}");
        }
        let few = VectorIndexConfig {
            expansion_search: 1,
            connectivity: 3,
            expansion_add: 4,
            ..Default::default()
        };
        let store = SqliteStore::open(folder.path()).unwrap().with_index(few, 10);
        let report = finding(&store, &Finding { count: 1, ..settings }).unwrap();
        assert!(report.recall > 0.3 && report.recall < 1.0, "{report:?}");
        assert_eq!((report.vectors, report.asked_by), (600, "caption"));
    }

    #[test]
    fn a_store_without_captions_is_asked_between_two_and_an_empty_one_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), false);
        let store = SqliteStore::open(folder.path()).unwrap();
        let report = finding(&store, &Finding { queries: 20, ..Default::default() }).unwrap();
        assert_eq!((report.recall, report.asked_by), (1.0, "between"));
        let error = finding(&store, &Finding { part: Part::Sound, ..Default::default() }).unwrap_err();
        assert!(error.to_string().contains("no sound"), "{error}");
    }
}

//! Finding: the nearest vectors, one by one where they are few and by an index where they are many, and words.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    sync::{Arc, PoisonError},
};

use rusqlite::{Connection, params_from_iter};

use super::{Said, SqliteStore, number_of};
use crate::{Filter, Hit, Part, Scalar, StoreError, VectorIndex, exact, words::phrases};

/// Vectors that are added to an index at a time.
const AT_ONCE: usize = 8_192;
/// What is asked of an index beside what is wanted: several items may share a vector, and exact scores change the order.
const MORE: usize = 16;

/// All vectors of a part as a search needs them.
pub(super) enum Vectors {
    /// Few: their numbers, and a row each.
    Few { numbers: Vec<i64>, rows: Vec<f32> },
    /// Many.
    Many(VectorIndex),
}

/// A change that a vector index has missed.
struct Missed {
    vector: i64,
    removed: bool,
}

impl SqliteStore {
    pub(super) fn find_nearest(
        &self,
        part: Part,
        query: &[f32],
        count: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Hit>, StoreError> {
        let vectors = self.ready(part)?;
        let wanted: Option<HashSet<i64>> = match filter {
            Some(filter) => Some(self.read(|connection| wanted(connection, part, filter))?),
            None => None,
        };
        let mut asked = count;
        loop {
            let (mut found, is_all) = self.near(&vectors, query, asked, wanted.as_ref())?;
            found.sort_by(|a, b| b.1.total_cmp(&a.1));
            let hits = self.items_of(&found, count, filter)?;
            if hits.len() == count || is_all {
                return Ok(hits);
            }
            // Several of the nearest are of the same item.
            asked *= 2;
        }
    }

    /// The nearest vectors, at least as many as asked for, with their products, and whether there are no more.
    fn near(
        &self,
        vectors: &Vectors,
        query: &[f32],
        asked: usize,
        wanted: Option<&HashSet<i64>>,
    ) -> Result<(Vec<(i64, f32)>, bool), StoreError> {
        match (vectors, wanted) {
            (Vectors::Few { numbers, rows }, None) => {
                let near = exact::nearest(query, rows, asked);
                let found = near.into_iter().map(|(place, score)| (numbers[place], score)).collect();
                Ok((found, asked >= numbers.len()))
            }
            (Vectors::Many(index), wanted) if wanted.is_none_or(|wanted| wanted.len() > self.exact_up_to) => {
                let is_wanted = wanted.map(|wanted| |number: u64| wanted.contains(&(number as i64)));
                let is_wanted =
                    is_wanted.as_ref().map(|is_wanted| is_wanted as &(dyn Fn(u64) -> bool + Sync));
                let near = index.search(query, asked + MORE, is_wanted)?;
                let near: Vec<i64> = near.into_iter().map(|number| number as i64).collect();
                Ok((self.scored(query, &near)?, near.len() < asked + MORE))
            }
            (_, wanted) => {
                let mut wanted: Vec<i64> = wanted.into_iter().flatten().copied().collect();
                wanted.sort_unstable();
                Ok((self.scored(query, &wanted)?, true))
            }
        }
    }

    /// Some vectors with their exact products with a query.
    fn scored(&self, query: &[f32], numbers: &[i64]) -> Result<Vec<(i64, f32)>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT data FROM vector WHERE id = ?1")?;
            let mut scored = Vec::with_capacity(numbers.len());
            for &number in numbers {
                let mut rows = statement.query([number])?;
                if let Some(row) = rows.next()? {
                    scored.push((number, exact::dot(query, &floats(row.get_ref(0)?.as_blob()?))));
                }
            }
            Ok(scored)
        })
    }

    /// The items of vectors that are sorted by score, the best first, equal ones by path.
    fn items_of(
        &self,
        found: &[(i64, f32)],
        count: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Hit>, StoreError> {
        let mut values = vec![];
        let filter = filter.map_or("1".to_string(), |filter| filter.sql('?', &mut values));
        let query = format!(
            "SELECT item.id, item.path FROM item_vector JOIN item ON item.id = item_vector.item
             WHERE item_vector.vector = ?{} AND {filter}",
            values.len() + 1
        );
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&query)?;
            let (mut hits, mut seen) = (vec![], HashSet::new());
            let mut last = f32::NAN;
            for &(vector, score) in found {
                if hits.len() >= count && score != last {
                    break;
                }
                last = score;
                let values = values.iter().cloned().chain([Scalar::Number(vector as f64)]);
                let rows = statement.query_map(params_from_iter(values), |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
                })?;
                for row in rows {
                    let (item, path) = row?;
                    // An item with several captions counts by its best.
                    if seen.insert(item) {
                        hits.push((Hit { item, score }, path));
                    }
                }
            }
            hits.sort_by(|a, b| b.0.score.total_cmp(&a.0.score).then_with(|| a.1.cmp(&b.1)));
            Ok(hits.into_iter().take(count).map(|(hit, _)| hit).collect())
        })
    }

    pub(super) fn find_words(
        &self,
        words: &str,
        count: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Hit>, StoreError> {
        let phrases = phrases(words).into_iter().map(|phrase| format!("\"{}\"", phrase.join(" ")));
        let phrases: Vec<String> = phrases.collect();
        if phrases.is_empty() {
            return Ok(vec![]);
        }
        let mut values = vec![Scalar::Text(phrases.join(" OR "))];
        let filter = filter.map_or("1".to_string(), |filter| filter.sql('?', &mut values));
        values.push(Scalar::Number(count as f64));
        let query = format!(
            "SELECT item.id, -bm25(words) AS score FROM words JOIN item ON item.id = words.rowid
             WHERE words MATCH ?1 AND {filter} ORDER BY score DESC, item.path LIMIT ?{}",
            values.len()
        );
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&query)?;
            let row =
                |row: &rusqlite::Row<'_>| Ok(Hit { item: row.get(0)?, score: row.get::<_, f64>(1)? as f32 });
            statement.query_map(params_from_iter(values), row)?.collect()
        })
    }

    pub(super) fn parts_of(&self, item: i64, part: Part) -> Result<Vec<(String, Vec<f32>)>, StoreError> {
        let query =
            "SELECT vector.hash, vector.data FROM item_vector JOIN vector ON vector.id = item_vector.vector
                     WHERE item_vector.item = ?1 AND vector.part = ?2 ORDER BY vector.id";
        self.read(|connection| {
            let mut statement = connection.prepare_cached(query)?;
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, floats(row.get_ref(1)?.as_blob()?)));
            statement.query_map([item, number_of(part)], row)?.collect()
        })
    }

    pub(super) fn all_vectors(
        &self,
        part: Part,
        filter: Option<&Filter>,
    ) -> Result<Vec<(i64, Vec<f32>)>, StoreError> {
        let mut values = vec![Scalar::Number(number_of(part) as f64)];
        let filter = filter.map_or("1".to_string(), |filter| filter.sql('?', &mut values));
        let query = format!(
            "SELECT item.id, vector.data FROM item JOIN item_vector ON item_vector.item = item.id
             JOIN vector ON vector.id = item_vector.vector
             WHERE vector.part = ?1 AND {filter} ORDER BY item.path, vector.id"
        );
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&query)?;
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, floats(row.get_ref(1)?.as_blob()?)));
            statement.query_map(params_from_iter(values), row)?.collect()
        })
    }

    /// The vectors of a part as they are now, read or indexed anew only where something changed.
    pub(super) fn ready(&self, part: Part) -> Result<Arc<Vectors>, StoreError> {
        let (generation, count) = self.read(|connection| state(connection, part))?;
        let lock = || self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, vectors)) = lock().get(&part)
            && *of == generation
        {
            return Ok(vectors.clone());
        }
        let (generation, vectors) = match count <= self.exact_up_to {
            true => self.read(|connection| few(connection, part))?,
            false => self.indexed(part)?,
        };
        let vectors = Arc::new(vectors);
        lock().insert(part, (generation, vectors.clone()));
        Ok(vectors)
    }

    /// The index in its file, brought up to date.
    fn indexed(&self, part: Part) -> Result<(i64, Vectors), StoreError> {
        let width = match self.model()? {
            Some(model) => model.width,
            None => return Ok((0, Vectors::Few { numbers: vec![], rows: vec![] })),
        };
        // One process at a time brings it up to date; the others wait, and then find that it is.
        let lock = File::create(self.folder.join("index.lock"))?;
        lock.lock()?;
        let (generation, count) = self.read(|connection| state(connection, part))?;
        let (name, config) = (part.name(), self.config);
        if VectorIndex::generation(&self.folder, name, width, config) == Some(generation)
            && let Some((index, _)) = VectorIndex::open(&self.folder, name, width, config, false)
        {
            return Ok((generation, Vectors::Many(index)));
        }
        let older =
            VectorIndex::open(&self.folder, name, width, config, true).filter(|(_, of)| *of <= generation);
        let missed = match &older {
            Some((_, of)) => Some(self.read(|connection| missed(connection, part, *of, generation))?),
            None => None,
        };
        let index = match (older, missed) {
            // A graph that most of has changed is better made anew.
            (Some((index, _)), Some(missed)) if missed.len() <= count => {
                for missed in missed.iter().filter(|missed| missed.removed) {
                    index.remove(missed.vector as u64)?;
                }
                let added: Vec<i64> = missed.iter().filter(|m| !m.removed).map(|m| m.vector).collect();
                for some in added.chunks(AT_ONCE) {
                    let (numbers, rows) = self.read(|connection| these(connection, some))?;
                    index.add(&numbers, &rows)?;
                }
                index
            }
            _ => {
                let index = VectorIndex::new(width, config)?;
                let mut after = 0;
                loop {
                    let (numbers, rows) = self.read(|connection| next(connection, part, after))?;
                    let Some(last) = numbers.last() else { break };
                    after = *last as i64;
                    index.add(&numbers, &rows)?;
                }
                index
            }
        };
        // What came since is still missed next time: adding it again does no harm.
        index.save(&self.folder, name, generation, config)?;
        Ok((generation, Vectors::Many(index)))
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect()
}

/// The number of the last change to vectors of a part, and how many there are.
fn state(connection: &Connection, part: Part) -> Said<(i64, usize)> {
    let query = "SELECT (SELECT coalesce(max(generation), 0) FROM change WHERE part = ?1),
                        (SELECT count(*) FROM vector WHERE part = ?1)";
    connection.query_row(query, [number_of(part)], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as usize)))
}

fn few(connection: &Connection, part: Part) -> Said<(i64, Vectors)> {
    // Both from one state of the database.
    let transaction = connection.unchecked_transaction()?;
    let (generation, _) = state(&transaction, part)?;
    let (mut numbers, mut rows) = (vec![], vec![]);
    let mut statement =
        transaction.prepare_cached("SELECT id, data FROM vector WHERE part = ?1 ORDER BY id")?;
    let mut found = statement.query([number_of(part)])?;
    while let Some(row) = found.next()? {
        numbers.push(row.get(0)?);
        rows.extend(floats(row.get_ref(1)?.as_blob()?));
    }
    Ok((generation, Vectors::Few { numbers, rows }))
}

/// Vectors of items that a filter lets through.
fn wanted(connection: &Connection, part: Part, filter: &Filter) -> Said<HashSet<i64>> {
    let mut values = vec![Scalar::Number(number_of(part) as f64)];
    let query = format!(
        "SELECT vector.id FROM item JOIN item_vector ON item_vector.item = item.id
         JOIN vector ON vector.id = item_vector.vector WHERE vector.part = ?1 AND {}",
        filter.sql('?', &mut values)
    );
    let mut statement = connection.prepare_cached(&query)?;
    statement.query_map(params_from_iter(values), |row| row.get(0))?.collect()
}

/// The last that happened to each vector that changed since.
fn missed(connection: &Connection, part: Part, after: i64, up_to: i64) -> Said<Vec<Missed>> {
    let query = "SELECT vector, removed FROM change WHERE part = ?1 AND generation > ?2 AND generation <= ?3
                 ORDER BY generation";
    let mut last: HashMap<i64, bool> = HashMap::new();
    let mut statement = connection.prepare_cached(query)?;
    let mut rows = statement.query([number_of(part), after, up_to])?;
    while let Some(row) = rows.next()? {
        last.insert(row.get(0)?, row.get(1)?);
    }
    let mut missed: Vec<Missed> =
        last.into_iter().map(|(vector, removed)| Missed { vector, removed }).collect();
    missed.sort_by_key(|missed| missed.vector);
    Ok(missed)
}

/// Some vectors, those that are still there.
fn these(connection: &Connection, vectors: &[i64]) -> Said<(Vec<u64>, Vec<f32>)> {
    let (mut numbers, mut rows) = (vec![], vec![]);
    let mut statement = connection.prepare_cached("SELECT data FROM vector WHERE id = ?1")?;
    for &vector in vectors {
        let mut found = statement.query([vector])?;
        if let Some(row) = found.next()? {
            numbers.push(vector as u64);
            rows.extend(floats(row.get_ref(0)?.as_blob()?));
        }
    }
    Ok((numbers, rows))
}

/// The next vectors of a part.
fn next(connection: &Connection, part: Part, after: i64) -> Said<(Vec<u64>, Vec<f32>)> {
    let query = "SELECT id, data FROM vector WHERE part = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
    let (mut numbers, mut rows) = (vec![], vec![]);
    let mut statement = connection.prepare_cached(query)?;
    let mut found = statement.query([number_of(part), after, AT_ONCE as i64])?;
    while let Some(row) = found.next()? {
        numbers.push(row.get::<_, i64>(0)? as u64);
        rows.extend(floats(row.get_ref(1)?.as_blob()?));
    }
    Ok((numbers, rows))
}

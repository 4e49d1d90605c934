//! Finding on a server: the nearest vectors by pgvector, and words by BM25 as SQLite counts it.

use std::collections::HashSet;

use postgres::types::ToSql;

use super::{INDEXING, PATIENCE, PostgresStore, Said, number_of, parameters};
use crate::{Filter, Hit, Part, Scalar, StoreError, exact, words::phrases};

/// What is asked of the database beside what is wanted: exact products change the order.
const MORE: usize = 16;
/// The most candidates that pgvector looks at.
const MOST_CANDIDATES: usize = 1_000;

/// The name of the index of a part.
pub(super) fn index_of(part: Part) -> String {
    format!("embedding_{}", part.name())
}

impl PostgresStore {
    pub(super) fn find_nearest(
        &self,
        part: Part,
        query: &[f32],
        count: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Hit>, StoreError> {
        if count == 0 || query.is_empty() {
            return Ok(vec![]);
        }
        let mut is_indexed = self.is_indexed(part)? && !self.is_few(filter)?;
        let mut asked = count + MORE;
        loop {
            let mut near = self.near(part, query, asked, filter, is_indexed)?;
            if is_indexed && near.len() < asked {
                // The index gave up before it had met enough that the filter lets through.
                is_indexed = false;
                continue;
            }
            let is_all = near.len() < asked;
            near.sort_by(|a, b| b.0.score.total_cmp(&a.0.score).then_with(|| a.1.cmp(&b.1)));
            let mut seen = HashSet::new();
            let hits: Vec<Hit> =
                near.into_iter().map(|(hit, _)| hit).filter(|hit| seen.insert(hit.item)).collect();
            if hits.len() >= count || is_all {
                return Ok(hits.into_iter().take(count).collect());
            }
            // Several of the nearest are of the same item.
            asked *= 2;
        }
    }

    /// Items with the nearest vectors, at least as many as asked for if there are, with their exact products and paths.
    fn near(
        &self,
        part: Part,
        query: &[f32],
        asked: usize,
        filter: Option<&Filter>,
        is_indexed: bool,
    ) -> Result<Vec<(Hit, String)>, StoreError> {
        let mut values = vec![];
        let filter = filter.map_or("true".to_string(), |filter| filter.sql('$', &mut values));
        let (given, most) = (values.len() + 1, values.len() + 2);
        let distance = match is_indexed {
            true => {
                let half = format!("halfvec({})", query.len());
                format!("embedding.data::{half} <#> ${given}::real[]::vector::{half}")
            }
            false => format!("embedding.data <#> ${given}::real[]::vector"),
        };
        let sql = format!(
            "SELECT item.id, item.path, embedding.data::real[] FROM embedding
             JOIN item_embedding ON item_embedding.embedding = embedding.id JOIN item ON item.id = item_embedding.item
             WHERE embedding.part = {} AND {filter} ORDER BY {distance} FETCH FIRST (${most}::bigint) ROWS WITH TIES",
            number_of(part)
        );
        let (query_row, most) = (query.to_vec(), asked as i64);
        let mut parameters = parameters(&values);
        parameters.extend([&query_row as &(dyn ToSql + Sync), &most]);
        let rows = self.read(|client| {
            let mut transaction = client.transaction()?;
            if is_indexed {
                let candidates = (asked.max(self.config.expansion_search)).min(MOST_CANDIDATES);
                // Along the index and through a filter until enough is found, or most of memory is taken.
                transaction.batch_execute(&format!(
                    "SET LOCAL hnsw.ef_search = {candidates}; SET LOCAL hnsw.iterative_scan = relaxed_order;
                     SET LOCAL hnsw.max_scan_tuples = 1000000; SET LOCAL hnsw.scan_mem_multiplier = 16;
                     SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off"
                ))?;
            }
            let rows = transaction.query(&sql, &parameters)?;
            transaction.commit()?;
            Ok(rows)
        })?;
        let hit = |row: postgres::Row| {
            let vector: Vec<f32> = row.get(2);
            (Hit { item: row.get(0), score: exact::dot(query, &vector) }, row.get(1))
        };
        Ok(rows.into_iter().map(hit).collect())
    }

    /// Whether a filter leaves so few that each is looked at.
    fn is_few(&self, filter: Option<&Filter>) -> Result<bool, StoreError> {
        let Some(filter) = filter else { return Ok(false) };
        let mut values = vec![];
        let query = format!(
            "SELECT count(*) FROM (SELECT 1 FROM item WHERE {} LIMIT {}) AS few",
            filter.sql('$', &mut values),
            self.exact_up_to + 1
        );
        let row = self.read(|client| client.query_one(&query, &parameters(&values)))?;
        Ok(row.get::<_, i64>(0) as usize <= self.exact_up_to)
    }

    fn is_indexed(&self, part: Part) -> Result<bool, StoreError> {
        Ok(self.read(|client| state_of_index(client, part))? == Some(true))
    }

    /// Makes the index of each part of which there are many; the database keeps it up to date from then on.
    pub(super) fn make_indices(&self) -> Result<(), StoreError> {
        let Some(model) = self.model()? else { return Ok(()) };
        self.read(|client| {
            // One at a time; others need not wait for it.
            let lock = client.query_one("SELECT pg_try_advisory_lock($1, $2)", &[&INDEXING.0, &INDEXING.1])?;
            if !lock.get::<_, bool>(0) {
                return Ok(());
            }
            let made = Part::ALL.into_iter().try_for_each(|part| {
                let name = index_of(part);
                let count = "SELECT count(*) FROM embedding WHERE part = $1";
                let count: i64 = client.query_one(count, &[&number_of(part)])?.get(0);
                match state_of_index(client, part)? {
                    Some(true) => return Ok(()),
                    _ if count as usize <= self.exact_up_to => return Ok(()),
                    // One that was broken off.
                    Some(false) => client.batch_execute(&format!("DROP INDEX IF EXISTS {name}"))?,
                    None => {}
                }
                // While it is made, others write on; and it waits for them as long as they take.
                client.batch_execute("SET lock_timeout = 0")?;
                let made = client.batch_execute(&format!(
                    "CREATE INDEX CONCURRENTLY {name} ON embedding USING hnsw ((data::halfvec({})) halfvec_ip_ops)
                     WITH (m = {}, ef_construction = {}) WHERE part = {}",
                    model.width,
                    self.config.connectivity,
                    self.config.expansion_add,
                    number_of(part)
                ));
                client.batch_execute(&format!("SET lock_timeout = '{PATIENCE}'"))?;
                made
            });
            client.execute("SELECT pg_advisory_unlock($1, $2)", &[&INDEXING.0, &INDEXING.1])?;
            made
        })
    }

    pub(super) fn find_words(
        &self,
        words: &str,
        count: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Hit>, StoreError> {
        let phrases = phrases(words);
        if phrases.is_empty() {
            return Ok(vec![]);
        }
        let mut values = vec![];
        let filter = filter.map_or("true".to_string(), |filter| filter.sql('$', &mut values));
        let query = bm25(&phrases, &filter, &mut values);
        let most = count as i64;
        let mut parameters = parameters(&values);
        parameters.push(&most);
        let rows = self.read(|client| client.query(&query, &parameters))?;
        let hit = |row: postgres::Row| Hit { item: row.get(0), score: row.get::<_, f64>(1) as f32 };
        Ok(rows.into_iter().map(hit).collect())
    }
}

/// Whether the index of a part is whole, if there is one.
fn state_of_index(client: &mut postgres::Client, part: Part) -> Said<Option<bool>> {
    let query = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)";
    let name = format!("rebus.{}", index_of(part));
    Ok(client.query_opt(query, &[&name])?.map(|row| row.get(0)))
}

/// A query for the items that have any of the phrases, by BM25 (Robertson and Zaragoza 2009) with the constants of SQLite's
/// FTS5: `k1` 1.2, `b` 0.75, and a phrase that is in more than half of the items worth a millionth.
fn bm25(phrases: &[Vec<String>], filter: &str, values: &mut Vec<Scalar>) -> String {
    let mut tables = vec![];
    let (mut terms, mut joins, mut any) = (vec![], vec![], vec![]);
    for (number, phrase) in phrases.iter().enumerate() {
        let mut words = vec![];
        for (place, word) in phrase.iter().enumerate() {
            values.push(Scalar::Text(word.clone()));
            let is_it = format!("w{place}.word = ${}", values.len());
            words.push(match place {
                0 => is_it,
                _ => format!("{is_it} AND w{place}.item = w0.item AND w{place}.place = w0.place + {place}"),
            });
        }
        let from: Vec<String> = (0..phrase.len()).map(|place| format!("word w{place}")).collect();
        tables.push(format!(
            "p{number} AS (SELECT w0.item, count(*)::float8 AS often FROM {} WHERE {} GROUP BY w0.item),
             r{number} AS (SELECT greatest(ln((items - with_it + 0.5) / (with_it + 0.5)), 1e-6) AS rare
                           FROM (SELECT count(*)::float8 AS with_it FROM p{number}) AS counted, total)",
            from.join(", "),
            words.join(" AND ")
        ));
        terms.push(format!(
            "coalesce(r{number}.rare * (p{number}.often * 2.2::float8 / (p{number}.often
               + 1.2::float8 * (0.25::float8 + 0.75::float8 * item.length / total.mean))), 0)"
        ));
        joins.push(format!("CROSS JOIN r{number} LEFT JOIN p{number} ON p{number}.item = item.id"));
        any.push(format!("SELECT item FROM p{number}"));
    }
    format!(
        "WITH total AS (SELECT count(*)::float8 AS items, sum(length)::float8 / count(*) AS mean
                        FROM item WHERE reason IS NULL),
         {}
         SELECT item.id, {} AS score FROM ({}) AS hit JOIN item ON item.id = hit.item CROSS JOIN total {}
         WHERE {filter} ORDER BY score DESC, item.path LIMIT ${}",
        tables.join(",\n"),
        terms.join(" + "),
        any.join(" UNION "),
        joins.join(" "),
        values.len() + 1
    )
}

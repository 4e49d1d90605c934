//! `rebus eval index`: what an index finds beside what looking at each would.

use rebus_eval::{Finding, finding};
use rebus_store::Store;

use crate::cli::{failure::Failure, say::out};

/// Asks the store and prints how well and how fast it finds.
pub(super) fn index(store: &dyn Store, settings: &Finding, json: bool) -> Result<(), Failure> {
    let report = finding(store, settings)?;
    if json {
        out!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    out!("{} embeddings, {} queries by {}", report.vectors, report.queries, report.asked_by);
    out!("recall@{:<5} {:.4}", report.count, report.recall);
    out!("queries/s    {:.0}; by looking at each {:.0}", report.queries_per_s, report.exact_queries_per_s);
    Ok(())
}

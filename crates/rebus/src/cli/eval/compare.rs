//! `rebus eval --compare`: reports side by side, as a table and as a picture.

use std::path::{Path, PathBuf};

use fs_err as fs;
use indexmap::IndexMap;
use rebus_data::write_atomic;
use rebus_eval::{bars, numbers};

use crate::cli::{failure::Failure, say::out};

/// Numbers that tell of no model, and are not drawn.
const COUNTS: [&str; 7] = [
    "/pictures",
    "distances/drawn",
    "distances/real",
    "distances/width",
    "floor/drawn",
    "floor/real",
    "floor/width",
];

/// A report that was read back.
struct Column {
    name: String,
    /// The extractor's name and hash, and the collection's place and fingerprint.
    extractor: String,
    collection: String,
    numbers: IndexMap<String, f64>,
}

pub(super) fn compare(reports: &[PathBuf], output: Option<&Path>, json: bool) -> Result<(), Failure> {
    let mut columns: Vec<Column> = reports.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
    // Two reports of one model are told apart by where they lie.
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    for (column, path) in columns.iter_mut().zip(reports) {
        if names.iter().filter(|name| **name == column.name).count() > 1 {
            column.name = path.display().to_string();
        }
    }
    for (what, of) in [
        ("by extractors", (|column| &column.extractor) as fn(&Column) -> &String),
        ("against collections", |column| &column.collection),
    ] {
        let mut different: Vec<&String> = columns.iter().map(of).collect();
        different.dedup();
        if different.len() > 1 {
            let names: Vec<&str> = different.iter().map(|name| name.as_str()).collect();
            tracing::warn!(
                "these were measured {what} that differ, so that distances do not compare: {}",
                names.join(", ")
            );
        }
    }
    let mut names: Vec<&String> = vec![];
    for name in columns.iter().flat_map(|column| column.numbers.keys()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let picture = match output {
        Some(path) => path.to_path_buf(),
        None => free("compare", "svg"),
    };
    if picture.exists() {
        return Err(Failure::input(format!(
            "{} is there already, and is not replaced. Name another file by --output",
            picture.display()
        )));
    }
    let labels: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let rows = names.iter().map(|name| {
        (name.as_str(), columns.iter().map(|column| column.numbers.get(*name).copied()).collect::<Vec<_>>())
    });
    let rows: Vec<_> = rows.collect();
    let drawn: Vec<_> =
        rows.iter().filter(|(name, _)| !COUNTS.iter().any(|count| name.ends_with(count))).cloned().collect();
    write_atomic(&picture, bars(&labels, &drawn)?.as_bytes())?;
    if json {
        let rows = rows.iter().map(|(name, values)| serde_json::json!({ "measure": name, "values": values }));
        let json = serde_json::json!({ "reports": labels, "rows": rows.collect::<Vec<_>>() });
        out!("{}", serde_json::to_string_pretty(&json)?);
        return Ok(());
    }
    let first = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0) + 2;
    let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0).max(12) + 2;
    out!("{:first$}{}", "", labels.iter().map(|label| format!("{label:>width$}")).collect::<String>());
    for (name, values) in &rows {
        let cells = values.iter().map(|value| match value {
            Some(value) if value.fract() == 0.0 => format!("{value:>width$.0}"),
            Some(value) => format!("{value:>width$.5}"),
            None => format!("{:>width$}", "-"),
        });
        out!("{name:first$}{}", cells.collect::<String>());
    }
    out!("{}", picture.display());
    Ok(())
}

fn read(path: &Path) -> Result<Column, Failure> {
    let file = if path.is_dir() { path.join("eval.json") } else { path.to_path_buf() };
    let text = fs::read_to_string(&file)?;
    let broken = |reason: String| Failure::input(format!("{}: {reason}", file.display()));
    let report: serde_json::Value = serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?;
    let numbers = numbers(&report).map_err(|error| broken(error.to_string()))?.into_iter().collect();
    let text = |pointer: &str| report.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or("?");
    let named = |name: &str, hash: &str| format!("{} ({:.12})", text(name), text(hash));
    Ok(Column {
        name: text("/subject/name").to_string(),
        extractor: named("/extractor/name", "/extractor/hash"),
        collection: named("/collection/location", "/collection/fingerprint"),
        numbers,
    })
}

/// A name that is not there yet.
fn free(stem: &str, extension: &str) -> PathBuf {
    let first = PathBuf::from(format!("{stem}.{extension}"));
    let more = (2..).map(|number| PathBuf::from(format!("{stem}-{number}.{extension}")));
    std::iter::once(first).chain(more).find(|path| !path.exists()).unwrap_or_default()
}

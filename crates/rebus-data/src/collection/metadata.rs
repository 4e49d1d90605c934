//! `metadata.jsonl` and `metadata.csv`: a table of named columns, one row a picture.

use std::path::Path;

use super::{json, schema::Schema};
use crate::{ColumnKind, DataError, Field};

/// A table in memory; a row is as long as the columns known when it was read, or shorter.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) schema: Schema,
    pub(crate) rows: Vec<Row>,
}

/// One row, and the line of the file on which it stands.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) line: u64,
    pub(crate) cells: Vec<Option<Field>>,
}

impl Table {
    /// Reads either format, by the file's extension.
    ///
    /// # Errors
    /// A broken line; the error names the file and the line.
    pub(crate) fn read(bytes: &[u8], file: &Path) -> Result<Self, DataError> {
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let mut table = if file.extension().is_some_and(|extension| extension == "csv") {
            read_csv(bytes, file)?
        } else {
            read_jsonl(bytes, file)?
        };
        let kinds: Vec<ColumnKind> = table.schema.columns().iter().map(|column| column.kind).collect();
        for row in &mut table.rows {
            for (cell, kind) in row.cells.iter_mut().zip(&kinds) {
                *cell = cell.take().map(|field| super::schema::fit(field, *kind));
            }
            row.cells.shrink_to_fit();
        }
        Ok(table)
    }

    fn push(&mut self, line: u64, fields: impl IntoIterator<Item = (String, Field)>) {
        let mut cells = Vec::new();
        for (name, field) in fields {
            let number = self.schema.observe(&name, &field);
            if cells.len() <= number {
                cells.resize(number + 1, None);
            }
            cells[number] = Some(field);
        }
        self.rows.push(Row { line, cells });
    }
}

fn read_jsonl(bytes: &[u8], file: &Path) -> Result<Table, DataError> {
    let mut table = Table::default();
    for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let object = json::object(text).map_err(|reason| line_error(file, line, reason))?;
        table.push(line, object.into_iter().filter_map(|(name, value)| Some((name, json::field(value)?))));
    }
    Ok(table)
}

/// A column of CSV is of whole numbers or of real numbers if all its values are; `text` is always text. An empty value
/// is an absent field.
fn read_csv(bytes: &[u8], file: &Path) -> Result<Table, DataError> {
    let mut reader = csv::Reader::from_reader(bytes);
    let broken = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        line_error(file, line, error.to_string())
    };
    let names = reader.headers().map_err(broken)?.clone();
    let rows = reader.records().collect::<Result<Vec<_>, _>>().map_err(broken)?;
    let kinds: Vec<ColumnKind> = names
        .iter()
        .enumerate()
        .map(|(number, name)| {
            let mut values = rows.iter().map(|row| &row[number]).filter(|value| !value.is_empty()).peekable();
            if name == "text" || values.peek().is_none() {
                return ColumnKind::Text;
            }
            let kinds = values.map(number_kind);
            kinds.fold(ColumnKind::Integer, |kind, next| match (kind, next) {
                (ColumnKind::Integer, next) => next,
                (ColumnKind::Real, ColumnKind::Integer) => ColumnKind::Real,
                (_, next) if kind == next => kind,
                _ => ColumnKind::Text,
            })
        })
        .collect();
    let mut table = Table::default();
    for row in &rows {
        let line = row.position().map_or(1, csv::Position::line);
        let cells = names.iter().zip(&kinds).zip(row).filter(|(_, value)| !value.is_empty());
        table.push(
            line,
            cells.map(|((name, kind), value)| {
                let field = match kind {
                    ColumnKind::Integer => value.parse().ok().map(Field::Integer),
                    ColumnKind::Real => value.parse().ok().map(Field::Real),
                    _ => None,
                };
                (name.to_string(), field.unwrap_or_else(|| Field::Text(value.to_string())))
            }),
        );
    }
    Ok(table)
}

/// Whole numbers count only as they are usually written: `007` and `+1` are texts.
fn number_kind(value: &str) -> ColumnKind {
    match value.parse::<i64>() {
        Ok(number) if number.to_string() == value => return ColumnKind::Integer,
        Ok(_) => return ColumnKind::Text,
        Err(_) => {}
    }
    match value.parse::<f64>() {
        Ok(number) if number.is_finite() => ColumnKind::Real,
        _ => ColumnKind::Text,
    }
}

pub(crate) fn line_error(file: &Path, line: u64, reason: String) -> DataError {
    DataError::MetadataLine { file: file.to_path_buf(), line, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_line_is_named() {
        let jsonl = b"{\"file_name\": \"a.png\"}\n\n{\"file_name\": \n";
        let error = Table::read(jsonl, Path::new("d/metadata.jsonl")).unwrap_err().to_string();
        assert!(error.starts_with("d/metadata.jsonl, line 3: not a JSON object"), "{error}");
        let csv = b"file_name,text\na.png,one\nb.png,two,three\n";
        let error = Table::read(csv, Path::new("d/metadata.csv")).unwrap_err().to_string();
        assert!(error.starts_with("d/metadata.csv, line 3:"), "{error}");
    }

    #[test]
    fn csv_columns_get_the_kind_that_all_their_values_have() {
        let csv = "\u{feff}file_name,text,label,score,code,mixed\na.png,7,1,1,007,1\nb.png,8,2,2.5,008,x\nc.png,,,,,\n";
        let table = Table::read(csv.as_bytes(), Path::new("metadata.csv")).unwrap();
        let kinds: Vec<_> = table.schema.columns().iter().map(|column| column.kind).collect();
        use ColumnKind::{Integer, Real, Text};
        assert_eq!(kinds, [Text, Text, Integer, Real, Text, Text]);
        assert_eq!(table.schema.columns()[0].name, "file_name");
        assert_eq!(table.rows[0].cells[3], Some(Field::Real(1.0)));
        assert_eq!(table.rows[2].cells.len(), 1, "empty values are absent");
    }

    #[test]
    fn a_column_first_seen_late_is_absent_before() {
        let jsonl = b"{\"a\": 1}\n{\"b\": \"x\", \"a\": 2.5}\n";
        let table = Table::read(jsonl, Path::new("metadata.jsonl")).unwrap();
        assert_eq!(table.rows[0].cells, [Some(Field::Real(1.0))]);
        assert_eq!(table.rows[1].cells, [Some(Field::Real(2.5)), Some(Field::Text("x".into()))]);
    }
}

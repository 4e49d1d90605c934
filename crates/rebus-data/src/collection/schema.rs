//! The columns of a source that does not declare them: one kind a column, in which every value fits.

use indexmap::IndexMap;

use serde_json::Value;

use super::json;
use crate::{ColumnInfo, ColumnKind, Field};

/// The columns seen so far.
///
/// Where values of one column differ in kind, it is of a kind in which all can be said: a column with `1` and `2.5` is
/// real, one with `"cat"` and `["cat", "dog"]` holds lists, one with `true` and `1` holds JSON. Texts and lists take in
/// anything, so that one odd value does not cost a collection its captions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schema(IndexMap<String, Seen>);

#[derive(Debug, Clone, Copy)]
struct Seen {
    kind: ColumnKind,
    /// All its values are empty lists, which are texts no more than numbers.
    empty: bool,
}

impl Schema {
    /// Takes note of a column and its kind.
    pub(crate) fn declare(&mut self, name: &str, kind: ColumnKind) {
        self.note(name, Seen { kind, empty: false });
    }

    /// Takes note of a value and returns its column's number.
    pub(crate) fn observe(&mut self, name: &str, field: &Field) -> usize {
        let empty = matches!(field, Field::List(items) if items.is_empty());
        self.note(name, Seen { kind: field.kind(), empty })
    }

    fn note(&mut self, name: &str, seen: Seen) -> usize {
        match self.0.get_full_mut(name) {
            Some((number, _, known)) => {
                *known = known.with(seen);
                number
            }
            None => self.0.insert_full(name.to_string(), seen).0,
        }
    }

    /// The number and kind of a column.
    pub(crate) fn get(&self, name: &str) -> Option<(usize, ColumnKind)> {
        self.0.get_full(name).map(|(number, _, seen)| (number, seen.kind))
    }

    /// The value in its column's kind.
    pub(crate) fn fit(&self, name: &str, field: Field) -> Field {
        match self.0.get(name) {
            Some(seen) => fit(field, seen.kind),
            None => field,
        }
    }

    /// Names and kinds, in the order in which they were seen.
    pub(crate) fn columns(&self) -> Vec<ColumnInfo> {
        self.0.iter().map(|(name, seen)| ColumnInfo { name: name.clone(), kind: seen.kind }).collect()
    }
}

impl Seen {
    /// What holds both.
    fn with(self, other: Self) -> Self {
        use ColumnKind::{File, Integer, Json, List, Picture, Real, Text};
        match (self, other) {
            (Self { empty: true, .. }, Self { kind: List | Json, .. }) => return other,
            (Self { kind: List | Json, .. }, Self { empty: true, .. }) => return self,
            _ => {}
        }
        let (a, b) = (self.kind, other.kind);
        let kind = match [Picture, File, List, Text].into_iter().find(|kind| a == *kind || b == *kind) {
            Some(kind) => kind,
            None if a == b => a,
            None if matches!((a, b), (Integer, Real) | (Real, Integer)) => Real,
            None => Json,
        };
        Self { kind, empty: false }
    }
}

/// The value in a wider kind; a value that does not fit stays as it is.
pub(crate) fn fit(field: Field, kind: ColumnKind) -> Field {
    let said = match kind {
        _ if field.kind() == kind => return field,
        ColumnKind::Text | ColumnKind::List | ColumnKind::Json => json::value(&field),
        _ => None,
    };
    match (kind, field, said) {
        (ColumnKind::Real, Field::Integer(value), _) => Field::Real(value as f64),
        (ColumnKind::Text, _, Some(value)) => Field::Text(json::plain(value)),
        (ColumnKind::List, _, Some(Value::Array(items))) => {
            Field::List(items.into_iter().filter(|item| !item.is_null()).map(json::plain).collect())
        }
        (ColumnKind::List, _, Some(value)) => Field::List(vec![json::plain(value)]),
        (ColumnKind::Json, _, Some(value)) => Field::Json(value),
        (_, field, _) => field,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_column_takes_a_kind_that_holds_all_and_its_values_follow() {
        use ColumnKind::{Json, List, Real, Text};
        let text = |text: &str| Field::Text(text.to_string());
        let list = |items: &[&str]| Field::List(items.iter().map(|item| item.to_string()).collect());
        let boxed = || Field::Json(json!([1, {"a": 2}]));
        let cases = [
            (vec![Field::Integer(1), Field::Real(2.5)], Real, Field::Real(1.0)),
            (vec![text("cat"), list(&[])], List, list(&["cat"])),
            (vec![Field::Boolean(true), Field::Integer(1)], Json, Field::Json(json!(true))),
            (vec![Field::Boolean(true), text("yes")], Text, text("true")),
            (vec![boxed(), list(&["a"])], List, list(&["1", "{\"a\":2}"])),
            (vec![boxed(), list(&[])], Json, boxed()),
            (vec![list(&[]), boxed()], Json, Field::Json(json!([]))),
            (vec![list(&[]), list(&["a"]), boxed()], List, list(&[])),
        ];
        let mut schema = Schema::default();
        for (number, (fields, kind, first)) in cases.into_iter().enumerate() {
            let name = number.to_string();
            for field in &fields {
                assert_eq!(schema.observe(&name, field), number);
            }
            assert_eq!(schema.get(&name), Some((number, kind)), "{fields:?}");
            assert_eq!(schema.fit(&name, fields[0].clone()), first);
        }
        assert_eq!(schema.columns()[7].name, "7");
    }
}

//! The columns of a source that does not declare them: one kind a column, in which every value fits.

use indexmap::IndexMap;

use crate::{ColumnInfo, ColumnKind, Field};

/// The columns seen so far.
///
/// Where values of one column differ in kind, the column takes the widest, in the order integer, real, text, list:
/// a column with `1` and `2.5` is real, one with `"cat"` and `["cat", "dog"]` holds lists.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schema(IndexMap<String, ColumnKind>);

impl Schema {
    /// Takes note of a value and returns its column's number.
    pub(crate) fn observe(&mut self, name: &str, kind: ColumnKind) -> usize {
        match self.0.get_full_mut(name) {
            Some((number, _, known)) => {
                *known = wider(*known, kind);
                number
            }
            None => self.0.insert_full(name.to_string(), kind).0,
        }
    }

    /// The number and kind of a column.
    pub(crate) fn get(&self, name: &str) -> Option<(usize, ColumnKind)> {
        self.0.get_full(name).map(|(number, _, kind)| (number, *kind))
    }

    /// The value in its column's kind.
    pub(crate) fn fit(&self, name: &str, field: Field) -> Field {
        match self.0.get(name) {
            Some(kind) => fit(field, *kind),
            None => field,
        }
    }

    /// Names and kinds, in the order in which they were seen.
    pub(crate) fn columns(&self) -> Vec<ColumnInfo> {
        self.0.iter().map(|(name, kind)| ColumnInfo { name: name.clone(), kind: *kind }).collect()
    }
}

/// The value in a wider kind; a value that does not fit stays as it is.
pub(crate) fn fit(field: Field, kind: ColumnKind) -> Field {
    match (kind, field) {
        (ColumnKind::Real, Field::Integer(value)) => Field::Real(value as f64),
        (ColumnKind::Text, Field::Integer(value)) => Field::Text(value.to_string()),
        (ColumnKind::Text, Field::Real(value)) => Field::Text(value.to_string()),
        (ColumnKind::List, Field::Text(text)) => Field::List(vec![text]),
        (ColumnKind::List, Field::Integer(value)) => Field::List(vec![value.to_string()]),
        (ColumnKind::List, Field::Real(value)) => Field::List(vec![value.to_string()]),
        (_, field) => field,
    }
}

fn wider(a: ColumnKind, b: ColumnKind) -> ColumnKind {
    let rank = |kind| match kind {
        ColumnKind::Integer => 0,
        ColumnKind::Real => 1,
        ColumnKind::Text => 2,
        ColumnKind::List => 3,
        ColumnKind::Picture => 4,
    };
    if rank(a) >= rank(b) { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_takes_the_widest_kind_and_its_values_follow() {
        let mut schema = Schema::default();
        for field in [Field::Integer(1), Field::Real(2.5)] {
            schema.observe("score", field.kind());
        }
        for field in [Field::Text("cat".into()), Field::List(vec![])] {
            schema.observe("words", field.kind());
        }
        assert_eq!(schema.fit("score", Field::Integer(1)), Field::Real(1.0));
        assert_eq!(schema.fit("words", Field::Text("cat".into())), Field::List(vec!["cat".into()]));
        let names: Vec<_> = schema.columns().into_iter().map(|column| column.name).collect();
        assert_eq!(names, ["score", "words"]);
    }
}

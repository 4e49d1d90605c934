//! The shape that all values of a column of JSON share, so that a table can hold them as what they are.

use indexmap::IndexMap;
use serde_json::Value;

use crate::{Collection, ColumnInfo, ColumnKind, Field, collection::schema::fit};

/// Objects with more fields are kept as they are.
const MOST_FIELDS: usize = 100;

/// What values have in common. Nothing is bent to fit: what would come back as something else is mixed.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Shape {
    /// No value yet.
    #[default]
    Unknown,
    Boolean,
    Integer,
    /// Whole numbers, some of them beyond what real ones can say.
    Large,
    Real,
    Text,
    /// Any number of values of one shape, `null` among them.
    List(Box<Shape>),
    /// Named values, each of which may be absent.
    Object(IndexMap<String, Shape>),
    /// Nothing.
    Mixed,
}

impl Shape {
    /// The shapes of the columns of JSON by name, from all records that can be read.
    pub(crate) fn of_columns(collection: &dyn Collection, columns: &[ColumnInfo]) -> IndexMap<String, Self> {
        let json = columns.iter().filter(|column| column.kind == ColumnKind::Json);
        let mut shapes: IndexMap<_, _> = json.map(|column| (column.name.clone(), Self::Unknown)).collect();
        if shapes.is_empty() {
            return shapes;
        }
        for index in 0..collection.len() {
            let Ok(mut record) = collection.captions(index) else { continue };
            for (name, shape) in &mut shapes {
                let field = record.fields.swap_remove(name).map(|field| fit(field, ColumnKind::Json));
                if let Some(Field::Json(value)) = field {
                    shape.take_in(&value);
                }
            }
        }
        shapes
    }

    /// Widens it for one more value.
    pub(crate) fn take_in(&mut self, value: &Value) {
        *self = match (std::mem::take(self), value) {
            (Self::Unknown | Self::Boolean, Value::Bool(_)) => Self::Boolean,
            (Self::Unknown | Self::Integer, Value::Number(number)) if is_exact(number) => Self::Integer,
            (Self::Unknown | Self::Integer | Self::Large, Value::Number(number)) if number.is_i64() => {
                Self::Large
            }
            (Self::Unknown | Self::Integer | Self::Real, Value::Number(number)) if number.is_f64() => {
                Self::Real
            }
            (Self::Real, Value::Number(number)) if is_exact(number) => Self::Real,
            (Self::Unknown | Self::Text, Value::String(_)) => Self::Text,
            (Self::Unknown, Value::Array(items)) => Self::List(Box::default()).with_items(items),
            (list @ Self::List(_), Value::Array(items)) => list.with_items(items),
            (Self::Unknown, Value::Object(fields)) => Self::Object(IndexMap::new()).with_fields(fields),
            (object @ Self::Object(_), Value::Object(fields)) => object.with_fields(fields),
            _ => Self::Mixed,
        };
    }

    fn with_items(mut self, items: &[Value]) -> Self {
        if let Self::List(item) = &mut self {
            items.iter().filter(|value| !value.is_null()).for_each(|value| item.take_in(value));
        }
        self
    }

    fn with_fields(mut self, fields: &serde_json::Map<String, Value>) -> Self {
        if let Self::Object(shapes) = &mut self {
            for (name, value) in fields {
                // A field that is `null` would come back absent: it makes its own shape mixed.
                shapes.entry(name.clone()).or_default().take_in(value);
            }
            // Keys that are data, such as names of users: a column each would be as many as there are records.
            if shapes.len() > MOST_FIELDS {
                return Self::Mixed;
            }
        }
        self
    }
}

/// Whether it is a whole number that a real one can say.
fn is_exact(number: &serde_json::Number) -> bool {
    number.as_i64().is_some_and(|value| value.unsigned_abs() <= 1 << 53)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shape(values: &[Value]) -> Shape {
        let mut shape = Shape::default();
        values.iter().for_each(|value| shape.take_in(value));
        shape
    }

    #[test]
    fn values_that_agree_share_a_shape_and_others_are_mixed() {
        let object = |fields: &[(&str, Shape)]| {
            Shape::Object(fields.iter().map(|(name, shape)| (name.to_string(), shape.clone())).collect())
        };
        let list = |item| Shape::List(Box::new(item));
        let cases = [
            (vec![json!([1, 2]), json!([])], list(Shape::Integer)),
            (vec![json!([1]), json!([2.5, null])], list(Shape::Real)),
            (vec![json!([1]), json!(["a"])], list(Shape::Mixed)),
            (
                vec![json!({"a": 1}), json!({"b": [true]})],
                object(&[("a", Shape::Integer), ("b", list(Shape::Boolean))]),
            ),
            (vec![json!({"a": null})], object(&[("a", Shape::Mixed)])),
            (vec![json!(true), json!(1)], Shape::Mixed),
            (vec![json!(1_i64 << 60), json!(1)], Shape::Large),
            (vec![json!(1_i64 << 60), json!(0.5)], Shape::Mixed),
            (vec![json!(0.5), json!(1_i64 << 60)], Shape::Mixed),
            ((0..101).map(|user| json!({ user.to_string(): 1 })).collect(), Shape::Mixed),
            (vec![json!(u64::MAX)], Shape::Mixed),
            (vec![], Shape::Unknown),
        ];
        for (values, wanted) in cases {
            assert_eq!(shape(&values), wanted, "{values:?}");
        }
    }
}

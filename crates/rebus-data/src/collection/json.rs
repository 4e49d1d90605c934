//! Fields from JSON values and back.

use serde_json::{Map, Value};

use crate::Field;

/// The field of a JSON value; `null` is an absent field.
///
/// Booleans are 0 and 1. A list becomes a list of texts, its numbers written out. Anything nested deeper is kept as
/// its JSON text, so that no column is lost.
pub(crate) fn field(value: Value) -> Option<Field> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => Field::Integer(i64::from(value)),
        Value::Number(number) => match number.as_i64() {
            Some(value) => Field::Integer(value),
            None => Field::Real(number.as_f64()?),
        },
        Value::String(text) => Field::Text(text),
        Value::Array(items) if items.iter().all(is_flat) => {
            Field::List(items.into_iter().filter(|item| !item.is_null()).map(plain).collect())
        }
        nested => Field::Text(nested.to_string()),
    })
}

/// The JSON value of a field; pictures and numbers that are not finite have none.
pub(crate) fn value(field: &Field) -> Option<Value> {
    Some(match field {
        Field::Text(text) => Value::from(text.as_str()),
        Field::List(items) => Value::from(items.as_slice()),
        Field::Integer(value) => Value::from(*value),
        Field::Real(value) => Value::Number(serde_json::Number::from_f64(*value)?),
        Field::Picture(_) => return None,
    })
}

/// Parses one JSON object.
pub(crate) fn object(text: &[u8]) -> Result<Map<String, Value>, String> {
    serde_json::from_slice(text).map_err(|error| format!("not a JSON object ({error})"))
}

fn is_flat(value: &Value) -> bool {
    !matches!(value, Value::Array(_) | Value::Object(_))
}

fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_values_become_the_nearest_field() {
        let cases = [
            (json!(null), None),
            (json!(true), Some(Field::Integer(1))),
            (json!(-3), Some(Field::Integer(-3))),
            (json!(2.0), Some(Field::Real(2.0))),
            (json!(["a", 1, null]), Some(Field::List(vec!["a".into(), "1".into()]))),
            (json!({"x": 1}), Some(Field::Text(r#"{"x":1}"#.into()))),
        ];
        for (given, wanted) in cases {
            assert_eq!(field(given), wanted);
        }
    }
}

//! Fields from JSON values and back.

use serde_json::{Map, Value};

use crate::Field;

/// The field of a JSON value; `null` is an absent field. A list of texts is one, without its `null`s; other lists, and
/// objects, stay JSON.
pub(crate) fn field(value: Value) -> Option<Field> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => Field::Boolean(value),
        Value::Number(ref number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => Field::Integer(value),
            (None, Some(real)) if number.is_f64() => Field::Real(real),
            _ => Field::Json(value),
        },
        Value::String(text) => Field::Text(text),
        Value::Array(items) if items.iter().all(is_text_or_null) => {
            Field::List(items.into_iter().filter(|item| !item.is_null()).map(plain).collect())
        }
        nested => Field::Json(nested),
    })
}

/// The JSON value of a field; files and numbers that are not finite have none.
pub(crate) fn value(field: &Field) -> Option<Value> {
    Some(match field {
        Field::Text(text) => Value::from(text.as_str()),
        Field::List(items) => Value::from(items.as_slice()),
        Field::Integer(value) => Value::from(*value),
        Field::Real(value) => Value::Number(serde_json::Number::from_f64(*value)?),
        Field::Boolean(value) => Value::from(*value),
        Field::Json(value) => value.clone(),
        Field::Picture(_) | Field::File(_) => return None,
    })
}

/// Parses one JSON object.
pub(crate) fn object(text: &[u8]) -> Result<Map<String, Value>, String> {
    serde_json::from_slice(text).map_err(|error| format!("not a JSON object ({error})"))
}

fn is_text_or_null(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Null)
}

/// A text as it is, anything else as JSON writes it.
pub(crate) fn plain(value: Value) -> String {
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
            (json!(true), Some(Field::Boolean(true))),
            (json!(-3), Some(Field::Integer(-3))),
            (json!(2.0), Some(Field::Real(2.0))),
            (json!(["a", null]), Some(Field::List(vec!["a".into()]))),
            (json!(["a", 1]), Some(Field::Json(json!(["a", 1])))),
            (json!({"x": 1}), Some(Field::Json(json!({"x": 1})))),
            (json!(u64::MAX), Some(Field::Json(json!(u64::MAX)))),
        ];
        for (given, wanted) in cases {
            assert_eq!(field(given), wanted);
        }
    }
}

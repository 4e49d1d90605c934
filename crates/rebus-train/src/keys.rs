//! From TOML tables to structs: changes by dotted key, and errors that name the nearest right key and its place.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::TrainError;

/// Makes a change `a.b.c=value`; the value is TOML, or else a bare string.
///
/// # Errors
/// There is no key or no `=`, or the way to the key leads through something that is no table.
pub fn set(table: &mut Table, text: &str) -> Result<(), TrainError> {
    let wrong = |reason: String| TrainError::Set { text: text.to_string(), reason };
    let (key, value) = text.split_once('=').ok_or_else(|| wrong("there is no `=`".into()))?;
    let path = path(key.trim());
    let Some((last, way)) = path.split_last().filter(|_| path.iter().all(|part| !part.is_empty())) else {
        return Err(wrong("there is an empty key".into()));
    };
    let mut at = table;
    for (depth, part) in way.iter().enumerate() {
        let next = at.entry(part.clone()).or_insert_with(|| Value::Table(Table::new()));
        at =
            next.as_table_mut().ok_or_else(|| wrong(format!("`{}` is no table", way[..=depth].join("."))))?;
    }
    at.insert(last.clone(), parse_value(value.trim()));
    Ok(())
}

/// `a.b."c+d"` as TOML reads a dotted key, or else split at the dots.
fn path(key: &str) -> Vec<String> {
    let Ok(mut table) = toml::from_str::<Table>(&format!("{key} = 0")) else {
        return key.split('.').map(|part| part.trim().to_string()).collect();
    };
    let mut path = vec![];
    while let Some((part, value)) = table.into_iter().next() {
        path.push(part);
        table = match value {
            Value::Table(inner) => inner,
            _ => Table::new(),
        };
    }
    path
}

fn parse_value(text: &str) -> Value {
    let parsed = toml::from_str::<Table>(&format!("value = {text}")).ok().filter(|table| table.len() == 1);
    parsed.and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::String(text.to_string()))
}

/// A table as a struct.
///
/// # Errors
/// A key that does not exist, a missing key, or a value of another kind.
pub fn read<T: DeserializeOwned>(table: Table, what: &str) -> Result<T, TrainError> {
    serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
        let path = error.path().to_string();
        let reason = in_words(&error.inner().to_string());
        match unknown(&reason) {
            Some((key, known)) => {
                let parent =
                    path.strip_suffix(key).map_or(path.as_str(), |parent| parent.trim_end_matches('.'));
                let place = match parent {
                    "" | "." => format!("the {what}"),
                    parent => format!("[{parent}]"),
                };
                wrong_key(place, key, &known)
            }
            None => {
                let place = if path == "." { format!("the {what}") } else { path };
                TrainError::Kind { place, reason }
            }
        }
    })
}

/// Serde's first line, with its types in words; the others repeat the place.
fn in_words(reason: &str) -> String {
    let line = reason.trim().lines().next().unwrap_or_default();
    match line.rsplit_once("expected ") {
        Some((found, "u64" | "usize" | "u32")) => format!("{found}expected a whole number from 0 up"),
        Some((found, "f64" | "f32")) => format!("{found}expected a number"),
        Some((found, "bool" | "a boolean")) => format!("{found}expected true or false"),
        _ => line.to_string(),
    }
}

/// The error for a key that a table does not have.
pub fn wrong_key(place: String, key: &str, known: &[&str]) -> TrainError {
    let keys = match known {
        [] => "It has no keys at all".to_string(),
        known => format!("Its keys are {}", known.join(", ")),
    };
    TrainError::Key { place, key: key.to_string(), near: nearest(key, known), keys }
}

/// The name that is most like another, where one is like it at all.
pub fn nearest(name: &str, known: &[&str]) -> Option<String> {
    let likeness = |known: &str| strsim::jaro_winkler(known, name);
    let near = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(near) > 0.7).then(|| (*near).to_string())
}

/// The key and the right ones out of serde's words for a key that a struct does not have.
pub fn unknown(reason: &str) -> Option<(&str, Vec<&str>)> {
    let mut quoted = reason.split_once("unknown field `")?.1.split('`');
    let key = quoted.next()?;
    // Between two quoted names stands a comma or `or`.
    Some((key, quoted.skip(1).step_by(2).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serdes_words_are_understood() {
        assert_eq!(unknown("unknown field `a`, expected `b`"), Some(("a", vec!["b"])));
        assert_eq!(unknown("unknown field `a`, expected `b` or `c`"), Some(("a", vec!["b", "c"])));
        assert_eq!(
            unknown("unknown field `a`, expected one of `b`, `c`, `d`"),
            Some(("a", vec!["b", "c", "d"]))
        );
        assert_eq!(unknown("unknown field `a`, there are no fields"), Some(("a", vec![])));
        assert_eq!(unknown("invalid type"), None);
    }

    #[test]
    fn types_are_said_in_words() {
        let said = in_words("invalid value: integer `-3`, expected u64\nin `train.steps`\n");
        assert_eq!(said, "invalid value: integer `-3`, expected a whole number from 0 up");
        assert_eq!(
            in_words("invalid type: string \"x\", expected f64"),
            "invalid type: string \"x\", expected a number"
        );
        assert_eq!(in_words("unknown field `a`, expected `b`"), "unknown field `a`, expected `b`");
    }

    #[test]
    fn keys_may_be_quoted_or_hold_a_plus() {
        for key in ["data.captions.\"text+keywords\"", "data.captions.text+keywords"] {
            let mut table = Table::new();
            set(&mut table, &format!("{key}=0.5")).unwrap();
            assert_eq!(table["data"]["captions"]["text+keywords"], Value::Float(0.5));
        }
    }

    #[test]
    fn a_value_cannot_smuggle_in_another_key() {
        let mut table = Table::new();
        set(&mut table, "a=1\nb = 2").unwrap();
        assert_eq!(table.len(), 1);
    }
}

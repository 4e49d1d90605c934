//! Several edits, one after the other: a TOML file whose `[[edit]]` tables have the options of `rebus edit` as their keys.

use std::{
    any::TypeId,
    path::{Path, PathBuf},
};

use clap::{Arg, Args as _, Command, FromArgMatches};
use toml::{Table, Value};

use super::{edit::Args, failure::Failure};

/// What the file has.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Edits {
    edit: Vec<toml::Spanned<Table>>,
}

/// Options that are of all edits together, or of none.
const NOT_HERE: [&str; 10] = [
    "pictures",
    "recipe",
    "invert",
    "model",
    "device",
    "precision",
    "output",
    "sheet",
    "json",
    "no_metadata",
];

/// The edits of a file, as if each had been a command; paths begin in its folder.
pub(super) fn read(file: &Path) -> Result<Vec<Args>, Failure> {
    let text = fs_err::read_to_string(file)?;
    let wrong = |at: usize, reason: String| {
        let line = 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        Failure::input(format!("{}, line {line}: {reason}", file.display()))
    };
    let edits: Edits = toml::from_str(&text).map_err(|error| {
        wrong(error.span().map_or(0, |span| span.start), error.message().trim().to_string())
    })?;
    if edits.edit.is_empty() {
        return Err(wrong(0, "there is no [[edit]] in it".to_string()));
    }
    let command = Args::augment_args(Command::new("edit").no_binary_name(true));
    let of = |table: &toml::Spanned<Table>| {
        let words = words(table.get_ref(), &command, file)?;
        let matches = command.clone().try_get_matches_from(words).map_err(|error| shortened(&error))?;
        Args::from_arg_matches(&matches).map_err(|error| shortened(&error))
    };
    edits.edit.iter().map(|table| of(table).map_err(|reason| wrong(table.span().start, reason))).collect()
}

/// A table as the words of a command.
fn words(table: &Table, command: &Command, file: &Path) -> Result<Vec<String>, String> {
    // A picture must be named, and is none of the table's business.
    let mut words = vec!["picture".to_string()];
    for (key, value) in table {
        let name = key.replace('_', "-");
        let is_it = |arg: &&Arg| {
            let names = arg.get_long().into_iter().chain(arg.get_all_aliases().into_iter().flatten());
            names.chain(arg.get_short().filter(|short| *short == 'n').map(|_| "n")).any(|other| other == name)
        };
        let arg =
            command.get_arguments().find(is_it).filter(|arg| !NOT_HERE.contains(&arg.get_id().as_str()));
        let arg = arg.ok_or_else(|| format!("`{key}` is no option of an edit; see `rebus edit --help`"))?;
        let is_file = arg.get_value_parser().type_id() == TypeId::of::<PathBuf>();
        let said = |value: &Value| match value {
            Value::String(text) if is_file => Ok(file
                .parent()
                .map_or_else(|| text.into(), |folder| folder.join(text))
                .display()
                .to_string()),
            Value::String(text) => Ok(text.clone()),
            Value::Integer(_) | Value::Float(_) => Ok(value.to_string()),
            _ => Err(format!("`{key}` takes a text or a number")),
        };
        let option = if name == "n" { "-n".to_string() } else { format!("--{name}") };
        match value {
            Value::Boolean(true) => words.push(option),
            Value::Boolean(false) => {}
            // Two masks of a shape; numbers of a box.
            Value::Array(values) if is_file => {
                words.push(option);
                words.extend(values.iter().map(said).collect::<Result<Vec<_>, _>>()?);
            }
            Value::Array(values) => {
                let values = values.iter().map(said).collect::<Result<Vec<_>, _>>()?;
                words.push(format!("{option}={}", values.join(",")));
            }
            value => words.push(format!("{option}={}", said(value)?).replacen("-n=", "-n", 1)),
        }
    }
    Ok(words)
}

/// What clap says, without how a command is used.
fn shortened(error: &clap::Error) -> String {
    let said = error.to_string();
    let said =
        said.split("\n\nUsage").next().unwrap_or_default().split("\n\nFor more").next().unwrap_or_default();
    said.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ")
}

//! The command line as it was given, to be given again for one picture.

use std::{any::TypeId, path::Path, sync::OnceLock};

use clap::{ArgAction, ArgMatches, Command, parser::ValueSource};
use rebus_tasks::Made;

/// Where pictures go and how much is said: no part of what a picture is.
const LEFT_OUT: [&str; 7] = ["output", "sheet", "json", "quiet", "no_metadata", "prompts_file", "watch"];

/// One argument that a person gave.
#[derive(Debug)]
struct Given {
    id: String,
    /// None for what stands without a name.
    long: Option<String>,
    /// The values of each time that it was given.
    times: Vec<Vec<String>>,
}

/// What was given, once it was parsed.
static GIVEN: OnceLock<(String, Vec<Given>)> = OnceLock::new();

/// Keeps the arguments of the subcommand. Of files, the name alone is kept: where they lie is nobody's business.
pub(super) fn keep(matches: &ArgMatches, command: &Command) {
    let Some((verb, matches)) = matches.subcommand() else { return };
    let Some(command) = command.find_subcommand(verb) else { return };
    let given = command.get_arguments().filter_map(|arg| {
        let id = arg.get_id().as_str();
        if LEFT_OUT.contains(&id) || matches.value_source(id)? != ValueSource::CommandLine {
            return None;
        }
        let is_file = arg.get_value_parser().type_id() == TypeId::of::<std::path::PathBuf>();
        let value = |value: &std::ffi::OsStr| match Path::new(value).file_name() {
            Some(name) if is_file => name.to_string_lossy().into_owned(),
            _ => value.to_string_lossy().into_owned(),
        };
        let written = |values: Vec<String>| match arg.get_value_delimiter() {
            Some(between) => vec![values.join(&between.to_string())],
            None => values,
        };
        let times = match arg.get_action() {
            ArgAction::Set | ArgAction::Append => {
                matches.get_raw_occurrences(id)?.map(|values| written(values.map(&value).collect())).collect()
            }
            _ => vec![vec![]],
        };
        let long = arg.get_long().map(str::to_string);
        Some(Given { id: id.to_string(), long, times })
    });
    let given = given.collect();
    let _ = GIVEN.set((verb.to_string(), given));
}

/// What a picture says of the command that made it, which had other values for some arguments, by their ids: no value for those that
/// are left out, and values for what was not given, which must have a long name or none at all.
pub(super) fn made(changes: &[(&str, Option<&str>, Vec<String>)]) -> Made {
    let version = env!("CARGO_PKG_VERSION").to_string();
    match GIVEN.get() {
        Some((verb, given)) => {
            Made { verb: verb.clone(), version, command: command(verb, given, changes), ..Made::default() }
        }
        None => Made { version, ..Made::default() },
    }
}

/// A file's name without its folder, which is nobody's business.
pub(super) fn name_of(file: &Path) -> String {
    file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn command(verb: &str, given: &[Given], changes: &[(&str, Option<&str>, Vec<String>)]) -> Vec<String> {
    let (mut plain, mut named) = (vec![], vec![]);
    let mut add = |long: Option<&str>, values: &[String]| match long {
        None => plain.extend(values.iter().cloned()),
        Some(long) => match values {
            [one] if one.starts_with('-') => named.push(format!("--{long}={one}")),
            values => {
                named.push(format!("--{long}"));
                named.extend(values.iter().cloned());
            }
        },
    };
    for argument in given {
        if !changes.iter().any(|(id, ..)| *id == argument.id) {
            argument.times.iter().for_each(|values| add(argument.long.as_deref(), values));
        }
    }
    for (_, long, values) in changes {
        match long {
            // Each by its own name.
            Some(_) => values.chunks(1).for_each(|value| add(*long, value)),
            None => add(None, values),
        }
    }
    let mut all = vec![verb.to_string()];
    match plain.iter().any(|value| value.starts_with('-')) {
        true => {
            all.extend(named);
            all.push("--".to_string());
            all.extend(plain);
        }
        false => {
            all.extend(plain);
            all.extend(named);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(id: &str, long: Option<&str>, times: &[&[&str]]) -> Given {
        let times = times.iter().map(|values| values.iter().map(ToString::to_string).collect()).collect();
        Given { id: id.to_string(), long: long.map(str::to_string), times }
    }

    #[test]
    fn the_same_command_is_said_for_one_picture() {
        let all = [
            given("prompts", None, &[&["sun", "moon"]]),
            given("count", Some("count"), &[&["4"]]),
            given("guidance_interval", Some("guidance-interval"), &[&["0.2", "0.8"]]),
            given("negative_prompt", Some("negative-prompt"), &[&["-5"]]),
            given("invert", Some("invert-mask"), &[&[]]),
        ];
        let wish = |prompt: &str| {
            let one = |value: &str| vec![value.to_string()];
            command(
                "generate",
                &all,
                &[("prompts", None, one(prompt)), ("count", None, vec![]), ("seed", Some("seed"), one("7"))],
            )
            .join(" ")
        };
        let files = ["a.png", "b.png"].map(str::to_string).to_vec();
        let two = command("generate", &[], &[("image", Some("image"), files)]).join(" ");
        assert_eq!(two, "generate --image a.png --image b.png");
        let settings = "--guidance-interval 0.2 0.8 --negative-prompt=-5 --invert-mask --seed 7";
        assert_eq!(wish("moon"), format!("generate moon {settings}"));
        assert_eq!(wish("-moon"), format!("generate {settings} -- -moon"));
    }
}

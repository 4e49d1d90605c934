//! What the README tells people to type exists.

use regex::Regex;

use super::{Finding, House, tree::Tree};

const README: &str = "README.md";

/// One file or folder here a subcommand.
const CLI: &str = "crates/rebus/src/cli/";

/// Commands of cargo that a README may speak of; `xtask` is ours.
const CARGO: &[&str] =
    &["add", "bench", "build", "clippy", "deny", "doc", "fmt", "install", "run", "test", "xtask"];

/// What a fenced block of commands is marked with.
const SHELLS: &[&str] = &["", "bash", "console", "sh", "shell"];

/// Options that every command has.
const EVERYWHERE: &[&str] = &["help", "version"];

/// Subcommands, their options and cargo's commands exist wherever the page shows code, and so do recipes anywhere.
pub fn rule(house: &House) -> Vec<Finding> {
    // A checkout before its first README has nothing to keep.
    let Some(text) = house.tree.text(README) else { return Vec::new() };
    let mut findings = recipes(text, &house.tree);
    for (line, command) in commands(text) {
        let wrong = match command.program.as_str() {
            "rebus" => rebus(&command, &house.tree),
            "cargo" => cargo(&command, &house.tree),
            _ => Vec::new(),
        };
        findings.extend(wrong.into_iter().map(|what| Finding::at(README, line, what)));
    }
    findings
}

/// Something to type.
#[derive(Debug, PartialEq)]
struct Command {
    program: String,
    arguments: Vec<String>,
}

/// The commands in code, with their lines: blocks of a shell, fenced or indented, and spans within a sentence.
fn commands(text: &str) -> Vec<(usize, Command)> {
    let mut found = Vec::new();
    // What is in quotes is a value, whatever it looks like.
    let (Ok(quoted), Ok(span)) = (Regex::new(r#""[^"]*"|'[^']*'"#), Regex::new("`([^`]+)`")) else {
        return found;
    };
    let (mut fenced, mut shell, mut open) = (false, false, String::new());
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            shell = fenced && SHELLS.contains(&line.trim().trim_start_matches('`'));
        } else if shell || !fenced && line.starts_with("    ") {
            let line = quoted.replace_all(line, "QUOTED");
            let line = line.split(" #").next().unwrap_or_default();
            open.push_str(line.trim_start().trim_start_matches("$ "));
            // A line that ends in a backslash goes on.
            match open.strip_suffix('\\').map(str::len) {
                Some(kept) => open.truncate(kept),
                None => found.extend(several(&std::mem::take(&mut open)).map(|command| (number, command))),
            }
        } else if !fenced {
            let spans =
                span.captures_iter(line).map(|span| quoted.replace_all(&span[1], "QUOTED").into_owned());
            found.extend(
                spans.flat_map(|span| several(&span).collect::<Vec<_>>()).map(|command| (number, command)),
            );
        }
    }
    found
}

/// The commands of one line.
fn several(line: &str) -> impl Iterator<Item = Command> {
    line.split(['|', ';', '&']).filter_map(command)
}

/// A command without the variables before it.
fn command(text: &str) -> Option<Command> {
    let is_variable = |word: &&str| word.split_once('=').is_some_and(|(name, _)| !name.starts_with('-'));
    let mut words = text.split_whitespace().skip_while(is_variable);
    let program = words.next()?.to_string();
    Some(Command { program, arguments: words.map(String::from).collect() })
}

/// What is wrong with a `rebus` command.
fn rebus(command: &Command, tree: &Tree) -> Vec<String> {
    let mut wrong = Vec::new();
    match command.arguments.iter().find(|argument| !argument.starts_with('-')) {
        Some(subcommand) if !is_subcommand(subcommand, tree) => {
            wrong.push(format!("`rebus {subcommand}` has no file in {CLI}"));
        }
        _ => {}
    }
    let options = command.arguments.iter().filter_map(|argument| argument.strip_prefix("--"));
    let options = options.filter_map(|option| option.split('=').next()).filter(|option| !option.is_empty());
    let unknown = options.filter(|option| !EVERYWHERE.contains(option) && !is_option(option, tree));
    wrong.extend(unknown.map(|option| format!("`--{option}` is nowhere in {CLI}")));
    wrong
}

/// What is wrong with a `cargo` command, the `rebus` command in it included.
fn cargo(command: &Command, tree: &Tree) -> Vec<String> {
    let Some(first) = command.arguments.iter().find(|argument| !argument.starts_with(['-', '+'])) else {
        return Vec::new();
    };
    if !CARGO.contains(&first.as_str()) {
        return vec![format!("`cargo {first}` is no command that this repository has")];
    }
    let after = command.arguments.iter().position(|argument| argument == "--");
    match (first.as_str(), after) {
        ("run", Some(at)) if !command.arguments[..at].iter().any(|argument| argument == "--example") => {
            let arguments = command.arguments[at + 1..].to_vec();
            rebus(&Command { program: "rebus".to_string(), arguments }, tree)
        }
        _ => Vec::new(),
    }
}

/// A subcommand's file has its arguments; files that subcommands share have none.
fn is_subcommand(name: &str, tree: &Tree) -> bool {
    let file = name.replace('-', "_");
    let paths = [format!("{CLI}{file}.rs"), format!("{CLI}{file}/mod.rs")];
    let has_arguments = |path: &String| tree.text(path).is_some_and(|text| text.contains("struct Args"));
    // clap makes `help` itself.
    name == "help" || paths.iter().any(has_arguments)
}

/// An option is a field of a clap struct, or named in an attribute.
fn is_option(name: &str, tree: &Tree) -> bool {
    let pattern =
        format!(r#"\b(r#)?{}\s*:|"{}""#, regex::escape(&name.replace('-', "_")), regex::escape(name));
    let Ok(pattern) = Regex::new(&pattern) else { return false };
    tree.rust()
        .filter(|file| file.path.starts_with(CLI) || file.path == "crates/rebus/src/main.rs")
        .any(|file| pattern.is_match(&file.text))
}

/// Recipes that are named and not there.
fn recipes(text: &str, tree: &Tree) -> Vec<Finding> {
    let Ok(recipe) = Regex::new(r"recipes/[\w./-]+\.toml") else { return Vec::new() };
    let lines = text.lines().enumerate();
    let named =
        lines.flat_map(|(number, line)| recipe.find_iter(line).map(move |found| (number, found.as_str())));
    let missing = named.filter(|(_, path)| tree.text(path).is_none());
    missing.map(|(number, path)| Finding::at(README, number, format!("`{path}` is not there"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::File;

    fn tree() -> Tree {
        let file = |path: &str, text: &str| File { path: path.to_string(), text: text.to_string() };
        let generate = "struct Args { guidance_scale: f32, #[arg(long = \"width-px\")] width: u32 }";
        Tree {
            files: vec![file("crates/rebus/src/cli/generate.rs", generate), file("recipes/emoji.toml", "")],
        }
    }

    fn wrong(line: &str) -> usize {
        let text = format!("```sh\n{line}\n```\n");
        let each = commands(&text).into_iter().map(|(_, command)| match command.program.as_str() {
            "cargo" => cargo(&command, &tree()).len(),
            _ => rebus(&command, &tree()).len(),
        });
        each.sum()
    }

    #[test]
    fn commands_that_exist_pass() {
        assert_eq!(
            wrong(
                "$ RUST_LOG=debug rebus generate \"cat & dog --x\" --guidance-scale 3 --width-px=64  # one picture"
            ),
            0
        );
        assert_eq!(wrong("cargo run --release -- generate \\\n    --guidance-scale 3"), 0);
        assert_eq!(wrong("cargo test --workspace && cargo xtask check"), 0);
        assert_eq!(wrong("rebus --help"), 0);
        assert_eq!(commands("```toml\nrebus = { path = \"..\" }\n```\nrebus paint"), []);
    }

    #[test]
    fn commands_that_do_not_exist_are_found() {
        assert_eq!(wrong("rebus paint"), 1);
        assert_eq!(wrong("rebus progress"), 1);
        assert_eq!(wrong("rebus generate --guidance 3"), 1);
        assert_eq!(wrong("cargo run --release -- generate \\\n    --width 3 --height 3"), 1);
        assert_eq!(wrong("cargo tset"), 1);
    }

    #[test]
    fn indented_blocks_and_spans_are_code_and_sentences_are_not() {
        let found = |text| {
            commands(text).into_iter().map(|(line, command)| (line, command.program)).collect::<Vec<_>>()
        };
        let text = "rebus paints.\n\n    rebus paint   # now\n\nSay `rebus doctor`, then\n```rust\n    rebus::a()\n```\n";
        assert_eq!(found(text), [(2, "rebus".to_string()), (4, "rebus".to_string())]);
    }

    #[test]
    fn recipes_are_looked_for_outside_fences_too() {
        assert_eq!(recipes("see `recipes/emoji.toml` and\n`recipes/birds.toml`", &tree()).len(), 1);
    }
}

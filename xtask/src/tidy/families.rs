//! What works for every model names none.

use regex::Regex;

use super::{Finding, House, source};

/// Rooms that reach a model through its capabilities alone.
const ROOMS: &[&str] = &[
    "crates/rebus-train/src/",
    "crates/rebus-eval/src/",
    "crates/rebus-tasks/src/",
    "crates/rebus-server/src/",
];

/// No code in these rooms, tests aside, names a family's module.
pub fn rule(house: &House) -> Vec<Finding> {
    let families = families(house);
    let files = house.tree.rust().filter(|file| ROOMS.iter().any(|room| file.path.starts_with(room)));
    files.flat_map(|file| check(&file.path, &file.text, &families)).collect()
}

/// Folders of `rebus-models` that know how to learn.
fn families(house: &House) -> Vec<String> {
    let paths = house.tree.rust().map(|file| file.path.as_str());
    let folder = |path: &str| {
        let inside = path.strip_prefix("crates/rebus-models/src/")?;
        inside
            .strip_suffix("/objective.rs")
            .or_else(|| inside.strip_suffix("/objective/mod.rs"))
            .map(String::from)
    };
    paths.filter_map(folder).collect()
}

fn check(path: &str, text: &str, families: &[String]) -> Vec<Finding> {
    let code = source::code_without_tests(text);
    let named = families.iter().filter_map(|family| {
        let name = regex::escape(family);
        let pattern = format!(r"\b{name}::|\brebus_models::{name}\b|\brebus_models::\{{[^;]*\b{name}\b");
        let at = Regex::new(&pattern).ok()?.find(&code)?.start();
        Some((family, code[..at].matches('\n').count()))
    });
    let what = |family| format!("names the family `{family}`: ask the model for a capability instead");
    named.map(|(family, line)| Finding::at(path, line, what(family))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_found_in_code_and_not_in_tests_or_other_words() {
        let families = ["flow".to_string(), "gan".to_string()];
        let found =
            |text| check("a.rs", text, &families).into_iter().map(|found| found.place).collect::<Vec<_>>();
        assert_eq!(found("use rebus_models::{Model, flow};"), ["a.rs:1"]);
        assert_eq!(found("fn a() {\n    rebus_models::gan::open()\n}"), ["a.rs:2"]);
        assert!(
            found("use std::ops::ControlFlow; // flow::a\n#[cfg(test)] use rebus_models::flow;").is_empty()
        );
    }
}

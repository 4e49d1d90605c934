//! Crates import downwards only, and each stays ignorant of what its room must not know.

use super::{Finding, House};

/// The rooms, bottom to top: a crate imports only from those before it.
const ROOMS: &[&str] = &[
    "rebus-data",
    "rebus-store",
    "rebus-nn",
    "rebus-models",
    "rebus-train",
    "rebus-eval",
    "rebus-tasks",
    "rebus-assets",
    "rebus-server",
    "rebus",
];

/// Foreign crates that a room must not know, by the start of their names.
const KNOWS_NOTHING_OF: &[(&str, &str, &[&str])] = &[
    ("rebus-data", "tensors", TENSORS),
    ("rebus-store", "tensors", TENSORS),
    ("rebus-nn", "files", &["fs-err", "image", "memmap2", "safetensors"]),
    ("rebus-tasks", "HTTP", HTTP),
];

const TENSORS: &[&str] = &["burn", "cubecl"];
const HTTP: &[&str] = &["axum", "hyper", "reqwest", "tower", "ureq"];

/// What the two faces alone know: talking to a person.
const FACES: &[&str] = &["clap", "indicatif", "miette"];

/// Crates that talk to a person.
const ROOMS_WITH_A_FACE: &[&str] = &["rebus-server", "rebus"];

/// Every dependency between our crates points down, and none is of a kind that the room must not know.
pub fn rule(house: &House) -> Vec<Finding> {
    let members = house.metadata.members().filter(|member| member.name != "xtask");
    let mut findings = Vec::new();
    for member in members {
        let all = member.dependencies.iter().map(|dependency| dependency.name.as_str());
        findings.extend(arrows(&member.name, all));
        let used = member.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev"));
        findings.extend(ignorance(&member.name, used.map(|dependency| dependency.name.as_str())));
    }
    findings
}

/// Dependencies of a crate, those of its tests too, on our own crates.
fn arrows<'a>(name: &str, dependencies: impl Iterator<Item = &'a str>) -> Vec<Finding> {
    let height = |name: &str| ROOMS.iter().position(|room| *room == name);
    let Some(own) = height(name) else {
        return vec![Finding::new(
            name,
            "is not among the rooms: give it its place in xtask/src/tidy/arrows.rs",
        )];
    };
    let up =
        dependencies.filter(|other| height(other).is_some_and(|other| other >= own) || *other == "xtask");
    up.map(|other| Finding::new(name, format!("imports from `{other}`, which is not below it"))).collect()
}

/// Foreign crates, tests aside, that a crate's room must not know.
fn ignorance<'a>(name: &str, dependencies: impl Iterator<Item = &'a str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for dependency in dependencies {
        let rows = KNOWS_NOTHING_OF.iter().filter(|(room, ..)| *room == name);
        let mut unknown: Vec<(&str, &[&str])> = rows.map(|(_, what, crates)| (*what, *crates)).collect();
        if !ROOMS_WITH_A_FACE.contains(&name) {
            unknown.push(("command lines", FACES));
        }
        let is = |start: &str| dependency == start || dependency.starts_with(&format!("{start}-"));
        let of = unknown.iter().find(|(_, crates)| crates.iter().any(|start| is(start)));
        findings.extend(of.map(|(what, _)| {
            Finding::new(name, format!("depends on `{dependency}`, but must know nothing of {what}"))
        }));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_point_down() {
        assert_eq!(arrows("rebus-models", ["rebus-data", "rebus-nn", "serde"].into_iter()), []);
        assert_eq!(arrows("rebus-nn", ["rebus-models"].into_iter()).len(), 1);
        assert_eq!(arrows("rebus-train", ["rebus-eval", "rebus-tasks"].into_iter()).len(), 2);
        assert_eq!(arrows("rebus-cellar", [].into_iter()).len(), 1);
    }

    #[test]
    fn rooms_stay_ignorant() {
        assert_eq!(ignorance("rebus-data", ["burn-tensor"].into_iter()).len(), 1);
        assert_eq!(ignorance("rebus-data", ["burnish", "image"].into_iter()), []);
        assert_eq!(ignorance("rebus-nn", ["burn"].into_iter()), []);
        assert_eq!(ignorance("rebus-train", ["indicatif"].into_iter()).len(), 1);
        assert_eq!(ignorance("rebus", ["clap", "miette"].into_iter()), []);
    }
}

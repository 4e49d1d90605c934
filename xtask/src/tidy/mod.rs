//! The rules of the house: each a small function in a file of its own, over the files and the dependencies.

mod arrows;
mod families;
mod header;
mod length;
mod licences;
mod links;
mod metadata;
mod readme;
mod source;
mod tree;
mod unsafe_code;
mod words;

use std::{fmt, path::Path};

use metadata::Metadata;
use tree::Tree;

/// Something that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A file, a file with its line, or a crate.
    pub place: String,
    /// What is wrong, and what to do.
    pub what: String,
}

/// What the rules look at.
pub struct House {
    tree: Tree,
    metadata: Metadata,
}

/// A rule and its name.
type Rule = (&'static str, fn(&House) -> Vec<Finding>);

const RULES: &[Rule] = &[
    ("header", header::rule),
    ("length", length::rule),
    ("unsafe", unsafe_code::rule),
    ("words", words::rule),
    ("links", links::rule),
    ("readme", readme::rule),
    ("arrows", arrows::rule),
    ("families", families::rule),
    ("licences", licences::rule),
];

/// Prints all findings; whether there is none.
pub fn run(root: &Path) -> bool {
    match findings(root) {
        Ok(findings) => {
            findings.iter().for_each(|finding| eprintln!("{finding}"));
            eprintln!("tidy: {} rules, {} findings", RULES.len(), findings.len());
            findings.is_empty()
        }
        Err(reason) => {
            eprintln!("tidy cannot look at {}: {reason}", root.display());
            false
        }
    }
}

fn findings(root: &Path) -> Result<Vec<Finding>, String> {
    let house = House { tree: Tree::read(root)?, metadata: Metadata::read(root)? };
    let named = |&(name, rule): &Rule| {
        let found = rule(&house).into_iter();
        found.map(move |finding| Finding { what: format!("{} [{name}]", finding.what), ..finding })
    };
    Ok(RULES.iter().flat_map(named).collect())
}

impl Finding {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }

    /// In a line of a file, counted from 0.
    fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self::new(format!("{path}:{}", line + 1), what)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_repository_is_tidy() {
        let findings = super::findings(&crate::root()).unwrap();
        let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(shown.is_empty(), "\n{}\n", shown.join("\n"));
    }
}

//! The code speaks of pictures, not of how or where it was written.

use regex::Regex;

use super::{Finding, House};

/// Words that say something of one machine or of one day's work. Written in pieces, so as not to find themselves.
const WORDS: &[&str] = &[
    concat!("/wo", r"rk/"),
    concat!(r"(?i)\bse", r"ssions?\b"),
    concat!(r"(?i)\bag", r"ents?\b"),
    concat!(r"(?i)\biss", r"ue #?\d+\b"),
];

/// What may hold such a word all the same.
const FINE: &[&str] = &[concat!(r"(?i)\buser.ag", r"ent\b")];

/// No text of the repository has a word of a workplace.
pub fn rule(house: &House) -> Vec<Finding> {
    let (words, fine) = (compile(WORDS), compile(FINE));
    let mut findings = Vec::new();
    for file in &house.tree.files {
        let found = lines(&file.text, &words, &fine).into_iter();
        findings.extend(found.map(|(line, word)| {
            Finding::at(&file.path, line, format!("`{word}` is a word of a workplace: say it without"))
        }));
    }
    findings
}

fn compile(patterns: &[&str]) -> Vec<Regex> {
    patterns.iter().filter_map(|pattern| Regex::new(pattern).ok()).collect()
}

/// Lines with such a word, and the word.
fn lines(text: &str, words: &[Regex], fine: &[Regex]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = fine.iter().fold(line.to_string(), |line, fine| fine.replace_all(&line, "").into_owned());
        let here = words.iter().filter_map(|word| word.find(&line));
        found.extend(here.map(|word| (number, word.as_str().to_string())));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        lines(text, &compile(WORDS), &compile(FINE)).len()
    }

    #[test]
    fn every_pattern_finds_its_word() {
        for text in ["/wo-rk/a", "the Se-ssion", "two ag-ents", "see iss-ue #12"] {
            assert_eq!(found(&text.replace('-', "")), 1, "{text}");
        }
    }

    #[test]
    fn other_words_are_fine() {
        assert_eq!(
            found(&"a User-Ag_ent, an agency, an obsession, network/a, an issue of 12".replace('_', "")),
            0
        );
    }
}

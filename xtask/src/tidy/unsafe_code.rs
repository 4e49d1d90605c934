//! Unsafe code stands in two places only.

use regex::Regex;

use super::{Finding, House, source};

/// Where it may stand: kernels that spell out vector instructions, and memory maps of weights.
const ALLOWED: &[&str] = &["crates/rebus-nn/src/kernels/", "crates/rebus-models/src/weights/mmap.rs"];

/// The keyword stands nowhere else, tests and examples included.
pub fn rule(house: &House) -> Vec<Finding> {
    let elsewhere =
        house.tree.rust().filter(|file| !ALLOWED.iter().any(|place| file.path.starts_with(place)));
    elsewhere.flat_map(|file| lines(&file.text).into_iter().map(|line| finding(&file.path, line))).collect()
}

fn finding(path: &str, line: usize) -> Finding {
    Finding::at(path, line, format!("unsafe code may stand in {} alone", ALLOWED.join(" and ")))
}

fn lines(text: &str) -> Vec<usize> {
    let Ok(keyword) = Regex::new(r"\bunsafe\b") else { return Vec::new() };
    let code = source::code(text);
    code.lines().enumerate().filter(|(_, line)| keyword.is_match(line)).map(|(number, _)| number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keyword_is_found_and_nothing_else() {
        assert_eq!(lines("fn a() {\n    unsafe { b() }\n}"), [1]);
        assert_eq!(lines("unsafe impl Send for A {}"), [0]);
        assert_eq!(lines("// unsafe\n#![deny(unsafe_code)]\nlet a = \"unsafe\";"), Vec::<usize>::new());
    }
}

//! Every Rust file opens with what it is for.

use super::{Finding, House};

/// Each `.rs` file's first line is a `//!` sentence.
pub fn rule(house: &House) -> Vec<Finding> {
    let bare = house.tree.rust().filter(|file| !has_header(&file.text));
    bare.map(|file| Finding::new(&file.path, "its first line must be `//! ` and say what the file is for"))
        .collect()
}

fn has_header(text: &str) -> bool {
    text.lines().next().and_then(|line| line.strip_prefix("//! ")).is_some_and(|rest| !rest.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_sentence_on_the_first_line() {
        assert!(has_header("//! Words to numbers.\nuse std::fmt;"));
        assert!(!has_header("use std::fmt;\n//! Words to numbers."));
        assert!(!has_header("//! \nuse std::fmt;"));
        assert!(!has_header("// Words to numbers."));
        assert!(!has_header(""));
    }
}

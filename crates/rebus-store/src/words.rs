//! Texts as full text search reads them: in lower case, and Chinese character by character, which no space parts.

use unicode_segmentation::UnicodeSegmentation;

/// The words of a text with a space between each two.
pub(crate) fn spaced(text: &str) -> String {
    let words: Vec<String> = text.unicode_words().map(str::to_lowercase).collect();
    words.join(" ")
}

/// A query that finds whatever has any of the words of a text. Characters that no space parts, as in Chinese, must stand
/// side by side.
pub(crate) fn any_of(text: &str) -> Option<String> {
    let phrases: Vec<String> = text
        .split_whitespace()
        .map(spaced)
        .filter(|phrase| !phrase.is_empty())
        .map(|phrase| format!("\"{phrase}\""))
        .collect();
    (!phrases.is_empty()).then(|| phrases.join(" OR "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_is_found_by_characters_side_by_side() {
        assert_eq!(spaced("Red apple, 红苹果"), "red apple 红 苹 果");
        assert_eq!(any_of("苹果 \"RED*"), Some("\"苹 果\" OR \"red\"".to_string()));
        assert_eq!(any_of(" -- "), None);
    }
}

//! Texts as full text search reads them, whichever database does: in lower case, without the accents of Latin, Greek and
//! Cyrillic, and Chinese character by character, which no space parts.

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// Characters of a word that count: no more go into an index of a database.
const LONGEST: usize = 128;

/// The words of a text. None has an ASCII character that is neither letter nor digit.
pub(crate) fn words(text: &str) -> Vec<String> {
    let accents = '\u{300}'..='\u{36f}';
    let plain: String = text.nfkd().filter(|letter| !accents.contains(letter)).nfc().collect();
    plain
        .to_lowercase()
        .unicode_words()
        .flat_map(|word| word.split(|letter: char| letter.is_ascii() && !letter.is_ascii_alphanumeric()))
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().take(LONGEST).collect())
        .collect()
}

/// What finds whatever has any of the words of a text: phrases, whose words must stand side by side. What no space parts, as
/// in Chinese, is one phrase.
pub(crate) fn phrases(text: &str) -> Vec<Vec<String>> {
    text.split_whitespace().map(words).filter(|phrase| !phrase.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_is_found_by_characters_side_by_side() {
        assert_eq!(words("Red apple, 红苹果"), ["red", "apple", "红", "苹", "果"]);
        assert_eq!(phrases("苹果 \"RED*"), [vec!["苹", "果"], vec!["red"]]);
        assert!(phrases(" -- ").is_empty());
    }

    #[test]
    fn accents_do_not_count_and_other_marks_do() {
        assert_eq!(words("Café CRÈME Ёлка ﬁn"), ["cafe", "creme", "елка", "fin"]);
        assert_eq!(words("हिन्दी 한국어 パン")[1], "한국어");
        assert_eq!(words("हिन्दी"), ["हिन्दी"]);
        assert_eq!(words("don't 3.5 a_b"), ["don", "t", "3", "5", "a", "b"]);
        assert_eq!(words(&"x".repeat(999))[0].len(), LONGEST);
    }
}

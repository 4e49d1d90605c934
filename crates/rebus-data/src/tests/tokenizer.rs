//! Tests of `tokenizer`.

use proptest::prelude::*;

use super::*;

fn captions() -> Vec<String> {
    let things = ["cat", "dog", "red apple", "green apple", "grinning face", "waving hand"];
    let chinese = ["猫", "狗", "红苹果", "青苹果", "嘿嘿的脸", "挥手"];
    things
        .iter()
        .chain(&chinese)
        .flat_map(|thing| vec![format!("a small {thing}"), format!("一个{thing}")])
        .collect()
}

fn trained() -> Tokenizer {
    Tokenizer::train(&TokenizerConfig { vocab_size: 400, ..Default::default() }, captions().into_iter())
        .unwrap()
}

fn file(json: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(file.path(), json).unwrap();
    file
}

#[test]
fn special_tokens_stand_first_and_around_a_text() {
    let tokenizer = trained();
    assert_eq!(
        ["<pad>", "<bos>", "<eos>"].map(|token| tokenizer.token_id(token)),
        [Some(0), Some(1), Some(2)]
    );
    let tokens = tokenizer.encode("a small cat", 12).unwrap();
    let used = tokens.mask.iter().filter(|&&used| used).count();
    assert_eq!((tokens.ids[0], tokens.ids[used - 1]), (1, 2));
    assert!(used > 3 && used < 12 && !tokens.truncated);
    assert!(tokens.ids[used..].iter().all(|&id| id == 0));
    assert!(tokens.mask[..used].iter().all(|&used| used));
}

#[test]
fn both_languages_are_learned_and_come_back() {
    let tokenizer = trained();
    assert!(tokenizer.vocab_size() > 259 && tokenizer.vocab_size() <= 400);
    for (text, most) in [("a small red apple", 7), ("一个红苹果", 8), ("a 狗", 8)] {
        let tokens = tokenizer.encode(text, 40).unwrap();
        assert_eq!(tokenizer.decode(&tokens.ids).unwrap(), text);
        let used = tokens.mask.iter().filter(|&&used| used).count();
        assert!(used <= most, "{text} takes {used} tokens");
    }
}

/// A rare word in a crowd of others, which byte pairs alone would spell in pieces.
#[test]
fn a_word_is_one_token_wherever_it_stands() {
    let crowd = (0..300).map(|i| format!("person number {i}{i} walking, walker, walked"));
    let captions = crowd.chain(["a volcano", "volcano", "火山", "红火"].map(String::from));
    let config = TokenizerConfig { vocab_size: 300, ..Default::default() };
    let tokenizer = Tokenizer::train(&config, captions).unwrap();
    let ids = |text: &str| tokenizer.encode(text, 40).unwrap().ids.into_iter().filter(|&id| id > 2).collect();
    let [alone, behind, above]: [Vec<u32>; 3] = ["volcano", "person volcano", "Volcano"].map(ids);
    assert_eq!((alone.len(), behind.len(), &above), (1, 2, &alone));
    assert_eq!(behind[1], alone[0]);
    let [fire, mountain, red]: [Vec<u32>; 3] = ["火", "山火", "红火"].map(ids);
    assert_eq!(fire.last(), red.last(), "a character is a word");
    assert_eq!(fire.last(), mountain.last());
    assert!(tokenizer.vocab_size() <= 300);
    assert_eq!(tokenizer.decode(&ids("Walkers 山")).unwrap(), "walkers 山", "unknown words are spelled");
}

#[test]
fn training_depends_on_the_captions_only() {
    let json = trained().to_json().unwrap();
    let config = TokenizerConfig { vocab_size: 400, ..Default::default() };
    for _ in 0..3 {
        let again = Tokenizer::train(&config, captions().into_iter().rev()).unwrap();
        assert_eq!(again.to_json().unwrap(), json);
    }
}

#[test]
fn a_long_text_is_cut_and_keeps_its_end_mark() {
    let tokenizer = trained();
    let whole = tokenizer.encode("a small green apple", 30).unwrap();
    let cut = tokenizer.encode("a small green apple", 4).unwrap();
    assert_eq!(cut.ids, [whole.ids[0], whole.ids[1], whole.ids[2], 2]);
    assert!(cut.truncated && cut.mask == [true; 4]);
    assert_eq!(tokenizer.encode("a cat", 1).unwrap().ids, [1]);
    assert_eq!(tokenizer.encode("a cat", 0).unwrap().ids, [] as [u32; 0]);
    let empty = tokenizer.encode("", 2).unwrap();
    assert_eq!((empty.ids.as_slice(), empty.truncated), ([1, 2].as_slice(), false));
}

#[test]
fn a_batch_is_its_texts_one_by_one() {
    let tokenizer = trained();
    let texts = ["a cat", "", "红苹果"];
    let batch = tokenizer.encode_batch(&texts, 9).unwrap();
    assert_eq!(batch, texts.map(|text| tokenizer.encode(text, 9).unwrap()));
}

#[test]
fn a_saved_tokenizer_opens_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let tokenizer = trained();
    tokenizer.save(&path).unwrap();
    let config = TokenizerConfig { file: Some(path), ..Default::default() };
    let opened = Tokenizer::from_config(&config, std::iter::empty()).unwrap();
    assert_eq!(opened.to_json().unwrap(), tokenizer.to_json().unwrap());
    for text in ["a small cat", "一个猫", "<eos> is text"] {
        assert_eq!(opened.encode(text, 16).unwrap(), tokenizer.encode(text, 16).unwrap());
    }
}

#[test]
fn a_given_tokenizer_needs_padding_and_is_told_so() {
    let json = |tokens: &str| {
        let model = format!(r#"{{"type":"WordLevel","vocab":{{{tokens}}},"unk_token":"a"}}"#);
        format!(
            r#"{{"version":"1.0","added_tokens":[],"normalizer":null,"pre_tokenizer":{{"type":"Whitespace"}},"post_processor":null,"decoder":null,"truncation":null,"padding":null,"model":{model}}}"#
        )
    };
    let bare = file(&json(r#""a":0,"b":1,"end":2"#));
    let error = Tokenizer::load(bare.path()).unwrap_err().to_string();
    assert!(error.contains("padding token") && error.contains(bare.path().to_str().unwrap()), "{error}");
    let named = Tokenizer::load_with_pad(bare.path(), "end").unwrap();
    assert_eq!(named.encode("b a b", 5).unwrap().ids, [1, 0, 1, 2, 2]);
    assert!(Tokenizer::load_with_pad(bare.path(), "absent").is_err());
    // Saved, it remembers which token pads.
    let again = file(&named.to_json().unwrap());
    assert_eq!(Tokenizer::load(again.path()).unwrap().pad_id(), 2);
    let padded = Tokenizer::load(file(&json(r#""a":0,"[PAD]":1"#)).path()).unwrap();
    assert_eq!(padded.encode("a", 3).unwrap().ids, [0, 1, 1]);
}

#[test]
fn a_broken_or_missing_file_is_named() {
    let broken = file("{\"version\": ");
    let path = broken.path().to_str().unwrap().to_string();
    assert!(Tokenizer::load(broken.path()).unwrap_err().to_string().contains(&path));
    let absent = Path::new("no-such-folder/tokenizer.json");
    assert!(Tokenizer::load(absent).unwrap_err().to_string().contains("no-such-folder"));
}

#[test]
fn a_vocabulary_too_small_for_the_bytes_is_refused() {
    let config = TokenizerConfig { vocab_size: 258, ..Default::default() };
    assert!(Tokenizer::train(&config, captions().into_iter()).unwrap_err().to_string().contains("258"));
}

proptest! {
    #[test]
    fn any_text_comes_back_normalised(text in any::<String>()) {
        use std::sync::LazyLock;
        static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(trained);
        let mut normal = tokenizers::NormalizedString::from(text.as_str());
        tokenizers::Normalizer::normalize(TOKENIZER.inner.get_normalizer().unwrap(), &mut normal).unwrap();
        let tokens = TOKENIZER.encode(&text, 4 * text.len() + 8).unwrap();
        prop_assert!(!tokens.truncated);
        // The space in front belongs to the first word.
        prop_assert_eq!(TOKENIZER.decode(&tokens.ids).unwrap(), normal.get().get(1..).unwrap_or(""));
    }
}

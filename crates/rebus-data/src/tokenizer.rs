//! Texts as token numbers: words and byte-level pairs learned from a collection's captions, or a tokenizer that is
//! given.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tokenizers::{
    AddedToken, Normalizer, OffsetReferential, OffsetType, PaddingParams, PostProcessor, PreTokenizedString,
    PreTokenizer, SplitDelimiterBehavior, TruncationDirection, decoders,
    models::bpe::{BPE, BpeTrainer},
    normalizers,
    pre_tokenizers::{
        self,
        byte_level::ByteLevel,
        split::{Split, SplitPattern},
    },
    processors::template::TemplateProcessing,
};

use crate::{DataError, write_atomic};

/// Fills a text up to its length; number 0 in a trained tokenizer.
const PAD: &str = "<pad>";
/// Stands before a text; number 1 in a trained tokenizer.
const BOS: &str = "<bos>";
/// Stands after a text; number 2 in a trained tokenizer.
const EOS: &str = "<eos>";
/// What a given tokenizer may call its padding, where it does not say.
const PAD_NAMES: [&str; 4] = [PAD, "[PAD]", "<|pad|>", "<PAD>"];
/// All bytes and the special tokens.
const SMALLEST_VOCABULARY: usize = 256 + 3;

/// How a tokenizer is come by: the `[tokenizer]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenizerConfig {
    /// A `tokenizer.json` to use as it is; without it one is trained on the captions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The most tokens to learn, the 256 bytes and 3 special ones included.
    pub vocab_size: usize,
    /// How often a pair or a word must occur to become a token.
    pub min_frequency: u64,
}

impl Default for TokenizerConfig {
    fn default() -> Self {
        Self { file: None, vocab_size: 4096, min_frequency: 2 }
    }
}

impl TokenizerConfig {
    /// Checks the values.
    ///
    /// # Errors
    /// [`DataError::Config`] names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), DataError> {
        let wrong = |field: &str, value: String, rule: String| {
            Err(DataError::Config { field: format!("tokenizer.{field}"), value, rule })
        };
        if !(SMALLEST_VOCABULARY..=1_000_000).contains(&self.vocab_size) {
            let rule = format!("from {SMALLEST_VOCABULARY} (the bytes and special tokens) to 1000000");
            return wrong("vocab_size", self.vocab_size.to_string(), rule);
        }
        if self.min_frequency == 0 {
            return wrong("min_frequency", "0".into(), "at least 1".into());
        }
        Ok(())
    }
}

/// A text as numbers, of one length whatever the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Token numbers, filled up with padding.
    pub ids: Vec<u32>,
    /// True for tokens of the text and its marks, false for padding.
    pub mask: Vec<bool>,
    /// Whether the end of the text was cut off.
    pub truncated: bool,
}

/// Turns texts into token numbers and back.
///
/// ```
/// use rebus_data::tokenizer::{Tokenizer, TokenizerConfig};
/// let captions = ["a red cat", "一只红色的猫"].map(String::from);
/// let tokenizer = Tokenizer::train(&TokenizerConfig::default(), captions.into_iter())?;
/// let tokens = tokenizer.encode("A red 猫", 32)?;
/// assert_eq!(tokens.ids.len(), 32);
/// assert_eq!(tokenizer.decode(&tokens.ids)?, "a red 猫");
/// # Ok::<(), rebus_data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    pad: u32,
}

impl Tokenizer {
    /// Loads the configured file, or trains on the captions.
    ///
    /// # Errors
    /// As [`load`](Self::load) and [`train`](Self::train).
    pub fn from_config(
        config: &TokenizerConfig,
        captions: impl Iterator<Item = String> + Send,
    ) -> Result<Self, DataError> {
        match &config.file {
            Some(file) => Self::load(file),
            None => Self::train(config, captions),
        }
    }

    /// Learns from lowercase NFC text. A quarter of the tokens are byte pairs (Sennrich et al. 2016), so that no text
    /// in any language is unknown; the rest are whole words, the most frequent first, so that the model has one vector
    /// for a thing that is rarely named. A Chinese character is a word. The same captions give the same tokenizer,
    /// whatever their order.
    ///
    /// # Errors
    /// The configuration is invalid.
    pub fn train(
        config: &TokenizerConfig,
        captions: impl Iterator<Item = String>,
    ) -> Result<Self, DataError> {
        config.validate()?;
        Self::learn(config, captions).map_err(|error| wrong("cannot be trained", error))
    }

    fn learn(
        config: &TokenizerConfig,
        captions: impl Iterator<Item = String>,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        // A word is the same at the start of a text as behind a space.
        let space = normalizers::Prepend::new(" ".to_string());
        let normalizer = normalizers::Sequence::new(vec![
            normalizers::Lowercase.into(),
            normalizers::NFC.into(),
            space.into(),
        ]);
        let bytes = ByteLevel::default().add_prefix_space(false);
        let characters = SplitPattern::Regex(r"\p{Han}".to_string());
        let characters = Split::new(characters, SplitDelimiterBehavior::Isolated, false)?;
        let splitter = pre_tokenizers::sequence::Sequence::new(vec![characters.into(), bytes.into()]);
        let strip = decoders::strip::Strip::new(' ', 1, 0);

        let mut words = BTreeMap::<String, u64>::new();
        for caption in captions {
            let mut text = caption.into();
            normalizer.normalize(&mut text)?;
            let mut text = PreTokenizedString::from(text);
            splitter.pre_tokenize(&mut text)?;
            for (word, ..) in text.get_splits(OffsetReferential::Original, OffsetType::Byte) {
                *words.entry(word.to_string()).or_default() += 1;
            }
        }

        let specials = [PAD, BOS, EOS].map(|token| AddedToken::from(token, true));
        let trainer = BpeTrainer::builder()
            .show_progress(false)
            .vocab_size(SMALLEST_VOCABULARY + (config.vocab_size - SMALLEST_VOCABULARY) / 4)
            .min_frequency(config.min_frequency)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .special_tokens(specials.to_vec())
            .build();
        let mut pairs = BPE::default();
        trainer.do_train(
            &words.iter().map(|(word, &count)| (word.as_str().into(), count)).collect(),
            &mut pairs,
        )?;
        let mut inner = tokenizers::Tokenizer::new(with_words(&pairs, words, config)?);
        inner.add_special_tokens(specials.clone())?;
        let id = |token: &str| (token.to_string(), inner.token_to_id(token).unwrap_or(0));
        let template = TemplateProcessing::builder()
            .try_single(format!("{BOS} $A {EOS}"))?
            .special_tokens([PAD, BOS, EOS].map(id).to_vec())
            .build()?;
        inner.with_normalizer(Some(normalizer))?;
        inner.with_pre_tokenizer(Some(splitter));
        inner.with_decoder(Some(decoders::sequence::Sequence::new(vec![bytes.into(), strip.into()])));
        inner.with_post_processor(Some(template));
        Ok(Self::new(inner, None, "just trained")?)
    }

    /// Loads a `tokenizer.json` of any kind that the `tokenizers` crate reads.
    ///
    /// # Errors
    /// The file is missing or broken, or says nothing of padding; then name the token with [`load_with_pad`](Self::load_with_pad).
    pub fn load(path: &Path) -> Result<Self, DataError> {
        Self::read(path, None)
    }

    /// Loads a `tokenizer.json` and fills up texts with a token of this name.
    ///
    /// # Errors
    /// As [`load`](Self::load), or there is no such token.
    pub fn load_with_pad(path: &Path, pad: &str) -> Result<Self, DataError> {
        Self::read(path, Some(pad))
    }

    /// Writes a `tokenizer.json`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), DataError> {
        write_atomic(path, self.to_json()?.as_bytes())
    }

    /// The content of a `tokenizer.json`. It says which token is padding, so that it opens the same.
    ///
    /// # Errors
    /// The tokenizer cannot be put into JSON.
    pub fn to_json(&self) -> Result<String, DataError> {
        let mut inner = self.inner.clone();
        let pad_token = inner.id_to_token(self.pad).unwrap_or_else(|| PAD.to_string());
        inner.with_padding(Some(PaddingParams { pad_id: self.pad, pad_token, ..PaddingParams::default() }));
        inner.to_string(true).map_err(|error| wrong("cannot be written", error))
    }

    /// A text as exactly `length` numbers. Where the text is too long its end is cut off and the closing mark kept.
    ///
    /// # Errors
    /// The tokenizer has no token for some part of the text (never one trained here).
    pub fn encode(&self, text: &str, length: usize) -> Result<Tokens, DataError> {
        let failed = |error: tokenizers::Error| wrong(&format!("cannot encode {text:?}"), error);
        let mut encoding = self.inner.encode(text, false).map_err(failed)?;
        let marks = self.inner.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        let room = length.saturating_sub(marks);
        let truncated = encoding.len() > room;
        encoding.truncate(room, 0, TruncationDirection::Right);
        let encoding = self.inner.post_process(encoding, None, true).map_err(failed)?;
        let mut ids = encoding.get_ids().to_vec();
        ids.truncate(length);
        let mask = (0..length).map(|place| place < ids.len()).collect();
        ids.resize(length, self.pad);
        Ok(Tokens { ids, mask, truncated })
    }

    /// The end of a text that [`encode`](Self::encode) leaves out, if it leaves any out.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn truncation(&self, text: &str, length: usize) -> Result<Option<String>, DataError> {
        let failed = |error: tokenizers::Error| wrong(&format!("cannot encode {text:?}"), error);
        let encoding = self.inner.encode(text, false).map_err(failed)?;
        let marks = self.inner.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        match encoding.get_ids().get(length.saturating_sub(marks)..) {
            Some(rest) if !rest.is_empty() => Ok(Some(self.decode(rest)?.trim().to_string())),
            _ => Ok(None),
        }
    }

    /// Several texts, each as [`encode`](Self::encode).
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_batch<S: AsRef<str>>(&self, texts: &[S], length: usize) -> Result<Vec<Tokens>, DataError> {
        texts.iter().map(|text| self.encode(text.as_ref(), length)).collect()
    }

    /// The text of token numbers, without special tokens. A trained tokenizer gives back its lowercase NFC form.
    ///
    /// # Errors
    /// The tokenizer's decoder fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String, DataError> {
        self.inner.decode(ids, true).map_err(|error| wrong("cannot decode", error))
    }

    /// How many tokens there are, special ones included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The number that fills up texts.
    pub fn pad_id(&self) -> u32 {
        self.pad
    }

    /// The number of a token, such as `<bos>`.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The content of a `tokenizer.json`; `path` is what an error calls it.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_json(json: &[u8], path: &Path) -> Result<Self, DataError> {
        Self::parse(json, path, None)
    }

    fn read(path: &Path, pad: Option<&str>) -> Result<Self, DataError> {
        Self::parse(&fs_err::read(path)?, path, pad)
    }

    fn parse(bytes: &[u8], path: &Path, pad: Option<&str>) -> Result<Self, DataError> {
        let place = format!("`{}`", path.display());
        let inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(|error| DataError::Tokenizer {
            place: place.clone(),
            reason: format!("it is no tokenizer.json ({error}); give the file of a whole tokenizer"),
        })?;
        Self::new(inner, pad, &place)
    }

    fn new(mut inner: tokenizers::Tokenizer, pad: Option<&str>, place: &str) -> Result<Self, DataError> {
        let told = inner.get_padding().map(|padding| padding.pad_id);
        let named = || PAD_NAMES.iter().find_map(|name| inner.token_to_id(name));
        let pad = match pad {
            Some(name) => inner.token_to_id(name),
            None => told.or_else(named),
        };
        let Some(pad) = pad else {
            return Err(DataError::Tokenizer {
                place: place.to_string(),
                reason: format!(
                    "it has no padding token; add one of {} to it, or say which of its tokens pads",
                    PAD_NAMES.join(" ")
                ),
            });
        };
        // Padding and cutting are done here, to the length that a model wants.
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| wrong(place, error))?;
        // A caption that happens to hold `<eos>` is text.
        inner.set_encode_special_tokens(true);
        Ok(Self { inner, pad })
    }
}

/// Byte pairs that give way to whole words, the most frequent first, until the vocabulary is full.
fn with_words(
    pairs: &BPE,
    words: BTreeMap<String, u64>,
    config: &TokenizerConfig,
) -> Result<BPE, serde_json::Error> {
    let mut known = pairs.get_vocab();
    let mut words: Vec<_> = words.into_iter().filter(|(_, count)| *count >= config.min_frequency).collect();
    words.sort_by_key(|(_, count)| Reverse(*count)); // stable: of equal counts by name
    for (word, _) in words {
        let next = known.len();
        if next == config.vocab_size {
            break;
        }
        known.entry(word).or_insert(next as u32);
    }
    // The crate keeps a trained model's merges to itself, but for its JSON.
    let mut model = serde_json::to_value(pairs)?;
    model["vocab"] = serde_json::json!(known);
    model["ignore_merges"] = true.into();
    serde_json::from_str(&model.to_string())
}

fn wrong(place: &str, error: impl ToString) -> DataError {
    DataError::Tokenizer { place: place.to_string(), reason: error.to_string() }
}

#[cfg(test)]
#[path = "tests/tokenizer.rs"]
mod tests;

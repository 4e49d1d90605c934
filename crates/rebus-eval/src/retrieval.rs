//! Finding a caption's picture among all, and a picture's caption, by an encoder's embeddings.

use std::collections::HashMap;

use rayon::prelude::*;
use rebus_data::{Collection, DataConfig, Pictures, split};
use rebus_models::{ModelError, Observer};
use serde::Serialize;

use crate::{
    EvalError, Extractor,
    captioned::{Ask, captioned, stack},
};

/// Records that are read and encoded together: memory holds the pictures of so many.
const AT_ONCE: usize = 256;

/// Settings of [`retrieval`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Retrieval {
    /// How pictures are read, and which are held out; the one that the model was trained with.
    pub data: DataConfig,
    /// The column of captions.
    pub column: String,
    /// Whether the learned half is left out.
    pub held_out_only: bool,
}

impl Retrieval {
    /// All records, for pictures read as `data` says.
    pub fn new(data: DataConfig, column: impl Into<String>) -> Self {
        Self { data, column: column.into(), held_out_only: false }
    }
}

/// How often the right one is among the first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Recall {
    /// The share of those whose right one comes first.
    pub at_1: f64,
    /// Among the first five.
    pub at_5: f64,
    /// Among the first ten.
    pub at_10: f64,
    /// The middle place of the right one, from 1.
    pub median_rank: f64,
}

/// One half of a collection; each is searched by itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RetrievalHalf {
    /// Pictures with a caption.
    pub pictures: usize,
    /// Captions that differ.
    pub captions: usize,
    /// The picture of a caption; `None` where there is none at all.
    pub text_to_picture: Option<Recall>,
    /// The caption of a picture: where captions are names of classes, `at_1` is the accuracy without having learned to classify.
    pub picture_to_text: Option<Recall>,
}

/// What [`retrieval`] found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RetrievalReport {
    /// The column of captions.
    pub column: String,
    /// Pairs that the model was trained on.
    pub training: RetrievalHalf,
    /// Pairs that were held out.
    pub held_out: RetrievalHalf,
}

/// Searches each half of a collection both ways. A picture with the same caption as another's is as right as that one.
///
/// # Errors
/// A model that knows no words, a collection that cannot be read, an interruption.
pub fn retrieval(
    encoder: &Extractor,
    collection: &dyn Collection,
    settings: &Retrieval,
    observer: &mut dyn Observer,
) -> Result<RetrievalReport, EvalError> {
    let mut halves = split(collection, &settings.data)?;
    if settings.held_out_only {
        halves.train.clear();
    }
    let (mut done, total) = (0, halves.train.len() + halves.validation.len());
    let mut half = |records: &[usize]| {
        let (mut captions, mut pictures) = (vec![], vec![]);
        for chunk in records.chunks(AT_ONCE) {
            let read = captioned(collection, Ask::caption(&settings.data, &settings.column), chunk)?;
            for same in read.chunk_by(|a, b| a.picture.shape == b.picture.shape) {
                pictures.extend(encoder.pictures(&stack(same.iter().map(|record| &record.picture)))?);
            }
            captions.extend(read.into_iter().map(|record| record.caption));
            done += chunk.len();
            if observer.step(done, total, &nothing).is_break() {
                return Err(EvalError::Model(ModelError::Interrupted));
            }
        }
        search(encoder, &captions, &pictures)
    };
    Ok(RetrievalReport {
        column: settings.column.clone(),
        training: half(&halves.train)?,
        held_out: half(&halves.validation)?,
    })
}

/// No picture, for an observer.
pub(crate) fn nothing() -> Pictures {
    Pictures { shape: [0; 4], data: vec![] }
}

/// Searches pictures, a row each, by their captions, and captions by their pictures.
///
/// # Errors
/// A model that knows no words.
pub(crate) fn search(
    encoder: &Extractor,
    captions: &[String],
    pictures: &[f32],
) -> Result<RetrievalHalf, EvalError> {
    search_as(encoder, captions, pictures, |_, caption| caption.to_string())
}

/// The same with captions said in another way: `say` is given each different caption and its number.
///
/// # Errors
/// As [`search`].
pub(crate) fn search_as(
    encoder: &Extractor,
    captions: &[String],
    pictures: &[f32],
    say: impl Fn(usize, &str) -> String,
) -> Result<RetrievalHalf, EvalError> {
    // Equal captions are encoded once, and each of their pictures is right.
    let mut kinds: HashMap<&str, usize> = HashMap::new();
    let mut different = Vec::new();
    let kind: Vec<usize> = captions
        .iter()
        .map(|caption| {
            *kinds.entry(caption).or_insert_with(|| {
                different.push(say(different.len(), caption));
                different.len() - 1
            })
        })
        .collect();
    let texts = encoder.texts(&different)?.ok_or_else(|| encoder.knows_no_words())?;
    Ok(found(encoder.width()?, &texts, pictures, &kind))
}

/// `kind` is the number of each picture's text.
fn found(width: usize, texts: &[f32], pictures: &[f32], kind: &[usize]) -> RetrievalHalf {
    let texts: Vec<&[f32]> = texts.chunks(width).collect();
    let pictures: Vec<&[f32]> = pictures.chunks(width).collect();
    let of_texts = (0..texts.len()).into_par_iter().map(|text| {
        let others = pictures.iter().zip(kind).map(|(picture, kind)| (*picture, *kind == text));
        rank(texts[text], others)
    });
    let of_pictures = (0..pictures.len()).into_par_iter().map(|picture| {
        let others = texts.iter().enumerate().map(|(text, row)| (*row, kind[picture] == text));
        rank(pictures[picture], others)
    });
    RetrievalHalf {
        pictures: pictures.len(),
        captions: texts.len(),
        text_to_picture: recall(of_texts.collect()),
        picture_to_text: recall(of_pictures.collect()),
    }
}

/// The place of the nearest right one, from 1; a wrong one that is as near stands before it.
pub(crate) fn rank<'a>(query: &[f32], others: impl Iterator<Item = (&'a [f32], bool)> + Clone) -> usize {
    let cosine = |other: &[f32]| query.iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
    let right = others.clone().filter(|(_, right)| *right).map(|(other, _)| cosine(other));
    let nearest = right.fold(f32::NEG_INFINITY, f32::max);
    1 + others.filter(|(other, right)| !right && cosine(other) >= nearest).count()
}

pub(crate) fn recall(mut ranks: Vec<usize>) -> Option<Recall> {
    ranks.sort_unstable();
    let middle = ranks.len().checked_sub(1)? / 2;
    let share = |most: usize| ranks.iter().filter(|rank| **rank <= most).count() as f64 / ranks.len() as f64;
    Some(Recall {
        at_1: share(1),
        at_5: share(5),
        at_10: share(10),
        median_rank: (ranks[middle] + ranks[ranks.len() / 2]) as f64 / 2.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_one_is_counted_from_one_and_equal_captions_are_all_right() {
        let texts = [1.0, 0.0, 0.0, 1.0];
        let pictures = [0.9, 0.1, 0.5, 0.5, 0.0, 1.0];
        let found = found(2, &texts, &pictures, &[0, 1, 1]);
        let texts = found.text_to_picture.unwrap();
        assert_eq!((texts.at_1, texts.median_rank), (1.0, 1.0));
        // The second picture lies between both captions: the wrong one stands before.
        let pictures = found.picture_to_text.unwrap();
        assert_eq!((pictures.at_1, pictures.at_5, pictures.median_rank), (2.0 / 3.0, 1.0, 1.0));
        assert_eq!(recall(vec![]), None);
        assert_eq!(
            recall(vec![12, 1]).unwrap(),
            Recall { at_1: 0.5, at_5: 0.5, at_10: 0.5, median_rank: 6.5 }
        );
    }
}

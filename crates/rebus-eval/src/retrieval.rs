//! Finding a caption's picture among all, and a picture's caption, by an encoder's embeddings.

use std::collections::HashMap;

use rayon::prelude::*;
use rebus_data::{Collection, DataConfig, Pictures, split};
use rebus_models::{Encode, Encoded, Model, ModelError, Observer, Vectors, registry::able};
use serde::Serialize;

use crate::{
    EvalError,
    captioned::{Captioned, captioned},
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
    /// The most records of each half.
    pub samples: usize,
}

impl Retrieval {
    /// All records, for pictures read as `data` says.
    pub fn new(data: DataConfig, column: impl Into<String>) -> Self {
        Self { data, column: column.into(), samples: usize::MAX }
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
    /// The picture of a caption; `None` where there is none at all.
    pub text_to_picture: Option<Recall>,
    /// The caption of a picture.
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
/// A model that cannot encode, a collection that cannot be read, an interruption.
pub fn retrieval(
    model: &dyn Model,
    collection: &dyn Collection,
    settings: &Retrieval,
    observer: &mut dyn Observer,
) -> Result<RetrievalReport, EvalError> {
    let encoder = model.encode().ok_or_else(|| ModelError::Lacks {
        family: model.info().family.clone(),
        verb: "encode",
        able: able("encode"),
    })?;
    let halves = split(collection, &settings.data)?;
    let mut half = |records: &[usize]| {
        let records = &records[..records.len().min(settings.samples)];
        let (mut captions, mut pictures) = (Vec::new(), Vectors { width: encoder.width(), data: vec![] });
        for (number, chunk) in records.chunks(AT_ONCE).enumerate() {
            let read = captioned(collection, &settings.data, &settings.column, chunk, Pictures::clone)?;
            pictures.data.extend(encode(encoder, &read)?.data);
            captions.extend(read.into_iter().map(|record| record.caption));
            let done = (number * AT_ONCE + chunk.len()).min(records.len());
            let nothing = || Pictures { shape: [0; 4], data: vec![] };
            if observer.step(done, records.len(), &nothing).is_break() {
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

/// The embeddings of pictures, shape by shape.
fn encode(encoder: &dyn Encode, records: &[Captioned<Pictures>]) -> Result<Vectors, ModelError> {
    let mut vectors = Vectors { width: encoder.width(), data: vec![] };
    for same in records.chunk_by(|a, b| a.seen.shape == b.seen.shape) {
        let [_, channels, height, width] = same[0].seen.shape;
        let data = same.iter().flat_map(|record| record.seen.data.iter().copied()).collect();
        let pictures = Pictures { shape: [same.len(), channels, height, width], data };
        vectors.data.extend(encoder.encode(Encoded::Pictures(&pictures))?.data);
    }
    Ok(vectors)
}

fn search(encoder: &dyn Encode, captions: &[String], pictures: &Vectors) -> Result<RetrievalHalf, EvalError> {
    // Equal captions are encoded once, and each of their pictures is right.
    let mut kinds: HashMap<&str, usize> = HashMap::new();
    let mut different = Vec::new();
    let kind: Vec<usize> = captions
        .iter()
        .map(|caption| {
            *kinds.entry(caption).or_insert_with(|| {
                different.push(caption.clone());
                different.len() - 1
            })
        })
        .collect();
    let texts = encoder.encode(Encoded::Texts(&different))?;
    let of_texts = (0..texts.len()).into_par_iter().map(|text| {
        rank(
            texts.row(text),
            (0..pictures.len()).map(|picture| (pictures.row(picture), kind[picture] == text)),
        )
    });
    let of_pictures = (0..pictures.len()).into_par_iter().map(|picture| {
        rank(pictures.row(picture), (0..texts.len()).map(|text| (texts.row(text), kind[picture] == text)))
    });
    Ok(RetrievalHalf {
        pictures: pictures.len(),
        text_to_picture: recall(of_texts.collect()),
        picture_to_text: recall(of_pictures.collect()),
    })
}

/// The place of the nearest right one, from 1; a wrong one that is as near stands before it.
fn rank<'a>(query: &[f32], others: impl Iterator<Item = (&'a [f32], bool)> + Clone) -> usize {
    let cosine = |other: &[f32]| query.iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
    let right = others.clone().filter(|(_, right)| *right).map(|(other, _)| cosine(other));
    let nearest = right.fold(f32::NEG_INFINITY, f32::max);
    1 + others.filter(|(other, right)| !right && cosine(other) >= nearest).count()
}

fn recall(mut ranks: Vec<usize>) -> Option<Recall> {
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

    /// Texts are `x y`, pictures hold x and y.
    struct Plain;

    impl Encode for Plain {
        fn width(&self) -> usize {
            2
        }

        fn encode(&self, inputs: Encoded<'_>) -> Result<Vectors, ModelError> {
            let data = match inputs {
                Encoded::Texts(texts) => texts
                    .iter()
                    .flat_map(|text| text.split(' '))
                    .map(|number| number.parse().unwrap())
                    .collect(),
                Encoded::Pictures(pictures) => pictures.data.clone(),
                _ => vec![],
            };
            Ok(Vectors { width: 2, data })
        }
    }

    #[test]
    fn the_right_one_is_counted_from_one_and_equal_captions_are_all_right() {
        let captions = ["1 0", "0 1", "0 1"].map(String::from);
        let pictures = Vectors { width: 2, data: vec![0.9, 0.1, 0.5, 0.5, 0.0, 1.0] };
        let found = search(&Plain, &captions, &pictures).unwrap();
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

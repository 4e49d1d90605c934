//! What an evaluation found, as `eval.json` holds it.

use serde::Serialize;

use crate::{Distances, Memorisation, Ranks, RetrievalHalf};

/// A whole evaluation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The version of Rebus.
    pub rebus: &'static str,
    /// What was measured.
    pub subject: Subject,
    /// What it was measured against.
    pub collection: Against,
    /// On whose features distances are measured.
    pub extractor: Ruler,
    /// By whose embeddings words and pictures are compared.
    pub encoder: Ruler,
    /// The column whose names a classifier was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<String>,
    /// The seed of the choice and of the drawing.
    pub seed: u64,
    /// The guidance scale that was asked for.
    pub guidance_scale: Option<f32>,
    /// The number of steps that was asked for.
    pub num_inference_steps: Option<usize>,
    /// Seconds that it took.
    pub seconds: f64,
    /// A set of captions each.
    pub sets: Vec<SetReport>,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Subject {
    /// The model's or the folder's name.
    pub name: String,
    /// The model's family, or `pictures`.
    pub family: String,
    /// The hash of the model's weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// `[channel, height, width]` of its pictures.
    pub picture_shape: [usize; 3],
}

/// A collection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Against {
    /// Where it lies.
    pub location: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// Its column of captions.
    pub column: Option<String>,
    /// How many of its pictures are the reference of distances.
    pub reference: usize,
    /// How many pictures count as training pictures.
    pub training: usize,
}

/// A model that looks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ruler {
    /// Its name.
    pub name: String,
    /// The hash of its weights.
    pub hash: String,
    /// Numbers of a row.
    pub width: usize,
}

/// What was found for one set of captions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SetReport {
    /// `training`, `held out`, `pictures`, or what a split calls it.
    pub name: String,
    /// How many pictures.
    pub pictures: usize,
    /// Between drawings and the reference.
    pub distances: Measured<Distances>,
    /// The same between the true pictures of the same captions and the reference: what a perfect model would get.
    pub floor: Measured<Distances>,
    /// Do drawings go with their captions?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<Agreement>,
    /// Captions found by drawings and drawings by captions, among their own set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retrieval: Option<RetrievalHalf>,
    /// The same with the true pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retrieval_of_true: Option<RetrievalHalf>,
    /// The place of the true picture among all by embeddings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank_by_encoder: Option<Ranks>,
    /// The same by pixels at 16x16, which forgive blur and noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank_by_pixels: Option<Ranks>,
    /// Does a classifier take drawings for what they should be?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Accuracy>,
    /// Copies of training pictures, by features.
    pub memorised_by_features: Memorisation,
    /// The same by pixels at 16x16.
    pub memorised_by_pixels: Memorisation,
}

/// A measure that may lack what it needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Measured<T> {
    /// It was measured.
    Found(T),
    /// It could not be.
    Missing {
        /// Why.
        note: String,
    },
}

/// The mean cosine between pictures and captions in the encoder's space.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// Of drawings with their own captions.
    pub drawn: f64,
    /// Of the true pictures with theirs; none where there is no true picture.
    pub true_pictures: Option<f64>,
    /// Of drawings with the captions of others: chance.
    pub chance: f64,
}

/// The share of pictures that a classifier takes for what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Accuracy {
    /// Of drawings.
    pub drawn: f64,
    /// Of the true pictures; none where there is no true picture.
    pub true_pictures: Option<f64>,
}

impl<T> Measured<T> {
    /// What was measured.
    pub fn found(&self) -> Option<&T> {
        match self {
            Self::Found(found) => Some(found),
            Self::Missing { .. } => None,
        }
    }
}

impl Agreement {
    /// Of rows of length 1: pictures, true pictures, and their captions' rows.
    pub(crate) fn of(width: usize, drawn: &[f32], truth: Option<&[f32]>, captions: &[f32]) -> Self {
        let count = captions.len() / width;
        let cosine = |rows: &[f32], shift: usize| {
            let sum: f64 = rows
                .chunks(width)
                .enumerate()
                .map(|(row, picture)| {
                    let caption = &captions[(row + shift) % count * width..][..width];
                    picture.iter().zip(caption).map(|(a, b)| f64::from(a * b)).sum::<f64>()
                })
                .sum();
            sum / count as f64
        };
        // The records are in random order, so that the half-way neighbour is anybody.
        Self {
            drawn: cosine(drawn, 0),
            true_pictures: truth.map(|truth| cosine(truth, 0)),
            chance: cosine(drawn, count.div_ceil(2)),
        }
    }
}

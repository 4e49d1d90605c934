//! What an evaluation found, as `eval.json` holds it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{Distances, Features, Memorisation, Ranks, RetrievalHalf};

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
    /// Its column of sounds, where the model was told those instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sounds: Option<String>,
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
    /// How many of its captions the model learned with their pictures.
    pub learned: usize,
    /// Between drawings and the reference.
    pub distances: Measured<Distances>,
    /// The same between the true pictures of the same captions and the reference: what a perfect model would get.
    pub floor: Measured<Distances>,
    /// What is lost against an easier set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<Lost>,
    /// How likely the model takes the true pictures to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likelihood: Option<TrueLikelihood>,
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

/// How likely a model takes true pictures with their captions to be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TrueLikelihood {
    /// Bits for each number of a picture, on average: an upper bound, as exact as `bound` says.
    pub bits_per_dimension: f64,
    /// How many pictures.
    pub pictures: usize,
    /// How it is bounded.
    pub bound: &'static str,
}

/// The mean cosine between pictures and captions in the encoder's space.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// Of drawings with their own captions.
    pub drawn: f64,
    /// Of the true pictures with theirs; none where there is no true picture.
    pub true_pictures: Option<f64>,
    /// Of drawings with other captions: chance; none where all captions are one.
    pub chance: Option<f64>,
}

/// The share of pictures that a classifier takes for what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Accuracy {
    /// Of drawings.
    pub drawn: f64,
    /// Of the true pictures; none where there is no true picture.
    pub true_pictures: Option<f64>,
}

/// What a set of captions loses against an easier one: `plain` where a split has such a set, else `training`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lost {
    /// The easier set.
    pub against: String,
    /// Of the agreement with captions, beside what the true pictures of both sets have.
    pub agreement: f64,
    /// Of the share of captions whose drawing is among the first ten, beside the same.
    pub drawing_in_ten: f64,
}

impl Lost {
    /// Between two sets that have captions.
    pub(crate) fn of(set: &SetReport, easier: &SetReport) -> Option<Self> {
        let in_ten = |found: Option<RetrievalHalf>| Some(found?.text_to_picture?.at_10);
        let short_in_ten = |set: &SetReport| Some(in_ten(set.retrieval_of_true)? - in_ten(set.retrieval)?);
        let short = |set: &SetReport| Some(set.agreement?.true_pictures? - set.agreement?.drawn);
        Some(Self {
            against: easier.name.clone(),
            agreement: short(set)? - short(easier)?,
            drawing_in_ten: short_in_ten(set)? - short_in_ten(easier)?,
        })
    }
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
    /// Of rows of length 1, pictures and true pictures, with the rows of their captions.
    pub(crate) fn of(
        drawn: &Features,
        truth: Option<&Features>,
        rows: &Features,
        captions: &[String],
    ) -> Self {
        let own = |pictures: &Features| {
            let cosines = (0..captions.len()).map(|row| product(pictures.row(row), rows.row(row)));
            cosines.sum::<f64>() / captions.len() as f64
        };
        // All pairs of a drawing and a caption by the products of sums, less those of equal captions.
        let mut of_caption: BTreeMap<&str, (usize, usize, Vec<f64>)> = BTreeMap::new();
        let mut all = (vec![0.0; rows.width()], vec![0.0; rows.width()]);
        for (row, caption) in captions.iter().enumerate() {
            let (_, count, sum) =
                of_caption.entry(caption).or_insert_with(|| (row, 0, vec![0.0; rows.width()]));
            *count += 1;
            add(sum, drawn.row(row));
            add(&mut all.0, drawn.row(row));
            add(&mut all.1, rows.row(row));
        }
        let every: f64 = all.0.iter().zip(&all.1).map(|(a, b)| a * b).sum();
        let equal = of_caption.values().map(|(first, count, sum)| {
            let caption = rows.row(*first).iter().map(|value| f64::from(*value));
            *count as f64 * sum.iter().zip(caption).map(|(a, b)| a * b).sum::<f64>()
        });
        let pairs =
            captions.len().pow(2) - of_caption.values().map(|(_, count, _)| count.pow(2)).sum::<usize>();
        let others = every - equal.sum::<f64>();
        Self {
            drawn: own(drawn),
            true_pictures: truth.map(own),
            chance: (pairs > 0).then(|| others / pairs as f64),
        }
    }
}

fn product(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum()
}

fn add(sum: &mut [f64], row: &[f32]) {
    sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_the_mean_over_all_other_captions() {
        let rows = |data: &[f32]| Features::new("rows", 2, data.to_vec()).unwrap();
        let drawn = rows(&[1.0, 0.0, 0.0, 1.0, 0.6, 0.8]);
        let captions = rows(&[1.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
        let names = ["x", "y", "y"].map(String::from);
        let found = Agreement::of(&drawn, Some(&captions), &captions, &names);
        assert!((found.drawn - (1.0 + 1.0 + 0.8) / 3.0).abs() < 1e-6);
        assert_eq!(found.true_pictures, Some(1.0));
        // The first with both others, the others with the first.
        assert!((found.chance.unwrap() - (0.0 + 0.0 + 0.0 + 0.6) / 4.0).abs() < 1e-6);
        let one = Agreement::of(&drawn, None, &captions, &["x", "x", "x"].map(String::from));
        assert_eq!(one.chance, None);
    }
}

//! The place of the true picture among all, by the distance of small pictures' pixels.
//!
//! It punishes a wrong shape or colour and forgives blur and noise, so look at the pictures too.

use rebus_data::{
    Collection, DataConfig, Pictures,
    captions::caption_column,
    random::{Purpose, shuffle, stream},
    split,
};
use rebus_models::{GenerateRequest, Input, Model, ModelError, Observer, registry::able};
use serde::Serialize;

use crate::{
    EvalError,
    captioned::{Captioned, captioned},
};

/// Pictures are compared at this many pixels a side.
const SIDE: usize = 16;
/// How many pictures are drawn at once.
const AT_ONCE: usize = 16;

/// Settings of [`pixel_rank`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PixelRank {
    /// How pictures are read, and which are held out; the one that the model was trained with.
    pub data: DataConfig,
    /// How many captions of each half; fewer where there are fewer.
    pub samples: usize,
    /// The seed of the choice and of the drawing.
    pub seed: u64,
    /// How closely to follow the caption; the model's own choice by default.
    pub guidance_scale: Option<f32>,
    /// How many steps; the model's own choice by default.
    pub num_inference_steps: Option<usize>,
}

/// Ranks of one half of a collection, in percent of all pictures: 0 is the true picture itself, 50 is chance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Half {
    /// How many captions were drawn.
    pub captions: usize,
    /// The median rank of captions without the part that the split ignores (a skin tone).
    pub median_plain: Option<f64>,
    /// The median rank of captions with it, which have siblings on their side of the split.
    pub median_variants: Option<f64>,
    /// The share of plain captions whose true picture is among the nearest tenth of all.
    pub within_tenth: Option<f64>,
}

/// What [`pixel_rank`] found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PixelRankReport {
    /// How many pictures were ranked.
    pub pictures: usize,
    /// Captions that the model was trained on.
    pub training: Half,
    /// Captions that were held out.
    pub held_out: Half,
}

impl PixelRank {
    /// 200 captions of each half, for pictures read as `data` says.
    pub fn new(data: DataConfig) -> Self {
        Self { data, samples: 200, seed: 0, guidance_scale: None, num_inference_steps: None }
    }
}

/// A record whose picture is small.
type Candidate = Captioned<Vec<f32>>;

/// Draws captions of both halves and ranks the true picture of each among all pictures.
///
/// # Errors
/// A model that cannot draw from words, a collection without captions, an interruption.
pub fn pixel_rank(
    model: &dyn Model,
    collection: &dyn Collection,
    settings: &PixelRank,
    observer: &mut dyn Observer,
) -> Result<PixelRankReport, EvalError> {
    let candidates = match caption_column(collection) {
        Some(column) => {
            let all: Vec<usize> = (0..collection.len()).collect();
            captioned(collection, &settings.data, column, &all, |pictures| small(pictures, 0))?
        }
        None => vec![],
    };
    if candidates.len() < 2 {
        return Err(EvalError::TooFew { records: candidates.len() });
    }
    let halves = split(collection, &settings.data)?;
    let half = |records: &[usize], observer: &mut dyn Observer| {
        let held: std::collections::HashSet<usize> = records.iter().copied().collect();
        let mut chosen: Vec<&Candidate> = candidates.iter().filter(|c| held.contains(&c.record)).collect();
        shuffle(&mut stream(settings.seed, Purpose::Order, 0, 0), &mut chosen);
        chosen.truncate(settings.samples);
        ranks(model, &chosen, &candidates, settings, observer)
    };
    Ok(PixelRankReport {
        pictures: candidates.len(),
        training: half(&halves.train, observer)?,
        held_out: half(&halves.validation, observer)?,
    })
}

fn ranks(
    model: &dyn Model,
    chosen: &[&Candidate],
    all: &[Candidate],
    settings: &PixelRank,
    observer: &mut dyn Observer,
) -> Result<Half, EvalError> {
    let family = || model.info().family.clone();
    let generator = model.generate().ok_or_else(|| ModelError::Lacks {
        family: family(),
        verb: "generate",
        able: able("generate"),
    })?;
    let conditioner = model.conditioner().ok_or_else(|| ModelError::Request {
        option: "model",
        value: family(),
        rule: "this family reads no captions, so there is nothing to measure it by".to_string(),
    })?;
    let (mut plain, mut variants) = (vec![], vec![]);
    for chosen in chosen.chunks(AT_ONCE) {
        let texts: Vec<Input> = chosen.iter().map(|c| Input::Text(c.caption.clone())).collect();
        let mut request = GenerateRequest::default();
        request.seeds = chosen.iter().map(|c| settings.seed.wrapping_add(c.record as u64)).collect();
        request.condition = Some(conditioner.condition(&texts)?);
        request.guidance_scale = settings.guidance_scale;
        request.num_inference_steps = settings.num_inference_steps;
        let drawn = generator.generate(&request, observer)?;
        for (i, truth) in chosen.iter().enumerate() {
            let pixels = small(&drawn, i);
            let own = distance(&pixels, &truth.seen);
            let nearer = all.iter().filter(|other| distance(&pixels, &other.seen) < own).count();
            let percent = 100.0 * nearer as f64 / all.len() as f64;
            if truth.variant { variants.push(percent) } else { plain.push(percent) }
        }
    }
    let captions = plain.len() + variants.len();
    let within = plain.iter().filter(|&&rank| rank < 10.0).count() as f64 / plain.len().max(1) as f64;
    let within_tenth = (!plain.is_empty()).then_some(within);
    let (median_plain, median_variants) = (median(plain), median(variants));
    Ok(Half { captions, median_plain, median_variants, within_tenth })
}

/// A picture of a batch as means over `SIDE` by `SIDE` fields.
fn small(pictures: &Pictures, index: usize) -> Vec<f32> {
    let [_, channels, height, width] = pictures.shape;
    let picture = &pictures.data[index * channels * height * width..(index + 1) * channels * height * width];
    let mut sums = vec![(0.0f32, 0.0f32); channels * SIDE * SIDE];
    for (place, value) in picture.iter().enumerate() {
        let (channel, y, x) = (place / (height * width), place / width % height, place % width);
        let (sum, count) = &mut sums[(channel * SIDE + y * SIDE / height) * SIDE + x * SIDE / width];
        *sum += value;
        *count += 1.0;
    }
    sums.into_iter().map(|(sum, count)| if count > 0.0 { sum / count } else { 0.0 }).collect()
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len().checked_sub(1)? / 2;
    Some((values[middle] + values[values.len() / 2]) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_both() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn small_pictures_hold_the_mean_of_each_field() {
        let data = (0..32 * 32).map(|i| if (i / 32) < 16 { 1.0 } else { -1.0 }).collect();
        let pixels = small(&Pictures { shape: [1, 1, 32, 32], data }, 0);
        assert_eq!(pixels.len(), SIDE * SIDE);
        assert!(
            pixels[..SIDE * 8].iter().all(|&v| v == 1.0) && pixels[SIDE * 8..].iter().all(|&v| v == -1.0)
        );
    }
}

//! How sure an encoder may say it is: the scale of cosines by which a softmax over labels is right as often as it says (Guo et
//! al. 2017, section 4.2), found on each half of the held-out pictures and measured on the other. It grows with the logarithm of how
//! many labels there are: with more of them some wrong one lies near by chance.

use std::collections::HashMap;

use rebus_data::{
    Collection, DataConfig,
    random::{Purpose, below, shuffle, stream},
    split,
};
use rebus_models::{Observer, confidences};
use serde::Serialize;

use crate::{
    EvalError, Extractor,
    captioned::{Ask, captioned, stack},
    retrieval::nothing,
};

/// Labels that a picture is told from, beside all of them.
const AMONG: [usize; 3] = [3, 10, 50];
/// Sets of labels for each picture, where there are more labels than that.
const TIMES: usize = 10;
/// Shares of certainty that are looked at apart.
const BINS: usize = 10;
/// Bounds of the logarithm of the scale, and steps of the search between them.
const BOUNDS: [f64; 2] = [0.0, 7.0];
const STEPS: usize = 60;

/// Settings of [`calibration`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Calibration {
    /// How pictures are read, and which are held out.
    pub data: DataConfig,
    /// The column of captions.
    pub column: String,
    /// The seed of the halves and of the labels.
    pub seed: u64,
}

impl Calibration {
    /// Of pictures read as `data` says.
    pub fn new(data: DataConfig, column: impl Into<String>) -> Self {
        Self { data, column: column.into(), seed: 0 }
    }
}

/// What [`calibration`] found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibrated {
    /// The column of captions.
    pub column: String,
    /// Held-out pictures.
    pub pictures: usize,
    /// What the model multiplied cosines with until now.
    pub scale_before: f64,
    /// What makes it as sure as it is right: this, and so much more for each factor of e of labels.
    pub scale: f64,
    /// How much more that is.
    pub scale_per_log: f64,
    /// On each half by the scale that was found on the other, by the number of labels.
    pub among: Vec<Among>,
}

/// How sure and how right a model is among so many labels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Among {
    /// How many labels.
    pub labels: usize,
    /// The share of pictures whose likeliest label is right.
    pub accuracy: f64,
    /// The expected calibration error until now: how far certainty and share of right answers lie apart, in the mean over ten bins.
    pub error_before: f64,
    /// The same with the scale that was found.
    pub error: f64,
}

/// A picture's cosines to some labels, the right one first.
type Asked = Vec<f32>;

/// Finds the scale.
///
/// # Errors
/// A model that knows no words, a collection with fewer than four held-out pictures with captions.
pub fn calibration(
    encoder: &Extractor,
    collection: &dyn Collection,
    settings: &Calibration,
    observer: &mut dyn Observer,
) -> Result<Calibrated, EvalError> {
    let records = split::split(collection, &settings.data)?.validation;
    let read = captioned(collection, Ask::caption(&settings.data, &settings.column), &records)?;
    if read.len() < 4 {
        return Err(EvalError::NoPictures { name: collection.location().display().to_string() });
    }
    let width = encoder.width()?;
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut captions = vec![];
    let own: Vec<usize> = read
        .iter()
        .map(|record| {
            *numbers.entry(record.caption.as_str()).or_insert_with(|| {
                captions.push(record.caption.clone());
                captions.len() - 1
            })
        })
        .collect();
    let texts = encoder.texts(&captions)?.ok_or_else(|| encoder.knows_no_words())?;
    let mut pictures = vec![];
    for same in read.chunk_by(|a, b| a.picture.shape == b.picture.shape) {
        pictures.extend(encoder.pictures(&stack(same.iter().map(|record| &record.picture)))?);
        if observer.step(pictures.len() / width, read.len(), &nothing).is_break() {
            return Err(EvalError::Model(rebus_models::ModelError::Interrupted));
        }
    }
    let cosine = |picture: usize, text: usize| -> f32 {
        let (a, b) = (&pictures[picture * width..][..width], &texts[text * width..][..width]);
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    };
    let mut order: Vec<usize> = (0..read.len()).collect();
    shuffle(&mut stream(settings.seed, Purpose::Order, 0, 0), &mut order);
    let (one, other) = order.split_at(order.len() / 2);
    let sizes: Vec<usize> =
        AMONG.into_iter().filter(|labels| *labels < captions.len()).chain([captions.len()]).collect();
    let asked = |of: &[usize], labels: usize| -> Vec<Asked> {
        let times = if labels < captions.len() { TIMES } else { 1 };
        let ask = |&picture: &usize| {
            let mut draws = stream(settings.seed, Purpose::Caption, labels as u64, picture as u64);
            let mut others: Vec<usize> = (0..captions.len()).filter(|text| *text != own[picture]).collect();
            let set = |_| {
                for place in 0..labels - 1 {
                    let other = place + below(&mut draws, others.len() - place);
                    others.swap(place, other);
                }
                let labels = std::iter::once(own[picture]).chain(others[..labels - 1].iter().copied());
                labels.map(|text| cosine(picture, text)).collect()
            };
            (0..times).map(set).collect::<Vec<Asked>>()
        };
        of.iter().flat_map(ask).collect()
    };
    let fitted = |of: &[usize]| {
        let best = sizes.iter().map(|&labels| [(labels as f64).ln(), best_scale(&asked(of, labels))]);
        line(&best.collect::<Vec<_>>())
    };
    let before = encoder.encoder()?.confidence_scale().map_or(100.0, f64::from);
    let halves = [(one, fitted(other)), (other, fitted(one))];
    let among = sizes.iter().map(|&labels| {
        let mut all: Vec<(Asked, f64)> = vec![];
        for (half, (scale, more)) in halves {
            let scale = scale + more * (labels as f64).ln();
            all.extend(asked(half, labels).into_iter().map(|cosines| (cosines, scale)));
        }
        let plain: Vec<(Asked, f64)> = all.iter().map(|(cosines, _)| (cosines.clone(), before)).collect();
        let cosines: Vec<Asked> = all.iter().map(|(cosines, _)| cosines.clone()).collect();
        Among { labels, accuracy: right(&cosines), error_before: error(&plain), error: error(&all) }
    });
    let among = among.collect();
    let (scale, scale_per_log) = fitted(&order);
    Ok(Calibrated {
        column: settings.column.clone(),
        pictures: read.len(),
        scale_before: before,
        scale,
        scale_per_log,
        among,
    })
}

/// Where the line of least squares through some points crosses zero, and how steep it is.
fn line(points: &[[f64; 2]]) -> (f64, f64) {
    let count = points.len() as f64;
    let mean = |way: usize| points.iter().map(|point| point[way]).sum::<f64>() / count;
    let (x, y) = (mean(0), mean(1));
    let spread: f64 = points.iter().map(|point| (point[0] - x).powi(2)).sum();
    let together: f64 = points.iter().map(|point| (point[0] - x) * (point[1] - y)).sum();
    let steep = if spread > 0.0 { together / spread } else { 0.0 };
    (y - steep * x, steep)
}

/// The scale by which certainty is in the mean the share of right answers, by halving: the larger it is, the surer. (That by which
/// the right labels are likeliest is lower: it is ruled by the few that are far off, and leaves all others too unsure.)
fn best_scale(asked: &[Asked]) -> f64 {
    let [mut low, mut high] = BOUNDS;
    for _ in 0..STEPS {
        let middle = (low + high) / 2.0;
        let (accuracy, sure) = (right(asked), sureness(asked, middle.exp()));
        if sure < accuracy { low = middle } else { high = middle }
    }
    ((low + high) / 2.0).exp()
}

/// The mean of the largest share.
fn sureness(asked: &[Asked], scale: f64) -> f64 {
    let most = |cosines: &Asked| confidences(cosines, scale).into_iter().fold(0.0, f64::max);
    asked.iter().map(most).sum::<f64>() / asked.len() as f64
}

/// The share of pictures whose nearest label is the right one, which stands first; another that is as near is taken for the answer.
fn right(asked: &[Asked]) -> f64 {
    let is_right = |cosines: &&Asked| cosines[1..].iter().all(|cosine| *cosine < cosines[0]);
    asked.iter().filter(is_right).count() as f64 / asked.len() as f64
}

/// The expected calibration error of questions, each with its scale.
fn error(asked: &[(Asked, f64)]) -> f64 {
    let mut bins = [(0.0, 0.0); BINS];
    for (cosines, scale) in asked {
        let most = confidences(cosines, *scale).into_iter().fold(0.0, f64::max);
        let bin = &mut bins[((most * BINS as f64) as usize).min(BINS - 1)];
        *bin = (bin.0 + most, bin.1 + right(std::slice::from_ref(cosines)));
    }
    bins.iter().map(|(sure, right)| (sure - right).abs() / asked.len() as f64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_through_its_points() {
        let (at_zero, steep) = line(&[[1.0, 5.0], [3.0, 9.0]]);
        assert!((at_zero - 3.0).abs() < 1e-12 && (steep - 2.0).abs() < 1e-12);
        assert_eq!(line(&[[1.0, 5.0]]), (5.0, 0.0));
    }

    #[test]
    fn the_scale_makes_it_as_sure_as_it_is_right() {
        // Of two labels 0.1 apart three quarters are right: exp(0.1 s) = 3.
        let mut asked: Vec<Asked> = vec![vec![0.3, 0.2]; 75];
        asked.extend(vec![vec![0.2, 0.3]; 25]);
        let scale = best_scale(&asked);
        assert!((scale - 10.0 * 3f64.ln()).abs() < 1e-3, "{scale}");
        let with = |scale: f64| asked.iter().map(|cosines| (cosines.clone(), scale)).collect::<Vec<_>>();
        assert!((right(&asked) - 0.75).abs() < 1e-12 && error(&with(scale)) < 1e-4);
        let sure = error(&with(1000.0));
        assert!((sure - 0.25).abs() < 1e-6, "sure of all, right of three quarters: {sure}");
    }
}

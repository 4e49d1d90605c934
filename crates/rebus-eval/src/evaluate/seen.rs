//! Pictures as the rulers see them, gathered batch by batch: memory holds a few hundred numbers a picture, not the picture.

use std::collections::HashSet;

use rebus_data::Pictures;

use crate::{EvalError, Extractor, Features, Judge, captioned::Captioned};

/// Pixels are compared at this many a side.
pub(crate) const SIDE: usize = 16;

/// What looks at pictures.
#[derive(Clone, Copy)]
pub struct Rulers<'a> {
    /// Distances are measured on its features.
    pub extractor: &'a Extractor,
    /// Words and pictures are compared by its embeddings.
    pub encoder: &'a Extractor,
    /// Says what is on a picture.
    pub judge: Option<&'a Judge>,
}

/// What was seen of pictures, a row each.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The numbers of their records.
    pub(crate) records: Vec<usize>,
    /// Their captions; empty where none were asked for.
    pub(crate) captions: Vec<String>,
    /// By the extractor.
    pub(crate) features: Features,
    /// By the encoder; nothing where it is the extractor.
    pub(super) other_embeddings: Option<Features>,
    /// By their pixels.
    pub(crate) pixels: Features,
    /// The class that each was taken for, where there is a judge.
    pub(crate) judged: Vec<usize>,
    /// The class that each should be of.
    pub(crate) classes: Vec<Option<usize>>,
}

/// Looks at pictures, batch by batch.
#[derive(Debug, Default)]
pub(crate) struct Look {
    records: Vec<usize>,
    captions: Vec<String>,
    features: Vec<f32>,
    embeddings: Vec<f32>,
    pixels: Vec<f32>,
    judged: Vec<usize>,
    classes: Vec<Option<usize>>,
}

impl Rulers<'_> {
    fn are_one(&self) -> bool {
        std::ptr::eq(self.extractor, self.encoder)
            || !self.extractor.hash().is_empty() && self.extractor.hash() == self.encoder.hash()
    }
}

impl Look {
    /// Looks at more pictures.
    pub(crate) fn at(&mut self, rulers: Rulers<'_>, pictures: &Pictures) -> Result<(), EvalError> {
        self.features.extend(rulers.extractor.pictures(pictures)?);
        if !rulers.are_one() {
            self.embeddings.extend(rulers.encoder.pictures(pictures)?);
        }
        if let Some(judge) = rulers.judge {
            self.judged.extend(judge.judge(pictures)?);
        }
        (0..pictures.len()).for_each(|index| small(pictures, index, &mut self.pixels));
        Ok(())
    }

    /// Says of which record and caption the next of the pictures looked at is.
    pub(crate) fn are(&mut self, record: &Captioned, caption: &str, rulers: Rulers<'_>) {
        self.records.push(record.record);
        self.captions.push(caption.to_string());
        self.classes.push(rulers.judge.and_then(|judge| judge.number(record.class.as_ref()?)));
    }

    /// All that was seen; `name` is what errors call it.
    ///
    /// # Errors
    /// An extractor gave a number that is none, or there was no picture.
    pub(crate) fn seen(self, name: &str, rulers: Rulers<'_>) -> Result<Seen, EvalError> {
        let count = self.records.len();
        if count == 0 {
            return Err(EvalError::NoPictures { name: name.to_string() });
        }
        let features = |width: usize, data| Features::new(name, width, data);
        Ok(Seen {
            features: features(rulers.extractor.width()?, self.features)?,
            other_embeddings: match rulers.are_one() {
                true => None,
                false => Some(features(rulers.encoder.width()?, self.embeddings)?),
            },
            pixels: features(self.pixels.len() / count, self.pixels)?,
            records: self.records,
            captions: self.captions,
            judged: self.judged,
            classes: self.classes,
        })
    }
}

impl Seen {
    /// By the encoder.
    pub(crate) fn embeddings(&self) -> &Features {
        self.other_embeddings.as_ref().unwrap_or(&self.features)
    }

    /// The share of pictures taken for what they should be, among those of a known class.
    pub(crate) fn accuracy(&self) -> Option<f64> {
        let known =
            self.judged.iter().zip(&self.classes).filter_map(|(judged, class)| Some(*judged == (*class)?));
        let known: Vec<bool> = known.collect();
        let right = known.iter().filter(|right| **right).count();
        (!known.is_empty()).then(|| right as f64 / known.len() as f64)
    }

    /// How many pictures.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// These, and those of others whose records are not among them.
    pub(crate) fn and_new(&self, others: &Self) -> Self {
        let known: HashSet<usize> = self.records.iter().copied().collect();
        let new: Vec<usize> =
            (0..others.len()).filter(|row| !known.contains(&others.records[*row])).collect();
        self.and(&others.some(&new))
    }

    /// Some of them, by their places.
    fn some(&self, rows: &[usize]) -> Self {
        Self {
            records: rows.iter().map(|row| self.records[*row]).collect(),
            captions: rows.iter().map(|row| self.captions[*row].clone()).collect(),
            features: self.features.some(rows),
            other_embeddings: self.other_embeddings.as_ref().map(|features| features.some(rows)),
            pixels: self.pixels.some(rows),
            judged: rows.iter().filter_map(|row| self.judged.get(*row)).copied().collect(),
            classes: rows.iter().filter_map(|row| self.classes.get(*row)).copied().collect(),
        }
    }

    /// These and others.
    pub(crate) fn and(&self, others: &Self) -> Self {
        let both = |a: &Option<Features>, b: &Option<Features>| Some(a.as_ref()?.and(b.as_ref()?));
        Self {
            records: self.records.iter().chain(&others.records).copied().collect(),
            captions: self.captions.iter().chain(&others.captions).cloned().collect(),
            features: self.features.and(&others.features),
            other_embeddings: both(&self.other_embeddings, &others.other_embeddings),
            pixels: self.pixels.and(&others.pixels),
            judged: [&self.judged[..], &others.judged].concat(),
            classes: [&self.classes[..], &others.classes].concat(),
        }
    }
}

/// A picture of a batch as means over [`SIDE`] by [`SIDE`] fields.
fn small(pictures: &Pictures, index: usize, out: &mut Vec<f32>) {
    let [_, channels, height, width] = pictures.shape;
    let picture = &pictures.data[index * channels * height * width..(index + 1) * channels * height * width];
    let mut sums = vec![(0.0f32, 0.0f32); channels * SIDE * SIDE];
    for (place, value) in picture.iter().enumerate() {
        let (channel, y, x) = (place / (height * width), place / width % height, place % width);
        let (sum, count) = &mut sums[(channel * SIDE + y * SIDE / height) * SIDE + x * SIDE / width];
        *sum += value;
        *count += 1.0;
    }
    out.extend(sums.into_iter().map(|(sum, count)| if count > 0.0 { sum / count } else { 0.0 }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pictures_hold_the_mean_of_each_field() {
        let data = (0..32 * 32).map(|i| if (i / 32) < 16 { 1.0 } else { -1.0 }).collect();
        let mut pixels = vec![];
        small(&Pictures { shape: [1, 1, 32, 32], data }, 0, &mut pixels);
        assert_eq!(pixels.len(), SIDE * SIDE);
        assert!(
            pixels[..SIDE * 8].iter().all(|&v| v == 1.0) && pixels[SIDE * 8..].iter().all(|&v| v == -1.0)
        );
    }
}

//! How faithful an edit is, on pairs of pictures whose captions differ by some words, so that the truth is known: it should show what
//! it is to show, and leave as it was what both pictures of a pair have alike.

use image::{DynamicImage, RgbImage};
use rebus_data::Pictures;
use serde::Serialize;

use crate::{EvalError, Extractor, similarity};

/// A channel that differs by no more between the two pictures of a pair is the same in both.
const SAME: u8 = 8;
/// Decibels of a picture that is what it should be, whose ratio is infinite.
const EQUAL: f64 = 100.0;

/// A picture to change by words, and what it should become; of one size.
#[derive(Debug, Clone)]
pub struct EditPair {
    /// What is changed.
    pub source: DynamicImage,
    /// What it should become.
    pub wanted: DynamicImage,
    /// What is said of the source.
    pub from: String,
    /// What is said of what it should become.
    pub to: String,
}

/// Means over pairs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Faithfulness {
    /// Cosine between the picture and the new caption, as an encoder sees both.
    pub agreement: f64,
    /// Mean difference from the source where both pictures of a pair are the same, in levels of 255.
    pub outside: f64,
    /// The peak signal-to-noise ratio to what it should be, in decibels; equal pictures count as 100.
    pub psnr: f64,
}

/// How faithful some pictures are to their pairs, one each, in order and of their size.
///
/// # Errors
/// An encoder that knows no words, or pictures of another size.
pub fn faithfulness(
    extractor: &Extractor,
    pairs: &[EditPair],
    edited: &[DynamicImage],
) -> Result<Faithfulness, EvalError> {
    let mut sum = Faithfulness::default();
    for (pair, edited) in pairs.iter().zip(edited) {
        let picture = edited.to_rgb8();
        let (source, wanted) = (pair.source.to_rgb8(), pair.wanted.to_rgb8());
        sum.psnr += similarity(&picture, &wanted)?.psnr.unwrap_or(EQUAL);
        sum.outside += outside(&picture, &source, &wanted);
        let shown = Pictures::from_images(&[DynamicImage::ImageRgb8(picture)])?;
        let looks = extractor.pictures(&shown)?;
        let says = extractor.texts(std::slice::from_ref(&pair.to))?;
        sum.agreement += cosine(&looks, &says.ok_or_else(|| extractor.knows_no_words())?);
    }
    let count = pairs.len().max(1) as f64;
    let Faithfulness { agreement, outside, psnr } = sum;
    Ok(Faithfulness { agreement: agreement / count, outside: outside / count, psnr: psnr / count })
}

/// The mean difference of two pictures where the second and a third are the same; 0 where they are so nowhere.
fn outside(picture: &RgbImage, source: &RgbImage, wanted: &RgbImage) -> f64 {
    let mut sum = (0.0, 0);
    for ((picture, source), wanted) in picture.pixels().zip(source.pixels()).zip(wanted.pixels()) {
        if source.0.iter().zip(wanted.0).all(|(a, b)| a.abs_diff(b) <= SAME) {
            sum.0 += picture.0.iter().zip(source.0).map(|(a, b)| f64::from(a.abs_diff(b))).sum::<f64>();
            sum.1 += 3;
        }
    }
    if sum.1 == 0 { 0.0 } else { sum.0 / f64::from(sum.1) }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    product(a, b) / (product(a, a) * product(b, b)).sqrt().max(1e-12)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn only_what_both_pictures_of_a_pair_have_alike_must_stay() {
        let picture = |left: u8, right: u8| {
            RgbImage::from_fn(4, 2, |x, _| if x < 2 { Rgb([left; 3]) } else { Rgb([right, 0, 0]) })
        };
        let (source, wanted) = (picture(100, 50), picture(103, 200));
        assert_eq!(outside(&picture(100, 255), &source, &wanted), 0.0);
        assert_eq!(outside(&picture(110, 50), &source, &wanted), 10.0);
        assert_eq!(outside(&picture(0, 0), &picture(0, 9), &picture(255, 255)), 0.0);
    }
}

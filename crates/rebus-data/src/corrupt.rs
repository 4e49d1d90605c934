//! Corruptions of a picture at five strengths, as in ImageNet-C (Hendrycks and Dietterich 2019): how far does a model that
//! looks at pictures keep its judgement? And the same as an augmentation that helps it to.

use std::io::Cursor;

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};
use image::{DynamicImage, GenericImageView, Rgba, imageops};
use rand::Rng;

use crate::{
    DataError,
    fit::{Size, resize},
    picture::in_the_kind_of,
    random::{below, fill_normal},
};

/// A kind of corruption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Corruption {
    /// Gaussian blur.
    Blur,
    /// JPEG of low quality.
    Jpeg,
    /// A part of the picture, as large as the whole.
    Crop,
    /// Gaussian noise.
    Noise,
    /// A word printed on the picture (Goh et al. 2021, typographic attacks).
    Word,
}

impl Corruption {
    /// All, in the order of reports.
    pub const ALL: [Self; 5] = [Self::Blur, Self::Jpeg, Self::Crop, Self::Noise, Self::Word];
    /// The greatest strength; the least is 1.
    pub const STRENGTHS: usize = 5;

    /// The picture, corrupted; its size and its channels stay. `word` is what [`Word`](Self::Word) prints.
    ///
    /// # Errors
    /// The picture has no pixel.
    pub fn apply(
        self,
        image: &DynamicImage,
        strength: usize,
        word: &str,
        generator: &mut impl Rng,
    ) -> Result<DynamicImage, DataError> {
        let level = strength.clamp(1, Self::STRENGTHS) - 1;
        // Lengths are shares of a side, so that they mean the same at any size.
        let side = image.width().min(image.height()) as f32;
        Ok(match self {
            Self::Blur => image.blur([0.012, 0.02, 0.03, 0.045, 0.065][level] * side),
            Self::Jpeg => jpeg(image, [50, 30, 18, 10, 5][level])?,
            Self::Crop => crop(image, [0.92, 0.84, 0.76, 0.68, 0.6][level], generator)?,
            Self::Noise => noise(image, [0.04, 0.08, 0.12, 0.18, 0.26][level], generator),
            Self::Word => print(image, word, [0.14, 0.18, 0.23, 0.28, 0.34][level] * side),
        })
    }

    /// Any corruption but a printed word, at any strength.
    ///
    /// # Errors
    /// The picture has no pixel.
    pub fn any(image: &DynamicImage, generator: &mut impl Rng) -> Result<DynamicImage, DataError> {
        let kind = Self::ALL[below(generator, Self::ALL.len() - 1)];
        kind.apply(image, 1 + below(generator, Self::STRENGTHS), "", generator)
    }
}

/// Through a JPEG file and back; alpha stays.
fn jpeg(image: &DynamicImage, quality: u8) -> Result<DynamicImage, DataError> {
    let failed = |error: image::ImageError| DataError::Stack { reason: error.to_string() };
    let mut file = Cursor::new(vec![]);
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut file, quality);
    image.to_rgb8().write_with_encoder(encoder).map_err(failed)?;
    let colors = image::load_from_memory_with_format(&file.into_inner(), image::ImageFormat::Jpeg);
    Ok(in_the_kind_of(image, colors.map_err(failed)?))
}

/// A part anywhere in the picture whose sides are a share of the whole's.
fn crop(image: &DynamicImage, share: f32, generator: &mut impl Rng) -> Result<DynamicImage, DataError> {
    let (width, height) = image.dimensions();
    let part = |side: u32| ((side as f32 * share).round() as u32).clamp(1, side.max(1));
    let (columns, rows) = (part(width), part(height));
    let left = below(generator, (width - columns + 1) as usize) as u32;
    let top = below(generator, (height - rows + 1) as usize) as u32;
    resize(&image.crop_imm(left, top, columns, rows), Size { height, width })
}

/// Independent noise on every channel but alpha, with a standard deviation in shares of white.
fn noise(image: &DynamicImage, deviation: f32, generator: &mut impl Rng) -> DynamicImage {
    let mut rgba = image.to_rgba8();
    let mut draws = vec![0.0; rgba.len()];
    fill_normal(generator, &mut draws);
    for (pixel, draws) in rgba.pixels_mut().zip(draws.chunks(4)) {
        for (value, draw) in pixel.0.iter_mut().zip(&draws[..3]) {
            *value = (f32::from(*value) + 255.0 * deviation * draw).round().clamp(0.0, 255.0) as u8;
        }
    }
    in_the_kind_of(image, DynamicImage::ImageRgba8(rgba))
}

/// A word in black on a strip of white across the middle, letters so many pixels high, or less where it would not fit.
fn print(image: &DynamicImage, word: &str, height: f32) -> DynamicImage {
    let Ok(font) = FontRef::try_from_slice(epaint_default_fonts::UBUNTU_LIGHT) else { return image.clone() };
    let width_at = |height: f32| -> f32 {
        let scaled = font.as_scaled(PxScale::from(height));
        word.chars().map(|letter| scaled.h_advance(scaled.glyph_id(letter))).sum()
    };
    let (columns, rows) = (image.width() as f32, image.height() as f32);
    let height = height.min(height * (columns - 2.0) / width_at(height).max(1.0)).max(4.0);
    let scaled = font.as_scaled(PxScale::from(height));
    let (top, mut at) = ((rows - height) / 2.0, ((columns - width_at(height)) / 2.0).max(1.0));
    let mut paper = image.to_rgba8();
    let strip = image::RgbaImage::from_pixel(image.width(), height.ceil() as u32, Rgba([255; 4]));
    imageops::replace(&mut paper, &strip, 0, top.floor() as i64);
    for letter in word.chars() {
        let mut glyph = scaled.scaled_glyph(letter);
        glyph.position = ab_glyph::point(at, top + scaled.ascent());
        at += scaled.h_advance(glyph.id);
        let Some(outline) = scaled.outline_glyph(glyph) else { continue };
        let corner = outline.px_bounds().min;
        outline.draw(|x, y, ink| {
            let (x, y) = (corner.x + x as f32, corner.y + y as f32);
            if x >= 0.0 && y >= 0.0 && (x as u32) < paper.width() && (y as u32) < paper.height() {
                let pixel = paper.get_pixel_mut(x as u32, y as u32);
                for value in &mut pixel.0[..3] {
                    *value = (f32::from(*value) * (1.0 - ink.clamp(0.0, 1.0))).round() as u8;
                }
            }
        });
    }
    in_the_kind_of(image, DynamicImage::ImageRgba8(paper))
}

#[cfg(test)]
mod tests {
    use image::{RgbImage, RgbaImage};

    use super::*;
    use crate::random::{Purpose, stream};

    fn picture() -> DynamicImage {
        let color = |x: u32, y: u32| [(x * 8) as u8, (y * 8) as u8, if x / 8 == y / 8 { 255 } else { 0 }];
        DynamicImage::ImageRgb8(RgbImage::from_fn(32, 32, |x, y| image::Rgb(color(x, y))))
    }

    fn difference(a: &DynamicImage, b: &DynamicImage) -> f64 {
        assert_eq!((a.dimensions(), a.color()), (b.dimensions(), b.color()));
        let pairs = a.as_bytes().iter().zip(b.as_bytes());
        pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.as_bytes().len() as f64
    }

    #[test]
    fn each_kind_changes_more_the_stronger_it_is() {
        for kind in Corruption::ALL {
            let at = |strength| {
                let mut generator = stream(1, Purpose::Augment, 0, 0);
                difference(&picture(), &kind.apply(&picture(), strength, "cat", &mut generator).unwrap())
            };
            let (weak, strong) = (at(1), at(5));
            assert!(0.0 < weak && weak < strong && strong < 128.0, "{kind:?} {weak} {strong}");
            assert_eq!(at(9), strong, "there are five strengths");
        }
    }

    #[test]
    fn grey_and_transparent_pictures_stay_what_they_are() {
        let grey = DynamicImage::ImageLuma8(picture().to_luma8());
        let clear = DynamicImage::ImageRgba8(RgbaImage::from_pixel(32, 32, Rgba([9, 9, 9, 7])));
        for kind in Corruption::ALL {
            for image in [&grey, &clear] {
                let mut generator = stream(1, Purpose::Augment, 0, 0);
                let found = kind.apply(image, 3, "a word that is far too long", &mut generator).unwrap();
                assert_eq!((found.dimensions(), found.color()), (image.dimensions(), image.color()));
            }
        }
        let mut generator = stream(1, Purpose::Augment, 0, 0);
        let noisy = Corruption::Noise.apply(&clear, 5, "", &mut generator).unwrap().to_rgba8();
        assert!(noisy.pixels().all(|pixel| pixel[3] == 7), "alpha stays");
    }
}

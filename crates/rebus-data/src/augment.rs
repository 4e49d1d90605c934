//! Random changes of a picture that keep its meaning: mirroring, a shifted crop, colour jitter, corruption.

use image::{DynamicImage, GenericImageView, Rgb32FImage, imageops::colorops};
use palette::{Hsv, IntoColor, Lighten, Saturate, ShiftHue, Srgb};
use rand::Rng;

use crate::{
    DataError,
    config::{ColorJitter, DataConfig},
    corrupt::Corruption,
    fit::{Fitter, Size},
    picture::in_the_kind_of,
    random::{below, uniform},
};

/// The augmentations of a configuration.
#[derive(Debug, Clone)]
pub struct Augment {
    fitter: Fitter,
    horizontal_flip: f32,
    padding_crop: u32,
    jitter: ColorJitter,
    corruption: f32,
}

impl Augment {
    /// Takes the augmentations that the configuration asks for.
    ///
    /// # Errors
    /// The background is not a colour.
    pub fn new(config: &DataConfig) -> Result<Self, DataError> {
        Ok(Self {
            fitter: Fitter::new(config)?,
            horizontal_flip: config.horizontal_flip,
            padding_crop: config.padding_crop,
            jitter: config.color_jitter,
            corruption: config.corruption,
        })
    }

    /// Changes an 8-bit picture; its size and channels stay. Every draw is made whatever is switched on, so that
    /// switching one augmentation on or off does not change the others.
    pub fn apply(&self, image: DynamicImage, generator: &mut impl Rng) -> DynamicImage {
        let mirrored = uniform(generator) < self.horizontal_flip;
        let reach = 2 * self.padding_crop as usize + 1;
        let (left, top) = (below(generator, reach) as u32, below(generator, reach) as u32);
        let mut signed = |most: f32| (2.0 * uniform(generator) - 1.0) * most;
        let drawn = ColorJitter {
            brightness: signed(self.jitter.brightness),
            contrast: signed(self.jitter.contrast),
            saturation: signed(self.jitter.saturation),
            hue: signed(self.jitter.hue),
        };
        let image = if mirrored { image.fliph() } else { image };
        let image = if self.padding_crop > 0 { self.shift(image, left, top) } else { image };
        let image = if self.jitter == ColorJitter::default() { image } else { jitter(image, drawn) };
        if uniform(generator) >= self.corruption {
            return image;
        }
        Corruption::any(&image, generator).unwrap_or(image)
    }

    fn shift(&self, image: DynamicImage, left: u32, top: u32) -> DynamicImage {
        let (width, height) = image.dimensions();
        let pad = self.padding_crop;
        let padded = Size { height: height + 2 * pad, width: width + 2 * pad };
        self.fitter.place(&image, padded, pad, pad).crop_imm(left, top, width, height)
    }
}

/// Changes the colours by the amounts of [`ColorJitter`], each from minus to plus its range; alpha stays.
pub fn jitter(image: DynamicImage, amount: ColorJitter) -> DynamicImage {
    let mut colors: Rgb32FImage = image.to_rgb32f();
    for pixel in colors.pixels_mut() {
        let [red, green, blue] = pixel.0;
        let hsv: Hsv = Srgb::new(red, green, blue).into_color();
        let hsv = hsv.lighten(amount.brightness).saturate(amount.saturation).shift_hue(amount.hue * 360.0);
        let color: Srgb = hsv.into_color();
        pixel.0 = [color.red, color.green, color.blue];
    }
    // `contrast` squares its percentage into the factor.
    colorops::contrast_in_place(&mut colors, ((1.0 + amount.contrast).max(0.0).sqrt() - 1.0) * 100.0);
    in_the_kind_of(&image, DynamicImage::ImageRgb32F(colors))
}

#[cfg(test)]
#[path = "tests/augment.rs"]
mod tests;

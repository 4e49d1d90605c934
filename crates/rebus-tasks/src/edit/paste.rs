//! What was drawn, put into a picture of any kind: where the mask is 0 every byte stays.

use image::{DynamicImage, GrayImage, Luma, RgbImage, imageops};

use super::pixels;

/// A part of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Part {
    /// What a model is shown around a mask: half as much again as the marked part, at least `least` pixels wide and high where the
    /// picture has them, in the model's aspect as far as the picture allows.
    pub(super) fn around(mask: &GrayImage, [least_width, least_height]: [u32; 2]) -> Self {
        let marked = |along: u32, across: u32, at: &dyn Fn(u32, u32) -> u8| {
            let any = |place: &u32| (0..across).any(|other| at(*place, other) > 0);
            let first = (0..along).find(any).unwrap_or(0);
            (first, (0..along).rev().find(any).unwrap_or(along - 1) + 1)
        };
        let (width, height) = mask.dimensions();
        let (left, right) = marked(width, height, &|x, y| mask[(x, y)][0]);
        let (top, bottom) = marked(height, width, &|y, x| mask[(x, y)][0]);
        // As many times the model's size as both sides need.
        let needed = |length: u32, least: u32| (f64::from(length) * 1.5 / f64::from(least)).max(1.0);
        let scale = needed(right - left, least_width).max(needed(bottom - top, least_height));
        let side = |least: u32, most: u32| ((f64::from(least) * scale).ceil() as u32).min(most);
        let (across, down) = (side(least_width, width), side(least_height, height));
        let start = |first: u32, end: u32, length: u32, most: u32| {
            ((first + end) / 2).saturating_sub(length / 2).min(most - length)
        };
        Self {
            x: start(left, right, across, width),
            y: start(top, bottom, down, height),
            width: across,
            height: down,
        }
    }

    pub(super) fn of(&self, picture: &DynamicImage) -> DynamicImage {
        picture.crop_imm(self.x, self.y, self.width, self.height)
    }

    pub(super) fn of_mask(&self, mask: &GrayImage) -> GrayImage {
        imageops::crop_imm(mask, self.x, self.y, self.width, self.height).to_image()
    }
}

/// Puts `drawn`, of the part's size, into the picture as far as the mask says. Depth and channels stay; what is drawn is opaque, unless
/// the picture keeps its own alpha.
pub(super) fn paste(
    picture: &mut DynamicImage,
    mask: &GrayImage,
    part: Part,
    drawn: &RgbImage,
    keeps_alpha: bool,
) {
    let inside = |x: u32, y: u32| {
        (part.x..part.x + part.width).contains(&x) && (part.y..part.y + part.height).contains(&y)
    };
    pixels::map(picture, |x, y, old| {
        let Luma([share]) = mask[(x, y)];
        if share == 0 || !inside(x, y) {
            return old;
        }
        let share = f64::from(share) / 255.0;
        let [red, green, blue] =
            drawn.get_pixel(x - part.x, y - part.y).0.map(|value| f64::from(value) / 255.0);
        let new = [red, green, blue, if keeps_alpha { old[3] } else { 1.0 }];
        std::array::from_fn(|channel| old[channel] + (new[channel] - old[channel]) * share)
    });
}

#[cfg(test)]
mod tests {
    use image::GenericImageView;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_part_holds_the_mask_and_stays_inside() {
        let mask = |x: u32, y: u32, side: u32| {
            GrayImage::from_fn(100, 60, |column, row| {
                Luma([u8::from((x..x + side).contains(&column) && (y..y + side).contains(&row)) * 255])
            })
        };
        assert_eq!(Part::around(&mask(50, 30, 4), [16, 16]), Part { x: 44, y: 24, width: 16, height: 16 });
        assert_eq!(Part::around(&mask(0, 0, 20), [16, 16]), Part { x: 0, y: 0, width: 30, height: 30 });
        assert_eq!(Part::around(&mask(10, 0, 60), [16, 16]), Part { x: 0, y: 0, width: 90, height: 60 });
    }

    #[test]
    fn any_kind_of_picture_keeps_what_the_mask_does_not_say() {
        let mask = GrayImage::from_fn(4, 4, |x, _| Luma([[0, 255, 128, 0][x as usize]]));
        let part = Part { x: 0, y: 0, width: 4, height: 4 };
        let drawn = RgbImage::from_pixel(4, 4, image::Rgb([200, 100, 50]));
        for kind in [
            DynamicImage::new_luma8(4, 4),
            DynamicImage::new_luma_a8(4, 4),
            DynamicImage::new_rgb8(4, 4),
            DynamicImage::new_rgba8(4, 4),
            DynamicImage::new_luma16(4, 4),
            DynamicImage::new_luma_a16(4, 4),
            DynamicImage::new_rgb16(4, 4),
            DynamicImage::new_rgba16(4, 4),
        ] {
            let mut picture = kind.clone();
            paste(&mut picture, &mask, part, &drawn, false);
            assert_eq!(picture.color(), kind.color());
            assert_eq!(picture.get_pixel(0, 1), kind.get_pixel(0, 1));
            assert_eq!(picture.get_pixel(3, 2), kind.get_pixel(3, 2));
            let (full, half) = (picture.get_pixel(1, 1), picture.get_pixel(2, 1));
            assert_eq!(full[3], 255);
            assert!(
                full[0] >= 100 && half[0].abs_diff(full[0] / 2) <= 1,
                "{:?} {full:?} {half:?}",
                kind.color()
            );
        }
    }

    proptest! {
        #[test]
        fn outside_a_mask_every_byte_stays(
            seed in any::<u64>(), width in 1u32..40, height in 1u32..40, kind in 0usize..4, share in 0u8..=255
        ) {
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            };
            let pixels: Vec<u8> = (0..width * height * 4).map(|_| next()).collect();
            let whole = DynamicImage::ImageRgba8(image::RgbaImage::from_raw(width, height, pixels).unwrap());
            let picture = match kind {
                0 => DynamicImage::ImageLuma8(whole.to_luma8()),
                1 => DynamicImage::ImageRgb8(whole.to_rgb8()),
                2 => DynamicImage::ImageRgba16(whole.to_rgba16()),
                _ => whole,
            };
            let mask = GrayImage::from_fn(width, height, |_, _| Luma([if next() < share { 255 } else { 0 }]));
            let part = Part::around(&mask, [16, 16]);
            let drawn = RgbImage::from_fn(part.width, part.height, |_, _| image::Rgb([next(), next(), next()]));
            let mut edited = picture.clone();
            paste(&mut edited, &mask, part, &drawn, false);
            let bytes = picture.as_bytes().len() / (width * height) as usize;
            let pixels = picture.as_bytes().chunks(bytes).zip(edited.as_bytes().chunks(bytes));
            for ((old, new), Luma([marked])) in pixels.zip(mask.pixels()) {
                prop_assert!(old == new || *marked > 0);
            }
        }
    }
}

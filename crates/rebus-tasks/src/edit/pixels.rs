//! Pixels of a picture of any kind and depth, one after the other, as numbers in 0..1.

use image::{DynamicImage, ImageBuffer, Pixel, Primitive};

/// Red, green, blue and alpha.
pub(super) type Color = [f64; 4];

/// Replaces each pixel by what `change` makes of it. Kind and depth stay: of grey pictures all three colours are the grey, and the
/// mean of what comes back by how bright each looks becomes it; without alpha it is 1, and what comes back is dropped. A pixel that
/// comes back as it was keeps its bits.
pub(super) fn map(picture: &mut DynamicImage, change: impl FnMut(u32, u32, Color) -> Color) {
    match picture {
        DynamicImage::ImageLuma8(to) => each(to, change),
        DynamicImage::ImageLumaA8(to) => each(to, change),
        DynamicImage::ImageRgb8(to) => each(to, change),
        DynamicImage::ImageRgba8(to) => each(to, change),
        DynamicImage::ImageLuma16(to) => each(to, change),
        DynamicImage::ImageLumaA16(to) => each(to, change),
        DynamicImage::ImageRgb16(to) => each(to, change),
        DynamicImage::ImageRgba16(to) => each(to, change),
        other => {
            let mut to = other.to_rgba16();
            each(&mut to, change);
            *other = DynamicImage::ImageRgba16(to);
        }
    }
}

fn each<P>(to: &mut ImageBuffer<P, Vec<P::Subpixel>>, mut change: impl FnMut(u32, u32, Color) -> Color)
where
    P: Pixel,
    P::Subpixel: Into<f64>,
{
    let most: f64 = P::Subpixel::DEFAULT_MAX_VALUE.into();
    for (x, y, pixel) in to.enumerate_pixels_mut() {
        let values = pixel.channels_mut();
        let value = |channel: usize| {
            let value: f64 = values[channel].into();
            value / most
        };
        let old = match values.len() {
            1 => [value(0), value(0), value(0), 1.0],
            2 => [value(0), value(0), value(0), value(1)],
            3 => [value(0), value(1), value(2), 1.0],
            _ => [value(0), value(1), value(2), value(3)],
        };
        let new = change(x, y, old);
        if new == old {
            continue;
        }
        // Rec. 709, as sRGB's primaries are.
        let grey = 0.2126 * new[0] + 0.7152 * new[1] + 0.0722 * new[2];
        let new = if values.len() < 3 { vec![grey, new[3]] } else { new.to_vec() };
        for (to, new) in values.iter_mut().zip(new) {
            let rounded = (new.clamp(0.0, 1.0) * most).round();
            *to = num_traits::NumCast::from(rounded).unwrap_or(P::Subpixel::DEFAULT_MAX_VALUE);
        }
    }
}

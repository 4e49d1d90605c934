//! Changes of a picture that need no model.

use image::DynamicImage;
use palette::{IntoColor, Oklab, Oklch, ShiftHue, Srgb};
use rebus_data::fit::{self, Size};

use super::{pixels, region::fits, warp::Warp};
use crate::TaskError;

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub enum Adjustment {
    /// Colours turned by so many degrees, as bright and strong as they were (Ottosson 2020).
    Hue(f64),
    /// Colours so many times as strong; 0 is grey.
    Saturation(f64),
    /// Percent of white added.
    Brightness(f64),
    /// Distances from mid-grey so many times as large.
    Contrast(f64),
    /// Blurred by a Gaussian of this many pixels.
    Blur(f32),
    /// Sharpened against a blur of this many pixels.
    Sharpen(f32),
    /// Turned clockwise by a multiple of 90 degrees.
    Rotate(u32),
    /// Left and right change places.
    FlipHorizontal,
    /// Above and below change places.
    FlipVertical,
    /// A part alone: `[x, y, width, height]`.
    Crop([u32; 4]),
    /// Another size, `[width, height]`.
    Resize([u32; 2]),
    /// The colours of another picture: its mean and spread along each axis of Oklab (Reinhard et al. 2001, equation 11).
    Recolor(Box<DynamicImage>),
    /// Another shape.
    Warp(Warp),
}

impl Adjustment {
    /// Whether pixels stay where they are.
    pub(super) fn keeps_places(&self) -> bool {
        !matches!(
            self,
            Self::Rotate(_)
                | Self::FlipHorizontal
                | Self::FlipVertical
                | Self::Crop(_)
                | Self::Resize(_)
                | Self::Warp(_)
        )
    }

    /// The changed picture; kind, depth and alpha stay.
    ///
    /// # Errors
    /// A value out of range.
    pub(super) fn of(&self, mut picture: DynamicImage) -> Result<DynamicImage, TaskError> {
        let refuse = |value: String, rule: String| Err(TaskError::Region { what: "adjust", value, rule });
        let [width, height] = [picture.width(), picture.height()];
        match *self {
            Self::Hue(degrees) => colors(&mut picture, |color| {
                let color: Oklch<f64> = color.into_color();
                color.shift_hue(degrees).into_color()
            }),
            Self::Saturation(factor) => colors(&mut picture, |color| {
                let color: Oklch<f64> = color.into_color();
                Oklch { chroma: color.chroma * factor, ..color }.into_color()
            }),
            Self::Brightness(percent) => {
                pixels::map(&mut picture, |_, _, [red, green, blue, alpha]| {
                    let [red, green, blue] = [red, green, blue].map(|value| value + percent / 100.0);
                    [red, green, blue, alpha]
                });
            }
            Self::Contrast(factor) => {
                pixels::map(&mut picture, |_, _, [red, green, blue, alpha]| {
                    let [red, green, blue] = [red, green, blue].map(|value| (value - 0.5) * factor + 0.5);
                    [red, green, blue, alpha]
                });
            }
            Self::Blur(pixels) if pixels > 0.0 => picture = picture.blur(pixels),
            Self::Sharpen(pixels) if pixels > 0.0 => picture = picture.unsharpen(pixels, 0),
            Self::Blur(pixels) | Self::Sharpen(pixels) => {
                return refuse(
                    pixels.to_string(),
                    "blur and sharpen take a number of pixels above 0".to_string(),
                );
            }
            Self::Rotate(0) => {}
            Self::Rotate(90) => picture = picture.rotate90(),
            Self::Rotate(180) => picture = picture.rotate180(),
            Self::Rotate(270) => picture = picture.rotate270(),
            Self::Rotate(degrees) => {
                return refuse(format!("rotate={degrees}"), "it must be 0, 90, 180 or 270".to_string());
            }
            Self::FlipHorizontal => picture = picture.fliph(),
            Self::FlipVertical => picture = picture.flipv(),
            Self::Crop([x, y, across, down]) => {
                if !fits([x, y, across, down], [width, height]) {
                    let rule =
                        format!("a part must lie inside the picture, {width}x{height}, and have a pixel");
                    return refuse(format!("crop={x}:{y}:{across}:{down}"), rule);
                }
                picture = picture.crop_imm(x, y, across, down);
            }
            Self::Resize([width, height]) => {
                if width == 0 || height == 0 || u64::from(width) * u64::from(height) > MOST_PIXELS {
                    let rule = format!("a size has a pixel, and at most {MOST_PIXELS}");
                    return refuse(format!("resize={width}:{height}"), rule);
                }
                picture = fit::stretch(&picture, Size { height, width })?;
            }
            Self::Warp(ref warp) => picture = warp.of(picture)?,
            Self::Recolor(ref like) => {
                let (from, to) = (Spread::of(&picture), Spread::of(like));
                colors(&mut picture, |color| {
                    let color: Oklab<f64> = color.into_color();
                    let at = [color.l, color.a, color.b];
                    let [l, a, b] = std::array::from_fn(|axis| {
                        let factor = if from.deviation[axis] > 0.0 {
                            to.deviation[axis] / from.deviation[axis]
                        } else {
                            1.0
                        };
                        (at[axis] - from.mean[axis]) * factor + to.mean[axis]
                    });
                    Oklab::new(l, a, b).into_color()
                });
            }
        }
        Ok(picture)
    }
}

/// More pixels than this are no picture to be made.
const MOST_PIXELS: u64 = 64_000_000;

/// Changes colours, whatever their alpha.
fn colors(picture: &mut DynamicImage, mut change: impl FnMut(Srgb<f64>) -> Srgb<f64>) {
    pixels::map(picture, |_, _, [red, green, blue, alpha]| {
        let changed = change(Srgb::new(red, green, blue));
        [changed.red, changed.green, changed.blue, alpha]
    });
}

/// How a picture's colours lie in Oklab; pixels count by their alpha.
struct Spread {
    mean: [f64; 3],
    deviation: [f64; 3],
}

impl Spread {
    fn of(picture: &DynamicImage) -> Self {
        let (mut weight, mut sums, mut squares) = (0.0, [0.0; 3], [0.0; 3]);
        for pixel in picture.to_rgba32f().pixels() {
            let [red, green, blue, alpha] = pixel.0.map(f64::from);
            let color: Oklab<f64> = Srgb::new(red, green, blue).into_color();
            weight += alpha;
            for (axis, value) in [color.l, color.a, color.b].into_iter().enumerate() {
                sums[axis] += alpha * value;
                squares[axis] += alpha * value * value;
            }
        }
        let weight = if weight > 0.0 { weight } else { 1.0 };
        let mean = sums.map(|sum| sum / weight);
        let deviation =
            std::array::from_fn(|axis| (squares[axis] / weight - mean[axis] * mean[axis]).max(0.0).sqrt());
        Self { mean, deviation }
    }
}

#[cfg(test)]
mod tests {
    use image::{GenericImageView, Rgba};

    use super::*;

    fn picture() -> DynamicImage {
        DynamicImage::ImageRgba8(image::RgbaImage::from_fn(6, 4, |x, y| {
            Rgba([200, 40 + 10 * x as u8, 30 + 20 * y as u8, 100 + x as u8])
        }))
    }

    fn adjusted(adjustment: Adjustment) -> DynamicImage {
        adjustment.of(picture()).unwrap()
    }

    #[test]
    fn nothing_changes_by_nothing() {
        for adjustment in [Adjustment::Hue(0.0), Adjustment::Saturation(1.0), Adjustment::Hue(360.0)] {
            let found = adjusted(adjustment.clone());
            let near = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= 1;
            assert!(found.as_bytes().iter().zip(picture().as_bytes()).all(near), "{adjustment:?}");
        }
        for adjustment in [
            Adjustment::Brightness(0.0),
            Adjustment::Contrast(1.0),
            Adjustment::Rotate(0),
            Adjustment::Crop([0, 0, 6, 4]),
        ] {
            assert_eq!(adjusted(adjustment), picture());
        }
    }

    #[test]
    fn colours_go_where_they_are_sent_and_alpha_stays() {
        let grey = adjusted(Adjustment::Saturation(0.0));
        for (x, y, Rgba([red, green, blue, alpha])) in grey.pixels() {
            assert!(red.abs_diff(green) <= 1 && green.abs_diff(blue) <= 1, "{red} {green} {blue}");
            assert_eq!(alpha, picture().get_pixel(x, y)[3]);
        }
        let Rgba([red, green, blue, _]) = adjusted(Adjustment::Hue(120.0)).get_pixel(0, 0);
        assert!(green > red && green > blue, "{red} {green} {blue}");
        assert_eq!(adjusted(Adjustment::Brightness(10.0)).get_pixel(0, 0)[1], 66); // 40 + 25.5
        assert_eq!(adjusted(Adjustment::Contrast(2.0)).get_pixel(0, 0)[0], 255);
        let blue = DynamicImage::ImageRgb8(image::RgbImage::from_fn(5, 5, |x, _| {
            image::Rgb([20, 30, 150 + x as u8])
        }));
        let Rgba([red, _, more, _]) = adjusted(Adjustment::Recolor(Box::new(blue))).get_pixel(3, 2);
        assert!(more > 100 && red < 80, "{red} {more}");
    }

    #[test]
    fn places_move() {
        assert_eq!(adjusted(Adjustment::Rotate(90)).dimensions(), (4, 6));
        assert_eq!(adjusted(Adjustment::FlipHorizontal).get_pixel(0, 1), picture().get_pixel(5, 1));
        assert_eq!(adjusted(Adjustment::FlipVertical).get_pixel(0, 0), picture().get_pixel(0, 3));
        assert_eq!(adjusted(Adjustment::Crop([2, 1, 3, 2])).get_pixel(0, 0), picture().get_pixel(2, 1));
        assert_eq!(adjusted(Adjustment::Resize([12, 3])).dimensions(), (12, 3));
        assert!(
            adjusted(Adjustment::Blur(1.0)) != picture() && adjusted(Adjustment::Sharpen(1.0)) != picture()
        );
        for wrong in [
            Adjustment::Rotate(45),
            Adjustment::Crop([5, 0, 2, 2]),
            Adjustment::Crop([0, 0, 0, 2]),
            Adjustment::Resize([0, 3]),
            Adjustment::Resize([u32::MAX, u32::MAX]),
            Adjustment::Blur(0.0),
            Adjustment::Sharpen(f32::NAN),
        ] {
            assert!(wrong.of(picture()).is_err(), "{wrong:?}");
        }
    }
}

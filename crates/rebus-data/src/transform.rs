//! Pictures made poorer by a named transform, from which a model learns to make them whole again: edges become pictures, grey
//! ones colourful, small ones sharp.

use std::{fmt, str::FromStr};

use image::{DynamicImage, GenericImageView, imageops};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::{
    DataError,
    fit::{Size, bicubic, resize},
    picture::in_the_kind_of,
    random::below,
};

/// A transform by its name, `edges`, or with how much of it there is, `blur=3`. Its size and channels stay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Transform {
    /// Outlines in black on white (Canny 1986). A line begins where brightness changes by this share of white, 0..=1, over a pixel.
    Edges(f32),
    /// No colours.
    Gray,
    /// A Gaussian of this many pixels.
    Blur(f32),
    /// So many times fewer pixels a side, and as many as before again, bicubic.
    LowResolution(u32),
    /// So many levels a channel.
    Posterize(u8),
    /// A rectangle anywhere, whose sides are this share of the picture's, becomes grey.
    MaskOut(f32),
}

/// Names, and how much there is of each where nothing is said.
const NAMES: &str = "edges=0.3, gray, blur=2, low-resolution=4, posterize=4 or mask-out=0.5";

/// A weaker line than this share of the threshold does not go on (Canny 1986, section IX: hysteresis).
const WEAK: f32 = 0.4;

impl Transform {
    /// The picture in 8 bits, made poorer. Draws nothing but the place of a mask.
    ///
    /// # Errors
    /// The picture has no pixel.
    pub fn apply(self, image: &DynamicImage, generator: &mut impl Rng) -> Result<DynamicImage, DataError> {
        let (width, height) = image.dimensions();
        let size = Size { height, width };
        Ok(match self {
            Self::Edges(strength) => {
                // Sobel's filter answers a step from black to white by four times its height.
                let strong = strength * 4.0 * 255.0;
                let mut lines = imageproc::edges::canny(&image.to_luma8(), strong * WEAK, strong);
                imageops::invert(&mut lines);
                in_the_kind_of(image, lines.into())
            }
            Self::Gray => in_the_kind_of(image, image.to_luma8().into()),
            Self::Blur(pixels) => image.blur(pixels),
            Self::LowResolution(times) => {
                let fewer = |side: u32| (side / times).max(1);
                bicubic(&resize(image, Size { height: fewer(height), width: fewer(width) })?, size)?
            }
            Self::Posterize(levels) => {
                let steps = f32::from(levels.max(2) - 1) / 255.0;
                let mut rgba = image.to_rgba8();
                for pixel in rgba.pixels_mut() {
                    for value in &mut pixel.0[..3] {
                        *value = ((f32::from(*value) * steps).round() / steps).round() as u8;
                    }
                }
                in_the_kind_of(image, rgba.into())
            }
            Self::MaskOut(share) => {
                let part = |side: u32| ((side as f32 * share).round() as u32).clamp(1, side.max(1));
                let (across, down) = (part(width), part(height));
                let left = below(generator, (width - across + 1) as usize) as i64;
                let top = below(generator, (height - down + 1) as usize) as i64;
                let grey = image::RgbaImage::from_pixel(across, down, image::Rgba([128, 128, 128, 255]));
                let mut rgba = image.to_rgba8();
                imageops::replace(&mut rgba, &grey, left, top);
                in_the_kind_of(image, rgba.into())
            }
        })
    }
}

impl FromStr for Transform {
    type Err = DataError;

    fn from_str(said: &str) -> Result<Self, DataError> {
        let wrong = |rule: &str| DataError::Config {
            field: "transform".to_string(),
            value: said.to_string(),
            rule: rule.to_string(),
        };
        let (name, amount) = match said.split_once('=') {
            Some((name, amount)) => (name.trim(), Some(amount.trim())),
            None => (said.trim(), None),
        };
        let amount =
            amount.map(|amount| amount.parse::<f32>().map_err(|_| wrong("a number behind the name")));
        let amount = amount.transpose()?;
        let between = |usual: f32, [least, most]: [f32; 2]| {
            let value = amount.unwrap_or(usual);
            match (least..=most).contains(&value) {
                true => Ok(value),
                false => Err(wrong(&format!("from {least} to {most}"))),
            }
        };
        Ok(match name {
            "edges" => Self::Edges(between(0.3, [0.01, 1.0])?),
            "gray" | "grey" if amount.is_none() => Self::Gray,
            "blur" => Self::Blur(between(2.0, [0.1, 100.0])?),
            "low-resolution" => Self::LowResolution(between(4.0, [2.0, 64.0])? as u32),
            "posterize" => Self::Posterize(between(4.0, [2.0, 128.0])? as u8),
            "mask-out" => Self::MaskOut(between(0.5, [0.01, 1.0])?),
            _ => return Err(wrong(NAMES)),
        })
    }
}

impl fmt::Display for Transform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edges(strength) => write!(formatter, "edges={strength}"),
            Self::Gray => write!(formatter, "gray"),
            Self::Blur(pixels) => write!(formatter, "blur={pixels}"),
            Self::LowResolution(times) => write!(formatter, "low-resolution={times}"),
            Self::Posterize(levels) => write!(formatter, "posterize={levels}"),
            Self::MaskOut(share) => write!(formatter, "mask-out={share}"),
        }
    }
}

impl TryFrom<String> for Transform {
    type Error = DataError;

    fn try_from(said: String) -> Result<Self, DataError> {
        said.parse()
    }
}

impl From<Transform> for String {
    fn from(transform: Transform) -> Self {
        transform.to_string()
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;
    use crate::random::{Purpose, stream};

    const ALL: [&str; 6] =
        ["edges=0.2", "gray", "blur=1.5", "low-resolution=4", "posterize=2", "mask-out=0.25"];

    /// A red square on white.
    fn square() -> DynamicImage {
        DynamicImage::ImageRgb8(RgbImage::from_fn(16, 16, |x, y| {
            if (4..12).contains(&x) && (4..12).contains(&y) {
                Rgb([200, 30, 20])
            } else {
                Rgb([250, 250, 250])
            }
        }))
    }

    fn made(said: &str) -> RgbImage {
        let transform: Transform = said.parse().unwrap();
        let made = transform.apply(&square(), &mut stream(1, Purpose::Source, 0, 0)).unwrap();
        assert_eq!((made.dimensions(), made.color()), (square().dimensions(), square().color()), "{said}");
        made.into_rgb8()
    }

    #[test]
    fn each_takes_away_what_its_name_says() {
        let edges = made("edges");
        assert!(edges.pixels().all(|pixel| pixel.0 == [0; 3] || pixel.0 == [255; 3]));
        assert_eq!((edges.get_pixel(8, 8).0, edges.get_pixel(0, 0).0), ([255; 3], [255; 3]));
        assert!((16..64).contains(&edges.pixels().filter(|pixel| pixel.0 == [0; 3]).count()));
        assert!(made("gray").pixels().all(|Rgb([red, green, blue])| red == green && green == blue));
        let levels = made("posterize=2");
        assert_eq!((levels.get_pixel(8, 8).0, levels.get_pixel(0, 0).0), ([255, 0, 0], [255; 3]));
        let masked = made("mask-out=0.25");
        assert_eq!(masked.pixels().filter(|pixel| pixel.0 == [128; 3]).count(), 16);
        for said in ["blur=1.5", "low-resolution=8"] {
            let soft = made(said).get_pixel(4, 8)[1];
            assert!((40..240).contains(&soft), "{said} {soft}");
        }
    }

    #[test]
    fn names_are_read_and_said_again() {
        for said in ALL {
            assert_eq!(said.parse::<Transform>().unwrap().to_string(), said);
        }
        let usual: Vec<String> = ["edges", "grey", "blur", "low-resolution", "posterize", "mask-out"]
            .map(|name| name.parse::<Transform>().unwrap().to_string())
            .to_vec();
        assert_eq!(usual, ["edges=0.3", "gray", "blur=2", "low-resolution=4", "posterize=4", "mask-out=0.5"]);
        for wrong in ["edge", "gray=1", "blur=x", "blur=0", "blur=nan", "low-resolution=1", "mask-out=1.1"] {
            let message = wrong.parse::<Transform>().unwrap_err().to_string();
            assert!(message.contains(wrong), "{message}");
        }
    }
}

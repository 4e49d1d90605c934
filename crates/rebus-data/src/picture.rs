//! One picture: from a file's bytes to pixels, and from pixels to the arrays that models see and back.
//!
//! Pictures are `u8` sRGB outside and `f32` in -1..1 inside; the conversion stands here and nowhere else.

use std::io::Cursor;

use image::{DynamicImage, GenericImageView, ImageDecoder, ImageReader, metadata::Orientation};

use crate::{DataError, EncodedFile, Pictures};

/// Decodes a PNG, JPEG, WebP or the first frame of a GIF, turned upright by its EXIF orientation.
///
/// Depth and channels are those of the file: 8 or 16 bits, grey or colour, with or without alpha; palettes and CMYK become RGB.
///
/// # Errors
/// [`DataError::PictureTooLarge`] where the header announces more than `max_pixels`, before anything is decoded;
/// [`DataError::Picture`] where the bytes are not a whole picture. Both name the file.
pub fn decode(picture: &EncodedFile, max_pixels: u64) -> Result<DynamicImage, DataError> {
    let (decoder, orientation) = open(picture, max_pixels)?;
    if truncated_jpeg(&picture.bytes) {
        return Err(broken(picture, "the JPEG data ends before the picture does"));
    }
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| broken(picture, error))?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// The ICC profile that a picture's file has: what its numbers mean as colours, sRGB where there is none.
///
/// # Errors
/// As [`decode`], as far as the header shows it.
pub fn color_profile(picture: &EncodedFile, max_pixels: u64) -> Result<Option<Vec<u8>>, DataError> {
    let (mut decoder, _) = open(picture, max_pixels)?;
    decoder.icc_profile().map_err(|error| broken(picture, error))
}

/// Width and height of the upright picture, from its header alone.
///
/// # Errors
/// As [`decode`], as far as the header shows it.
pub fn dimensions(picture: &EncodedFile, max_pixels: u64) -> Result<(u32, u32), DataError> {
    let (decoder, orientation) = open(picture, max_pixels)?;
    let (width, height) = decoder.dimensions();
    Ok(match orientation {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => (height, width),
        _ => (width, height),
    })
}

fn open(picture: &EncodedFile, max_pixels: u64) -> Result<(impl ImageDecoder + '_, Orientation), DataError> {
    let mut reader = ImageReader::new(Cursor::new(&picture.bytes[..]))
        .with_guessed_format()
        .map_err(|error| broken(picture, error))?;
    // The format's own buffers are small beside the picture, which is checked here by its pixels.
    reader.no_limits();
    let mut decoder = reader.into_decoder().map_err(|error| broken(picture, error))?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(broken(picture, "it has no pixel"));
    }
    if u64::from(width) * u64::from(height) > max_pixels {
        return Err(DataError::PictureTooLarge {
            name: picture.name.clone(),
            width,
            height,
            limit: max_pixels,
        });
    }
    // A broken EXIF block does not make the pixels unreadable.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok((decoder, orientation))
}

fn broken(picture: &EncodedFile, reason: impl ToString) -> DataError {
    DataError::Picture { name: picture.name.clone(), reason: reason.to_string() }
}

/// Whether a JPEG has no end-of-image marker after its first scan began. The decoder fills such a picture with grey.
fn truncated_jpeg(bytes: &[u8]) -> bool {
    if !bytes.starts_with(&[0xff, 0xd8]) {
        return false;
    }
    // Segments carry their length, so thumbnails inside them are stepped over.
    let mut at = 2;
    while let [0xff, marker, high, low, ..] = bytes.get(at..).unwrap_or_default() {
        match marker {
            0xff => at += 1,
            0xda => return !bytes[at..].windows(2).any(|pair| pair == [0xff, 0xd9]),
            _ => at += 2 + usize::from(u16::from_be_bytes([*high, *low])),
        }
    }
    // No scan at all, or bytes between segments: the decoder's own judgement stands.
    false
}

/// Reads a CSS colour, such as `#ffffff`, `white` or `transparent`, as sRGB with alpha.
///
/// # Errors
/// It is not a colour.
pub fn parse_color(color: &str) -> Result<[u8; 4], DataError> {
    csscolorparser::parse(color).map(|color| color.to_rgba8()).map_err(|error| DataError::Config {
        field: "background".into(),
        value: color.into(),
        rule: format!("a CSS colour such as \"#ffffff\" or \"white\" ({error})"),
    })
}

/// Reads a colour and how far each channel may be off, such as `white~24`; 0 where that is not said.
///
/// # Errors
/// It is no colour, or no number from 0 to 255.
pub fn parse_color_key(key: &str) -> Result<([u8; 3], u8), DataError> {
    let (color, tolerance) = key.split_once('~').unwrap_or((key, "0"));
    let wrong = |part: &str, rule| DataError::Color { part: part.to_string(), rule };
    let found = csscolorparser::parse(color).map(|color| color.to_rgba8());
    let [red, green, blue, _] =
        found.map_err(|_| wrong(color, "no CSS colour, such as \"#ffcc00\" or \"white\""))?;
    let tolerance = tolerance
        .parse()
        .map_err(|_| wrong(tolerance, "no number from 0 to 255, as behind the ~ of \"white~24\""))?;
    Ok(([red, green, blue], tolerance))
}

/// Brings a picture to 8 bits and 1 (grey), 3 (RGB) or 4 (RGB and alpha) channels; with 1 and 3 a transparent
/// picture is laid on the background.
pub fn flatten(image: DynamicImage, channels: u8, background: [u8; 4]) -> DynamicImage {
    if channels == 4 {
        return DynamicImage::ImageRgba8(image.into_rgba8());
    }
    let opaque = if image.color().has_alpha() { lay_on(image, background) } else { image };
    match channels {
        1 => DynamicImage::ImageLuma8(opaque.into_luma8()),
        _ => DynamicImage::ImageRgb8(opaque.into_rgb8()),
    }
}

/// Source over an opaque background, rounded to the nearest (the `image` crate's own blending truncates).
fn lay_on(image: DynamicImage, background: [u8; 4]) -> DynamicImage {
    let source = image.into_rgba8();
    let mut target = image::RgbImage::new(source.width(), source.height());
    for (over, out) in source.pixels().zip(target.pixels_mut()) {
        let alpha = u32::from(over[3]);
        for channel in 0..3 {
            let sum = u32::from(over[channel]) * alpha + u32::from(background[channel]) * (255 - alpha);
            out[channel] = ((sum + 127) / 255) as u8;
        }
    }
    DynamicImage::ImageRgb8(target)
}

/// The colours of one picture in 8 bits in the kind of another, with its alpha.
pub(crate) fn in_the_kind_of(image: &DynamicImage, colors: DynamicImage) -> DynamicImage {
    match image {
        DynamicImage::ImageLuma8(_) => DynamicImage::ImageLuma8(colors.into_luma8()),
        DynamicImage::ImageRgba8(alpha) => {
            let mut rgba = colors.into_rgba8();
            rgba.pixels_mut().zip(alpha.pixels()).for_each(|(pixel, source)| pixel[3] = source[3]);
            DynamicImage::ImageRgba8(rgba)
        }
        _ => DynamicImage::ImageRgb8(colors.into_rgb8()),
    }
}

impl Pictures {
    /// Stacks pictures of one size and one kind: grey, RGB, or RGB with alpha, which become 1, 3 or 4 channels.
    ///
    /// # Errors
    /// No picture, or two that differ in size or channels.
    pub fn from_images(images: &[DynamicImage]) -> Result<Self, DataError> {
        let Some(first) = images.first() else {
            return Err(DataError::Stack { reason: "there is no picture to stack".into() });
        };
        let (width, height) = first.dimensions();
        let channels = kind(first);
        let mut data = Vec::with_capacity(images.len() * channels * (width * height) as usize);
        for image in images {
            if image.dimensions() != (width, height) || kind(image) != channels {
                return Err(DataError::Stack {
                    reason: format!(
                        "a picture of {}x{} with {} channels does not fit one of {width}x{height} with {channels}",
                        image.width(),
                        image.height(),
                        kind(image)
                    ),
                });
            }
            let bytes = match channels {
                1 => image.to_luma8().into_raw(),
                3 => image.to_rgb8().into_raw(),
                _ => image.to_rgba8().into_raw(),
            };
            for channel in 0..channels {
                data.extend(bytes.iter().skip(channel).step_by(channels).map(|&byte| to_float(byte)));
            }
        }
        Ok(Self { shape: [images.len(), channels, height as usize, width as usize], data })
    }

    /// All of them so many times, one after the other.
    pub fn repeated(&self, times: usize) -> Self {
        let [count, channels, height, width] = self.shape;
        Self { shape: [count * times, channels, height, width], data: self.data.repeat(times) }
    }

    /// The first so many of them; all where there are no more.
    pub fn first(&self, count: usize) -> Self {
        let [all, channels, height, width] = self.shape;
        let count = count.min(all);
        let values = count * channels * height * width;
        Self {
            shape: [count, channels, height, width],
            data: self.data.iter().take(values).copied().collect(),
        }
    }

    /// How many pictures there are.
    pub fn len(&self) -> usize {
        self.shape[0]
    }

    /// Whether there is no picture.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One picture; values outside -1..1 are clamped. `None` past the end, or where the shape does not fit the data.
    pub fn get(&self, index: usize) -> Option<DynamicImage> {
        let [count, channels, height, width] = self.shape;
        let plane = height * width;
        if index >= count {
            return None;
        }
        let values = self.data.get(index * channels * plane..(index + 1) * channels * plane)?;
        let bytes: Vec<u8> = (0..plane)
            .flat_map(|pixel| (0..channels).map(move |channel| to_byte(values[channel * plane + pixel])))
            .collect();
        let (width, height) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
        match channels {
            1 => image::GrayImage::from_raw(width, height, bytes).map(DynamicImage::ImageLuma8),
            3 => image::RgbImage::from_raw(width, height, bytes).map(DynamicImage::ImageRgb8),
            4 => image::RgbaImage::from_raw(width, height, bytes).map(DynamicImage::ImageRgba8),
            _ => None,
        }
    }

    /// All pictures, 8 bits a channel.
    ///
    /// # Errors
    /// The array has not 1, 3 or 4 channels, or its data does not fill its shape.
    pub fn to_images(&self) -> Result<Vec<DynamicImage>, DataError> {
        (0..self.len())
            .map(|index| {
                self.get(index).ok_or_else(|| DataError::Stack {
                    reason: format!(
                        "{} values in the shape {:?} are no pictures with 1, 3 or 4 channels",
                        self.data.len(),
                        self.shape
                    ),
                })
            })
            .collect()
    }
}

fn kind(image: &DynamicImage) -> usize {
    match (image.color().has_alpha(), image.color().has_color()) {
        (true, _) => 4,
        (false, true) => 3,
        (false, false) => 1,
    }
}

fn to_float(byte: u8) -> f32 {
    f32::from(byte) / 127.5 - 1.0
}

fn to_byte(value: f32) -> u8 {
    // `as` clamps, and turns what is not a number into 0.
    ((value + 1.0) * 127.5).round() as u8
}

#[cfg(test)]
#[path = "tests/picture.rs"]
mod tests;

//! A look at one picture: its header first, then, unless it is too large, its pixels.

use std::io::Cursor;

use image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageFormat, ImageReader, Limits, imageops::FilterType,
    metadata::Orientation,
};

use crate::EncodedFile;

/// What a picture is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) format: &'static str,
    pub(crate) size: (u32, u32),
    pub(crate) mode: String,
    pub(crate) alpha: bool,
    pub(crate) turned: bool,
    /// A hash of the file.
    pub(crate) file: u128,
    /// The difference hash of what is seen.
    pub(crate) view: u64,
}

/// Why a picture was not decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    Broken(String),
    TooLarge(Box<Look>),
}

/// Looks at a picture, and decodes it if it has at most so many pixels.
///
/// # Errors
/// It is broken, or too large.
pub(crate) fn look(picture: &EncodedFile, max_pixels: u64) -> Result<Look, Refusal> {
    let broken = |reason: String| Refusal::Broken(format!("`{}`: {reason}", picture.name));
    let failed = |error: image::ImageError| broken(error.to_string());
    let mut reader = ImageReader::new(Cursor::new(&picture.bytes[..]))
        .with_guessed_format()
        .map_err(|error| broken(error.to_string()))?;
    let format = reader
        .format()
        .and_then(format_name)
        .ok_or_else(|| broken("its content is neither PNG, JPEG, WebP nor GIF".to_string()))?;
    let mut limits = Limits::default();
    // Eight bytes a pixel are the most that these formats have; decoders keep a second copy at times.
    limits.max_alloc = Some(max_pixels.saturating_mul(16).max(1 << 20));
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let color = decoder.original_color_type();
    let (width, height) = decoder.dimensions();
    let look = Look {
        format,
        size: (width, height),
        mode: mode(color),
        alpha: decoder.color_type().has_alpha(),
        turned: decoder.orientation().is_ok_and(|orientation| orientation != Orientation::NoTransforms),
        file: hash(&picture.bytes),
        view: 0,
    };
    if u64::from(width) * u64::from(height) > max_pixels {
        return Err(Refusal::TooLarge(Box::new(look)));
    }
    if format == "jpeg" && !is_whole_jpeg(&picture.bytes) {
        return Err(broken("the file is cut short".to_string()));
    }
    let image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    Ok(Look { view: difference_hash(&image), ..look })
}

fn format_name(format: ImageFormat) -> Option<&'static str> {
    match format {
        ImageFormat::Png => Some("png"),
        ImageFormat::Jpeg => Some("jpeg"),
        ImageFormat::WebP => Some("webp"),
        ImageFormat::Gif => Some("gif"),
        _ => None,
    }
}

fn mode(color: ExtendedColorType) -> String {
    let channels = color.channel_count();
    let name = match (color, channels) {
        (ExtendedColorType::Cmyk8, _) => "CMYK",
        (_, 1) => "gray",
        (_, 2) => "gray and alpha",
        (_, 3) => "RGB",
        _ => "RGBA",
    };
    format!("{name} {} bit", color.bits_per_pixel() / u16::from(channels.max(1)))
}

/// Half of a BLAKE3 hash: two different files share it in no collection that fits on earth.
fn hash(bytes: &[u8]) -> u128 {
    let mut half = [0; 16];
    half.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    u128::from_le_bytes(half)
}

/// Decoders fill up the missing end of a JPEG in silence. Inside a scan no marker but restarts can stand, so a whole
/// file has its end marker after the last start of a scan.
fn is_whole_jpeg(bytes: &[u8]) -> bool {
    let find = |bytes: &[u8], marker: u8| bytes.windows(2).rposition(|pair| pair == [0xff, marker]);
    find(bytes, 0xda).is_some_and(|scan| find(&bytes[scan..], 0xd9).is_some())
}

/// The difference hash: 8 rows of 9 gray values over white, a bit for each that is darker than its right neighbour
/// (Krawetz 2013, "Kind of Like That").
fn difference_hash(image: &DynamicImage) -> u64 {
    // First to a small picture, so that no second copy of a large one is made.
    let small = image.thumbnail_exact(image.width().clamp(9, 144), image.height().clamp(8, 128)).to_rgba8();
    let gray = image::GrayImage::from_fn(small.width(), small.height(), |x, y| {
        let [red, green, blue, alpha] = small[(x, y)].0.map(u32::from);
        let luma = (299 * red + 587 * green + 114 * blue) / 1000;
        image::Luma([((luma * alpha + 255 * (255 - alpha)) / 255).min(255) as u8])
    });
    let grid = image::imageops::resize(&gray, 9, 8, FilterType::Triangle);
    let darker =
        (0..8).flat_map(|y| (0..8).map(move |x| (x, y))).map(|(x, y)| grid[(x, y)].0 < grid[(x + 1, y)].0);
    darker.fold(0, |hash, bit| hash << 1 | u64::from(bit))
}

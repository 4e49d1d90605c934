//! Writing files that matter: beside the target under a temporary name, synced, renamed, the folder synced.

use std::{
    borrow::Cow,
    io::{self, Write},
    path::Path,
};

use image::DynamicImage;

use crate::DataError;

/// Writes a file so that a crash at any moment leaves either the old content or the whole new one.
///
/// The folder must exist; a file of that name is replaced.
///
/// # Errors
/// The folder is missing or not writable, or the disk is full; the error names the path.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    try_write(path, bytes).map_err(|source| DataError::Write { path: path.to_path_buf(), source })
}

/// What a PNG's file has besides its pixels.
#[derive(Debug, Clone, Copy, Default)]
pub struct PngExtras<'a> {
    /// Text chunks: name and text, any language.
    pub texts: &'a [(String, String)],
    /// An ICC profile: what the numbers mean as colours, sRGB where there is none.
    pub color_profile: Option<&'a [u8]>,
}

impl<'a> From<&'a [(String, String)]> for PngExtras<'a> {
    fn from(texts: &'a [(String, String)]) -> Self {
        Self { texts, color_profile: None }
    }
}

impl<'a, const N: usize> From<&'a [(String, String); N]> for PngExtras<'a> {
    fn from(texts: &'a [(String, String); N]) -> Self {
        Self::from(&texts[..])
    }
}

/// Writes a PNG in the manner of [`write_atomic`].
///
/// # Errors
/// As [`write_atomic`] and [`encode_png`].
pub fn write_png<'a>(
    path: &Path,
    image: &DynamicImage,
    extras: impl Into<PngExtras<'a>>,
) -> Result<(), DataError> {
    write_atomic(path, &encode_png(image, extras)?)
}

/// The bytes of a PNG. Depth and channels are kept; a float picture becomes 8 bits.
///
/// # Errors
/// The picture has no pixel, or a chunk's name is not 1 to 79 Latin characters.
pub fn encode_png<'a>(image: &DynamicImage, extras: impl Into<PngExtras<'a>>) -> Result<Vec<u8>, DataError> {
    let PngExtras { texts, color_profile } = extras.into();
    use png::{BitDepth::*, ColorType::*};
    let big_endian =
        |values: &[u16]| values.iter().flat_map(|value| value.to_be_bytes()).collect::<Vec<u8>>();
    let (color, depth, pixels) = match image {
        DynamicImage::ImageLuma8(image) => (Grayscale, Eight, image.as_raw().clone()),
        DynamicImage::ImageLumaA8(image) => (GrayscaleAlpha, Eight, image.as_raw().clone()),
        DynamicImage::ImageRgb8(image) => (Rgb, Eight, image.as_raw().clone()),
        DynamicImage::ImageLuma16(image) => (Grayscale, Sixteen, big_endian(image)),
        DynamicImage::ImageLumaA16(image) => (GrayscaleAlpha, Sixteen, big_endian(image)),
        DynamicImage::ImageRgb16(image) => (Rgb, Sixteen, big_endian(image)),
        DynamicImage::ImageRgba16(image) => (Rgba, Sixteen, big_endian(image)),
        DynamicImage::ImageRgb32F(_) => (Rgb, Eight, image.to_rgb8().into_raw()),
        other => (Rgba, Eight, other.to_rgba8().into_raw()),
    };
    let encode = || -> Result<Vec<u8>, png::EncodingError> {
        let mut bytes = Vec::new();
        let mut info = png::Info::with_size(image.width(), image.height());
        info.color_type = color;
        info.bit_depth = depth;
        info.icc_profile = color_profile.map(Cow::Borrowed);
        let mut encoder = png::Encoder::with_info(&mut bytes, info)?;
        for (name, text) in texts {
            encoder.add_itxt_chunk(name.clone(), text.clone())?;
        }
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels)?;
        writer.finish()?;
        Ok(bytes)
    };
    encode().map_err(|error| DataError::Encode { format: "PNG", reason: error.to_string() })
}

/// The text chunks of a PNG, name and text, wherever they stand in it.
///
/// # Errors
/// The bytes are not a whole PNG.
pub fn read_png_texts(bytes: &[u8], name: &str) -> Result<Vec<(String, String)>, DataError> {
    let broken = |error: png::DecodingError| DataError::Picture {
        name: name.to_string(),
        reason: format!("it is no whole PNG: {error}"),
    };
    let mut reader = png::Decoder::new(io::Cursor::new(bytes)).read_info().map_err(broken)?;
    reader.finish().map_err(broken)?;
    let info = reader.info();
    let plain = info.uncompressed_latin1_text.iter().map(|chunk| (chunk.keyword.clone(), chunk.text.clone()));
    let unpacked = info.compressed_latin1_text.iter();
    let unpacked = unpacked.filter_map(|chunk| Some((chunk.keyword.clone(), chunk.get_text().ok()?)));
    let international = info.utf8_text.iter();
    let international =
        international.filter_map(|chunk| Some((chunk.keyword.clone(), chunk.get_text().ok()?)));
    Ok(plain.chain(unpacked).chain(international).collect())
}

fn try_write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".writing-");
    #[cfg(unix)]
    {
        // The process's mask applies on top; without this the file would be readable by its owner only.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    #[cfg(unix)]
    fs_err::File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), b"two");
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_an_error_that_names_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("absent").join("a.png");
        let message = write_png(&path, &DynamicImage::new_rgb8(1, 1), &[]).unwrap_err().to_string();
        assert!(message.contains(&path.display().to_string()), "{message}");
    }

    #[test]
    fn a_png_keeps_its_pixels_depth_and_texts() {
        let texts =
            [("prompt".to_string(), "a cat, 一只猫".to_string()), ("seed".to_string(), "7".to_string())];
        let picture =
            image::ImageBuffer::from_fn(3, 2, |x, y| image::Rgba([1000 * x as u16, 7 * y as u16, 9, 65535]));
        let bytes = encode_png(&DynamicImage::ImageRgba16(picture.clone()), &texts).unwrap();
        assert_eq!(image::load_from_memory(&bytes).unwrap(), DynamicImage::ImageRgba16(picture));
        let reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
        let read: Vec<_> = reader
            .info()
            .utf8_text
            .iter()
            .map(|chunk| (chunk.keyword.clone(), chunk.get_text().unwrap()))
            .collect();
        assert_eq!(read, texts);
    }

    #[test]
    fn a_chunk_without_a_name_is_an_error() {
        let chunks = [(String::new(), "text".to_string())];
        assert!(encode_png(&DynamicImage::new_rgb8(1, 1), &chunks).is_err());
    }
}

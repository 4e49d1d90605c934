//! Pictures that a person names.

use std::path::Path;

use image::DynamicImage;
use rebus_data::{DataConfig, EncodedFile, picture};

use super::failure::Failure;

/// A picture, upright, as it lies in the file.
pub(crate) fn read_picture(path: &Path) -> Result<DynamicImage, Failure> {
    let file = EncodedFile { name: path.display().to_string(), bytes: fs_err::read(path)?.into() };
    Ok(picture::decode(&file, DataConfig::default().max_pixels)?)
}

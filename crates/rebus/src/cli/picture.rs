//! Pictures and sounds that a person names.

use std::path::{Path, PathBuf};

use image::DynamicImage;
use rebus_data::{DataConfig, EncodedFile, Sound, collection::picture_names, picture, sound};

use super::failure::Failure;

/// A picture, upright, as it lies in the file.
pub(crate) fn read_picture(path: &Path) -> Result<DynamicImage, Failure> {
    Ok(picture::decode(&read(path)?, DataConfig::default().max_pixels)?)
}

/// The same, with the colour profile that the file has.
pub(crate) fn read_with_profile(path: &Path) -> Result<(DynamicImage, Option<Vec<u8>>), Failure> {
    let (file, most) = (read(path)?, DataConfig::default().max_pixels);
    Ok((picture::decode(&file, most)?, picture::color_profile(&file, most)?))
}

/// A sound, of one channel.
pub(crate) fn read_sound(path: &Path) -> Result<Sound, Failure> {
    Ok(sound::decode(&read(path)?)?)
}

fn read(path: &Path) -> Result<EncodedFile, Failure> {
    Ok(EncodedFile { name: path.display().to_string(), bytes: fs_err::read(path)?.into() })
}

/// A picture that a person named, or one of a folder.
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// Where it lies below the folder that was named, if one was; else its name alone.
    pub(crate) below: PathBuf,
}

/// Pictures, and those of folders in the order of their names.
pub(crate) fn found(named: &[PathBuf]) -> Result<Vec<Found>, Failure> {
    let mut all = vec![];
    for path in named {
        if !path.is_dir() {
            let below = path.file_name().map_or_else(PathBuf::new, PathBuf::from);
            all.push(Found { path: path.clone(), below });
            continue;
        }
        let names = picture_names(path)?;
        if names.is_empty() {
            let rule = "no picture (.png, .jpg, .jpeg, .webp or .gif) is in it or below it";
            return Err(Failure::input(format!("{}: {rule}", path.display())));
        }
        all.extend(names.into_iter().map(|name| Found { path: path.join(&name), below: name.into() }));
    }
    Ok(all)
}

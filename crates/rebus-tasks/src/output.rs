//! Where pictures go: a file that the user named, or a folder with names that overwrite nothing.

use std::path::{Path, PathBuf};

use fs_err as fs;
use image::DynamicImage;
use rebus_data::{PngExtras, write_png};

use crate::TaskError;

/// A place for pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// One file, which is not there yet.
    File(PathBuf),
    /// A folder, made if absent; what is there is never overwritten.
    Folder(PathBuf),
}

impl Output {
    /// A path with a picture's extension is a file, which takes one picture only; any other is a folder. The folder
    /// (or the file's) is made now, so that a place that cannot be written is known before the work.
    ///
    /// # Errors
    /// Several pictures for one file, a file that is there already, a format other than PNG, a folder that cannot be made.
    pub fn resolve(path: &Path, count: usize) -> Result<Self, TaskError> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        let output = match extension.as_deref() {
            Some("png") if path.exists() => return Err(TaskError::Exists { path: path.to_path_buf() }),
            Some("png") if count == 1 => Self::File(path.to_path_buf()),
            Some("png") => return Err(TaskError::OneFile { path: path.to_path_buf(), count }),
            Some("jpg" | "jpeg" | "webp" | "gif" | "bmp" | "tif" | "tiff" | "avif") => {
                return Err(TaskError::Format { path: path.to_path_buf() });
            }
            _ => Self::Folder(path.to_path_buf()),
        };
        let folder = match &output {
            Self::Folder(folder) => folder.as_path(),
            Self::File(file) => file.parent().unwrap_or(Path::new("")),
        };
        if !folder.as_os_str().is_empty() {
            fs::create_dir_all(folder)?;
        }
        // A probe: permissions and a full disk are found out before minutes of drawing.
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let probe = folder.join(".rebus-write-test");
        fs::write(&probe, b"")?;
        fs::remove_file(&probe)?;
        Ok(output)
    }

    /// Writes a picture and says where.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write<'a>(
        &self,
        image: &DynamicImage,
        name: PictureName<'_>,
        extras: impl Into<PngExtras<'a>>,
    ) -> Result<PathBuf, TaskError> {
        let path = match (self, name) {
            (Self::File(file), _) => file.clone(),
            (Self::Folder(folder), PictureName::Numbered { words, seed }) => numbered(folder, words, seed)?,
            (Self::Folder(folder), PictureName::Kept(below)) => free(&folder.join(below))?,
        };
        write_png(&path, image, extras)?;
        Ok(path)
    }
}

/// What a picture in a folder is called.
#[derive(Debug, Clone, Copy)]
pub enum PictureName<'a> {
    /// `NNN-words-SEED.png`, one after the other.
    Numbered {
        /// What it is, such as its prompt.
        words: &'a str,
        /// By which it was drawn.
        seed: u64,
    },
    /// As another picture, below the folder; `name-2.png` where `name.png` is there already.
    Kept(&'a Path),
}

/// A place with this name, or else the next free one, whose folder is there.
fn free(wanted: &Path) -> Result<PathBuf, TaskError> {
    if let Some(folder) = wanted.parent() {
        fs::create_dir_all(folder)?;
    }
    let stem = wanted.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let first = wanted.with_file_name(format!("{stem}.png"));
    let others = (2..).map(|number: u64| wanted.with_file_name(format!("{stem}-{number}.png")));
    Ok(std::iter::once(first.clone()).chain(others).find(|path| !path.exists()).unwrap_or(first))
}

/// `NNN-slug-SEED.png` with the number after the largest that is there.
fn numbered(folder: &Path, prompt: &str, seed: u64) -> Result<PathBuf, TaskError> {
    let mut next = 1;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_string_lossy().split('-').next().and_then(|part| part.parse::<u64>().ok());
        next = next.max(number.map_or(1, |number| number.saturating_add(1)));
    }
    let slug = slug::slugify(prompt);
    let slug: String = slug.chars().take(40).collect();
    let slug = if slug.is_empty() { "picture" } else { slug.trim_end_matches('-') };
    Ok(folder.join(format!("{next:03}-{slug}-{seed}.png")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_name_is_a_file_and_anything_else_a_folder() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("a.PNG");
        assert_eq!(Output::resolve(&file, 1).unwrap(), Output::File(file.clone()));
        assert!(matches!(Output::resolve(&file, 2), Err(TaskError::OneFile { count: 2, .. })));
        assert!(matches!(Output::resolve(&place.path().join("a.jpg"), 1), Err(TaskError::Format { .. })));
        fs::write(&file, b"mine").unwrap();
        assert!(matches!(Output::resolve(&file, 1), Err(TaskError::Exists { .. })));
        let folder = place.path().join("new/deep");
        assert_eq!(Output::resolve(&folder, 9).unwrap(), Output::Folder(folder.clone()));
        assert!(folder.is_dir());
    }

    #[test]
    fn nothing_in_a_folder_is_overwritten() {
        let place = tempfile::tempdir().unwrap();
        let output = Output::resolve(place.path(), 3).unwrap();
        let image = DynamicImage::new_rgb8(1, 1);
        let names: Vec<_> = ["A Red apple!", "火山", ""]
            .iter()
            .map(|words| output.write(&image, PictureName::Numbered { words, seed: 7 }, &[]).unwrap())
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["001-a-red-apple-7.png", "002-huo-shan-7.png", "003-picture-7.png"]);
        let name = PictureName::Numbered { words: "A Red apple!", seed: 7 };
        assert!(output.write(&image, name, &[]).unwrap().ends_with("004-a-red-apple-7.png"));
        for wanted in ["deep/a.b.png", "deep/a.b-2.png", "deep/a.b-3.png"] {
            let path = output.write(&image, PictureName::Kept(Path::new("deep/a.b.jpg")), &[]).unwrap();
            assert_eq!(path, place.path().join(wanted));
        }
    }
}

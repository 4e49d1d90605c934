//! Names for the files of converted records: portable, unique and as near to the old ones as can be.

use std::collections::HashSet;

use crate::{
    EncodedFile,
    collection::files::{extension as extension_of, is_picture, is_picture_extension},
};

/// The stems given out so far, in lower case: some file systems do not tell `A` from `a`.
#[derive(Debug, Default)]
pub(crate) struct Names(HashSet<String>);

impl Names {
    /// A relative name without extension and dots for the record of this number.
    pub(crate) fn stem(&mut self, wanted: &str, index: usize) -> String {
        let bare = if is_picture(wanted) {
            wanted.rsplit_once('.').map_or(wanted, |(bare, _)| bare)
        } else {
            wanted
        };
        let parts: Vec<String> = bare.split(['/', '\\']).map(clean).filter(|part| !part.is_empty()).collect();
        let mut stem = if parts.is_empty() { format!("{index:08}") } else { parts.join("/") };
        while !self.0.insert(stem.to_lowercase()) {
            stem = format!("{stem}-{index}");
        }
        stem
    }
}

/// One part of a path with nothing in it that any system forbids. A dot would end a key in WebDataset.
pub(crate) fn clean(part: &str) -> String {
    let forbidden = |letter: char| letter.is_control() || "<>:\"|?*.#".contains(letter);
    let cleaned: String = part.chars().map(|letter| if forbidden(letter) { '_' } else { letter }).collect();
    let cleaned = cleaned.trim();
    // File systems take 255 bytes; a suffix and an extension come on top.
    cleaned[..cleaned.floor_char_boundary(180)].to_string()
}

/// The extension for a picture's file: that of its name, or else what its content says.
///
/// # Errors
/// Neither is known; the reason is returned.
pub(crate) fn extension(picture: &EncodedFile) -> Result<&'static str, String> {
    use image::ImageFormat::{Gif, Jpeg, Png, WebP};
    let known = ["png", "jpg", "jpeg", "webp", "gif"];
    if let Some(found) =
        extension_of(&picture.name).and_then(|name| known.into_iter().find(|known| *known == name))
    {
        return Ok(found);
    }
    match image::guess_format(&picture.bytes) {
        Ok(Png) => Ok("png"),
        Ok(Jpeg) => Ok("jpg"),
        Ok(WebP) => Ok("webp"),
        Ok(Gif) => Ok("gif"),
        _ => Err(format!("`{}` is neither PNG, JPEG, WebP nor GIF", picture.name)),
    }
}

/// The extension for a file that is no picture: that of its name if it is one, in lower case, else `bin`.
pub(crate) fn any_extension(file: &EncodedFile) -> String {
    let plain = |name: &String| {
        name.len() <= 8 && name.chars().all(|letter| letter.is_ascii_alphanumeric()) && !means_more(name)
    };
    extension_of(&file.name).filter(plain).unwrap_or_else(|| "bin".to_string())
}

/// Whether an extension means a text or a picture to those who read the files again.
fn means_more(extension: &str) -> bool {
    matches!(extension, "txt" | "json" | "cls") || is_picture_extension(extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_are_portable_and_unique() {
        let mut names = Names::default();
        let cases = [
            ("a/b.png", "a/b"),
            ("A/B.JPG", "A/B-1"),
            ("../../etc/x.y.png", "__/__/etc/x_y"),
            ("data.parquet#3", "data_parquet_3"),
            ("/abs.png", "abs"),
            ("c:\\d?.gif", "c_/d_"),
            ("", "00000006"),
            ("苹果.png", "苹果"),
        ];
        for (index, (wanted, stem)) in cases.into_iter().enumerate() {
            assert_eq!(names.stem(wanted, index), stem);
        }
        assert!(names.stem(&"é".repeat(300), 9).len() <= 180);
    }
}

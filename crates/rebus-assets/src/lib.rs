//! The models that ship with Rebus, inside the program: float16, each at most 9 MB; a font; and pictures to try them on.
//!
//! ```
//! let model = rebus_assets::emoji();
//! assert!(model.file("model.json").is_some());
//! ```

/// A model folder inside the program.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// The folder's name.
    pub name: &'static str,
    files: &'static [(&'static str, &'static [u8])],
}

impl Asset {
    /// The content of a file of the folder.
    pub fn file(&self, name: &str) -> Option<&'static [u8]> {
        self.files.iter().find(|file| file.0 == name).map(|file| file.1)
    }
}

/// A model folder's files: those that every one has, and others.
macro_rules! asset {
    ($name:literal $(, $other:literal)*) => {
        Asset {
            name: $name,
            files: &[
                $(($other, include_bytes!(concat!("../models/", $name, "/", $other))),)*
                ("model.json", include_bytes!(concat!("../models/", $name, "/model.json"))),
                ("model.safetensors", include_bytes!(concat!("../models/", $name, "/model.safetensors"))),
                ("README.md", include_bytes!(concat!("../models/", $name, "/README.md"))),
            ],
        }
    };
}

/// Words to emoji, English and Chinese: what serves where no `--model` is given.
pub fn emoji() -> Asset {
    asset!("emoji-flow", "tokenizer.json")
}

/// Outlines to emoji: what translates where no `--model` is given.
pub fn translator() -> Asset {
    asset!("emoji-edges-pix2pix")
}

/// Words and emoji into one space: the ruler where no other is named.
pub fn encoder() -> Asset {
    asset!("emoji-dual", "tokenizer.json")
}

/// A font for words on pictures: Latin, and the 3,755 most used Chinese characters, a subset of Noto Sans CJK SC (SIL Open Font
/// License 1.1).
pub fn font() -> &'static [u8] {
    include_bytes!("../fonts/NotoSansSC-subset.otf")
}

/// Pictures to try the models on, with their file names.
pub fn pictures() -> [(&'static str, &'static [u8]); 5] {
    [
        ("apple.png", include_bytes!("../pictures/apple.png")),
        ("cat.png", include_bytes!("../pictures/cat.png")),
        ("heart.png", include_bytes!("../pictures/heart.png")),
        ("mage.png", include_bytes!("../pictures/mage.png")),
        ("outlines.png", include_bytes!("../pictures/outlines.png")),
    ]
}

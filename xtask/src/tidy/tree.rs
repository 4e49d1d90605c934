//! The repository's text files, as git would see them.

use std::path::Path;

use fs_err as fs;
use ignore::WalkBuilder;

/// Endings of the files that people write and read; data is not among them.
const TEXT: &[&str] = &["css", "html", "js", "md", "py", "rs", "sh", "sql", "toml", "yml"];

/// Text files of the repository, by path.
pub struct Tree {
    /// In the order of their paths.
    pub files: Vec<File>,
}

/// A text file.
pub struct File {
    /// From the root, with `/` on every system.
    pub path: String,
    /// Its content.
    pub text: String,
}

impl Tree {
    /// Reads all text files below a root that git does not ignore.
    pub fn read(root: &Path) -> Result<Self, String> {
        let mut walk = WalkBuilder::new(root);
        // Hidden folders such as `.ci` are of the repository; git's own is not, nor is anyone's build folder.
        walk.hidden(false).require_git(false).filter_entry(|entry| {
            entry.depth() == 0 || (entry.file_name() != ".git" && entry.file_name() != "target")
        });
        let mut files = Vec::new();
        for entry in walk.build() {
            let entry = entry.map_err(|error| error.to_string())?;
            let path = entry.path().strip_prefix(root).unwrap_or(entry.path());
            let path = path.to_string_lossy().replace('\\', "/");
            if entry.file_type().is_some_and(|kind| kind.is_file()) && is_text(&path) {
                let text = fs::read_to_string(entry.path()).map_err(|error| error.to_string())?;
                files.push(File { path, text });
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    /// Rust sources.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// Markdown pages.
    pub fn markdown(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".md"))
    }

    /// The text of one file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }
}

fn is_text(path: &str) -> bool {
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
    (TEXT.contains(&ending) || path.starts_with(".ci/")) && !path.contains("/fixtures/")
}

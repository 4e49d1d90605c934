//! `log.jsonl`: a line a logged step, and lines for other events, each written at once.

use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
};

use fs_err as fs;
use serde_json::{Map, Value};

use crate::TrainError;

/// The log of a run, open for more lines.
#[derive(Debug)]
pub struct Log {
    file: fs::File,
}

impl Log {
    /// Opens a log, making it where there is none.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn open(path: &Path) -> Result<Self, TrainError> {
        let file = fs::OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// The disk is full, or the file is gone.
    pub fn line(&mut self, line: &Map<String, Value>) -> Result<(), TrainError> {
        let mut text = Value::Object(line.clone()).to_string();
        text.push('\n');
        Ok(self.file.write_all(text.as_bytes())?)
    }

    /// Adds a line for something other than a step.
    ///
    /// # Errors
    /// As [`line`](Self::line).
    pub fn event(&mut self, event: &str, more: Value) -> Result<(), TrainError> {
        let mut line = Map::from_iter([("event".to_string(), Value::from(event))]);
        if let Value::Object(more) = more {
            line.extend(more);
        }
        self.line(&line)
    }

    /// Makes sure that all lines outlive a crash.
    ///
    /// # Errors
    /// The disk fails.
    pub fn sync(&self) -> Result<(), TrainError> {
        Ok(self.file.sync_all()?)
    }
}

/// All lines of a log in order; one that a crash cut short at the end is left out.
///
/// # Errors
/// The file cannot be read, or a line other than the last is no JSON.
pub fn read(path: &Path) -> Result<Vec<Map<String, Value>>, TrainError> {
    Ok(lines(path)?.into_iter().map(|(_, line)| line).collect())
}

/// Cuts a log back to a step: from the first line of a later step on, everything goes. No log is an empty log.
///
/// # Errors
/// As [`read`], or the file cannot be written.
pub fn cut(path: &Path, step: u64) -> Result<(), TrainError> {
    if !path.exists() {
        return Ok(());
    }
    let later =
        |line: &Map<String, Value>| line.get("step").and_then(Value::as_u64).is_some_and(|at| at > step);
    let lines = lines(path)?;
    let kept = lines.iter().take_while(|(_, line)| !later(line)).last();
    let length = kept.map_or(0, |(end, _)| *end);
    let file = fs::OpenOptions::new().write(true).open(path)?;
    file.set_len(length)?;
    file.sync_all()?;
    Ok(())
}

/// Each line with the byte after it.
fn lines(path: &Path) -> Result<Vec<(u64, Map<String, Value>)>, TrainError> {
    let mut bytes = vec![];
    fs::File::open(path)?.read_to_end(&mut bytes)?;
    let (mut lines, mut end) = (vec![], 0);
    for (number, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        end += line.len();
        if line.last() != Some(&b'\n') {
            break;
        }
        match serde_json::from_slice(line) {
            Ok(line) => lines.push((end as u64, line)),
            Err(error) => {
                let (file, reason) = (PathBuf::from(path), error.to_string());
                return Err(TrainError::Log { file, line: number + 1, reason });
            }
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn a_log_is_cut_at_the_first_later_step() {
        let kept = "{\"event\":\"start\"}\n{\"step\":5}\n{\"step\":10}\n{\"event\":\"checkpoint\"}\n";
        let (_folder, path) = log(&format!("{kept}{{\"step\":11}}\n{{\"event\":\"x\"}}\n{{\"st"));
        cut(&path, 10).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), kept);
        cut(&path, 0).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"event\":\"start\"}\n");
    }

    #[test]
    fn a_line_cut_by_a_crash_is_left_out_and_a_broken_one_is_named() {
        let (_folder, path) = log("{\"step\":1}\n{\"step\":2");
        assert_eq!(read(&path).unwrap().len(), 1);
        let (_folder, path) = log("{\"step\":1}\noops\n{\"step\":2}\n");
        assert!(read(&path).unwrap_err().to_string().contains("line 2"));
    }

    #[test]
    fn lines_are_added_behind_those_there() {
        let (_folder, path) = log("{\"step\":1}\n");
        Log::open(&path).unwrap().event("interrupted", serde_json::json!({ "at": 1 })).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "{\"step\":1}\n{\"event\":\"interrupted\",\"at\":1}\n"
        );
    }
}

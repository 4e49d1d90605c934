//! Files that somebody is working on.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{
        atomic::Ordering,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use super::{failure::Failure, progress};

/// How long nothing must happen after a change: a file is written in several steps.
const QUIET: Duration = Duration::from_millis(100);
/// How often it is looked whether somebody pressed Ctrl-C.
const LOOK: Duration = Duration::from_millis(200);

/// Sees changes, those too that happen while nobody asks.
pub(crate) struct Watch {
    watcher: RecommendedWatcher,
    events: Receiver<notify::Result<Event>>,
    folders: HashSet<PathBuf>,
}

impl Watch {
    pub(crate) fn new() -> Result<Self, Failure> {
        let (sender, events) = mpsc::channel();
        Ok(Self {
            watcher: notify::recommended_watcher(sender).map_err(failed)?,
            events,
            folders: HashSet::new(),
        })
    }

    /// From now on a change of these is seen. Folders are what is watched: editors put another file in the place of the first.
    pub(crate) fn add(&mut self, files: &[PathBuf]) -> Result<(), Failure> {
        for file in files {
            let folder = folder_of(file);
            if folder.is_dir() && !self.folders.contains(&folder) {
                self.watcher.watch(&folder, RecursiveMode::NonRecursive).map_err(failed)?;
                self.folders.insert(folder);
            }
        }
        Ok(())
    }

    /// Waits until one of these has changed; false where somebody pressed Ctrl-C instead.
    pub(crate) fn changed(&mut self, files: &[PathBuf]) -> Result<bool, Failure> {
        self.add(files)?;
        let names: HashSet<PathBuf> = files
            .iter()
            .filter_map(|file| Some(folder_of(file).canonicalize().ok()?.join(file.file_name()?)))
            .collect();
        let is_ours = |event: &Event| {
            let is_one = |path: &PathBuf| {
                let whole = folder_of(path).canonicalize().ok().zip(path.file_name());
                whole.is_some_and(|(folder, name)| names.contains(&folder.join(name)))
            };
            !event.kind.is_access() && event.paths.iter().any(is_one)
        };
        let interrupted = progress::interruptible();
        // Others may go on reading and writing here all the time.
        let mut quiet_at: Option<Instant> = None;
        while !interrupted.load(Ordering::Relaxed) {
            let wait = quiet_at.map_or(LOOK, |at| at.saturating_duration_since(Instant::now()));
            match self.events.recv_timeout(wait) {
                Ok(event) => {
                    if is_ours(&event.map_err(failed)?) {
                        quiet_at = Some(Instant::now() + QUIET);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(false),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if quiet_at.is_some_and(|at| at <= Instant::now()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: notify::Error) -> Failure {
    Failure::input(format!("cannot watch files here: {error}"))
}

//! A checkpoint: all that a run needs to go on as if it had not stopped.

use std::path::{Path, PathBuf};

use fs_err as fs;
use indexmap::IndexMap;
use rebus_models::{Losses, Precision, weights};
use rebus_nn::{named::NamedTensors, optim::Snapshot};
use serde::{Deserialize, Serialize};

use crate::{
    Run, TrainError,
    run::{put, sync_folder},
};

/// The format of `state.json`.
const FORMAT: u32 = 1;
const STATE: &str = "state.json";
const FILES: [&str; 3] = ["model.safetensors", "ema.safetensors", "optimizer.safetensors"];

/// Everything of a checkpoint that is not a tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The format of this file.
    pub format: u32,
    /// The release that wrote it.
    pub version: String,
    /// Steps done.
    pub step: u64,
    /// Batches taken from the data: the number of the next one.
    pub batches: u64,
    /// Pictures learned from.
    pub images_seen: u64,
    /// Seconds that the run has taken so far, over all its sittings.
    pub elapsed_s: f64,
    /// Sums of the losses since the last line of the log.
    pub pending: Losses,
    /// How many steps are in those sums.
    pub pending_steps: u64,
    /// The means of the last line of the log.
    pub losses: Losses,
    /// The best evaluation so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Best>,
    /// What the family keeps beside its weights.
    pub objective: serde_json::Value,
    /// blake3 of each file beside this one, hexadecimal.
    pub hashes: IndexMap<String, String>,
}

/// The best evaluation of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The measure.
    pub measure: String,
    /// The step at which it was taken.
    pub step: u64,
    /// Its value.
    pub value: f64,
}

impl State {
    /// At step 0.
    pub fn new() -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_string(),
            step: 0,
            batches: 0,
            images_seen: 0,
            elapsed_s: 0.0,
            pending: Losses::new(),
            pending_steps: 0,
            losses: Losses::new(),
            best: None,
            objective: serde_json::Value::Null,
            hashes: IndexMap::new(),
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes a checkpoint: under a temporary name, synced, renamed, the folder synced.
///
/// # Errors
/// The disk is full, or a weight is not finite: such weights are never written.
pub fn write(run: &Run, snapshot: &Snapshot, state: &State) -> Result<PathBuf, TrainError> {
    finite(run, snapshot, state.step)?;
    let name = name(state.step);
    let temporary = run.temporary(&format!("checkpoint-{name}"));
    if temporary.exists() {
        fs::remove_dir_all(&temporary)?;
    }
    fs::create_dir_all(&temporary)?;
    let mut state = state.clone();
    state.hashes.clear();
    for (file, tensors) in FILES.iter().zip([&snapshot.weights, &snapshot.average, &snapshot.optimizer]) {
        let broken = |reason| TrainError::Checkpoint { path: temporary.clone(), reason };
        let bytes = weights::serialize(tensors, Precision::Float32).map_err(broken)?;
        state.hashes.insert((*file).to_string(), blake3::hash(&bytes).to_hex().to_string());
        fs::write(temporary.join(file), bytes)?;
    }
    let json = serde_json::to_string_pretty(&state)
        .map_err(|error| TrainError::Checkpoint { path: temporary.clone(), reason: error.to_string() })?;
    fs::write(temporary.join(STATE), format!("{json}\n"))?;
    let folder = run.checkpoints();
    if !folder.exists() {
        fs::create_dir_all(&folder)?;
        sync_folder(run.folder())?;
    }
    let place = folder.join(name);
    put(&temporary, &place)?;
    Ok(place)
}

fn finite(run: &Run, snapshot: &Snapshot, step: u64) -> Result<(), TrainError> {
    let parts: [(&str, &NamedTensors); 3] = [
        ("the weight", &snapshot.weights),
        ("the averaged weight", &snapshot.average),
        ("the optimizer's memory of", &snapshot.optimizer),
    ];
    for (part, tensors) in parts {
        for (name, data) in tensors {
            if let Some(value) = data.iter::<f64>().find(|value| !value.is_finite()) {
                return Err(not_finite(run, step, format!("{part} {name}"), value));
            }
        }
    }
    Ok(())
}

/// The error for a number that is none, with what is left of the run.
pub(crate) fn not_finite(run: &Run, step: u64, what: String, value: f64) -> TrainError {
    let newest = steps(run).ok().and_then(|steps| steps.last().copied());
    let kept = match newest {
        Some(step) => format!("checkpoints/{} is the last good one", name(step)),
        None => "there is no checkpoint yet".to_string(),
    };
    TrainError::NotFinite { step, what, value, kept }
}

/// The steps of a run's checkpoints, the oldest first.
///
/// # Errors
/// The folder cannot be read.
pub fn steps(run: &Run) -> Result<Vec<u64>, TrainError> {
    if !run.checkpoints().exists() {
        return Ok(vec![]);
    }
    let mut steps = vec![];
    for entry in fs::read_dir(run.checkpoints())? {
        steps.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    steps.sort_unstable();
    Ok(steps)
}

/// Reads the checkpoint of a step, and checks that it is whole.
///
/// # Errors
/// There is none, with those that there are; or a file is damaged.
pub fn read(run: &Run, step: u64) -> Result<(Snapshot, State), TrainError> {
    let path = run.checkpoints().join(name(step));
    if !path.is_dir() {
        return Err(absent(run, &step.to_string(), &steps(run)?));
    }
    whole(&path).map_err(|reason| TrainError::Checkpoint { path, reason })
}

/// Reads the newest whole checkpoint; `None` where the run has none at all.
///
/// # Errors
/// There are checkpoints and none of them is whole.
pub fn newest(run: &Run) -> Result<Option<(Snapshot, State)>, TrainError> {
    let mut last = None;
    for step in steps(run)?.into_iter().rev() {
        match read(run, step) {
            Ok(found) => return Ok(Some(found)),
            Err(error) => {
                tracing::warn!("{error}; an older one is taken");
                last.get_or_insert(error);
            }
        }
    }
    last.map_or(Ok(None), Err)
}

/// The error for a checkpoint that is not there.
pub(crate) fn absent(run: &Run, wanted: &str, have: &[u64]) -> TrainError {
    let have = match have {
        [] => "none".to_string(),
        have => have.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    TrainError::NoCheckpoint { run: run.folder().to_path_buf(), wanted: wanted.to_string(), have }
}

fn whole(path: &Path) -> Result<(Snapshot, State), String> {
    let text = fs::read(path.join(STATE)).map_err(|error| error.to_string())?;
    let state: State = serde_json::from_slice(&text).map_err(|error| format!("{STATE}: {error}"))?;
    if state.format != FORMAT {
        return Err(format!("{STATE} has format {}, and this release reads {FORMAT}", state.format));
    }
    let [weights, average, optimizer] = FILES.map(|file| {
        let bytes = fs::read(path.join(file)).map_err(|error| error.to_string())?;
        let hash = blake3::hash(&bytes).to_hex().to_string();
        match state.hashes.get(file) == Some(&hash) {
            true => weights::parse(&bytes).map_err(|reason| format!("{file}: {reason}")),
            false => Err(format!("{file} is not what {STATE} says (the hash differs)")),
        }
    });
    Ok((Snapshot { weights: weights?, average: average?, optimizer: optimizer? }, state))
}

/// Removes old checkpoints: the newest `keep` stay, and those at multiples of `every`.
///
/// # Errors
/// A folder cannot be removed.
pub fn prune(run: &Run, keep: usize, every: u64, best: Option<u64>) -> Result<(), TrainError> {
    let steps = steps(run)?;
    let old = steps.len().saturating_sub(keep.max(1));
    for &step in &steps[..old] {
        if every > 0 && step.is_multiple_of(every) || Some(step) == best {
            continue;
        }
        // Renamed first: what lies in `checkpoints` is whole at every moment.
        let temporary = run.temporary(&format!("pruned-{}", name(step)));
        if temporary.exists() {
            fs::remove_dir_all(&temporary)?;
        }
        fs::rename(run.checkpoints().join(name(step)), &temporary)?;
        fs::remove_dir_all(&temporary)?;
    }
    Ok(())
}

/// A step as files are named after it.
pub(crate) fn name(step: u64) -> String {
    format!("{step:06}")
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    fn snapshot(value: f32) -> Snapshot {
        let one = NamedTensors::from([("a.weight".to_string(), TensorData::new(vec![value, 1.0], [2]))]);
        let updates = TensorData::new(vec![i64::MAX - 1], [1]);
        let optimizer = NamedTensors::from([("a.updates".to_string(), updates)]);
        Snapshot { weights: one.clone(), average: one, optimizer }
    }

    fn state(step: u64) -> State {
        let pending = Losses::from([("loss".to_string(), 0.1 + 0.2)]);
        State { step, pending, elapsed_s: 1.0 / 3.0, ..State::new() }
    }

    fn run() -> (tempfile::TempDir, Run) {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::new(folder.path());
        (folder, run)
    }

    #[test]
    fn a_checkpoint_comes_back_to_the_bit() {
        let (_folder, run) = run();
        write(&run, &snapshot(0.1), &state(3)).unwrap();
        let (back, mut found) = newest(&run).unwrap().unwrap();
        found.hashes.clear();
        assert_eq!(found, state(3));
        assert_eq!((back.weights, back.optimizer), (snapshot(0.1).weights, snapshot(0.1).optimizer));
        assert_eq!(fs::read_dir(run.folder()).unwrap().count(), 1, "nothing temporary is left");
    }

    #[test]
    fn a_half_written_one_is_no_checkpoint_and_a_damaged_one_gives_way_to_an_older() {
        let (_folder, run) = run();
        write(&run, &snapshot(1.0), &state(10)).unwrap();
        write(&run, &snapshot(2.0), &state(20)).unwrap();
        fs::create_dir_all(run.temporary("checkpoint-000030")).unwrap();
        fs::write(run.temporary("checkpoint-000030").join(STATE), "{").unwrap();
        assert_eq!(newest(&run).unwrap().unwrap().1.step, 20);

        let file = run.checkpoints().join("000020").join(FILES[2]);
        let mut bytes = fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&file, bytes).unwrap();
        assert_eq!(newest(&run).unwrap().unwrap().1.step, 10);
        assert!(read(&run, 20).unwrap_err().to_string().contains("optimizer.safetensors"));

        fs::remove_file(run.checkpoints().join("000010").join(STATE)).unwrap();
        assert!(newest(&run).is_err(), "with checkpoints and none whole, nothing begins anew in silence");

        let lock = run.lock().unwrap();
        run.clean(&lock).unwrap();
        assert!(!run.temporary("checkpoint-000030").exists());
    }

    #[test]
    fn a_step_written_twice_is_replaced() {
        let (_folder, run) = run();
        write(&run, &snapshot(1.0), &state(10)).unwrap();
        write(&run, &snapshot(2.0), &state(10)).unwrap();
        assert_eq!(newest(&run).unwrap().unwrap().0.weights, snapshot(2.0).weights);
    }

    #[test]
    fn weights_that_are_no_numbers_are_never_written() {
        let (_folder, run) = run();
        write(&run, &snapshot(1.0), &state(10)).unwrap();
        let message = write(&run, &snapshot(f32::NAN), &state(20)).unwrap_err().to_string();
        assert!(message.contains("step 20") && message.contains("a.weight is NaN"), "{message}");
        assert!(message.contains("checkpoints/000010 is the last good one"), "{message}");
        assert_eq!(steps(&run).unwrap(), [10]);
    }

    #[test]
    fn the_newest_stay_and_every_so_many_steps_one() {
        let (_folder, run) = run();
        for step in [5, 10, 15, 20, 25, 30] {
            write(&run, &snapshot(1.0), &state(step)).unwrap();
        }
        prune(&run, 2, 10, None).unwrap();
        assert_eq!(steps(&run).unwrap(), [10, 20, 25, 30]);
        prune(&run, 1, 0, None).unwrap();
        assert_eq!(steps(&run).unwrap(), [30]);
        assert!(read(&run, 7).unwrap_err().to_string().contains("it has 30"));
    }
}

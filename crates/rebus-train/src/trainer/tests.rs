//! The loop, with a family that learns nothing but a sum.

use std::{ops::ControlFlow, sync::Arc};

use burn::tensor::TensorData;
use indexmap::IndexMap;
use rebus_data::Column;
use rebus_models::{Model, ModelInfo, Package, Which};
use rebus_nn::{
    named::NamedTensors,
    optim::{Remember, Snapshot},
};
use serde_json::Value;

use super::*;
use crate::{log, recipe::parse};

/// One weight, which each step moves by what the step, its rate and the batches are.
struct Sum {
    weight: f32,
    /// Something that is no tensor.
    memory: u64,
    /// The step at which the loss is no number any more.
    breaks_at: Option<u64>,
}

struct Nothing(ModelInfo);

impl Model for Nothing {
    fn info(&self) -> &ModelInfo {
        &self.0
    }
}

impl Objective for Sum {
    fn step(&mut self, batches: &[Batch], step: &Step) -> Result<Losses, ModelError> {
        for batch in batches {
            let Some(Column::Integers(numbers)) = batch.columns.get("number") else { panic!() };
            for number in numbers {
                self.weight = 0.9 * self.weight + (*number as f32 * 0.37 * step.learning_rate as f32).sin();
                self.memory = self.memory.wrapping_mul(31).wrapping_add(*number as u64);
            }
        }
        let broken = self.breaks_at == Some(step.number);
        let loss = if broken { f64::NAN } else { f64::from(self.weight) + (self.memory % 7) as f64 };
        Ok(Losses::from([("sum".to_string(), loss)]))
    }

    fn evaluate(&mut self, batch: &Batch, step: &Step) -> Result<Losses, ModelError> {
        Ok(Losses::from([(
            "sum".to_string(),
            f64::from(self.weight) + (batch.len() as u64 * step.number) as f64,
        )]))
    }

    fn learners(&self) -> Vec<&dyn Remember> {
        vec![]
    }

    fn learners_mut(&mut self) -> Vec<&mut dyn Remember> {
        vec![]
    }

    fn snapshot(&self) -> Snapshot {
        let weights = NamedTensors::from([("w".to_string(), TensorData::new(vec![self.weight], [1]))]);
        Snapshot { average: weights.clone(), weights, optimizer: NamedTensors::new() }
    }

    fn state(&self) -> Value {
        json!({ "memory": self.memory })
    }

    fn restore(&mut self, snapshot: &Snapshot, state: &Value) -> Result<(), ModelError> {
        self.weight = snapshot.weights["w"].iter::<f32>().next().unwrap();
        self.memory = state["memory"].as_u64().unwrap();
        Ok(())
    }

    fn model(&self, _: Which) -> Arc<dyn Model> {
        Arc::new(Nothing(ModelInfo {
            family: "sum".into(),
            parameters: 1,
            picture_shape: [1; 3],
            hash: String::new(),
            provenance: Value::Null,
        }))
    }

    fn package(&self, _: Which) -> Package {
        Package::new("sum", Value::Null, [1; 3], self.snapshot().weights)
    }
}

/// Batch `k` holds the numbers `2k` and `2k + 1`.
struct Counting {
    next: u64,
    broken: usize,
}

fn batch(number: u64) -> Batch {
    let numbers = vec![2 * number as i64, 2 * number as i64 + 1];
    Batch {
        keys: vec![String::new(); 2],
        columns: IndexMap::from([("number".to_string(), Column::Integers(numbers))]),
    }
}

impl Feed for Counting {
    fn next(&mut self) -> Result<Batch, TrainError> {
        self.next += 1;
        Ok(batch(self.next - 1))
    }

    fn skipped(&self) -> Vec<String> {
        // By their numbers, of which the last are found first.
        let found = self.broken.min(self.next as usize);
        (0..found).rev().map(|record| format!("record {record} is broken")).collect()
    }

    fn records(&self) -> usize {
        100
    }
}

/// Stops after a step, if any.
struct StopAfter(Option<u64>, Vec<Event>);

impl TrainObserver for StopAfter {
    fn step(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        if self.0 == Some(progress.step) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn event(&mut self, event: &Event) {
        self.1.push(event.clone());
    }
}

struct Setting {
    folder: tempfile::TempDir,
    recipe: Recipe,
    breaks_at: Option<u64>,
    broken: usize,
    events: Vec<Event>,
}

fn setting(set: &[&str]) -> Setting {
    let said = "[model]\nfamily = \"flow\"\n[train]\nsteps = 20\nbatch_size = 4\naccumulate = 2\nlog_every = 3\n\
                checkpoint_every = 5\nvalidate_every = 8\nwarmup_steps = 15\n";
    let set: Vec<String> = set.iter().map(ToString::to_string).collect();
    let recipe = Recipe::resolve(parse(said, "").unwrap(), &set).unwrap();
    Setting { folder: tempfile::tempdir().unwrap(), recipe, breaks_at: None, broken: 0, events: vec![] }
}

impl Setting {
    fn run(&self) -> Run {
        Run::new(self.folder.path())
    }

    /// One sitting, from the newest checkpoint where there is one.
    fn sit(&mut self, stop_after: Option<u64>) -> Result<(End, State, f32), TrainError> {
        let run = self.run();
        let mut objective = Sum { weight: 0.5, memory: 1, breaks_at: self.breaks_at };
        let (mut state, mut saved) = (State::new(), None);
        if let Some((snapshot, found)) = checkpoint::newest(&run)? {
            objective.restore(&snapshot, &found.objective)?;
            (saved, state) = (Some(found.step), found);
        }
        log::cut(&run.log(), state.step)?;
        let mut feed = Counting { next: state.batches, broken: self.broken };
        let mut observer = StopAfter(stop_after, vec![]);
        let stop = AtomicBool::new(stop_after == Some(0));
        let held_out = [batch(1000), batch(1001)];
        let mut trainer = Trainer {
            run: &run,
            recipe: &self.recipe,
            objective: &mut objective,
            feed: &mut feed,
            held_out: &held_out,
            observer: &mut observer,
            stop: &stop,
            state,
            saved,
        };
        let end = trainer.run();
        let state = trainer.state;
        self.events = observer.1;
        Ok((end?, state, objective.weight))
    }

    /// The log's steps without what depends on the clock.
    fn steps(&self) -> Vec<Map<String, Value>> {
        let lines = log::read(&self.run().log()).unwrap().into_iter();
        lines
            .filter(|line| line.contains_key("step"))
            .map(|line| line.into_iter().filter(|(key, _)| !key.ends_with("_s")).collect())
            .collect()
    }

    fn happened(&self) -> Vec<String> {
        let lines = log::read(&self.run().log()).unwrap().into_iter();
        lines.filter_map(|line| Some(line.get("event")?.as_str()?.to_string())).collect()
    }
}

#[test]
fn any_number_of_sittings_gives_the_same_run_to_the_bit() {
    let mut whole = setting(&[]);
    let (end, state, weight) = whole.sit(None).unwrap();
    assert!(matches!(end, End::Finished(_)));
    assert_eq!((state.step, state.batches, state.images_seen), (20, 40, 80));
    let logged: Vec<u64> = whole.steps().iter().map(|line| line["step"].as_u64().unwrap()).collect();
    assert_eq!(logged, [3, 6, 8, 9, 12, 15, 16, 18]);

    let mut parts = setting(&[]);
    for stop in [0, 2, 7, 8, 13] {
        let (end, state, _) = parts.sit(Some(stop)).unwrap();
        let path = parts.run().checkpoints().join(format!("{stop:06}"));
        assert_eq!((end, state.step), (End::Interrupted(path), stop));
    }
    let (end_in_parts, mut state_in_parts, weight_in_parts) = parts.sit(None).unwrap();
    assert_eq!((end_in_parts, weight_in_parts.to_bits()), (end, weight.to_bits()));
    assert_eq!(parts.steps(), whole.steps());
    state_in_parts.elapsed_s = state.elapsed_s;
    state_in_parts.hashes.clear();
    assert_eq!(state_in_parts, state);
}

#[test]
fn after_a_crash_the_log_goes_back_to_the_checkpoint() {
    let mut whole = setting(&[]);
    whole.sit(None).unwrap();
    let mut crashed = setting(&[]);
    crashed.sit(Some(9)).unwrap();
    // As if the interrupted run had died at 9 instead: its last checkpoint is the one of step 5.
    fs_err::remove_dir_all(crashed.run().checkpoints().join("000009")).unwrap();
    crashed.sit(None).unwrap();
    assert_eq!(crashed.steps(), whole.steps());
}

#[test]
fn a_line_tells_the_mean_of_its_steps_and_the_held_out_losses() {
    let mut setting = setting(&["train.log_every=1"]);
    setting.sit(None).unwrap();
    let single: Vec<f64> = setting.steps().iter().map(|line| line["loss_sum"].as_f64().unwrap()).collect();
    let mut thirds = self::setting(&[]);
    thirds.sit(None).unwrap();
    let first = thirds.steps()[0]["loss_sum"].as_f64().unwrap();
    assert!((first - single[..3].iter().sum::<f64>() / 3.0).abs() < 1e-12);
    let eighth = &setting.steps()[7];
    assert!(eighth.contains_key("validation_sum") && !setting.steps()[6].contains_key("validation_sum"));
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_at_its_last_good_checkpoint() {
    let mut setting = setting(&[]);
    setting.breaks_at = Some(12);
    let message = setting.sit(None).unwrap_err().to_string();
    assert!(message.starts_with("step 13: the loss `sum` is NaN"), "{message}");
    assert!(message.contains("checkpoints/000010 is the last good one"), "{message}");
    assert_eq!(checkpoint::steps(&setting.run()).unwrap(), [5, 10]);
    assert_eq!(setting.happened().last().unwrap(), "not_finite");
}

#[test]
fn checkpoints_are_pruned_by_the_recipes_rule() {
    let mut setting =
        setting(&["train.keep_checkpoints=1", "train.keep_every=10", "train.checkpoint_every=2"]);
    setting.sit(None).unwrap();
    assert_eq!(checkpoint::steps(&setting.run()).unwrap(), [10, 20]);
}

#[test]
fn without_checkpoints_on_the_way_there_is_one_at_the_end() {
    let mut setting = setting(&["train.checkpoint_every=0"]);
    setting.sit(None).unwrap();
    assert_eq!(checkpoint::steps(&setting.run()).unwrap(), [20]);
}

#[test]
fn a_finished_run_goes_on_when_it_is_made_longer() {
    let mut whole = setting(&[]);
    whole.sit(None).unwrap();
    let mut longer = setting(&["train.steps=11"]);
    longer.sit(None).unwrap();
    longer.recipe.train.steps = 20;
    longer.sit(None).unwrap();
    assert_eq!(longer.steps(), whole.steps());
}

#[test]
fn broken_records_are_counted_once() {
    let mut setting = setting(&[]);
    setting.broken = 3;
    setting.sit(None).unwrap();
    let told: Vec<&Event> =
        setting.events.iter().filter(|event| matches!(event, Event::Skipped { .. })).collect();
    let Some(Event::Skipped { total, reasons }) = told.last() else { panic!() };
    assert_eq!((told.len(), *total, reasons.as_slice()), (2, 3, &["record 2 is broken".to_string()][..]));
    assert_eq!(setting.happened().iter().filter(|event| *event == "skipped").count(), 2);
}

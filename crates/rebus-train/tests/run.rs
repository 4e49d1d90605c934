//! Whole runs of a tiny flow on the 200 emoji of the fixture.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test that fails is the test that fails")]

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use burn::tensor::Device;
use fs_err as fs;
use rebus_models::{Losses, Model};
use rebus_train::{
    Chosen, Event, ExportOptions, Measure, NoTrainObserver, Outcome, Progress, Recipe, Run, Source, Start,
    TrainError, TrainObserver, TrainOptions, checkpoint, export, recipe, train,
};

const TINY: &str = r#"
[model]
family = "flow"
widths = [8, 16]
blocks = 1
groups = 4
head_width = 8
condition_width = 16
text = { width = 16, layers = 1, heads = 2 }

[data]
image_size = 16
workers = 2
validation_fraction = 0.1

[tokenizer]
vocab_size = 300

[train]
steps = 20
batch_size = 4
warmup_steps = 5
log_every = 1
checkpoint_every = 0
sample_every = 10
validate_every = 10
validation_batches = 2

[sample]
num_inference_steps = 2
columns = 2
"#;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/emoji200")
}

fn options(run: &Path, set: &[&str]) -> TrainOptions {
    let mut options = TrainOptions::new(run, Device::default(), "cpu");
    options.data = Some(Source::Path(fixture()));
    options.recipe = Some(recipe::parse(TINY, "tiny").unwrap());
    options.set = set.iter().map(ToString::to_string).collect();
    options
}

fn resume(run: &Path, set: &[&str]) -> TrainOptions {
    let mut options = TrainOptions::new(run, Device::default(), "cpu");
    options.start = Start::Resume;
    options.set = set.iter().map(ToString::to_string).collect();
    options
}

/// Keeps the losses of every step, and stops after one.
#[derive(Default)]
struct Watch {
    losses: Vec<Losses>,
    stop_after: Option<u64>,
    events: Vec<Event>,
    /// What evaluations find, one after the other.
    found: Vec<f64>,
}

impl TrainObserver for Watch {
    fn step(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        self.losses.push(progress.losses.clone());
        if self.stop_after == Some(progress.step) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn measures(&self, _: &dyn Model) -> Vec<&'static str> {
        vec!["worth", "cost"]
    }

    fn evaluate(&mut self, _: Arc<dyn Model>, _: &Recipe) -> Result<Vec<Measure>, String> {
        if self.found.is_empty() {
            return Err("nothing left to find".to_string());
        }
        let measure =
            |name: &str, value, more_is_better| Measure { name: name.into(), value, more_is_better };
        Ok(vec![measure("worth", self.found.remove(0), true), measure("cost", 1.0, false)])
    }

    fn event(&mut self, event: &Event) {
        self.events.push(event.clone());
    }
}

#[test]
fn ten_steps_and_ten_more_are_twenty_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let mut all = Watch::default();
    let outcome = train(&options(&whole, &[]), &mut all).unwrap();
    let Outcome::Finished { step: 20, model, losses } = outcome else { panic!("{outcome:?}") };
    assert!(losses.keys().all(|name| name.starts_with("validation_")));

    let mut first = Watch { stop_after: Some(10), ..Watch::default() };
    let outcome = train(&options(&parts, &[]), &mut first).unwrap();
    assert!(matches!(outcome, Outcome::Interrupted { step: 10, .. }), "{outcome:?}");
    let mut second = Watch::default();
    train(&resume(&parts, &["data.workers=1"]), &mut second).unwrap();
    assert_eq!([first.losses, second.losses].concat(), all.losses);

    for file in ["model.safetensors", "ema.safetensors", "optimizer.safetensors"] {
        let read = |run: &Path| fs::read(Run::new(run).checkpoints().join("000020").join(file)).unwrap();
        assert!(read(&whole) == read(&parts), "{file} differs");
    }
    for grid in ["samples/000010.png", "samples/000020.png"] {
        assert!(fs::read(whole.join(grid)).unwrap() == fs::read(parts.join(grid)).unwrap(), "{grid} differs");
    }
    assert!(
        fs::read(model.join("model.safetensors")).unwrap()
            == fs::read(parts.join("model/model.safetensors")).unwrap()
    );
    let opened = rebus_models::open(&model, &Device::default()).unwrap();
    assert_eq!(opened.info().provenance["step"], 20);
    assert!(fs::read_to_string(model.join("README.md")).unwrap().contains("emoji200"));
}

#[test]
fn a_folder_with_a_run_a_folder_without_and_other_settings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let refused = |options: &TrainOptions| train(options, &mut NoTrainObserver).unwrap_err();
    assert!(matches!(refused(&resume(&run, &[])), TrainError::NoRun { .. }));
    let wrong = refused(&options(&run, &["model.width=[8]"])).to_string();
    assert!(wrong.contains("did you mean `widths`"), "{wrong}");
    assert!(!run.exists(), "nothing is written before everything fits");

    train(&options(&run, &["train.steps=2"]), &mut NoTrainObserver).unwrap();
    assert!(matches!(refused(&options(&run, &[])), TrainError::HasRun { .. }));
    let message = refused(&resume(&run, &["train.learning_rate=0.5"])).to_string();
    assert!(message.contains("train.learning_rate: was 0.001, now 0.5"), "{message}");

    let other = folder.path().join("other");
    fs::create_dir_all(&other).unwrap();
    for name in ["1f197.png", "1f30b.png"] {
        fs::copy(fixture().join(name), other.join(name)).unwrap();
    }
    let lines =
        "{\"file_name\": \"1f197.png\", \"text\": \"a\"}\n{\"file_name\": \"1f30b.png\", \"text\": \"b\"}\n";
    fs::write(other.join("metadata.jsonl"), lines).unwrap();
    let mut moved = resume(&run, &[]);
    moved.data = Some(Source::Path(other));
    assert!(matches!(refused(&moved), TrainError::DataDiffers { .. }));

    // The same recipe, named again, with more steps.
    let mut again = options(&run, &["train.steps=3", "train.sample_every=0"]);
    again.start = Start::Resume;
    assert!(matches!(train(&again, &mut NoTrainObserver).unwrap(), Outcome::Finished { step: 3, .. }));
}

#[test]
fn a_run_that_has_no_checkpoint_yet_begins_at_step_0() {
    let folder = tempfile::tempdir().unwrap();
    let set = ["train.steps=2", "train.sample_every=0"];
    let (whole, again) = (folder.path().join("whole"), folder.path().join("again"));
    let mut first = Watch::default();
    train(&options(&whole, &set), &mut first).unwrap();
    fs::create_dir_all(&again).unwrap();
    for file in ["run.toml", "tokenizer.json", "log.jsonl"] {
        fs::copy(whole.join(file), again.join(file)).unwrap();
    }
    let mut second = Watch::default();
    train(&resume(&again, &[]), &mut second).unwrap();
    assert_eq!(first.losses, second.losses);
}

#[test]
fn a_run_begins_with_the_weights_of_a_model_as_far_as_they_fit() {
    let folder = tempfile::tempdir().unwrap();
    let set = ["train.steps=1", "train.sample_every=0", "train.validate_every=0"];
    let first = folder.path().join("first");
    train(&options(&first, &set), &mut NoTrainObserver).unwrap();

    let mut same = options(&folder.path().join("same"), &set);
    same.start = Start::Init(first.join("model"));
    let mut watch = Watch::default();
    train(&same, &mut watch).unwrap();
    let Some(Event::Initialized { taken, anew, unused }) = watch.events.first() else { panic!() };
    assert!(*taken > 10 && anew.is_empty() && unused.is_empty(), "{anew:?} {unused:?}");
    let run = Run::new(folder.path().join("same"));
    let model = rebus_models::ModelFolder::read(&first.join("model")).unwrap();
    assert_eq!(checkpoint::read(&run, 0).unwrap().0.weights, model.weights);

    let mut wider =
        options(&folder.path().join("wider"), &[&set[..], &["model.condition_width=24"]].concat());
    wider.start = Start::Init(first.join("model"));
    let mut watch = Watch::default();
    train(&wider, &mut watch).unwrap();
    let Some(Event::Initialized { taken, anew, .. }) = watch.events.first() else { panic!() };
    assert!(*taken > 0 && !anew.is_empty());

    let mut other = options(&folder.path().join("other"), &set);
    other.recipe =
        Some(recipe::parse("[model]\nfamily = \"gan-classic\"\n[data]\nimage_size = 16", "gan").unwrap());
    other.start = Start::Init(first.join("model"));
    let error = train(&other, &mut NoTrainObserver).unwrap_err();
    assert!(matches!(error, TrainError::NothingFits { .. }), "{error}");
    assert!(!folder.path().join("other").exists());
}

#[test]
fn a_family_of_one_shape_refuses_pictures_of_several() {
    let folder = tempfile::tempdir().unwrap();
    for family in ["gan-classic", "gan-modern"] {
        let mut options = options(&folder.path().join(family), &["data.shape=bucket"]);
        let text = format!("[model]\nfamily = \"{family}\"\n[data]\nimage_size = 16");
        options.recipe = Some(recipe::parse(&text, family).unwrap());
        let error = train(&options, &mut NoTrainObserver).unwrap_err().to_string();
        assert!(error.contains("data.shape = bucket") && error.contains("crop or pad"), "{error}");
    }
}

#[test]
fn any_checkpoint_can_be_exported_and_only_a_model_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let set = ["train.steps=4", "train.checkpoint_every=2", "train.sample_every=0", "train.validate_every=0"];
    train(&options(&run, &set), &mut NoTrainObserver).unwrap();
    let mut wanted = ExportOptions::new(&run);
    wanted.output = Some(folder.path().join("two"));
    wanted.checkpoint = Chosen::Step(2);
    wanted.raw = true;
    let device = Device::default();
    let place = export(&wanted, &device).unwrap();
    let weights = rebus_models::ModelFolder::read(&place).unwrap().weights;
    assert_eq!(weights, checkpoint::read(&Run::new(&run), 2).unwrap().0.weights);
    export(&wanted, &device).unwrap();

    wanted.checkpoint = Chosen::Step(3);
    assert!(export(&wanted, &device).unwrap_err().to_string().contains("it has 2, 4"));
    wanted.checkpoint = Chosen::Newest;
    fs::write(place.join("thesis.odt"), "").unwrap();
    assert!(matches!(export(&wanted, &device), Err(TrainError::Occupied { .. })));
    assert!(place.join("thesis.odt").exists());
}

#[test]
fn the_checkpoint_of_the_best_evaluation_is_kept_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let set = [
        "train.steps=10",
        "train.eval_every=2",
        "train.best=worth",
        "train.keep_checkpoints=1",
        "train.sample_every=0",
        "train.validate_every=0",
        "train.log_every=100",
    ];
    let mut watch = Watch { found: vec![0.1, 0.7, 0.3, 0.6], ..Watch::default() };
    train(&options(&run, &set), &mut watch).unwrap();
    let best = |event: &Event| match event {
        Event::Evaluated { step, best, .. } => Some((*step, *best)),
        _ => None,
    };
    let told: Vec<_> = watch.events.iter().filter_map(best).collect();
    assert_eq!(told, [(2, true), (4, true), (6, false), (8, false)]);
    let failed =
        |event: &Event| matches!(event, Event::NotEvaluated { reason } if reason.contains("nothing left"));
    assert!(watch.events.iter().any(failed), "the last one failed, and the run went on");
    let mut kept: Vec<String> = fs::read_dir(run.join("checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    kept.sort();
    assert_eq!(kept, ["000004", "000010"]);
    let log = fs::read_to_string(run.join("log.jsonl")).unwrap();
    assert!(log.contains("\"step\":4,") && log.contains("\"eval_worth\":0.7"), "{log}");

    let mut wanted = ExportOptions::new(&run);
    wanted.output = Some(folder.path().join("best"));
    wanted.checkpoint = Chosen::Best;
    let place = export(&wanted, &Device::default()).unwrap();
    let step = rebus_models::ModelFolder::read(&place).unwrap().provenance["step"].clone();
    assert_eq!(step, 4);

    // A run that goes on remembers what was best.
    let mut again = Watch { found: vec![0.65, 0.8], ..Watch::default() };
    train(&resume(&run, &["train.steps=14"]), &mut again).unwrap();
    assert_eq!(again.events.iter().filter_map(best).collect::<Vec<_>>(), [(12, false), (14, true)]);

    let other = folder.path().join("other");
    let set = ["train.steps=2", "train.eval_every=1", "train.best=beauty"];
    let mut watch = Watch { found: vec![0.1], ..Watch::default() };
    let error = train(&options(&other, &set), &mut watch).unwrap_err().to_string();
    assert!(error.contains("train.best = beauty") && error.contains("worth, cost"), "{error}");
    assert!(watch.losses.is_empty(), "it is refused before the first step");
    let mut none = ExportOptions::new(&other);
    none.checkpoint = Chosen::Best;
    assert!(export(&none, &Device::default()).is_err());
}

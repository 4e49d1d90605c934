//! `rebus train`: learn from a collection.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use indicatif::ProgressBar;
use rebus_models::Model;
use rebus_train::{
    Estimate, Event, Home, Measure, Outcome, Progress, Recipe, Run, Source, Start, TrainObserver,
    TrainOptions, recipe, recipes, train,
};

use super::{
    cache,
    failure::Failure,
    measure::Measurer,
    progress,
    say::{out, tell},
};

/// Arguments of `rebus train`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A recipe: a TOML file, or the name of one that is built in (`rebus recipe list`); chosen by the collection
    /// where none is given.
    recipe: Option<PathBuf>,
    /// The collection: a folder, a .tar, shards, Parquet.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// The run folder; runs/RECIPE by default.
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Go on with the run where it stopped.
    #[arg(long, conflicts_with = "init")]
    resume: bool,
    /// Start with the weights of a model.
    #[arg(long, value_name = "MODEL")]
    init: Option<PathBuf>,
    /// Change a setting of the recipe, such as train.steps=2000; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where to compute: cpu, vulkan:0, metal:0, cuda:0.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// In which numbers the network multiplies, as train.precision says it; bf16 is less exact, and faster on devices that
    /// have it.
    #[arg(long, value_parser = ["f32", "bf16"])]
    precision: Option<String>,
    /// A broken or missing picture is an error instead of being left out.
    #[arg(long)]
    strict: bool,
    /// Say what would be trained, how long it takes and how much memory it needs, and stop.
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let (name, table) = match (&args.recipe, &args.data) {
        (Some(recipe), _) => (recipe_name(recipe), Some(recipe_table(recipe)?)),
        (None, _) if args.resume => (String::new(), None),
        (None, Some(data)) => {
            let collection = rebus_data::open(data, &Default::default())?;
            let picked = recipes::pick(&*collection)?;
            tell!("recipe {}: {}\n\n{}", picked.name, picked.why, picked.recipe);
            if !args.set.is_empty() {
                tell!("but {}\n", args.set.join(", "));
            }
            (picked.name.to_string(), Some(picked.recipe))
        }
        (None, None) => {
            return Err(Failure::input("name a collection with --data, or a run with --run and --resume"));
        }
    };
    let run = match &args.run {
        Some(run) => run.clone(),
        None if name.is_empty() => {
            return Err(Failure::input("name the run to go on with: --run DIR --resume"));
        }
        None => Path::new("runs").join(name),
    };
    let mut options = TrainOptions::new(&run, rebus::device(&args.device)?, &args.device);
    options.data = args.data.clone().map(Source::Path);
    options.recipe = table;
    options.set = args.set.clone();
    options.set.extend(args.precision.as_ref().map(|precision| format!("train.precision={precision}")));
    options.strict = args.strict;
    options.home = home();
    options.start = match (&args.init, args.resume) {
        (_, true) => Start::Resume,
        (Some(model), false) => Start::Init(model.clone()),
        (None, false) => Start::Fresh,
    };
    if !args.resume && !args.dry_run {
        Run::new(&run).can_begin()?;
    }
    if !args.resume {
        say_estimate(&rebus_train::estimate(&options, 2)?);
    }
    if args.dry_run {
        return Ok(());
    }
    let measurer = Measurer::new(run.clone(), options.device.clone());
    let mut watcher = Watcher { bar: progress::bar(0, "training"), measurer };
    let outcome = train(&options, &mut watcher);
    watcher.bar.finish_and_clear();
    match outcome? {
        Outcome::Finished { step, model, losses } => {
            let losses: Vec<_> = losses.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
            tell!("done: {step} steps, {}", losses.join(", "));
            out!("{}", model.display());
            Ok(())
        }
        Outcome::Interrupted { step, checkpoint } => {
            tell!("stopped after step {step}, saved in {}", checkpoint.display());
            tell!("go on with: rebus train --run {} --resume", run.display());
            Err(Failure::Interrupted(super::failure::KEPT))
        }
        _ => Ok(()),
    }
}

/// What a run may take from outside of its folder.
pub(crate) fn home() -> Home {
    let mut home = Home::default();
    home.shipped = Some(rebus::shipped_for);
    home.cache = cache::folder("latents");
    home
}

fn say_estimate(estimate: &Estimate) {
    let hours = estimate.total_s / 3600.0;
    let time = match hours {
        1.0.. => format!("about {hours:.1} h"),
        0.025.. => format!("about {:.0} min", hours * 60.0),
        _ => format!("about {:.0} s", estimate.total_s.max(1.0)),
    };
    let memory = estimate
        .peak_memory
        .map_or(String::new(), |bytes| format!(", at least {} MB of memory", bytes / 1_000_000));
    tell!(
        "{} parameters, {} records; {:.1} images/s here: {} steps take {time}{memory}",
        estimate.parameters,
        estimate.records,
        estimate.images_per_s,
        estimate.steps
    );
}

/// A recipe from a file, or from inside the program where there is no such file.
pub(crate) fn recipe_table(recipe: &Path) -> Result<toml::Table, Failure> {
    if recipe.exists() || recipe.extension().is_some() {
        return Ok(recipe::read(recipe)?);
    }
    let name = recipe.to_string_lossy();
    Ok(recipe::parse(recipes::show(&name)?.text, &name)?)
}

fn recipe_name(recipe: &Path) -> String {
    recipe.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

/// A progress bar, Ctrl-C, and measures on the way.
struct Watcher {
    bar: ProgressBar,
    measurer: Measurer,
}

impl TrainObserver for Watcher {
    fn step(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        self.bar.set_length(progress.steps);
        if self.bar.position() == 0 && progress.step > 1 {
            // What an earlier sitting did says nothing of the time that is left.
            self.bar.set_position(progress.step - 1);
            self.bar.reset_eta();
        }
        self.bar.set_position(progress.step);
        let losses: Vec<_> =
            progress.losses.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
        self.bar.set_message(format!("{:.1} images/s  {} ", progress.images_per_s, losses.join(" ")));
        match progress::interruptible().load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn measures(&self, model: &dyn Model) -> Vec<&'static str> {
        Measurer::names(model)
    }

    fn evaluate(&mut self, model: Arc<dyn Model>, recipe: &Recipe) -> Result<Vec<Measure>, String> {
        self.measurer.measures(model, recipe).or_else(|failure| failure.reason().map_or(Ok(vec![]), Err))
    }

    fn event(&mut self, event: &Event) {
        let line = match event {
            Event::Started { step, parameters, records, held_out } => format!(
                "{records} records to learn from, {held_out} held out; {parameters} parameters; from step {step}"
            ),
            Event::Initialized { taken, anew, unused } => {
                format!("{taken} weights taken, {} begin anew, {} unused", anew.len(), unused.len())
            }
            Event::Skipped { total, reasons } => {
                format!("{total} records left out so far: {}", reasons.join("; "))
            }
            Event::Evaluated { step, measures, best } => {
                let measures: Vec<_> =
                    measures.iter().map(|measure| format!("{} {:.4}", measure.name, measure.value)).collect();
                let best = if *best { ", the best so far" } else { "" };
                format!("step {step}: {}{best}", measures.join(", "))
            }
            Event::NotEvaluated { reason } => format!("not measured: {reason}"),
            Event::Sampled { path } => format!("samples {}", path.display()),
            _ => return,
        };
        if !progress::QUIET.load(Ordering::Relaxed) {
            self.bar.suspend(|| tell!("{line}"));
        }
    }
}

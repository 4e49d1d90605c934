//! A run's weights as a model folder, with all that is known of how it came about.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use fs_err as fs;
use rebus_data::write::write_atomic;
use rebus_models::{Losses, Package, Precision, Which};
use rebus_nn::optim::Snapshot;
use serde_json::json;

use crate::{
    Home, Recipe, Run, TrainError, card, checkpoint,
    checkpoint::State,
    prepare,
    run::{RunInfo, put},
    trainer::last_losses,
};

/// What a model folder tells of the run behind it.
pub(crate) struct About<'a> {
    pub info: &'a RunInfo,
    pub recipe: &'a Recipe,
    pub state: &'a State,
    pub losses: &'a Losses,
}

/// One of a run's checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Chosen {
    /// The newest whole one.
    #[default]
    Newest,
    /// That of the best evaluation, by the measure that `train.best` names.
    Best,
    /// That of a step.
    Step(u64),
}

/// Which weights of a run become a model, and where.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExportOptions {
    /// The run folder.
    pub run: PathBuf,
    /// Which checkpoint.
    pub checkpoint: Chosen,
    /// The weights as they stand instead of their average.
    pub raw: bool,
    /// The model folder; an older model there is replaced. The run's `model` by default.
    pub output: Option<PathBuf>,
    /// How numbers are stored.
    pub precision: Precision,
    /// Models inside the program, where the run needs any.
    pub home: Home,
}

impl ExportOptions {
    /// The averaged weights of the newest checkpoint, in full precision, into the run's `model`.
    pub fn new(run: impl Into<PathBuf>) -> Self {
        Self {
            run: run.into(),
            checkpoint: Chosen::Newest,
            raw: false,
            output: None,
            precision: Precision::Float32,
            home: Home::default(),
        }
    }
}

/// Makes a model folder of a checkpoint, and returns its place.
///
/// # Errors
/// No run or no such checkpoint there, or an output that holds something other than a model.
pub fn export(options: &ExportOptions, device: &Device) -> Result<PathBuf, TrainError> {
    let run = Run::new(&options.run);
    let (info, table) = run.read()?;
    let recipe = Recipe::resolve(table, &[])
        .map_err(|error| TrainError::RunFile { file: run.settings(), reason: error.to_string() })?;
    let (snapshot, state) = match options.checkpoint {
        Chosen::Step(step) => checkpoint::read(&run, step)?,
        Chosen::Newest => newest(&run)?,
        Chosen::Best => {
            let best = newest(&run)?.1.best;
            let best = best.ok_or_else(|| TrainError::NoBest { run: run.folder().to_path_buf() })?;
            checkpoint::read(&run, best.step)?
        }
    };
    let (_, mut objective) = prepare::rebuild(&recipe, &info, &run, &options.home, device)?;
    objective.restore(&snapshot, &state.objective)?;
    let which = if options.raw { Which::Raw } else { Which::Average };
    let output = options.output.clone().unwrap_or_else(|| run.model());
    let losses = last_losses(&state);
    let about = About { info: &info, recipe: &recipe, state: &state, losses: &losses };
    write(objective.package(which), &about, &output, options.precision)?;
    Ok(output)
}

fn newest(run: &Run) -> Result<(Snapshot, State), TrainError> {
    checkpoint::newest(run)?.ok_or_else(|| checkpoint::absent(run, "to export", &[]))
}

/// Writes a model folder with its provenance and its card, whole or not at all.
pub(crate) fn write(
    mut package: Package,
    about: &About<'_>,
    output: &Path,
    precision: Precision,
) -> Result<(), TrainError> {
    check_output(output)?;
    let recipe = toml::to_string(&without_places(about.recipe.clone()).to_table()?)
        .map_err(|error| TrainError::Kind { place: "recipe".into(), reason: error.to_string() })?;
    package.provenance = json!({
        "data": prepare::name_of(&about.info.data),
        "fingerprint": about.info.fingerprint,
        "step": about.state.step,
        "images_seen": about.state.images_seen,
        "seed": about.info.seed,
        "losses": about.losses,
        "rebus": about.info.version,
        "recipe": recipe,
    });
    let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let temporary = parent.join(format!(".writing-{}", prepare::name_of(output)));
    if temporary.exists() {
        fs::remove_dir_all(&temporary)?;
    }
    package.write(&temporary, precision)?;
    write_atomic(&temporary.join("README.md"), card::card(&package, about).as_bytes())?;
    put(&temporary, output)
}

/// A recipe that names other models, and does not tell where on somebody's machine they lie.
fn without_places(mut recipe: Recipe) -> Recipe {
    let named = recipe.needs.values_mut().map(|need| &mut need.model);
    for model in named.chain([&mut recipe.condition.encoder]) {
        *model = prepare::name_of(Path::new(model.as_str()));
    }
    recipe
}

/// Only a model, or nothing, may be replaced.
fn check_output(output: &Path) -> Result<(), TrainError> {
    if !output.exists() {
        return Ok(());
    }
    let ours = |name: &str| {
        ["model.json", "tokenizer.json", "README.md"].contains(&name) || name.ends_with(".safetensors")
    };
    for entry in fs::read_dir(output)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !ours(&name) {
            return Err(TrainError::Occupied { folder: output.to_path_buf(), name });
        }
    }
    Ok(())
}

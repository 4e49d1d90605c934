//! From what a person asks for to everything that the loop needs, before anything is written.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use burn::tensor::Device;
use rebus_data::{Collection, Tokenizer, captions, collection, config::Shape, split::held_back};
use rebus_models::{Family, ModelError, ModelFolder, Objective, ObjectiveSpec, reader::CONDITION};
use toml::{Table, Value};

use crate::{Event, Home, Recipe, Run, TrainError, keys, needs, run::RunInfo, schedule};

/// More different captions than this are no closed set.
const MOST_CLASSES: usize = 1000;

/// A collection, named or already open.
#[derive(Clone)]
#[non_exhaustive]
pub enum Source {
    /// Where it lies.
    Path(PathBuf),
    /// In memory, or opened with options of one's own.
    Open(Arc<dyn Collection>),
}

/// Where the first weights come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Start {
    /// Random ones, of the recipe's seed.
    #[default]
    Fresh,
    /// Those of a model folder, as far as they fit.
    Init(PathBuf),
    /// Those of the run's newest checkpoint.
    Resume,
}

/// What to train, on what, and where.
#[derive(Clone)]
#[non_exhaustive]
pub struct TrainOptions {
    /// The run folder.
    pub run: PathBuf,
    /// The collection; a resumed run finds its own.
    pub data: Option<Source>,
    /// The recipe as it was said, see [`recipe::read`](crate::recipe::read); a resumed run has its own.
    pub recipe: Option<Table>,
    /// Changes to the recipe, `key=value`.
    pub set: Vec<String>,
    /// Where the first weights come from.
    pub start: Start,
    /// Where to train.
    pub device: Device,
    /// The device's name, for `run.toml`.
    pub device_name: String,
    /// Whether a broken record is an error instead of being replaced.
    pub strict: bool,
    /// Models inside the program, and a folder for what may be computed again.
    pub home: Home,
    /// Set from elsewhere, it stops the run as an observer does.
    pub stop: Arc<AtomicBool>,
}

impl TrainOptions {
    /// A fresh run on a device; data and recipe are still to be named.
    pub fn new(run: impl Into<PathBuf>, device: Device, device_name: &str) -> Self {
        Self {
            run: run.into(),
            data: None,
            recipe: None,
            set: vec![],
            start: Start::Fresh,
            device,
            device_name: device_name.to_string(),
            strict: false,
            home: Home::default(),
            stop: Arc::default(),
        }
    }
}

/// Everything that the loop needs, checked and built.
pub(crate) struct Prepared {
    pub recipe: Recipe,
    pub info: RunInfo,
    pub collection: Arc<dyn Collection>,
    pub tokenizer: Option<Arc<Tokenizer>>,
    pub objective: Box<dyn Objective>,
    /// How the first weights fitted, where they came from a model.
    pub initialized: Option<Event>,
}

/// For a new run.
pub(crate) fn fresh(options: &TrainOptions) -> Result<Prepared, TrainError> {
    let said = options.recipe.clone().ok_or(TrainError::Missing { what: "a recipe" })?;
    let mut recipe = Recipe::resolve(said, &options.set)?;
    if let Some(warning) = schedule::cut_short(&recipe.train) {
        tracing::warn!("{warning}");
    }
    let source =
        options.data.clone().ok_or(TrainError::Missing { what: "a collection: name it by --data" })?;
    let (collection, location) = open(source)?;
    settle(&mut recipe, &*collection)?;
    let model = match &options.start {
        Start::Init(folder) => Some(ModelFolder::read(folder)?),
        _ => None,
    };
    let mut spec = spec(&recipe, &options.home, &options.device)?;
    let mut needed = family(&recipe)?.tokenizer_of.iter().filter_map(|need| spec.needs.get(*need));
    let before = model.as_ref().or_else(|| needed.next().map(AsRef::as_ref));
    let given = before.and_then(|model| model.tokenizer.clone());
    spec.tokenizer = match ((family(&recipe)?.reads_captions)(&spec), given) {
        (false, _) => None,
        // Its embeddings belong to its own tokens.
        (true, Some(tokenizer)) if recipe.tokenizer.file.is_none() => {
            if options.set.iter().any(|change| change.trim_start().starts_with("tokenizer.")) {
                tracing::warn!(
                    "the model's own tokenizer of {} entries is taken, and what was said of one is left aside",
                    tokenizer.vocab_size()
                );
            }
            Some(tokenizer)
        }
        (true, _) => {
            let texts = captions(&*collection, &recipe.data)?;
            Some(Arc::new(Tokenizer::from_config(&recipe.tokenizer, texts)?))
        }
    };
    let mut objective = build(&recipe, &spec)?;
    let initialized = match &model {
        Some(model) => Some(initialize(&mut *objective, model)?),
        None => None,
    };
    let info = RunInfo {
        version: env!("CARGO_PKG_VERSION").to_string(),
        commit: option_env!("REBUS_COMMIT").map(str::to_string),
        seed: recipe.train.seed,
        device: options.device_name.clone(),
        data: location,
        fingerprint: collection.fingerprint()?,
        init: model.map(|model| format!("{} {}", model.place.display(), model.hash)),
        needs: needs::noted(&recipe, &spec.needs),
    };
    Ok(Prepared { recipe, info, collection, tokenizer: spec.tokenizer, objective, initialized })
}

/// For a run that goes on, at its first step still: the checkpoint is not read here.
pub(crate) fn resumed(options: &TrainOptions, run: &Run) -> Result<Prepared, TrainError> {
    let (info, table) = run.read()?;
    let old = Recipe::resolve(table.clone(), &[])
        .map_err(|error| TrainError::RunFile { file: run.settings(), reason: error.to_string() })?;
    let mut recipe = Recipe::resolve(options.recipe.clone().unwrap_or(table), &options.set)?;
    let source = options.data.clone().unwrap_or_else(|| Source::Path(info.data.clone()));
    let (collection, location) = open(source)?;
    settle(&mut recipe, &*collection)?;
    run.same(&old, &recipe)?;
    let found = collection.fingerprint()?;
    if found != info.fingerprint {
        let (data, run, wanted) = (location, run.folder().to_path_buf(), info.fingerprint);
        return Err(TrainError::DataDiffers { data, run, wanted, found });
    }
    let (tokenizer, objective) = rebuild(&recipe, &info, run, &options.home, &options.device)?;
    Ok(Prepared { recipe, info, collection, tokenizer, objective, initialized: None })
}

/// The objective of a run that has begun, with its first weights.
pub(crate) fn rebuild(
    recipe: &Recipe,
    info: &RunInfo,
    run: &Run,
    home: &Home,
    device: &Device,
) -> Result<(Option<Arc<Tokenizer>>, Box<dyn Objective>), TrainError> {
    let mut spec = spec(recipe, home, device)?;
    needs::same(run.folder(), &info.needs, &needs::noted(recipe, &spec.needs))?;
    if (family(recipe)?.reads_captions)(&spec) {
        spec.tokenizer = Some(Arc::new(Tokenizer::load(&run.tokenizer())?));
    }
    let objective = build(recipe, &spec)?;
    Ok((spec.tokenizer, objective))
}

fn open(source: Source) -> Result<(Arc<dyn Collection>, PathBuf), TrainError> {
    match source {
        Source::Path(path) => Ok((collection::open(&path, &collection::OpenOptions::default())?, path)),
        Source::Open(collection) => {
            let path = collection.location().to_path_buf();
            Ok((collection, path))
        }
    }
}

/// Says what the recipe leaves to the collection and to the place where it is begun.
fn settle(recipe: &mut Recipe, collection: &dyn Collection) -> Result<(), TrainError> {
    if let Some(split) = recipe.data.split.take() {
        // From here on the run has the keys, wherever it goes and whatever becomes of the file.
        recipe.data.held_back.extend(held_back(collection, &split)?);
    }
    choose_prompts(recipe, collection)?;
    choose_classes(recipe, collection)
}

/// Where the recipe names no prompts, captions of the collection serve, evenly spread over it.
fn choose_prompts(recipe: &mut Recipe, collection: &dyn Collection) -> Result<(), TrainError> {
    if !recipe.sample.prompts.is_empty() || recipe.data.captions.is_empty() {
        return Ok(());
    }
    let chooser = captions::Captions::new(collection, &recipe.data)?;
    let wanted = (recipe.sample.columns * recipe.sample.columns).min(collection.len());
    let spread = (0..wanted).filter_map(|place| {
        let record = collection.captions(place * collection.len() / wanted).ok()?;
        Some(chooser.heaviest(&record)).filter(|text| !text.is_empty())
    });
    recipe.sample.prompts = spread.collect();
    Ok(())
}

/// Where a family of classes is told of none, all captions of the collection are.
fn choose_classes(recipe: &mut Recipe, collection: &dyn Collection) -> Result<(), TrainError> {
    if !family(recipe)?.of_classes || recipe.model.settings.contains_key("classes") {
        return Ok(());
    }
    let chooser = captions::Captions::new(collection, &recipe.data)?;
    let names = (0..collection.len()).filter_map(|record| {
        let record = collection.captions(record).ok()?;
        Some(chooser.heaviest(&record)).filter(|name| !name.is_empty())
    });
    let classes: BTreeSet<String> = names.collect();
    if classes.len() > MOST_CLASSES {
        return Err(TrainError::Config {
            field: "data.captions",
            value: recipe.data.captions.keys().cloned().collect::<Vec<_>>().join(", "),
            rule: format!(
                "{} different captions are no closed set (of {MOST_CLASSES} names at most): name a column of classes, \
                 such as --set 'data.captions={{group=1}}'",
                classes.len()
            ),
        });
    }
    let classes = classes.into_iter().map(Value::String).collect();
    recipe.model.settings.insert("classes".to_string(), Value::Array(classes));
    Ok(())
}

fn family(recipe: &Recipe) -> Result<&'static Family, TrainError> {
    Ok(rebus_models::family(&recipe.model.family)?)
}

fn spec(recipe: &Recipe, home: &Home, device: &Device) -> Result<ObjectiveSpec, TrainError> {
    let family = family(recipe)?;
    if recipe.data.shape == Shape::Bucket && !family.any_shape {
        return Err(TrainError::Config {
            field: "data.shape",
            value: "bucket".to_string(),
            rule: format!("the family `{}` learns from pictures of one shape: crop or pad them", family.name),
        });
    }
    let size = recipe.data.image_size.size();
    let shape = [usize::from(recipe.data.channels), size.height as usize, size.width as usize];
    let device = match recipe.train.gradient_checkpointing {
        true => device.clone().autodiff().gradient_checkpointing(),
        false => device.clone().autodiff(),
    };
    let mut spec = ObjectiveSpec::new(shape, device, recipe.train.seed);
    let json = |table: &Table, place: &str| {
        serde_json::to_value(table)
            .map_err(|error| TrainError::Kind { place: place.to_string(), reason: error.to_string() })
    };
    spec.model = json(&recipe.model.settings, "model")?;
    spec.objective = json(&recipe.objective, "objective")?;
    spec.optimizer = recipe.optimizer.clone();
    spec.average = recipe.average;
    spec.precision = recipe.train.precision;
    spec.needs = home.models(recipe)?;
    spec.cache = home.cache.clone();
    if !recipe.condition.is_own() && !family.tokenizer_of.contains(&CONDITION) {
        return Err(TrainError::Config {
            field: "condition.encoder",
            value: recipe.condition.encoder.clone(),
            rule: format!("no other encoder reads for the family `{}`: leave it `own`", family.name),
        });
    }
    spec.shown_pictures = recipe.condition.pictures as f32;
    spec.pairs = recipe.data.source.is_some();
    spec.sound = recipe.data.sound.as_ref().map(|sound| (sound.column.clone(), sound.mel));
    Ok(spec)
}

fn build(recipe: &Recipe, spec: &ObjectiveSpec) -> Result<Box<dyn Objective>, TrainError> {
    (family(recipe)?.objective)(spec).map_err(|error| match &error {
        ModelError::Section { section, family, reason } => match keys::unknown(reason) {
            Some((key, known)) => keys::wrong_key(format!("[{section}] of family `{family}`"), key, &known),
            None => error.into(),
        },
        _ => error.into(),
    })
}

/// Takes what fits of a model's weights: the same name and shape.
///
/// # Errors
/// Nothing does.
fn initialize(objective: &mut dyn Objective, model: &ModelFolder) -> Result<Event, TrainError> {
    let mut snapshot = objective.snapshot();
    let (mut taken, mut anew, mut unused) = (0, vec![], vec![]);
    for (name, data) in &mut snapshot.weights {
        match model.weights.get(name) {
            Some(found) if found.shape() == data.shape() => {
                *data = found.clone();
                taken += 1;
            }
            _ => anew.push(name.clone()),
        }
    }
    for (name, data) in &mut snapshot.average {
        if let Some(found) = model.weights.get(name).filter(|found| found.shape() == data.shape()) {
            *data = found.clone();
        }
    }
    if taken == 0 {
        let place = model.place.clone();
        return Err(TrainError::NothingFits { model: place, family: model.family.clone() });
    }
    unused.extend(model.weights.keys().filter(|name| !snapshot.weights.contains_key(*name)).cloned());
    let state = objective.state();
    objective.restore(&snapshot, &state)?;
    Ok(Event::Initialized { taken, anew, unused })
}

/// The last part of a path, as a model may tell of it: the rest is nobody's business.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| "data".to_string(), |name| name.to_string_lossy().into_owned())
}

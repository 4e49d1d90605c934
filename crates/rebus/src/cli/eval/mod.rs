//! `rebus eval`: how well a model draws what it is told, what an encoder finds, and how far sets of pictures are apart.

mod compare;
mod drawn;
mod edited;
mod found;
mod heard;
mod index;
mod pairs;
mod translated;

use std::path::{Path, PathBuf};

use rebus_data::{Collection, ColumnKind, DataConfig, SourceConfig, config::ImageSize, source::Replacement};
use rebus_eval::{Extractor, Finding};
use rebus_models::{Model, foreign};
use rebus_nn::burn::tensor::Device;
use rebus_store::Part;
use rebus_train::Recipe;

use super::{compute::Compute, failure::Failure, store::Place};

/// Arguments of `rebus eval`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// A model folder, or a collection of pictures that were drawn before; the model that ships by default.
    #[arg(value_name = "MODEL|PICTURES")]
    subject: Option<PathBuf>,
    /// The collection whose captions are drawn, and with whose pictures drawings are compared.
    #[arg(long, value_name = "PATH", required_unless_present = "compare")]
    data: Option<PathBuf>,
    /// The column of captions; by default the collection's first of texts.
    #[arg(long, value_name = "COLUMN")]
    caption: Option<String>,
    /// An encoder's folder, or a safetensors file of Inception-v3 or DINOv2, on whose features distances are measured; the encoder that
    /// ships by default.
    #[arg(long, value_name = "PATH")]
    extractor: Option<PathBuf>,
    /// How an Inception extractor brings pictures to its size: as torch-fidelity and the published numbers, or as clean-fid.
    #[arg(long, value_enum, default_value_t = Resize::TorchFidelity)]
    resize: Resize,
    /// A model folder of a classifier, which says whether drawings show what they should.
    #[arg(long, value_name = "PATH")]
    classifier: Option<PathBuf>,
    /// Of a model that translates: an encoder's folder, or a safetensors file of LPIPS, by which pictures look apart; the encoder that
    /// ships by default.
    #[arg(long, value_name = "PATH")]
    perceptual: Option<PathBuf>,
    /// Of a model that translates: where sources are, in the place of `[data.source]` of its recipe, such as 'column="sketch"'.
    #[arg(long, value_name = "TOML", value_parser = sources)]
    source: Option<SourceConfig>,
    /// Of a model that translates, or with --edits: a sheet of held-out sources, what was made of each, and what should have been.
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// How faithful each way of editing is instead, on held-out captions that differ by these words, such as
    /// "light skin tone=dark skin tone". May be given more than once.
    #[arg(long, value_name = "WITHOUT=WITH", value_parser = super::attribute::replacement)]
    edits: Vec<Replacement>,
    /// How many captions of each set are drawn: 1000 by default, and of pictures that lie there already all.
    #[arg(long, value_parser = samples)]
    samples: Option<usize>,
    /// True pictures of each set whose likelihood is measured, where the model knows it (autoencoders, flows of pixels).
    #[arg(long, default_value_t = 32, value_name = "N")]
    likelihoods: usize,
    /// The seed of the choice and of the drawing.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How closely to follow the caption.
    #[arg(long)]
    guidance_scale: Option<f32>,
    /// Of a model that translates: how closely to follow the source.
    #[arg(long)]
    image_guidance_scale: Option<f32>,
    /// How many steps to take.
    #[arg(long)]
    steps: Option<usize>,
    /// The share of captions that was held out in training; by default as the model's own recipe says, else 0.05.
    #[arg(long, value_parser = share)]
    validation_fraction: Option<f64>,
    /// How sure an encoder may say it is of labels and captions: found on held-out pictures, and noted in the model's folder.
    #[arg(long)]
    calibrate: bool,
    /// The column of sounds that a model which hears is told instead of captions, or by which an encoder finds.
    #[arg(long, value_name = "COLUMN", conflicts_with = "split")]
    sounds: Option<String>,
    /// A column by whose values held-out captions or sounds are measured apart too, such as the voice or the language: of a model that
    /// draws, and of an encoder that hears.
    #[arg(long, value_name = "COLUMN")]
    by: Option<String>,
    /// What an encoder still finds where pictures are spoiled and captions misspelt, at five strengths; of sounds, with noise and at
    /// other speeds.
    #[arg(long)]
    robustness: bool,
    /// A file of `rebus data split`, whose sets of captions are drawn too.
    #[arg(long, value_name = "JSON")]
    split: Option<PathBuf>,
    /// A folder for eval.json and eval.html, or one of the two by its own name.
    #[arg(short, long, value_name = "REPORT")]
    output: Option<PathBuf>,
    /// Reports to compare: their eval.json, or the folders that hold it.
    #[arg(long, value_name = "REPORT", num_args = 1.., conflicts_with_all = ["subject", "data"])]
    compare: Vec<PathBuf>,
    /// Look at all pictures anew, and keep nothing of it in the cache of the system.
    #[arg(long)]
    no_cache: bool,
    #[command(flatten)]
    compute: Compute,
    /// Print the numbers as JSON.
    #[arg(long)]
    json: bool,
}

/// Whose way of resizing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Resize {
    TorchFidelity,
    CleanFid,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Distances between drawn and real pictures by their features, of any extractor.
    Distances {
        /// Features of drawn pictures: a NumPy file of float32 or float64, a row a picture.
        drawn: PathBuf,
        /// Features of real pictures by the same extractor.
        real: PathBuf,
        /// The seed of the kernel distance's subsets.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Print the numbers as JSON.
        #[arg(long)]
        json: bool,
    },
    /// How alike a picture and the one that it should be are: PSNR, SSIM, multi-scale SSIM, and how far they look apart.
    Similarity {
        /// The picture; a transparent one is laid on white.
        picture: PathBuf,
        /// What it should be, of the same size.
        reference: PathBuf,
        /// An encoder's folder, or a safetensors file of LPIPS, by which they look apart; the encoder that ships by default.
        #[arg(long, value_name = "PATH")]
        perceptual: Option<PathBuf>,
        /// Print the numbers as JSON.
        #[arg(long)]
        json: bool,
    },
    /// How many of the truly nearest the index of a store finds, and how fast: asked by what is in it, captions for pictures.
    Index {
        #[command(flatten)]
        place: Place,
        /// What is looked for: pictures, sounds or captions.
        #[arg(long, default_value = "picture", value_parser = ["picture", "sound", "caption"])]
        of: String,
        /// How many are asked for.
        #[arg(short = 'k', long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        count: u32,
        /// How often it is asked at most.
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
        queries: u32,
        /// The seed of what is asked.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Print the numbers as JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    match (&args.command, &args.data) {
        (Some(Command::Distances { drawn, real, seed, json }), _) => {
            pairs::distances_of(drawn, real, *seed, *json)
        }
        (Some(Command::Similarity { picture, reference, perceptual, json }), _) => {
            pairs::similarity_of(picture, reference, perceptual.as_deref(), *json)
        }
        (Some(Command::Index { place, of, count, queries, seed, json }), _) => {
            let mut settings = Finding::default();
            settings.part = Part::by_name(of).unwrap_or(Part::Picture);
            (settings.count, settings.queries, settings.seed) = (*count as usize, *queries as usize, *seed);
            index::index(&*place.open()?, &settings, *json)
        }
        (None, Some(data)) => measure(args, data),
        (None, None) => compare::compare(&args.compare, args.output.as_deref(), args.json),
    }
}

fn measure(args: &Args, data: &Path) -> Result<(), Failure> {
    let pictures = args.subject.as_deref().filter(|subject| !subject.join("model.json").is_file());
    let collection = rebus_data::open(data, &Default::default())?;
    for column in args.caption.iter().chain(&args.sounds).chain(&args.by) {
        has_column(&*collection, column)?;
    }
    if let Some(column) = &args.sounds {
        has_sounds(&*collection, column)?;
    }
    if let Some(pictures) = pictures {
        return drawn::pictures(args, pictures, &*collection);
    }
    let model = args.compute.model(args.subject.as_deref())?;
    let config = reading(&*model, args);
    if !args.edits.is_empty() {
        return edited::edited(args, &*model, &*collection, &config);
    }
    match (model.generate(), model.encode(), model.translate()) {
        (None, Some(_), _) => found::found(args, model, &*collection, config),
        (None, None, Some(_)) => translated::translated(args, &*model, collection, config),
        _ => drawn::model(args, &*model, &*collection, config),
    }
}

impl From<Resize> for foreign::Resizing {
    fn from(resize: Resize) -> Self {
        match resize {
            Resize::TorchFidelity => Self::TorchFidelity,
            Resize::CleanFid => Self::CleanFid,
        }
    }
}

/// How pictures are read for a model, and which are held out.
fn reading(model: &dyn Model, args: &Args) -> DataConfig {
    let [channels, height, width] = model.info().picture_shape;
    let mut config = trained_with(model)
        .unwrap_or_else(|| DataConfig { validation_fraction: 0.05, ..DataConfig::default() });
    if let Some(fraction) = args.validation_fraction {
        config.validation_fraction = fraction;
    }
    if args.source.is_some() {
        config.source.clone_from(&args.source);
    }
    if let Some(column) = &args.sounds {
        config.sound.get_or_insert_default().column.clone_from(column);
    }
    config.channels = channels as u8;
    config.image_size = ImageSize::Sides([height as u32, width as u32]);
    config.captions.clear();
    config
}

/// What `--extractor` names.
fn named_extractor(args: &Args, device: &Device) -> Result<Option<Extractor>, Failure> {
    let Some(path) = &args.extractor else { return Ok(None) };
    let model = rebus::looking_model(Some(path), args.resize.into(), device)?;
    Ok(Some(Extractor::new(drawn::name_of(path), model)?))
}

fn shipped_extractor(device: &Device) -> Result<Extractor, Failure> {
    Ok(Extractor::new("the encoder that ships", rebus::default_encoder(device)?)?)
}

fn has_column(collection: &dyn Collection, column: &str) -> Result<(), Failure> {
    let columns = collection.columns();
    if columns.iter().any(|known| known.name == column) {
        return Ok(());
    }
    let names: Vec<&str> = columns.iter().map(|known| known.name.as_str()).collect();
    let there = collection.location().display();
    Err(Failure::input(format!("{there} has no column `{column}`; it has: {}", names.join(", "))))
}

/// Refuses a column of anything but files.
fn has_sounds(collection: &dyn Collection, column: &str) -> Result<(), Failure> {
    let files = collection.columns().iter().filter(|known| known.kind == ColumnKind::File);
    let files: Vec<&str> = files.map(|known| known.name.as_str()).collect();
    if files.contains(&column) {
        return Ok(());
    }
    let (there, files) = (collection.location().display(), files.join(", "));
    Err(Failure::input(format!("the column `{column}` of {there} has no sounds; these have files: {files}")))
}

fn samples(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least one caption of each half must be drawn".to_string()),
        other => other.map_err(|error| format!("{error}")),
    }
}

/// `transform="edges"`
fn sources(text: &str) -> Result<SourceConfig, String> {
    toml::from_str(text).map_err(|error| error.message().to_string())
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("a share is a number from 0 to below 1, such as 0.05".to_string()),
    }
}

/// How the model's own training read and split its collection, as far as it says.
pub(crate) fn trained_with(model: &dyn Model) -> Option<DataConfig> {
    let recipe = model.info().provenance.get("recipe")?.as_str()?;
    let table = toml::from_str(recipe).ok()?;
    Some(Recipe::resolve(table, &[]).ok()?.data)
}

//! `rebus eval` of a model that draws, or of pictures that were drawn before: a table, and a report to keep.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use fs_err as fs;
use rebus_data::{
    Collection, DataConfig, SplitFile, config::ImageSize, main_pictures, picture, split, write_atomic,
};
use rebus_eval::{
    CaptionSet, Distances, Evaluated, Evaluation, Extractor, Judge, Measured, Rulers, Source, evaluate, page,
    table,
};
use rebus_models::{Encode, Model};
use rebus_nn::burn::tensor::Device;

use super::{Args, named_extractor, shipped_extractor};
use crate::cli::{cache, failure::Failure, progress, say::out};

/// A model draws the captions of a collection.
pub(super) fn model(
    args: &Args,
    model: &dyn Model,
    collection: &dyn Collection,
    config: DataConfig,
) -> Result<(), Failure> {
    if args.robustness {
        tracing::warn!("--robustness has no meaning for a model that draws, and is left aside");
    }
    let name = args.subject.as_deref().map_or("the model that ships".to_string(), name_of);
    report(args, &name, Source::Model(model), collection, config)
}

/// Pictures that lie there already.
pub(super) fn pictures(args: &Args, path: &Path, collection: &dyn Collection) -> Result<(), Failure> {
    for (option, given) in [
        ("--steps", args.steps.is_some()),
        ("--guidance-scale", args.guidance_scale.is_some()),
        ("--split", args.split.is_some()),
        ("--caption", args.caption.is_some()),
        ("--validation-fraction", args.validation_fraction.is_some()),
        ("--robustness", args.robustness),
        ("--sounds", args.sounds.is_some()),
        ("--by", args.by.is_some()),
    ] {
        if given {
            tracing::warn!("{option} has no meaning for pictures that are there already, and is left aside");
        }
    }
    let drawn = rebus_data::open(path, &Default::default())?;
    let mut config = DataConfig::default();
    let column = main_pictures(drawn.columns()).map(|column| column.name.clone());
    config.picture_column = column.ok_or_else(|| {
        Failure::input(format!("{} is no model folder and has no pictures either", path.display()))
    })?;
    // The first that can be read gives the size at which all are compared.
    let first = (0..drawn.len()).find_map(|record| {
        let fields = drawn.record(record).ok()?;
        picture::dimensions(fields.picture(&config.picture_column)?, config.max_pixels).ok()
    });
    let (width, height) =
        first.ok_or_else(|| Failure::input(format!("{} has no picture that can be read", path.display())))?;
    config.image_size = ImageSize::Sides([height, width]);
    config.validation_fraction = 0.0;
    report(args, &name_of(path), Source::Pictures(&*drawn), collection, config)
}

fn report(
    args: &Args,
    name: &str,
    source: Source<'_>,
    collection: &dyn Collection,
    config: DataConfig,
) -> Result<(), Failure> {
    let files = args.output.as_deref().map(Files::resolve).transpose()?;
    let device = rebus::device(args.compute.device())?;
    let own = named_extractor(args, &device)?;
    let knows_words = own.as_ref().map(Extractor::encoder).transpose()?.is_some_and(Encode::reads_texts);
    let shipped = match &own {
        Some(_) if knows_words => None,
        _ => Some(shipped_extractor(&device)?),
    };
    let either =
        |first: &'_ Option<Extractor>, second: &'_ Option<Extractor>| first.clone().or(second.clone());
    let none = || Failure::input("name an encoder with --extractor");
    let extractor = either(&own, &shipped).ok_or_else(none)?;
    let encoder = either(&shipped, &own).ok_or_else(none)?;
    let judge = args.classifier.as_deref().map(|path| judge(path, &device)).transpose()?;
    if let Some(judge) = &judge {
        super::has_column(collection, judge.column())?;
    }
    let rulers = Rulers { extractor: &extractor, encoder: &encoder, judge: judge.as_ref() };
    let mut settings = Evaluation::new(config);
    settings.column.clone_from(&args.caption);
    settings.sounds.clone_from(&args.sounds);
    settings.samples = args.samples;
    settings.likelihoods = args.likelihoods;
    settings.cache = if args.no_cache { None } else { cache::folder("eval") };
    if let Some(file) = &args.split {
        settings.sets = sets(file, collection)?;
    }
    if let (Some(by), Source::Model(_)) = (&args.by, source) {
        settings.sets.extend(apart(by, collection, &settings.data)?);
    }
    settings.drawing.seed = args.seed;
    settings.distances.seed = args.seed;
    settings.drawing.guidance_scale = args.guidance_scale;
    settings.drawing.num_inference_steps = args.steps;
    let evaluated =
        evaluate(name, source, collection, rulers, &settings, &mut progress::Drawing::of("pictures"))?;
    if let Some(files) = &files {
        files.write(&evaluated)?;
    }
    if args.json {
        out!("{}", serde_json::to_string_pretty(&evaluated.report)?);
        return Ok(());
    }
    print(&evaluated)?;
    for file in files.iter().flat_map(|files| [&files.json, &files.page]).flatten() {
        out!("{}", file.display());
    }
    Ok(())
}

/// A classifier, asked for the column that it was trained on.
fn judge(path: &Path, device: &Device) -> Result<Judge, Failure> {
    let model = rebus::model(Some(path), device)?;
    let captions = super::trained_with(&*model).map(|config| config.captions).unwrap_or_default();
    // Of columns of one weight the first, as training takes them.
    let heaviest = captions.values().fold(0.0f32, |most, weight| most.max(*weight));
    let column = captions.into_iter().find(|(_, weight)| *weight == heaviest).map(|(column, _)| column);
    Ok(Judge::new(model, column.unwrap_or_else(|| "text".to_string()))?)
}

/// The sets of a split.
fn sets(path: &Path, collection: &dyn Collection) -> Result<Vec<CaptionSet>, Failure> {
    let file = SplitFile::read(path)?;
    if file.fingerprint != collection.fingerprint()? {
        tracing::warn!("{} was written for another state of this collection", path.display());
    }
    let records = file.records(collection, path)?;
    let sets = file.sets.iter().zip(records).map(|(set, captions)| {
        let (records, captions) = captions.into_iter().unzip();
        CaptionSet { captions: Some(captions), ..CaptionSet::new(&set.name, records) }
    });
    Ok(sets.filter(|set| !set.records.is_empty()).collect())
}

/// The held-out records of each value of a column.
fn apart(column: &str, collection: &dyn Collection, config: &DataConfig) -> Result<Vec<CaptionSet>, Failure> {
    let mut sets: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for record in split(collection, config)?.validation {
        if let Some(value) = collection.captions(record)?.text(column) {
            sets.entry(value).or_default().push(record);
        }
    }
    Ok(sets.into_iter().map(|(value, records)| CaptionSet::new(value, records)).collect())
}

fn print(evaluated: &Evaluated) -> Result<(), Failure> {
    let report = &evaluated.report;
    out!(
        "{} against {}: {} pictures as reference, {} as training; distances by {}",
        report.subject.name,
        report.collection.location,
        report.collection.reference,
        report.collection.training,
        report.extractor.name
    );
    let width = report.sets.iter().map(|set| set.name.chars().count() + 2).max().unwrap_or(0).max(12);
    let header = report.sets.iter().map(|set| format!("{:>width$}{:>10}", set.name, "real"));
    out!("{:44}{}", "", header.collect::<String>());
    for row in table(report) {
        let cells = row.values.iter().enumerate().map(|(set, value)| {
            let floor = row.floors.get(set).map_or("", String::as_str);
            format!("{value:>width$}{floor:>10}")
        });
        out!("{:44}{}", row.measure, cells.collect::<String>().trim_end());
    }
    let mut told: Vec<&str> = vec![];
    for note in report.sets.iter().flat_map(|set| [&set.distances, &set.floor]).filter_map(note) {
        if !told.contains(&note) {
            out!("{note}");
            told.push(note);
        }
    }
    Ok(())
}

/// Why there is no distance, or not every one.
fn note(measured: &Measured<Distances>) -> Option<&str> {
    match measured {
        Measured::Missing { note } => Some(note),
        Measured::Found(found) => found.note.as_deref(),
    }
}

/// The last part of a path; of a run's `model` the run's name.
pub(super) fn name_of(path: &Path) -> String {
    let named = match path.parent().filter(|_| path.ends_with("model")) {
        Some(run) if run.file_name().is_some() => run,
        _ => path,
    };
    named.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Where a report goes.
struct Files {
    json: Option<PathBuf>,
    page: Option<PathBuf>,
}

impl Files {
    /// The files of `path`, which are not there yet; the folder is made now, so that a place that cannot be written is known
    /// before the work.
    fn resolve(path: &Path) -> Result<Self, Failure> {
        let files = match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => Self { json: Some(path.to_path_buf()), page: None },
            Some("html") => Self { json: None, page: Some(path.to_path_buf()) },
            _ => Self { json: Some(path.join("eval.json")), page: Some(path.join("eval.html")) },
        };
        for file in [&files.json, &files.page].into_iter().flatten() {
            if file.exists() {
                return Err(Failure::input(format!(
                    "{} is there already, and is not replaced. Name another place by --output",
                    file.display()
                )));
            }
            if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                fs::create_dir_all(folder)?;
            }
        }
        Ok(files)
    }

    fn write(&self, evaluated: &Evaluated) -> Result<(), Failure> {
        if let Some(file) = &self.json {
            write_atomic(file, format!("{}\n", serde_json::to_string_pretty(&evaluated.report)?).as_bytes())?;
        }
        if let Some(file) = &self.page {
            write_atomic(file, page(evaluated)?.as_bytes())?;
        }
        Ok(())
    }
}

//! `rebus data`: a look at a collection before training, and changing its format.

use std::{ops::ControlFlow, path::PathBuf, sync::atomic::Ordering};

use image::DynamicImage;
use rebus_data::{
    Collection, ColumnKind, DataConfig, DataError, Format, InspectOptions, Inspection, SplitFile, SplitKind,
    augment::Augment,
    contact_sheet, convert,
    fit::Fitter,
    inspect, main_pictures,
    picture::{decode, flatten, parse_color},
    random::{Purpose, stream},
    split::{Rule, composition, default_rules, perturbed},
    write_atomic, write_png,
};

use super::{
    failure::Failure,
    progress,
    say::{harmless, out},
};

/// Arguments of `rebus data`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Counts, sizes, captions, broken files, duplicates, a contact sheet.
    Inspect {
        /// The collection: a folder, a .tar, shards, Parquet.
        path: PathBuf,
        /// Write a contact sheet of pictures spread over the collection.
        #[arg(long, value_name = "PNG")]
        sheet: Option<PathBuf>,
        /// Write what a recipe's augmentation does to the first picture.
        #[arg(long, value_name = "PNG", requires = "recipe")]
        augmented: Option<PathBuf>,
        /// The recipe whose [data] section augments.
        #[arg(long, value_name = "TOML|NAME")]
        recipe: Option<PathBuf>,
        /// Print the report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Copy a collection into another format; pictures keep their bytes.
    Convert {
        /// The collection.
        path: PathBuf,
        /// The format.
        #[arg(long, value_enum)]
        to: To,
        /// Where to; nothing may be there.
        #[arg(short, long, value_name = "PATH")]
        output: PathBuf,
    },
    /// Write sets of captions to be measured apart: `rebus eval --split FILE`, and `data.split` in a recipe.
    Split {
        /// The collection.
        path: PathBuf,
        /// What is asked: `composition` holds combinations of learned parts back, `perturbed` says captions in another way.
        #[arg(long, value_enum)]
        kind: Asks,
        /// The file to write; it is not there yet.
        #[arg(short, long, value_name = "JSON")]
        output: PathBuf,
        /// Combinations of one's own: NAME=REGEX with the groups (?<a>…) and (?<b>…). Skin tones, colours and `with` by default.
        #[arg(long, value_name = "NAME=REGEX", value_parser = rule)]
        rule: Vec<Rule>,
        /// The share of combinations that is held back.
        #[arg(long, default_value_t = 0.15)]
        fraction: f64,
        /// The share of captions that the model will be trained without beside these, as in its recipe: what lies there supports no part.
        #[arg(long, default_value_t = 0.05)]
        validation_fraction: f64,
        /// How many captions each set of `perturbed` has at most.
        #[arg(long, default_value_t = 500)]
        count: usize,
        /// The seed of `perturbed`.
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
}

/// What a split asks.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Asks {
    /// Parts that are learned apart and asked for together.
    Composition,
    /// Captions that say the same in another way.
    Perturbed,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum To {
    Webdataset,
    Parquet,
    Folder,
}

fn rule(text: &str) -> Result<Rule, String> {
    let (name, pattern) = text.split_once('=').ok_or("a rule is NAME=REGEX")?;
    Ok(Rule { name: name.to_string(), pattern: pattern.to_string() })
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Inspect { path, sheet, augmented, recipe, json } => {
            sheet.iter().chain(augmented).try_for_each(|file| super::writing::png_file(file))?;
            let collection = rebus_data::open(path, &Default::default())?;
            let bar = progress::bar(collection.len() as u64, "looking");
            let mut step = |done: usize, _total: usize| bar.set_position(done as u64);
            let found = inspect(&*collection, &InspectOptions::default(), &mut step)?;
            bar.finish_and_clear();
            match json {
                true => out!("{}", serde_json::to_string_pretty(&found)?),
                false => print(&found)?,
            }
            if let Some(file) = sheet {
                let images = spread(&*collection, 64)?;
                write_png(file, &contact_sheet(&images, 8, 2, "white")?.into(), &[])?;
                out!("contact sheet  {}", file.display());
            }
            if let (Some(file), Some(recipe)) = (augmented, recipe) {
                let table = super::train::recipe_table(recipe)?;
                let config = rebus_train::Recipe::resolve(table, &[])?.data;
                write_png(
                    file,
                    &contact_sheet(&augmentations(&*collection, &config)?, 8, 2, "white")?.into(),
                    &[],
                )?;
                out!("augmented      {}", file.display());
            }
            Ok(())
        }
        Command::Split { path, kind, output, rule, fraction, validation_fraction, count, seed } => {
            if output.exists() {
                return Err(Failure::input(format!(
                    "{} is there already, and a split never changes. Name another file by --output",
                    output.display()
                )));
            }
            for (option, share) in [("fraction", fraction), ("validation-fraction", validation_fraction)] {
                if !(0.0..1.0).contains(share) {
                    let message = format!("--{option} {share}: a share is from 0 to below 1");
                    return Err(Failure::input(message));
                }
            }
            let collection = rebus_data::open(path, &Default::default())?;
            let (kind, sets) = match kind {
                Asks::Composition => {
                    let rules = if rule.is_empty() { default_rules() } else { rule.clone() };
                    (
                        SplitKind::Composition,
                        composition(&*collection, &rules, *fraction, *validation_fraction)?,
                    )
                }
                Asks::Perturbed => {
                    let all: Vec<usize> = (0..collection.len()).collect();
                    (SplitKind::Perturbed, perturbed(&*collection, &all, *count, *seed)?)
                }
            };
            for set in &sets {
                let some: Vec<&str> =
                    set.captions.iter().take(3).map(|entry| entry.caption.as_str()).collect();
                out!("{:16} {:4} captions   {}", set.name, set.captions.len(), some.join(" | "));
            }
            if sets.iter().all(|set| set.captions.is_empty()) {
                let hint = match kind {
                    SplitKind::Composition => "give a --rule of its own",
                    SplitKind::Perturbed => "it needs captions",
                };
                return Err(Failure::input(format!("{} has no such captions: {hint}", path.display())));
            }
            let file = SplitFile::new(kind, &*collection, sets)?;
            write_atomic(output, file.to_json().as_bytes())?;
            out!("{}", output.display());
            Ok(())
        }
        Command::Convert { path, to, output } => {
            let collection = rebus_data::open(path, &Default::default())?;
            let format = match to {
                To::Webdataset => Format::Webdataset,
                To::Parquet => Format::Parquet,
                To::Folder => Format::Folder,
            };
            let bar = progress::bar(collection.len() as u64, "writing");
            let interrupted = progress::interruptible();
            let mut step = |done: usize, _total: usize| {
                bar.set_position(done as u64);
                if interrupted.load(Ordering::Relaxed) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            };
            let report = convert(&*collection, format, output, &mut step)?;
            bar.finish_and_clear();
            for broken in &report.broken {
                tracing::warn!("left out: {}: {}", broken.key, broken.reason);
            }
            out!("{} records, {} files, {} bytes", report.records, report.files, report.bytes);
            out!("{}", report.output.display());
            Ok(())
        }
    }
}

fn print(found: &Inspection) -> Result<(), Failure> {
    out!("{} ({}), {} records", found.location.display(), found.format, found.records);
    let pictures = &found.pictures;
    let list = |counts: Vec<String>| counts.join(", ");
    out!("pictures       {}", pictures.count);
    out!("formats        {}", list(pictures.formats.iter().map(|(f, n)| format!("{f} {n}")).collect()));
    out!("modes          {}", list(pictures.modes.iter().map(|(m, n)| format!("{m} {n}")).collect()));
    let sizes = pictures.sizes.iter().take(6).map(|s| format!("{}x{} {}", s.width, s.height, s.count));
    out!(
        "sizes          {}{}",
        list(sizes.collect()),
        if pictures.other_sizes > 0 { ", others" } else { "" }
    );
    out!(
        "shapes         wide {}, square {}, high {}",
        pictures.landscape,
        pictures.square,
        pictures.portrait
    );
    if pictures.turned_by_exif > 0 {
        out!("turned by EXIF {}", pictures.turned_by_exif);
    }
    for caption in &found.captions {
        let lengths = caption.characters.map_or(String::new(), |spread| {
            format!(", {} to {} characters (median {})", spread.min, spread.max, spread.median)
        });
        out!(
            "column         {}: {} there, {} missing{lengths}",
            caption.column,
            caption.present,
            caption.missing
        );
    }
    for column in found.columns.iter().filter(|column| column.kind == ColumnKind::File) {
        out!("column         {}: files that are no pictures; learning leaves them out", column.name);
    }
    let groups = |groups: &rebus_data::inspect::Groups| {
        format!("{} more than needed, in {} groups", groups.surplus, groups.count)
    };
    for (what, sets) in [("duplicates    ", &found.duplicates), ("near ones     ", &found.near_duplicates)] {
        out!("{what} {}", groups(sets));
        for set in sets.listed.iter().take(6) {
            out!("               {}", harmless(&set.join(", ")));
        }
    }
    out!("broken         {}", found.broken.len());
    for broken in found.broken.iter().take(20) {
        out!("               {}", harmless(&format!("{}: {}", broken.key, broken.reason)));
    }
    for over in found.over_limit.iter().take(20) {
        out!("too large      {}: {}x{}", over.key, over.width, over.height);
    }
    Ok(())
}

/// Pictures evenly spread over a collection, fitted into squares of 64 pixels.
fn spread(collection: &dyn Collection, count: usize) -> Result<Vec<DynamicImage>, Failure> {
    let config = DataConfig { shape: rebus_data::config::Shape::Pad, ..square(64) };
    let fitter = Fitter::new(&config)?;
    let count = count.min(collection.len());
    let mut images = vec![];
    for place in 0..count {
        let record = place * collection.len() / count;
        if let Ok(image) = picture(collection, record, &config) {
            images.push(fitter.fit(image, 0)?);
        }
    }
    Ok(images)
}

/// The first picture as it stands, and as 31 epochs would see it.
fn augmentations(collection: &dyn Collection, config: &DataConfig) -> Result<Vec<DynamicImage>, Failure> {
    let first = (0..collection.len()).find_map(|record| picture(collection, record, config).ok());
    let image = first.ok_or_else(|| Failure::input("no picture of the collection can be read"))?;
    let fitter = Fitter::new(config)?;
    let fitted = fitter.fit(image.clone(), fitter.bucket(image.width(), image.height()))?;
    let augment = Augment::new(config)?;
    let mut images = vec![fitted.clone()];
    for sample in 0..31 {
        images.push(augment.apply(fitted.clone(), &mut stream(0, Purpose::Augment, 0, sample)));
    }
    Ok(images)
}

fn picture(
    collection: &dyn Collection,
    record: usize,
    config: &DataConfig,
) -> Result<DynamicImage, DataError> {
    let fields = collection.record(record)?;
    let column = main_pictures(collection.columns()).map_or("image", |column| &column.name);
    let encoded = fields.picture(column);
    let encoded = encoded
        .ok_or_else(|| DataError::NoPicture { key: fields.key.clone(), column: column.to_string() })?;
    let image = decode(encoded, config.max_pixels)?;
    Ok(flatten(image, config.channels, parse_color(&config.background)?))
}

fn square(side: u32) -> DataConfig {
    DataConfig { image_size: rebus_data::config::ImageSize::Square(side), ..DataConfig::default() }
}

//! `rebus attribute`: a slider for `rebus edit --attribute`, learned from contrasts in a collection.

use std::path::{Path, PathBuf};

use rebus_data::{
    Collection, DataConfig, SourceConfig,
    captions::caption_column,
    main_pictures, picture,
    source::{Groups, Replacement, contrasts},
    write_atomic,
};
use rebus_tasks::{Attribute, Contrast, TaskError};

use super::{
    compute::Compute,
    failure::Failure,
    progress,
    say::{out, tell},
};

/// Where sliders are that no path is given of.
const FOLDER: &str = "attributes";

/// Arguments of `rebus attribute`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the slider is called.
    name: String,
    /// The collection: a folder, a .tar, shards, Parquet.
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    /// Words of captions and those in whose place they stand, such as "grinning=frowning": captions that differ by them alone are
    /// contrasts. May be given more than once.
    #[arg(long, value_name = "WITHOUT=WITH", value_parser = replacement, required_unless_present = "with")]
    words: Vec<Replacement>,
    /// Pictures with it: what their column contains.
    #[arg(long, value_name = "TEXT", requires = "without", conflicts_with = "words")]
    with: Option<String>,
    /// Pictures without it: what their column contains.
    #[arg(long, value_name = "TEXT", requires = "with")]
    without: Option<String>,
    /// The column of `--with` and `--without`, such as group; that of captions by default.
    #[arg(long, value_name = "COLUMN", requires = "with")]
    column: Option<String>,
    /// The model that it is for; the one that ships by default.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// The file to write, which is not there yet; attributes/NAME.json by default.
    #[arg(short, long, value_name = "JSON")]
    output: Option<PathBuf>,
    /// Print what was found as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    compute: Compute,
}

/// `grinning=frowning`
pub(super) fn replacement(text: &str) -> Result<Replacement, String> {
    let (from, to) = text.split_once('=').ok_or_else(|| format!("`{text}` lacks its `=`"))?;
    if to.is_empty() {
        return Err(format!("behind the `=` of `{text}` there must be words, for which to look in captions"));
    }
    Ok(Replacement { from: from.to_string(), to: to.to_string(), say: None })
}

/// `smile=+1`, as `rebus edit` is told it.
pub(crate) fn amount(text: &str) -> Result<(String, f64), String> {
    let (name, amount) = text.rsplit_once('=').ok_or_else(|| format!("`{text}` lacks its `=`"))?;
    let amount = amount.trim().parse::<f64>().ok().filter(|amount| amount.is_finite());
    let amount =
        amount.ok_or_else(|| format!("`{text}`: how far it goes must be a number, such as +1 or -0.5"))?;
    Ok((name.trim().to_string(), amount))
}

/// A slider by its name, or by its path.
pub(crate) fn read(name: &str) -> Result<Attribute, Failure> {
    let kept = file_of(name);
    let file = if Path::new(name).is_file() { PathBuf::from(name) } else { kept };
    let text = fs_err::read_to_string(&file).map_err(|error| {
        let way = format!("`rebus attribute {name} --data PATH --words \"WITHOUT=WITH\"` makes it");
        Failure::input(format!("attribute {name}: {error}. {way}"))
    })?;
    Ok(Attribute::from_json(&text, &file.display().to_string())?)
}

fn file_of(name: &str) -> PathBuf {
    Path::new(FOLDER).join(format!("{name}.json"))
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let file = args.output.clone().unwrap_or_else(|| file_of(&args.name));
    if file.exists() {
        return Err(TaskError::Exists { path: file }.into());
    }
    let collection = rebus_data::open(&args.data, &Default::default())?;
    let config = match (&args.without, &args.with) {
        (Some(without), Some(with)) => SourceConfig::Groups(Groups {
            column: args.column.clone(),
            source: without.clone(),
            picture: with.clone(),
        }),
        _ => SourceConfig::Words(args.words.clone()),
    };
    let pairs = contrasts(&*collection, &config)?;
    let model = args.compute.model(args.model.as_deref())?;
    let found = Attribute::chosen(pairs.len()).map(|at| contrast(&*collection, pairs[at]));
    let found = found.collect::<Result<Vec<_>, _>>()?;
    let attribute = Attribute::learn(&*model, &args.name, &found, &mut progress::Drawing::of("looking"))?;
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs_err::create_dir_all(folder)?;
    }
    write_atomic(&file, attribute.to_json()?.as_bytes())?;
    let [without, with] = &attribute.contrasts[attribute.contrasts.len() / 2];
    tell!("{} contrasts, such as {without:?} and {with:?}", attribute.contrasts.len());
    match args.json {
        true => {
            let said = serde_json::json!({ "file": file, "contrasts": attribute.contrasts });
            out!("{}", serde_json::to_string_pretty(&said)?);
        }
        false => out!("{}", file.display()),
    }
    Ok(())
}

/// Two records with their captions and pictures.
pub(super) fn contrast(collection: &dyn Collection, records: [usize; 2]) -> Result<Contrast, Failure> {
    let lacks = |what: &str| Failure::input(format!("{}: no {what}", collection.location().display()));
    let texts = caption_column(collection).ok_or_else(|| lacks("column of captions"))?;
    let pictures = main_pictures(collection.columns()).ok_or_else(|| lacks("column of pictures"))?;
    let both = |record: usize| {
        let record = collection.record(record)?;
        let file =
            record.picture(&pictures.name).ok_or_else(|| lacks(&format!("picture in {}", record.key)))?;
        let picture = picture::decode(file, DataConfig::default().max_pixels)?;
        Ok::<_, Failure>((record.text(texts).unwrap_or_default(), picture))
    };
    let ((without, picture_without), (with, picture_with)) = (both(records[0])?, both(records[1])?);
    Ok(Contrast { captions: [without, with], pictures: [picture_without, picture_with] })
}

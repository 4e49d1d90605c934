//! `rebus search`: pictures by words, by pictures, by what their fields say.

use std::path::{Path, PathBuf};

use image::DynamicImage;
use rebus_data::write_atomic;
use rebus_store::{Item, Part, Value};
use rebus_tasks::{SearchTask, Shelf, TaskError, find::Found, search};
use serde::Serialize;

use super::{
    failure::Failure,
    picture::{read_picture, read_sound},
    say::{harmless, out, tell},
    store::{Finding, filter, shown},
    writing::{sheet_file, write_sheet},
};

/// The longer side of a picture on a page or a sheet.
const SIDE: u32 = 160;

/// Arguments of `rebus search`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the pictures show, in words.
    words: Vec<String>,
    /// A picture like which they are; may be given several times.
    #[arg(long, value_name = "FILE")]
    image: Vec<PathBuf>,
    /// A sound that tells what they show, for an encoder that hears; may be given several times.
    #[arg(long, value_name = "FILE")]
    audio: Vec<PathBuf>,
    /// What they do not show, in words; may be given several times.
    #[arg(long, value_name = "WORDS")]
    without: Vec<String>,
    /// How much each counts: words, pictures, sounds, then --without, in this order. 1 each and 0.5 for --without by default.
    #[arg(long, value_delimiter = ',', value_name = "NUMBERS", allow_negative_numbers = true)]
    weights: Option<Vec<f32>>,
    /// Words of which captions must have some; beside other wishes both rankings are fused.
    #[arg(long, value_name = "WORDS")]
    text: Option<String>,
    /// What fields must be, as in SQL: "group = 'Food & Drink' AND width >= 64". `rebus index show` names the fields.
    #[arg(long = "where", value_name = "FILTER")]
    filter: Option<String>,
    /// What is compared: pictures, sounds or captions.
    #[arg(long, default_value = "picture", value_parser = ["picture", "sound", "caption"])]
    of: String,
    /// How many at most.
    #[arg(short = 'k', long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
    #[command(flatten)]
    finding: Finding,
    #[command(flatten)]
    shown: Showing,
}

/// How found pictures are shown.
#[derive(Debug, clap::Args)]
pub(crate) struct Showing {
    /// Also write the pictures on one sheet.
    #[arg(long, value_name = "PNG")]
    sheet: Option<PathBuf>,
    /// Also write a page with the pictures, which needs nothing else.
    #[arg(long, value_name = "HTML")]
    html: Option<PathBuf>,
    /// Print what was found as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A line of what was found.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) path: String,
    pub(crate) said: String,
    /// The picture as a data URI, once a page needs it.
    picture: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    args.shown.check()?;
    let store = args.finding.place.open()?;
    let pictures = args.image.iter().map(|path| read_picture(path)).collect::<Result<Vec<_>, _>>()?;
    let task = SearchTask {
        texts: args.words.clone(),
        pictures,
        sounds: args.audio.iter().map(|path| read_sound(path)).collect::<Result<_, _>>()?,
        without: args.without.clone(),
        weights: args.weights.clone(),
        words: args.text.clone(),
        filter: filter(&*store, args.filter.as_deref())?,
        part: Part::by_name(&args.of).unwrap_or(Part::Picture),
        count: args.count as usize,
    };
    let model = task.shows().then(|| args.finding.encoder.open()).transpose()?;
    let model = model.as_ref().map(|(model, name)| (&**model, name.as_str()));
    let found = search(&*store, model, &task)?;
    if found.is_empty() {
        tell!("nothing was found{}", if store.about()?.items == 0 { ": the store is empty" } else { "" });
    }
    let title = args.words.iter().chain(&args.text).cloned().collect::<Vec<_>>().join(", ");
    let rows = found.iter().map(|found| (&found.item, format!("{:.3}", found.score)));
    args.shown.write(&format!("rebus search {title}"), &rows.collect::<Vec<_>>())?;
    match args.shown.json {
        true => out!("{}", serde_json::to_string_pretty(&found)?),
        false => found.iter().try_for_each(line)?,
    }
    Ok(())
}

fn line(found: &Found) -> Result<(), Failure> {
    let line = format!("{:6.3}  {}  {}", found.score, shown(&found.item.path), said_of(&found.item));
    out!("{}", harmless(line.trim_end()));
    Ok(())
}

/// The caption of an item: the first of its texts that is not where it lies.
pub(crate) fn said_of(item: &Item) -> &str {
    let said = item.fields.iter().find_map(|(name, value)| match value {
        Value::Text(text) if !matches!(name.as_str(), "path" | "folder" | "file_name") => Some(text.as_str()),
        _ => None,
    });
    said.unwrap_or_default()
}

impl Showing {
    /// Refuses what cannot be written, before anything is looked for.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.sheet.as_deref().map(sheet_file).transpose()?;
        self.html.as_deref().map(page_file).transpose()?;
        Ok(())
    }

    /// Writes sheet and page, if they were asked for; a picture that is gone is left out.
    pub(crate) fn write(&self, title: &str, found: &[(&Item, String)]) -> Result<(), Failure> {
        if self.sheet.is_none() && self.html.is_none() {
            return Ok(());
        }
        let mut shelf = Shelf::new();
        let (mut pictures, mut rows) = (vec![], vec![]);
        for (item, said) in found {
            match shelf.picture(item) {
                Ok(picture) => {
                    let picture = small(&picture, SIDE);
                    let said = format!("{said}  {}", said_of(item)).trim().to_string();
                    rows.push(Row { path: shown(&item.path), said, picture: Some(data_uri(&picture)?) });
                    pictures.push(picture);
                }
                Err(error) => {
                    tracing::warn!("{}: {error}; `rebus index sync` forgets what is gone", item.path)
                }
            }
        }
        if let Some(file) = &self.sheet
            && !pictures.is_empty()
        {
            write_sheet(file, &pictures, 1)?;
        }
        if let Some(file) = &self.html {
            let context = minijinja::context! { title, rows };
            let page = minijinja::Environment::new().render_named_str(
                "found.html",
                include_str!("found.html"),
                context,
            );
            let page = page.map_err(|error| Failure::input(format!("{}: {error:#}", file.display())))?;
            write_atomic(file, page.as_bytes())?;
        }
        Ok(())
    }
}

/// Refuses a place for a page where something else than an earlier page is.
pub(crate) fn page_file(file: &Path) -> Result<(), Failure> {
    if file.is_dir() {
        return Err(Failure::input(format!("{} is a folder: name a file for the page", file.display())));
    }
    let is_page = |text: String| text.contains(r#"<meta name="generator" content="rebus">"#);
    match file.exists() && !fs_err::read_to_string(file).is_ok_and(is_page) {
        true => Err(TaskError::Exists { path: file.to_path_buf() }.into()),
        false => Ok(()),
    }
}

/// A picture whose longer side is at most so long.
pub(crate) fn small(picture: &DynamicImage, side: u32) -> DynamicImage {
    match picture.width().max(picture.height()) > side {
        true => picture.thumbnail(side, side),
        false => picture.clone(),
    }
}

/// A picture inside a page.
pub(crate) fn data_uri(picture: &DynamicImage) -> Result<String, Failure> {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let png = rebus_data::write::encode_png(picture, &[])?;
    Ok(format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png)))
}

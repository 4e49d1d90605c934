//! `rebus map`: a collection on one page, what looks alike side by side.

use std::path::PathBuf;

use image::{DynamicImage, RgbaImage, imageops};
use rebus_data::write_atomic;
use rebus_store::Part;
use rebus_tasks::{Shelf, find::Spot, map};

use super::{
    failure::Failure,
    progress,
    say::{out, tell},
    search::{data_uri, page_file, said_of, small},
    store::{Finding, filter, shown},
};

/// The side of a picture on the map, pixels.
const SIDE: u32 = 40;
/// Pictures in a row of the sheet that the page holds.
const COLUMNS: u32 = 64;

/// Arguments of `rebus map`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The page to write, which needs nothing else.
    #[arg(short, long, default_value = "rebus-map.html", value_name = "HTML")]
    output: PathBuf,
    /// Of which items, as in `rebus search --where`.
    #[arg(long = "where", value_name = "FILTER")]
    filter: Option<String>,
    /// The same seed gives the same map.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    finding: Finding,
    /// Print where each item is as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    page_file(&args.output)?;
    let store = args.finding.place.open()?;
    let filter = filter(&*store, args.filter.as_deref())?;
    let spots =
        map(&*store, Part::Picture, filter.as_ref(), args.seed, &mut progress::Drawing::of("placing"))?;
    if spots.is_empty() {
        return Err(Failure::input(
            "there is no picture to put on a map; `rebus index add PATH` indexes some",
        ));
    }
    let page = page(&spots)?;
    write_atomic(&args.output, page.as_bytes())?;
    match args.json {
        true => {
            let spots = spots.iter().map(|spot| serde_json::json!({ "path": spot.item.path, "at": spot.at }));
            out!("{}", serde_json::to_string_pretty(&spots.collect::<Vec<_>>())?);
        }
        false => {
            tell!("{} pictures", spots.len());
            out!("{}", args.output.display());
        }
    }
    Ok(())
}

/// The page: one sheet of all pictures, and where each of them goes.
fn page(spots: &[Spot]) -> Result<String, Failure> {
    let rows = (spots.len() as u32).div_ceil(COLUMNS);
    let mut sheet = RgbaImage::new(COLUMNS.min(spots.len() as u32) * SIDE, rows * SIDE);
    let (mut shelf, mut missing) = (Shelf::new(), 0);
    let bar = progress::bar(spots.len() as u64, "reading");
    for (place, spot) in (0u32..).zip(spots) {
        match shelf.picture(&spot.item) {
            Ok(picture) => {
                let picture = small(&picture, SIDE).to_rgba8();
                let (left, top) = ((place % COLUMNS) * SIDE, (place / COLUMNS) * SIDE);
                imageops::replace(&mut sheet, &picture, left.into(), top.into());
            }
            Err(_) => missing += 1,
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if missing > 0 {
        tracing::warn!("{missing} pictures could not be read; `rebus index sync` forgets what is gone");
    }
    let spots = spots.iter().map(|spot| {
        serde_json::json!({ "at": spot.at, "path": shown(&spot.item.path), "said": said_of(&spot.item) })
    });
    // Inside a script, `</` would end it.
    let spots = serde_json::Value::from(spots.collect::<Vec<_>>()).to_string().replace('<', "\\u003c");
    let context = minijinja::context! {
        sheet => minijinja::Value::from_safe_string(data_uri(&DynamicImage::ImageRgba8(sheet))?),
        spots => minijinja::Value::from_safe_string(spots),
        side => SIDE,
        columns => COLUMNS,
    };
    let page = minijinja::Environment::new().render_named_str("map.html", include_str!("map.html"), context);
    page.map_err(|error| Failure::input(format!("the map: {error:#}")))
}

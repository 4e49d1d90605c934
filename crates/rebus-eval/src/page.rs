//! An evaluation as a page that needs no network: the table, pictures side by side, and curves.

use std::io::Cursor;

use base64::{Engine, prelude::BASE64_STANDARD};
use minijinja::{Environment, context};
use rebus_data::Pictures;
use serde::Serialize;

use crate::{EvalError, Evaluated, Pair, Shown, plot::shares, report::Measured, table::table};

/// A set as the template sees it.
#[derive(Serialize)]
struct Section {
    name: String,
    notes: Vec<String>,
    pairs: Vec<Figure>,
    nearest: Vec<Figure>,
    plots: Vec<String>,
}

#[derive(Serialize)]
struct Figure {
    caption: String,
    drawn: String,
    other: Option<String>,
}

/// The page.
///
/// # Errors
/// A picture cannot be shown.
pub fn page(evaluated: &Evaluated) -> Result<String, EvalError> {
    let failed = |error: minijinja::Error| EvalError::Page { reason: error.to_string() };
    let report = &evaluated.report;
    let sections = report.sets.iter().zip(&evaluated.shown).map(|(set, shown)| {
        let notes = [("Distances", &set.distances), ("The floor", &set.floor)];
        let notes = notes.into_iter().filter_map(|(what, measured)| match measured {
            Measured::Missing { note } => Some(format!("{what}: {note}.")),
            Measured::Found(found) => Some(format!("{what}: {}.", found.note.as_ref()?)),
        });
        Ok(Section {
            name: set.name.clone(),
            notes: notes.collect(),
            pairs: figures(&shown.pairs)?,
            nearest: figures(&shown.nearest)?,
            plots: plots(shown, set.memorised_by_features.unseen)?,
        })
    });
    let sections: Vec<Section> = sections.collect::<Result<_, EvalError>>()?;
    let mut environment = Environment::new();
    environment.add_template("eval.html", include_str!("page.html")).map_err(failed)?;
    let template = environment.get_template("eval.html").map_err(failed)?;
    let seconds = format!("{:.0}", report.seconds);
    template.render(context! { report, rows => table(report), sections, seconds }).map_err(failed)
}

fn figures(pairs: &[Pair]) -> Result<Vec<Figure>, EvalError> {
    let figure = |pair: &Pair| {
        let other = pair.other.as_ref().map(data_uri).transpose()?;
        Ok(Figure { caption: pair.caption.clone(), drawn: data_uri(&pair.drawn)?, other })
    };
    pairs.iter().map(figure).collect()
}

/// A picture inside the page.
fn data_uri(pictures: &Pictures) -> Result<String, EvalError> {
    let mut png = Cursor::new(vec![]);
    let images = pictures.to_images()?;
    let image =
        images.first().ok_or_else(|| EvalError::Page { reason: "a picture is missing".to_string() })?;
    image
        .write_to(&mut png, image::ImageFormat::Png)
        .map_err(|error| EvalError::Page { reason: error.to_string() })?;
    Ok(format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png.into_inner())))
}

fn plots(shown: &Shown, unseen: &str) -> Result<Vec<String>, EvalError> {
    let nearest = [("drawings", shown.drawn_distances.as_slice()), (unseen, &shown.unseen_distances)];
    let mut plots = vec![shares("distance to the nearest training picture, by features", &nearest)?];
    if !shown.places.is_empty() {
        let places = [("drawings", shown.places.as_slice())];
        plots.push(shares("place of the true picture in percent, by the encoder", &places)?);
    }
    Ok(plots)
}

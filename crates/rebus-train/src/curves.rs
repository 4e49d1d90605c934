//! The losses of one or several runs, as numbers and as a picture.

use std::path::{Path, PathBuf};

use epaint_default_fonts::UBUNTU_LIGHT;
use indexmap::{IndexMap, IndexSet};
use plotters::{coord::Shift, prelude::*, style::register_font};
use rebus_data::write::write_png;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Run, TrainError, log, prepare::name_of};

const WIDTH: u32 = 1000;
/// Pixels of one panel from top to bottom.
const HEIGHT: u32 = 360;
const FONT: &str = "sans-serif";
/// What stands before the names of losses and measures, and whether they are of held-out pictures.
const PREFIXES: [(&str, bool); 3] = [("loss_", false), ("validation_", true), ("eval_", false)];
/// Positive losses that span more than this factor are drawn on a logarithmic axis.
const LOGARITHMIC_FROM: f64 = 10.0;
/// Told apart by people who see colours differently too (Okabe and Ito 2008).
const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// The logs of several runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curves {
    /// In the order that was asked for.
    pub runs: Vec<RunCurves>,
}

/// The log of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunCurves {
    /// The run folder's name.
    pub run: String,
    /// A row a logged step.
    pub rows: Vec<Row>,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Steps done.
    pub step: u64,
    /// Everything else in the line by name: `images_seen`, `learning_rate`, `loss_*`, `validation_*` and so on.
    #[serde(flatten)]
    pub values: IndexMap<String, f64>,
}

/// Reads the logs of runs.
///
/// # Errors
/// A folder that is no run, or a log that is damaged.
pub fn read(runs: &[PathBuf]) -> Result<Curves, TrainError> {
    let one = |folder: &PathBuf| {
        let run = Run::new(folder);
        if !run.log().is_file() {
            return Err(TrainError::NoRun { run: folder.clone() });
        }
        let rows = log::read(&run.log())?.into_iter().filter_map(row).collect();
        Ok(RunCurves { run: name_of(folder), rows })
    };
    Ok(Curves { runs: runs.iter().map(one).collect::<Result<_, _>>()? })
}

fn row(line: Map<String, Value>) -> Option<Row> {
    if line.get("event").is_some_and(|event| event == "finished") {
        return last_row(&line);
    }
    let step = line.get("step")?.as_u64()?;
    let numbers = line.into_iter().filter(|(name, _)| name != "step");
    Some(Row { step, values: numbers.filter_map(|(name, value)| Some((name, value.as_f64()?))).collect() })
}

/// What was held out is measured once more at the end of a run.
fn last_row(line: &Map<String, Value>) -> Option<Row> {
    let step = line.get("at")?.as_u64()?;
    let losses = line.get("losses")?.as_object()?.iter();
    let held_out = losses.filter(|(name, _)| name.starts_with("validation_"));
    let values: IndexMap<String, f64> =
        held_out.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect();
    (!values.is_empty()).then_some(Row { step, values })
}

/// One line in a panel.
struct Line<'a> {
    label: String,
    points: Vec<(f64, f64)>,
    color: &'a RGBColor,
    held_out: bool,
}

impl Curves {
    /// The names of losses and measures, without `loss_`, `validation_` or `eval_` before them.
    pub fn losses(&self) -> IndexSet<&str> {
        let names = self.runs.iter().flat_map(|run| &run.rows).flat_map(|row| row.values.keys());
        let plain = |name| PREFIXES.iter().find_map(|(prefix, _)| str::strip_prefix(name, prefix));
        names.filter_map(|name| plain(name.as_str())).collect()
    }

    /// Draws a panel a loss, a colour a run, held-out losses in thick lines, and writes the PNG.
    ///
    /// # Errors
    /// No step is logged yet, or the file cannot be written.
    pub fn draw(&self, path: &Path) -> Result<(), TrainError> {
        let picture = self.picture()?;
        Ok(write_png(path, &picture.into(), &[])?)
    }

    fn picture(&self) -> Result<image::RgbImage, TrainError> {
        let losses = self.losses();
        if losses.is_empty() {
            return Err(TrainError::Plot { reason: "no run has a logged step yet".to_string() });
        }
        // More than one registration of the same font changes nothing.
        register_font(FONT, FontStyle::Normal, UBUNTU_LIGHT)
            .map_err(|_| TrainError::Plot { reason: "the font cannot be read".to_string() })?;
        let height = HEIGHT * losses.len() as u32;
        let mut pixels = vec![0; (WIDTH * height * 3) as usize];
        {
            let area = BitMapBackend::with_buffer(&mut pixels, (WIDTH, height)).into_drawing_area();
            area.fill(&WHITE).map_err(failed)?;
            for (panel, loss) in area.split_evenly((losses.len(), 1)).iter().zip(&losses) {
                draw_panel(panel, loss, &self.lines(loss))?;
            }
            area.present().map_err(failed)?;
        }
        image::RgbImage::from_raw(WIDTH, height, pixels)
            .ok_or_else(|| TrainError::Plot { reason: "the picture is too large".to_string() })
    }

    fn lines(&self, loss: &str) -> Vec<Line<'_>> {
        let mut lines = vec![];
        for (run, color) in self.runs.iter().zip(COLORS.iter().cycle()) {
            for (prefix, held_out) in PREFIXES {
                let name = format!("{prefix}{loss}");
                let value = |row: &Row| Some((row.step as f64, *row.values.get(&name)?));
                let points: Vec<_> = run.rows.iter().filter_map(value).collect();
                let label = if held_out { format!("{}, held out", run.run) } else { run.run.clone() };
                if !points.is_empty() {
                    lines.push(Line { label, points, color, held_out });
                }
            }
        }
        lines
    }
}

fn draw_panel(
    panel: &DrawingArea<BitMapBackend<'_>, Shift>,
    title: &str,
    lines: &[Line<'_>],
) -> Result<(), TrainError> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let (low, high) = range(points().map(|point| point.1));
    let logarithmic = low > 0.0 && high / low > LOGARITHMIC_FROM;
    let place = |value: f64| if logarithmic { value.log10() } else { value };
    let value = |place: f64| if logarithmic { 10f64.powf(place) } else { place };
    let (low, high) = (place(low), place(high));
    let margin = if high > low { 0.05 * (high - low) } else { 0.5 };
    let last = points().map(|point| point.0).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(panel)
        .margin(12)
        .caption(title, (FONT, 20))
        .x_label_area_size(32)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..last, low - margin..high + margin)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .label_style((FONT, 14))
        .x_desc("step")
        .x_label_formatter(&|step| format!("{step:.0}"))
        .y_label_formatter(&|at| short(value(*at)))
        .draw()
        .map_err(failed)?;
    for line in lines {
        let style = line.color.stroke_width(if line.held_out { 3 } else { 1 });
        let points = line.points.iter().map(|(step, value)| (*step, place(*value)));
        chart
            .draw_series(LineSeries::new(points, style))
            .map_err(failed)?
            .label(&line.label)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .label_font((FONT, 14))
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .draw()
        .map_err(failed)
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

/// Three digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_string(),
        size if (0.01..10_000.0).contains(&size) => {
            let decimals = (2 - size.log10().floor() as i32).clamp(0, 4) as usize;
            format!("{value:.decimals$}")
        }
        _ => format!("{value:.2e}"),
    }
}

fn failed(error: impl std::fmt::Display) -> TrainError {
    TrainError::Plot { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("mine");
        fs_err::create_dir_all(&run).unwrap();
        let mut text = String::from("{\"event\":\"started\",\"from\":0}\n");
        for step in 1..=40 {
            let loss = 5.0 / f64::from(step);
            text += &format!("{{\"step\":{step},\"learning_rate\":0.1,\"loss_a\":{loss},\"loss_b\":-1.5");
            text += if step % 10 == 0 { ",\"validation_a\":0.7}\n" } else { "}\n" };
        }
        text += "{\"event\":\"finished\",\"at\":40,\"losses\":{\"validation_a\":0.6}}\n";
        fs_err::write(run.join("log.jsonl"), text).unwrap();
        (folder, run)
    }

    #[test]
    fn a_log_becomes_rows_and_a_panel_a_loss() {
        let (folder, run) = folder();
        let curves = read(&[run.clone(), run]).unwrap();
        assert_eq!(curves.losses().into_iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((curves.runs[0].rows.len(), curves.runs[1].run.as_str()), (41, "mine"));
        assert_eq!(curves.runs[0].rows[9].values["validation_a"], 0.7);
        assert_eq!(curves.runs[0].rows[40].values["validation_a"], 0.6);
        let json = serde_json::to_value(&curves).unwrap();
        assert_eq!(json["runs"][0]["rows"][0]["loss_a"], 5.0);

        let path = folder.path().join("curves.png");
        curves.draw(&path).unwrap();
        let picture = image::open(&path).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (WIDTH, 2 * HEIGHT));
        let colored = |color: &RGBColor| {
            picture.pixels().filter(|pixel| pixel.0 == [color.0, color.1, color.2]).count()
        };
        assert!(colored(&COLORS[1]) > 500, "the second run is drawn over the first");
        let dark = picture.pixels().filter(|pixel| pixel.0.iter().all(|&value| value < 60)).count();
        assert!(dark > 500, "axes and words are there");
    }

    #[test]
    fn numbers_on_the_axis_are_short() {
        let cases = [
            (0.0, "0"),
            (0.01234, "0.0123"),
            (1.5, "1.50"),
            (123.4, "123"),
            (-2.0, "-2.00"),
            (1e-5, "1.00e-5"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn no_run_and_no_step_are_told() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read(&[folder.path().to_path_buf()]), Err(TrainError::NoRun { .. })));
        fs_err::write(folder.path().join("log.jsonl"), "").unwrap();
        let empty = read(&[folder.path().to_path_buf()]).unwrap();
        assert!(matches!(empty.draw(&folder.path().join("a.png")), Err(TrainError::Plot { .. })));
    }
}

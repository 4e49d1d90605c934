//! Curves and bars as SVG.

use epaint_default_fonts::UBUNTU_LIGHT;
use plotters::{coord::Shift, prelude::*, style::register_font};

use crate::EvalError;

const FONT: &str = "sans-serif";
/// Pixels of a plot of curves.
const PLOT: (u32, u32) = (460, 260);
/// Pixels of a panel of bars, and how many stand side by side.
const PANEL: (u32, u32) = (300, 170);
const ACROSS: usize = 4;
/// Pixels above the panels, for a line a report.
const LINE: u32 = 20;
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

/// How large a share of some values is at most so much: a curve each.
///
/// # Errors
/// The plot cannot be made.
pub(crate) fn shares(title: &str, curves: &[(&str, &[f64])]) -> Result<String, EvalError> {
    svg(PLOT, |area| {
        let most = curves.iter().flat_map(|curve| curve.1).fold(1e-6, |most: f64, value| most.max(*value));
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .caption(title, (FONT, 15))
            .x_label_area_size(24)
            .y_label_area_size(36)
            .build_cartesian_2d(0.0..most, 0.0..1.0)
            .map_err(failed)?;
        chart.configure_mesh().light_line_style(WHITE).label_style((FONT, 12)).draw().map_err(failed)?;
        for ((name, values), color) in curves.iter().zip(COLORS.iter().cycle()) {
            let mut values = values.to_vec();
            values.sort_by(f64::total_cmp);
            let count = values.len() as f64;
            let points =
                values.into_iter().enumerate().map(|(place, value)| (value, (place + 1) as f64 / count));
            let style = color.stroke_width(2);
            chart
                .draw_series(LineSeries::new(points, style))
                .map_err(failed)?
                .label(*name)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], style));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .label_font((FONT, 12))
            .background_style(WHITE.mix(0.8))
            .draw()
            .map_err(failed)
    })
}

/// A panel a measure, a bar a report.
///
/// # Errors
/// The plot cannot be made.
pub fn bars(reports: &[&str], rows: &[(&str, Vec<Option<f64>>)]) -> Result<String, EvalError> {
    let down = rows.len().div_ceil(ACROSS).max(1);
    let head = LINE * (reports.len() as u32 + 1);
    let size = (PANEL.0 * ACROSS as u32, head + PANEL.1 * down as u32);
    svg(size, |area| {
        let (top, panels) = area.split_vertically(head);
        for (number, (report, color)) in reports.iter().zip(COLORS.iter().cycle()).enumerate() {
            let y = (LINE * number as u32 + 10) as i32;
            top.draw(&Rectangle::new([(12, y), (24, y + 12)], color.filled())).map_err(failed)?;
            top.draw(&Text::new(report.to_string(), (30, y), (FONT, 14))).map_err(failed)?;
        }
        for (panel, (name, values)) in panels.split_evenly((down, ACROSS)).iter().zip(rows) {
            let (low, high) =
                values.iter().flatten().fold((0.0f64, 1e-9f64), |(low, high), v| (low.min(*v), high.max(*v)));
            let mut chart = ChartBuilder::on(panel)
                .margin(8)
                .caption(name, (FONT, 12))
                .y_label_area_size(52)
                .build_cartesian_2d(0.0..reports.len() as f64, 1.05 * low..1.05 * high)
                .map_err(failed)?;
            chart
                .configure_mesh()
                .disable_x_mesh()
                .disable_x_axis()
                .light_line_style(WHITE)
                .y_labels(4)
                .label_style((FONT, 11))
                .draw()
                .map_err(failed)?;
            let bar = |(number, (value, color)): (usize, (&Option<f64>, &RGBColor))| {
                let left = number as f64;
                value.map(|value| Rectangle::new([(left + 0.15, 0.0), (left + 0.85, value)], color.filled()))
            };
            let bars = values.iter().zip(COLORS.iter().cycle()).enumerate().filter_map(bar);
            chart.draw_series(bars).map_err(failed)?;
        }
        Ok(())
    })
}

fn svg(
    size: (u32, u32),
    draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), EvalError>,
) -> Result<String, EvalError> {
    // More than one registration of the same font changes nothing.
    register_font(FONT, FontStyle::Normal, UBUNTU_LIGHT).map_err(|_| failed("the font cannot be read"))?;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        draw(&area)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

fn failed(error: impl std::fmt::Display) -> EvalError {
    EvalError::Page { reason: error.to_string() }
}

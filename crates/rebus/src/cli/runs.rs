//! `rebus runs`: loss curves and a table.

use std::path::PathBuf;

use rebus_train::curves::{self, Curves};

use super::{
    failure::Failure,
    say::{out, tell},
};

/// Arguments of `rebus runs`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run folders.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Where the curves are drawn.
    #[arg(short, long, default_value = "runs.png", value_name = "PNG")]
    output: PathBuf,
    /// Print the table as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    super::writing::png_file(&args.output)?;
    let curves = curves::read(&args.runs)?;
    match args.json {
        true => out!("{}", serde_json::to_string_pretty(&curves)?),
        false => print(&curves)?,
    }
    curves.draw(&args.output)?;
    tell!("{}", args.output.display());
    Ok(())
}

/// A line a run: its last step, and the last value of each loss, in training / on held-out pictures.
fn print(curves: &Curves) -> Result<(), Failure> {
    let losses: Vec<&str> = curves.losses().into_iter().collect();
    let width = curves.runs.iter().map(|run| run.run.len()).max().unwrap_or(0).max(3);
    let heads: String = losses.iter().map(|loss| format!("  {loss:>17}")).collect();
    out!("{:width$} {:>8}{heads}", "run", "step");
    for run in &curves.runs {
        let cells = losses.iter().map(|loss| {
            let last = |kind: &str| {
                let value = run.rows.iter().rev().find_map(|row| row.values.get(&format!("{kind}_{loss}")));
                value.map_or("-".to_string(), |value| format!("{value:.4}"))
            };
            let cell = format!("{} / {}", last("loss"), last("validation"));
            format!("  {cell:>w$}", w = loss.len().max(17))
        });
        let (step, cells) = (run.rows.last().map_or(0, |row| row.step), cells.collect::<String>());
        out!("{:width$} {step:>8}{cells}", run.run);
    }
    Ok(())
}

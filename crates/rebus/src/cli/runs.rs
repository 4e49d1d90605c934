//! `rebus runs`: loss curves and a table.

use std::path::PathBuf;

use rebus_train::curves::{self, Curves};

use super::failure::Failure;

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
    let curves = curves::read(&args.runs)?;
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&curves)?),
        false => print(&curves),
    }
    curves.draw(&args.output)?;
    eprintln!("{}", args.output.display());
    Ok(())
}

/// A line a run: its last step, and the last value of each loss, in training / on held-out pictures.
fn print(curves: &Curves) {
    let losses: Vec<&str> = curves.losses().into_iter().collect();
    let width = curves.runs.iter().map(|run| run.run.len()).max().unwrap_or(0).max(3);
    print!("{:width$} {:>8}", "run", "step");
    losses.iter().for_each(|loss| print!("  {loss:>17}"));
    println!();
    for run in &curves.runs {
        print!("{:width$} {:>8}", run.run, run.rows.last().map_or(0, |row| row.step));
        for loss in &losses {
            let last = |kind: &str| {
                let value = run.rows.iter().rev().find_map(|row| row.values.get(&format!("{kind}_{loss}")));
                value.map_or("-".to_string(), |value| format!("{value:.4}"))
            };
            let cell = format!("{} / {}", last("loss"), last("validation"));
            print!("  {cell:>w$}", w = loss.len().max(17));
        }
        println!();
    }
}

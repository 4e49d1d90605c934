//! `rebus runs`: loss curves and a table.

use std::path::PathBuf;

use rebus_train::curves;

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
    let summaries = curves::read(&args.runs)?;
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&summaries)?),
        false => print!("{}", curves::table(&summaries)),
    }
    curves::draw(&summaries, &args.output)?;
    eprintln!("{}", args.output.display());
    Ok(())
}

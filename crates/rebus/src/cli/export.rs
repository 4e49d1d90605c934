//! `rebus export`: a model folder of a run.

use std::path::PathBuf;

use rebus_models::Precision;
use rebus_train::{Chosen, ExportOptions};

use super::{failure::Failure, say::out};

/// Arguments of `rebus export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run folder.
    run: PathBuf,
    /// The step of a checkpoint, or `best` for that of the best evaluation; the newest by default.
    #[arg(long, value_name = "STEP|best", value_parser = chosen)]
    checkpoint: Option<Chosen>,
    /// The weights as they stand instead of their moving average.
    #[arg(long)]
    raw: bool,
    /// Store numbers in two bytes: half the size, about three decimal digits.
    #[arg(long)]
    float16: bool,
    /// The model folder; RUN/model by default.
    #[arg(short, long, value_name = "MODEL")]
    output: Option<PathBuf>,
}

fn chosen(text: &str) -> Result<Chosen, String> {
    match text {
        "best" => Ok(Chosen::Best),
        step => step.parse().map(Chosen::Step).map_err(|_| "a step is a whole number, or `best`".to_string()),
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut options = ExportOptions::new(&args.run);
    options.checkpoint = args.checkpoint.unwrap_or_default();
    options.raw = args.raw;
    options.output = args.output.clone();
    options.home = super::train::home();
    options.precision = if args.float16 { Precision::Float16 } else { Precision::Float32 };
    let model = rebus_train::export(&options, &rebus::device("cpu")?)?;
    out!("{}", model.display());
    Ok(())
}

//! `rebus caption`: what people said of the nearest pictures.

use std::path::PathBuf;

use rebus_tasks::caption;

use super::{
    failure::Failure,
    picture::{found, read_picture},
    say::{harmless, out},
    store::{Finding, filter},
};

/// Pictures that are looked at together.
const AT_ONCE: usize = 64;

/// Arguments of `rebus caption`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Pictures, and folders of pictures.
    #[arg(required = true, value_name = "PICTURE|FOLDER")]
    pictures: Vec<PathBuf>,
    /// How many captions of each picture, the likeliest first.
    #[arg(short = 'k', long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=256))]
    count: u32,
    /// Of which items captions may be, as in `rebus search --where`.
    #[arg(long = "where", value_name = "FILTER")]
    filter: Option<String>,
    #[command(flatten)]
    finding: Finding,
    /// Print all as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let pictures = found(&args.pictures)?;
    let store = args.finding.place.open()?;
    let filter = filter(&*store, args.filter.as_deref())?;
    let (model, name) = args.finding.encoder.open()?;
    let mut said = vec![];
    for some in pictures.chunks(AT_ONCE) {
        let read = some.iter().map(|found| read_picture(&found.path)).collect::<Result<Vec<_>, _>>()?;
        let captioned = caption(&*store, (&*model, &name), &read, args.count as usize, filter.as_ref())?;
        for (found, captioned) in some.iter().zip(captioned) {
            if args.json {
                said.push(serde_json::json!({ "picture": found.path, "captions": captioned.guesses }));
                continue;
            }
            for guess in captioned.guesses {
                let line = format!("{}  {:.2}  {}", found.path.display(), guess.confidence, guess.caption);
                out!("{}", harmless(&line));
            }
        }
    }
    if args.json {
        out!("{}", serde_json::to_string_pretty(&said)?);
    }
    Ok(())
}

//! `rebus label`: which of some labels fits a picture.

use std::path::PathBuf;

use rebus_tasks::label;

use super::{
    failure::Failure,
    picture::{found, read_picture},
    say::{harmless, out},
    store::Encoder,
};

/// Pictures that are looked at together.
const AT_ONCE: usize = 64;

/// Arguments of `rebus label`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Pictures, and folders of pictures.
    #[arg(required = true, value_name = "PICTURE|FOLDER")]
    pictures: Vec<PathBuf>,
    /// The labels, with commas between them.
    #[arg(long, required = true, value_delimiter = ',')]
    labels: Vec<String>,
    /// How many of them to print of each picture, the likeliest first.
    #[arg(short = 'k', long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    #[command(flatten)]
    encoder: Encoder,
    /// Print all as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let labels: Vec<String> = args.labels.iter().map(|label| label.trim().to_string()).collect();
    let pictures = found(&args.pictures)?;
    let (model, _) = args.encoder.open()?;
    let mut said = vec![];
    for some in pictures.chunks(AT_ONCE) {
        let read = some.iter().map(|found| read_picture(&found.path)).collect::<Result<Vec<_>, _>>()?;
        for (found, mut labelled) in some.iter().zip(label(&*model, &read, &labels)?) {
            labelled.truncate(args.count as usize);
            match args.json {
                true => said.push(serde_json::json!({ "picture": found.path, "labels": labelled })),
                false => {
                    let labels = labelled.iter().map(|one| format!("{} {:.2}", one.label, one.confidence));
                    let labels = labels.collect::<Vec<_>>().join(", ");
                    out!("{}", harmless(&format!("{}  {labels}", found.path.display())));
                }
            }
        }
    }
    if args.json {
        out!("{}", serde_json::to_string_pretty(&said)?);
    }
    Ok(())
}

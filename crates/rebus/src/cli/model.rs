//! `rebus model`: what a model folder is.

use std::path::PathBuf;

use super::{failure::Failure, say::out};

/// Arguments of `rebus model`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Family, size, what it can do, what it was trained on, hash.
    Show {
        /// The model folder; the one that ships by default.
        path: Option<PathBuf>,
        /// Print it as JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let Command::Show { path, json } = &args.command;
    let model = rebus::model(path.as_deref(), &rebus::device("cpu")?)?;
    let info = model.info();
    let family = rebus_models::family(&info.family)?;
    let options = model.generate().map(|generator| generator.options());
    if *json {
        let shown = serde_json::json!({ "model": info, "verbs": family.verbs, "generate": options });
        out!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(());
    }
    let [channels, height, width] = info.picture_shape;
    out!("family      {} ({})", info.family, family.about);
    out!("parameters  {}", info.parameters);
    out!("pictures    {width}x{height}, {channels} channels");
    out!("verbs       {}", family.verbs.join(", "));
    out!("hash        {}", info.hash);
    if let Some(provenance) = info.provenance.as_object() {
        for (key, value) in provenance.iter().filter(|(key, _)| *key != "recipe") {
            match value {
                serde_json::Value::String(text) => out!("{key:11} {text}"),
                other => out!("{key:11} {other}"),
            }
        }
    }
    Ok(())
}

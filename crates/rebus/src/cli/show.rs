//! `rebus show`: how a picture was made, and the command that makes it again.

use std::path::PathBuf;

use rebus_tasks::{Made, Told};

use super::{failure::Failure, say::out};

/// Arguments of `rebus show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Pictures that Rebus made; what other programs wrote into a PNG (`parameters`) is shown as it is.
    #[arg(required = true)]
    pictures: Vec<PathBuf>,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut all = vec![];
    for path in &args.pictures {
        let name = path.display().to_string();
        let told = Made::read(&fs_err::read(path)?, &name)?;
        if args.json {
            all.push(match told {
                Told::Ours(made) => serde_json::json!({ "picture": path, "made": made }),
                Told::Others(parameters) => serde_json::json!({ "picture": path, "parameters": parameters }),
                Told::Nothing => serde_json::json!({ "picture": path }),
            });
            continue;
        }
        if args.pictures.len() > 1 {
            out!("{name}");
        }
        match told {
            Told::Ours(made) => print(&made)?,
            Told::Others(parameters) => out!("{parameters}"),
            Told::Nothing => {
                return Err(Failure::input(format!(
                    "{name} says nothing of how it was made: Rebus has not made it, or was told to leave that out"
                )));
            }
        }
    }
    if args.json {
        out!("{}", serde_json::to_string_pretty(&serde_json::json!({ "pictures": all }))?);
    }
    Ok(())
}

fn print(made: &Made) -> Result<(), Failure> {
    let model = made.model.as_ref().map(|model| format!("{} ({}, {})", model.name, model.family, model.hash));
    for (name, value) in [
        ("verb", Some(made.verb.clone())),
        ("prompt", made.prompt.clone()),
        ("negative prompt", made.negative_prompt.clone()),
        ("seed", made.seed.map(|seed| seed.to_string())),
        ("steps", made.num_inference_steps.map(|steps| steps.to_string())),
        ("sampler", made.sampler.clone()),
        ("guidance scale", made.guidance_scale.map(|scale| scale.to_string())),
        ("strength", made.strength.map(|strength| strength.to_string())),
        ("model", model),
        ("version", Some(made.version.clone())),
    ] {
        if let Some(value) = value {
            out!("{name:16}{value}");
        }
    }
    let command = shlex::try_join(std::iter::once("rebus").chain(made.command.iter().map(String::as_str)));
    out!(
        "{}",
        command.map_err(|_| Failure::input("its command has a zero byte in it, which no shell takes"))?
    );
    Ok(())
}

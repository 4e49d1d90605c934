//! `rebus compose`: one picture out of several.

use std::path::PathBuf;

use rebus_tasks::{Composer, Made, PictureName, Scene, compose};

use super::{
    again,
    compute::Compute,
    failure::Failure,
    generate::stem,
    progress,
    writing::{Finished, Writing},
};

/// Arguments of `rebus compose`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A TOML file: width, height, background, and a [[layer]] for each picture, prompt or text; paths begin in its folder.
    #[arg(value_name = "SCENE.toml")]
    scene: PathBuf,
    /// A folder of the model that draws layers with a prompt; the one that ships by default.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    #[command(flatten)]
    compute: Compute,
    #[command(flatten)]
    writing: Writing,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let scene = Scene::read(&args.scene)?;
    let mut written = args.writing.begin(1)?;
    let draws = scene.layers.iter().any(|layer| layer.get_ref().prompt.is_some());
    let model = draws.then(|| args.compute.model(args.model.as_deref())).transpose()?;
    let composer = Composer { model: model.as_deref(), font: rebus::shipped_font() };
    let picture = compose(&scene, &composer, &mut progress::Drawing::new())?;
    let prompts: Vec<&str> =
        scene.layers.iter().filter_map(|layer| layer.get_ref().prompt.as_deref()).collect();
    let made = Made {
        prompt: (!prompts.is_empty()).then(|| prompts.join(", ")),
        seed: draws.then_some(scene.seed),
        model: model.as_deref().map(|model| args.compute.made_by(args.model.as_deref(), model)),
        ..again::made(&[("scene", None, vec![again::name_of(&args.scene)])])
    };
    let name = PictureName::Numbered { words: &stem(&args.scene), seed: scene.seed };
    let finished = Finished { picture: &picture, name, made: &made, said: "" };
    written.picture(finished, serde_json::json!({ "scene": args.scene }))?;
    written.finish(1, serde_json::Value::Null)
}

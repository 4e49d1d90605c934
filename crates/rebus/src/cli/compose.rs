//! `rebus compose`: one picture out of several.

use std::{path::PathBuf, sync::Arc};

use image::DynamicImage;
use rebus_models::Model;
use rebus_tasks::{Composer, Kept, Made, PictureName, Scene, compose};

use super::{
    again,
    compute::Compute,
    failure::Failure,
    generate::stem,
    progress,
    say::always,
    watch::Watch,
    writing::{Finished, Writing, Written},
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
    /// Draw again whenever the scene or one of its files is saved, into the same file, until Ctrl-C.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    compute: Compute,
    #[command(flatten)]
    writing: Writing,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut composing = Composing { args, model: None, kept: Kept::default() };
    if args.watch {
        return composing.over_and_over();
    }
    let scene = Scene::read(&args.scene)?;
    let mut written = args.writing.begin(1)?;
    let (picture, made) = composing.picture(&scene)?;
    write(args, &scene, &mut written, &picture, &made)?;
    written.finish(1, serde_json::Value::Null)
}

/// A scene, and what is kept from one drawing of it to the next.
struct Composing<'a> {
    args: &'a Args,
    model: Option<Arc<dyn Model>>,
    kept: Kept,
}

impl Composing<'_> {
    fn picture(&mut self, scene: &Scene) -> Result<(DynamicImage, Made), Failure> {
        let args = self.args;
        let draws = scene.layers.iter().any(|layer| layer.get_ref().needs_model());
        if draws && self.model.is_none() {
            self.model = Some(args.compute.model(args.model.as_deref())?);
        }
        let model = self.model.as_deref().filter(|_| draws);
        let composer = Composer { model, font: rebus::shipped_font(), kept: Some(&self.kept) };
        let picture = compose(scene, &composer, &mut progress::Drawing::new())?;
        let prompts: Vec<&str> =
            scene.layers.iter().filter_map(|layer| layer.get_ref().prompt.as_deref()).collect();
        let made = Made {
            prompt: (!prompts.is_empty()).then(|| prompts.join(", ")),
            seed: draws.then_some(scene.seed),
            model: model.map(|model| args.compute.made_by(args.model.as_deref(), model)),
            ..again::made(&[("scene", None, vec![again::name_of(&args.scene)])])
        };
        Ok((picture, made))
    }

    /// Draws the scene each time that it is saved. What is wrong with it is said, and waited for.
    fn over_and_over(&mut self) -> Result<(), Failure> {
        let args = self.args;
        let mut watch = Watch::new()?;
        let mut written = args.writing.begin(1)?;
        let mut file = None;
        loop {
            let mut files = vec![args.scene.clone()];
            watch.add(&files)?;
            let drawn = Scene::read(&args.scene).map_err(Failure::from).and_then(|scene| {
                files.extend(scene.files());
                let (picture, made) = self.picture(&scene)?;
                match &file {
                    None => file = Some(write(args, &scene, &mut written, &picture, &made)?),
                    Some(file) => written.replace(file, &picture, &made)?,
                }
                Ok(())
            });
            if let Err(failure) = drawn {
                match failure.reason() {
                    Some(reason) => always(format_args!("{reason}")),
                    None => return Err(failure),
                }
            }
            if !watch.changed(&files)? {
                return written.finish(1, serde_json::Value::Null);
            }
        }
    }
}

fn write(
    args: &Args,
    scene: &Scene,
    written: &mut Written<'_>,
    picture: &DynamicImage,
    made: &Made,
) -> Result<PathBuf, Failure> {
    let name = PictureName::Numbered { words: &stem(&args.scene), seed: scene.seed };
    let finished = Finished { picture, name, made, color_profile: None, said: "" };
    Ok(written.picture(finished, serde_json::json!({ "scene": args.scene }))?)
}

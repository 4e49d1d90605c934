//! `rebus reconstruct`: what a model keeps of pictures.

use std::path::PathBuf;

use rebus_eval::similarity;
use rebus_tasks::{Made, PictureName, ReconstructTask, reconstruct};

use super::{
    again,
    compute::Compute,
    failure::Failure,
    generate::stem,
    picture::read_picture,
    progress,
    writing::{Finished, Writing},
};

/// Arguments of `rebus reconstruct`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Pictures; the model sees them at its own size.
    #[arg(required = true)]
    pictures: Vec<PathBuf>,
    /// What is on them; nothing is said by default.
    #[arg(long)]
    prompt: Option<String>,
    /// The folder of a model that reconstructs, such as a variational autoencoder.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    #[command(flatten)]
    compute: Compute,
    #[command(flatten)]
    writing: Writing,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut written = args.writing.begin(args.pictures.len())?;
    let pictures = args.pictures.iter().map(|path| read_picture(path)).collect::<Result<_, _>>()?;
    let model = args.compute.model(args.model.as_deref())?;
    let task = ReconstructTask { pictures, prompt: args.prompt.clone() };
    let found = reconstruct(&*model, &task, &mut progress::Drawing::of("looking"))?;
    for (path, found) in args.pictures.iter().zip(found) {
        let psnr = similarity(&found.reconstructed.to_rgb8(), &found.shown.to_rgb8())?.psnr;
        let made = Made {
            prompt: args.prompt.clone(),
            model: Some(args.compute.made_by(args.model.as_deref(), &*model)),
            ..again::made(&[("pictures", None, vec![again::name_of(path)])])
        };
        written.on_sheet(found.shown);
        let said = psnr.map_or("equal".to_string(), |psnr| format!("{psnr:.2} dB"));
        let finished = Finished {
            picture: &found.reconstructed,
            name: PictureName::Numbered { words: &stem(path), seed: 0 },
            made: &made,
            color_profile: None,
            said: &said,
        };
        written.picture(finished, serde_json::json!({ "picture": path, "psnr": psnr }))?;
    }
    written.finish(2, serde_json::Value::Null)
}

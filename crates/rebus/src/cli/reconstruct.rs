//! `rebus reconstruct`: what a model keeps of pictures.

use std::path::PathBuf;

use rebus_eval::similarity;
use rebus_tasks::{Output, ReconstructTask, reconstruct};
use serde::Serialize;

use super::{compute::Compute, failure::Failure, generate::sheet_file, picture::read_picture, say::out};

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
    /// A folder, where nothing is overwritten, or a .png for a single picture.
    #[arg(short, long, default_value = "rebus-out", value_name = "PATH")]
    output: PathBuf,
    /// Also write a sheet: each picture as the model saw it, and beside it what came back.
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// Print what was written as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    picture: PathBuf,
    file: PathBuf,
    psnr: Option<f64>,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let output = Output::resolve(&args.output, args.pictures.len())?;
    args.sheet.as_deref().map(sheet_file).transpose()?;
    let pictures = args.pictures.iter().map(|path| read_picture(path)).collect::<Result<_, _>>()?;
    let model = args.compute.model(args.model.as_deref())?;
    let task = ReconstructTask { pictures, prompt: args.prompt.clone() };
    let (mut lines, mut images) = (vec![], vec![]);
    for (path, found) in args.pictures.iter().zip(reconstruct(&*model, &task)?) {
        let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let file = output.write(&found.reconstructed, &name, 0, &[])?;
        let psnr = similarity(&found.reconstructed.to_rgb8(), &found.shown.to_rgb8())?.psnr;
        if !args.json {
            let said = psnr.map_or("equal".to_string(), |psnr| format!("{psnr:.2} dB"));
            out!("{}   {said}", file.display());
        }
        lines.push(Line { picture: path.clone(), file, psnr });
        images.extend([found.shown, found.reconstructed]);
    }
    if let Some(sheet) = &args.sheet {
        super::generate::write_sheet(sheet, &images, 2)?;
    }
    if args.json {
        out!("{}", serde_json::to_string_pretty(&serde_json::json!({ "pictures": lines }))?);
    }
    Ok(())
}

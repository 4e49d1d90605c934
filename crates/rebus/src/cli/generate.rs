//! `rebus generate`: words to pictures.

use std::path::{Path, PathBuf};

use fs_err as fs;
use image::DynamicImage;
use rebus_data::{contact_sheet, write_png};
use rebus_models::sampling::Sampler;
use rebus_tasks::{GenerateTask, Output};
use serde::Serialize;

use super::{
    compute::Compute,
    failure::Failure,
    picture::read_picture,
    progress,
    say::{out, tell},
};

/// Arguments of `rebus generate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to draw, a picture each; "" for whatever the model likes.
    prompts: Vec<String>,
    /// A picture like which to draw, after the prompts, for a model that was trained with `[condition] encoder`; may be given
    /// several times.
    #[arg(long, value_name = "FILE")]
    image: Vec<PathBuf>,
    /// A file with a prompt a line, after the others.
    #[arg(long = "prompts", value_name = "FILE")]
    prompts_file: Option<PathBuf>,
    /// What to keep away from.
    #[arg(long)]
    negative_prompt: Option<String>,
    /// How many pictures of each prompt.
    #[arg(short = 'n', long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// Picture i of a prompt has seed SEED + i; a fresh one is taken and printed where none is given.
    #[arg(long)]
    seed: Option<u64>,
    /// How closely to follow the prompt; 1 is no guidance.
    #[arg(long, allow_negative_numbers = true)]
    guidance_scale: Option<f32>,
    /// The times, from 0 (picture) to 1 (noise), between which the prompt is followed so closely; 0 1 is always.
    #[arg(long, num_args = 2, value_names = ["LOW", "HIGH"], action = clap::ArgAction::Set, allow_negative_numbers = true)]
    guidance_interval: Option<Vec<f64>>,
    /// How many steps to take.
    #[arg(long, visible_alias = "num-inference-steps")]
    steps: Option<usize>,
    /// How a step is taken: heun and midpoint are more exact and take twice as long, multistep is more exact and does not.
    #[arg(long, value_parser = Sampler::ALL.map(Sampler::name))]
    sampler: Option<String>,
    /// Another width than the model's, pixels.
    #[arg(long)]
    width: Option<usize>,
    /// Another height than the model's, pixels.
    #[arg(long)]
    height: Option<usize>,
    /// A model folder; the one that ships by default.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    #[command(flatten)]
    compute: Compute,
    /// A folder, where nothing is overwritten, or a .png for a single picture.
    #[arg(short, long, default_value = "rebus-out", value_name = "PATH")]
    output: PathBuf,
    /// Also write all pictures on one sheet.
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// Print what was drawn as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    prompt: String,
    seed: u64,
    file: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut prompts = args.prompts.clone();
    if let Some(file) = &args.prompts_file {
        prompts.extend(fs::read_to_string(file)?.lines().map(str::to_string).filter(|line| !line.is_empty()));
    }
    let seed = args.seed.unwrap_or_else(fresh_seed);
    let images = args.image.iter().map(|file| {
        let name = file.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok((name, read_picture(file)?))
    });
    let task = GenerateTask {
        prompts,
        images: images.collect::<Result<_, Failure>>()?,
        negative_prompt: args.negative_prompt.clone(),
        count: args.count as usize,
        seed,
        guidance_scale: args.guidance_scale,
        num_inference_steps: args.steps,
        guidance_interval: args.guidance_interval.as_deref().and_then(|times| times.try_into().ok()),
        sampler: args.sampler.as_deref().and_then(Sampler::by_name),
        height: args.height,
        width: args.width,
    };
    let output = Output::resolve(&args.output, (task.prompts.len() + task.images.len()) * task.count)?;
    args.sheet.as_deref().map(sheet_file).transpose()?;
    let model = args.compute.model(args.model.as_deref())?;
    if args.seed.is_none() {
        tell!("seed {seed}");
    }
    let mut lines = vec![];
    let mut pictures = vec![];
    let generated = rebus_tasks::generate(&*model, &task, &mut progress::Drawing::new(), |drawing| {
        let file = output.write(&drawing.picture, &drawing.prompt, drawing.seed, &[])?;
        if !args.json {
            out!("{}", file.display());
        }
        lines.push(Line { prompt: drawing.prompt.clone(), seed: drawing.seed, file });
        pictures.push(drawing.picture.clone());
        Ok(())
    })?;
    for warning in &generated.warnings {
        tracing::warn!("{warning}");
    }
    if let Some(sheet) = &args.sheet {
        write_sheet(sheet, &pictures, task.count)?;
    }
    if args.json {
        out!("{}", serde_json::to_string_pretty(&serde_json::json!({ "pictures": lines }))?);
    }
    Ok(())
}

/// Refuses a place for a sheet that is no PNG's name, or where something else than an earlier sheet is.
pub(crate) fn sheet_file(sheet: &Path) -> Result<(), Failure> {
    png_file(sheet)?;
    if !is_sheet(sheet) {
        Output::resolve(sheet, 1)?;
    }
    Ok(())
}

/// Refuses a name that is no PNG's.
pub(crate) fn png_file(file: &Path) -> Result<(), Failure> {
    match file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
        true => Ok(()),
        false => {
            Err(Failure::input(format!("{}: a sheet is a PNG, so its name must end in .png", file.display())))
        }
    }
}

/// All pictures on one sheet, a row a prompt where several of each were drawn.
pub(crate) fn write_sheet(file: &Path, images: &[DynamicImage], per_row: usize) -> Result<(), Failure> {
    let columns = if per_row > 1 { per_row } else { images.len().clamp(1, 8) };
    let mark = ("Software".to_string(), SHEET.to_string());
    write_png(file, &contact_sheet(images, columns, 4, "white")?.into(), &[mark])?;
    Ok(())
}

/// What a sheet's file says of itself.
const SHEET: &str = "rebus sheet";

/// Whether a file is a sheet of an earlier drawing, which a new one may replace.
fn is_sheet(file: &Path) -> bool {
    fs::read(file).is_ok_and(|bytes| bytes.windows(SHEET.len()).any(|part| part == SHEET.as_bytes()))
}

/// A seed that differs from run to run, short enough to be read aloud.
pub(crate) fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id()) >> 33
}

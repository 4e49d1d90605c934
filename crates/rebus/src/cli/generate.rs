//! `rebus generate`: words to pictures.

use std::path::{Path, PathBuf};

use fs_err as fs;
use rebus_models::sampling::{Sampler, SavedNoise};
use rebus_tasks::{GenerateTask, Made, PictureName};

use super::{
    again,
    compute::Compute,
    failure::Failure,
    picture::{read_picture, read_sound},
    progress,
    say::tell,
    writing::{Finished, Writing},
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
    /// A sound that tells what to draw, such as a spoken prompt, for a model whose `[condition] encoder` hears; may be given several
    /// times.
    #[arg(long, value_name = "FILE")]
    audio: Vec<PathBuf>,
    /// One picture of all together, each counting so much: a number for each prompt, then each --image, then each --audio.
    #[arg(long, value_delimiter = ',', value_name = "NUMBERS", allow_negative_numbers = true)]
    weights: Option<Vec<f32>>,
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
    /// Noise to begin with, as `rebus edit --invert` finds it of a picture, in the place of the seed's.
    #[arg(long, value_name = "FILE")]
    noise: Option<PathBuf>,
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
    #[command(flatten)]
    writing: Writing,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut prompts = args.prompts.clone();
    if let Some(file) = &args.prompts_file {
        prompts.extend(fs::read_to_string(file)?.lines().map(str::to_string).filter(|line| !line.is_empty()));
    }
    let seed = args.seed.unwrap_or_else(fresh_seed);
    let images = args.image.iter().map(|file| Ok((stem(file), read_picture(file)?)));
    let task = GenerateTask {
        prompts,
        images: images.collect::<Result<_, Failure>>()?,
        sounds: args
            .audio
            .iter()
            .map(|file| Ok((stem(file), read_sound(file)?)))
            .collect::<Result<_, Failure>>()?,
        weights: args.weights.clone(),
        negative_prompt: args.negative_prompt.clone(),
        count: args.count as usize,
        seed,
        guidance_scale: args.guidance_scale,
        num_inference_steps: args.steps,
        guidance_interval: args.guidance_interval.as_deref().and_then(|times| times.try_into().ok()),
        sampler: args.sampler.as_deref().and_then(Sampler::by_name),
        noise: args.noise.as_deref().map(read_noise).transpose()?,
        height: args.height,
        width: args.width,
    };
    let wishes = match task.weights {
        Some(_) => 1,
        None => task.prompts.len() + task.images.len() + task.sounds.len(),
    };
    let mut written = args.writing.begin(wishes * task.count)?;
    let model = args.compute.model(args.model.as_deref())?;
    if args.seed.is_none() {
        tell!("seed {seed}");
    }
    let made_by = args.compute.made_by(args.model.as_deref(), &*model);
    let options = model.generate().map(|generator| generator.options()).unwrap_or_default();
    let of_denoise = model.denoise();
    let generated = rebus_tasks::generate(&*model, &task, &mut progress::Drawing::new(), |drawing| {
        let is_prompt = task.prompts.contains(&drawing.prompt);
        let (one, none) = (|value: &str| vec![value.to_string()], Vec::new);
        // Of all together every one counts, of one by one the one that was drawn.
        let together = args.weights.is_some();
        let named = |files: &[PathBuf]| -> Vec<String> {
            let drawn = files.iter().filter(|file| together || (!is_prompt && stem(file) == drawing.prompt));
            drawn.map(|file| again::name_of(file)).collect()
        };
        let images = named(&args.image);
        let sounds = if images.is_empty() || together { named(&args.audio) } else { none() };
        let prompts = match (together, is_prompt) {
            (true, _) => task.prompts.clone(),
            (false, true) => one(&drawing.prompt),
            (false, false) => none(),
        };
        let made = Made {
            prompt: (is_prompt || together).then(|| drawing.prompt.clone()),
            negative_prompt: task.negative_prompt.clone(),
            seed: Some(drawing.seed),
            num_inference_steps: task.num_inference_steps.or(of_denoise.map(|model| model.default_steps())),
            sampler: options.sampler.then(|| task.sampler.unwrap_or_default().name().to_string()),
            guidance_scale: match options.guidance {
                true => task.guidance_scale.or(of_denoise.map(|model| model.default_guidance())),
                false => None,
            },
            model: Some(made_by.clone()),
            ..again::made(&[
                ("prompts", None, prompts),
                ("image", Some("image"), images),
                ("audio", Some("audio"), sounds),
                ("count", None, none()),
                ("seed", Some("seed"), one(&drawing.seed.to_string())),
            ])
        };
        let finished = Finished {
            picture: &drawing.picture,
            name: PictureName::Numbered { words: &drawing.prompt, seed: drawing.seed },
            made: &made,
            color_profile: None,
            said: "",
        };
        written.picture(finished, serde_json::json!({ "prompt": drawing.prompt, "seed": drawing.seed }))?;
        Ok(())
    })?;
    for warning in &generated.warnings {
        tracing::warn!("{warning}");
    }
    written.finish(task.count, serde_json::Value::Null)
}

fn read_noise(path: &Path) -> Result<SavedNoise, Failure> {
    Ok(SavedNoise::from_bytes(&fs::read(path)?, &path.display().to_string())?)
}

/// A file's name without its ending.
pub(crate) fn stem(file: &Path) -> String {
    file.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// A seed that differs from run to run, short enough to be read aloud.
pub(crate) fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id()) >> 33
}

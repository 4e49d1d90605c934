//! `rebus translate`: pictures to other pictures.

use std::path::PathBuf;

use image::DynamicImage;
use rebus_data::{
    SourceConfig, Transform,
    random::{Purpose, stream},
};
use rebus_models::Model;
use rebus_tasks::{Made, PictureName, TranslateTask, Translation, translate};

use super::{
    again,
    compute::Compute,
    eval::trained_with,
    failure::Failure,
    generate::fresh_seed,
    picture::{Found, found, read_picture},
    progress,
    say::{always, tell},
    writing::{Finished, Writing, Written},
};

/// Pictures that are read before any of them is translated; more only takes memory.
const AT_ONCE: usize = 16;

/// Arguments of `rebus translate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Pictures, and folders of pictures, whose names are kept.
    #[arg(required = true, value_name = "PICTURE|FOLDER")]
    pictures: Vec<PathBuf>,
    /// A folder of a model that translates, such as the recipe emoji-tones-cyclegan makes; the one that ships, which makes emoji of
    /// outlines, by default.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Make the source of each picture first: edges, gray, blur, low-resolution, posterize or mask-out, as in a recipe's
    /// `[data.source]`; without a name as the model learned it.
    #[arg(long, value_name = "NAME[=AMOUNT]", num_args = 0..=1, default_missing_value = "")]
    transform: Option<String>,
    /// The other way round, for models that learned both.
    #[arg(long)]
    backwards: bool,
    /// What is to become of the pictures, for models that follow words.
    #[arg(long)]
    prompt: Option<String>,
    /// Picture i has seed SEED + i, for models that draw by one; a fresh one is taken and printed where none is given.
    #[arg(long)]
    seed: Option<u64>,
    /// How closely to follow the words; 1 is no guidance.
    #[arg(long, allow_negative_numbers = true)]
    guidance_scale: Option<f32>,
    /// How closely to follow the picture; 1 is no guidance.
    #[arg(long, allow_negative_numbers = true)]
    image_guidance_scale: Option<f32>,
    /// How many steps to take.
    #[arg(long, visible_alias = "num-inference-steps")]
    steps: Option<usize>,
    /// Show the model each picture at the size that it learned from; what comes has that size too.
    #[arg(long)]
    fit: bool,
    /// Larger pictures are translated in overlapping tiles of at most so many pixels a side.
    #[arg(long, default_value_t = 512, value_name = "PIXELS")]
    tile: u32,
    #[command(flatten)]
    compute: Compute,
    #[command(flatten)]
    writing: Writing,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let pictures = found(&args.pictures)?;
    let mut written = args.writing.begin(pictures.len())?;
    let model = args.compute.translator(args.model.as_deref())?;
    let transform = args.transform.as_deref().map(|name| transform(&*model, name)).transpose()?;
    let options = model.translate().map(|translate| translate.options()).unwrap_or_default();
    // The place of a mask is drawn too.
    let by_seed = options.guidance || matches!(transform, Some(Transform::MaskOut(_)));
    for (option, given, has) in [
        ("--seed", args.seed.is_some(), by_seed),
        ("--guidance-scale", args.guidance_scale.is_some(), options.guidance),
        ("--image-guidance-scale", args.image_guidance_scale.is_some(), options.guidance),
        ("--steps", args.steps.is_some(), options.steps),
    ] {
        if given && !has {
            let family = &model.info().family;
            tracing::warn!("{option} has no meaning for a model of family `{family}`, and is left aside");
        }
    }
    let seed = args.seed.unwrap_or_else(|| if by_seed { fresh_seed() } else { 0 });
    if args.seed.is_none() && by_seed {
        tell!("seed {seed}");
    }
    if options.prompt && args.prompt.is_none() {
        tell!("no --prompt says what is to become of the pictures: this model follows words");
    }
    let mut failed = vec![];
    for (chunk, place) in pictures.chunks(AT_ONCE).zip((0u64..).step_by(AT_ONCE)) {
        let mut sources = vec![];
        for (found, place) in chunk.iter().zip(place..) {
            let seed = seed.wrapping_add(place);
            match source(found, transform, seed) {
                Ok(source) => sources.push((found, seed, source)),
                Err(failure) => match failure.reason() {
                    // One picture alone is the whole wish.
                    Some(reason) if pictures.len() > 1 => {
                        always(format_args!("{}: {reason}", found.path.display()));
                        failed.push(serde_json::json!({ "picture": found.path, "reason": reason }));
                    }
                    _ => return Err(failure),
                },
            }
        }
        // Pictures of one file after the other have seeds one after the other, unless one of them failed.
        for together in sources.chunk_by(|a, b| b.1 == a.1.wrapping_add(1)) {
            let pictures: Vec<DynamicImage> = together.iter().map(|(.., source)| source.clone()).collect();
            let task = task(args, together[0].1);
            let made = translate(&*model, &pictures, &task, &mut progress::Drawing::of("translating"))?;
            for ((found, seed, _), translation) in together.iter().zip(made) {
                write(args, &*model, &mut written, found, by_seed.then_some(*seed), translation)?;
            }
        }
    }
    let count = failed.len();
    written.finish(2, serde_json::json!({ "failed": failed }))?;
    match count {
        0 => Ok(()),
        count => Err(Failure::input(format!(
            "{count} of {} pictures could not be read; the others are translated",
            pictures.len()
        ))),
    }
}

/// A picture as it is to be translated.
fn source(found: &Found, transform: Option<Transform>, seed: u64) -> Result<DynamicImage, Failure> {
    let picture = read_picture(&found.path)?;
    Ok(match transform {
        Some(transform) => {
            let flat = rebus_data::picture::flatten(picture, 3, [255; 4]);
            transform.apply(&flat, &mut stream(seed, Purpose::Source, 0, 0))?
        }
        None => picture,
    })
}

fn task(args: &Args, seed: u64) -> TranslateTask {
    TranslateTask {
        backwards: args.backwards,
        prompt: args.prompt.clone(),
        seed,
        guidance_scale: args.guidance_scale,
        image_guidance_scale: args.image_guidance_scale,
        num_inference_steps: args.steps,
        fit: args.fit,
        tile: args.tile,
    }
}

/// The transform of this name, or that by which the model's own sources were made.
fn transform(model: &dyn Model, name: &str) -> Result<Transform, Failure> {
    if !name.is_empty() {
        return Ok(name.parse()?);
    }
    match trained_with(model).and_then(|data| data.source) {
        Some(SourceConfig::Transform(transform)) => Ok(transform),
        _ => Err(Failure::input(
            "--transform: this model's sources were not made by a transform; name one, such as --transform edges",
        )),
    }
}

fn write(
    args: &Args,
    model: &dyn Model,
    written: &mut Written<'_>,
    found: &Found,
    seed: Option<u64>,
    translation: Translation,
) -> Result<(), Failure> {
    let Translation { source, made: picture } = translation;
    let made = Made {
        prompt: args.prompt.clone(),
        seed,
        num_inference_steps: args.steps,
        guidance_scale: args.guidance_scale,
        model: Some(args.compute.made_by(args.model.as_deref(), model)),
        ..again::made(&[
            ("pictures", None, vec![again::name_of(&found.path)]),
            ("seed", Some("seed"), seed.iter().map(u64::to_string).collect()),
        ])
    };
    written.on_sheet(source);
    let finished = Finished {
        picture: &picture,
        name: PictureName::Kept(&found.below),
        made: &made,
        color_profile: None,
        said: "",
    };
    written.picture(finished, serde_json::json!({ "picture": found.path, "seed": seed }))?;
    Ok(())
}

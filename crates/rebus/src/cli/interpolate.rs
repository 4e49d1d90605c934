//! `rebus interpolate`: the way from one picture or prompt to another.

use std::path::{Path, PathBuf};

use rebus_tasks::{Ends, InterpolateTask, Made, PictureName, interpolate};

use super::{
    again,
    compute::Compute,
    failure::Failure,
    generate::fresh_seed,
    picture::read_picture,
    progress,
    say::tell,
    writing::{Finished, Writing},
};

/// Arguments of `rebus interpolate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A picture's file, or a prompt.
    from: String,
    /// The other end, of the same kind.
    to: String,
    /// How many pictures, both ends among them.
    #[arg(short = 'n', long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    count: u32,
    /// The seed of all pictures between prompts; a fresh one is taken and printed where none is given.
    #[arg(long)]
    seed: Option<u64>,
    /// How closely to follow prompts.
    #[arg(long, allow_negative_numbers = true)]
    guidance_scale: Option<f32>,
    /// How many steps to take.
    #[arg(long, visible_alias = "num-inference-steps")]
    steps: Option<usize>,
    /// A model folder; the one that ships by default, which knows prompts alone.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    #[command(flatten)]
    compute: Compute,
    #[command(flatten)]
    writing: Writing,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let files = [&args.from, &args.to].map(|end| Path::new(end).is_file());
    let ends = match files {
        [true, true] => {
            let read = |path: &String| read_picture(Path::new(path));
            Ends::Pictures(Box::new([read(&args.from)?, read(&args.to)?]))
        }
        [false, false] => Ends::Prompts([args.from.clone(), args.to.clone()]),
        [first, _] => {
            let (file, prompt) = if first { (&args.from, &args.to) } else { (&args.to, &args.from) };
            return Err(Failure::input(format!(
                "{file} is a file and `{prompt}` is none: name two pictures, or say two prompts"
            )));
        }
    };
    let mut written = args.writing.begin(args.count as usize)?;
    let model = args.compute.model(args.model.as_deref())?;
    let seed = args.seed.unwrap_or_else(fresh_seed);
    if args.seed.is_none() && files == [false, false] {
        tell!("seed {seed}");
    }
    let task = InterpolateTask {
        ends,
        count: args.count as usize,
        seed,
        guidance_scale: args.guidance_scale,
        num_inference_steps: args.steps,
    };
    let pictures = interpolate(&*model, &task, &mut progress::Drawing::new())?;
    let name = |end: &String| match files[0] {
        true => again::name_of(Path::new(end)),
        false => end.clone(),
    };
    let ends = vec![name(&args.from), name(&args.to)];
    let made = Made {
        prompt: (!files[0]).then(|| ends.join(" -> ")),
        seed: (!files[0]).then_some(seed),
        model: Some(args.compute.made_by(args.model.as_deref(), &*model)),
        ..again::made(&[
            ("from", None, ends),
            ("to", None, vec![]),
            ("seed", Some("seed"), if files[0] { vec![] } else { vec![seed.to_string()] }),
        ])
    };
    for (step, picture) in pictures.iter().enumerate() {
        let share = step as f64 / (pictures.len() - 1) as f64;
        let name = format!("{:.0} percent", 100.0 * share);
        let finished = Finished {
            picture,
            name: PictureName::Numbered { words: &name, seed },
            made: &made,
            color_profile: None,
            said: "",
        };
        written.picture(finished, serde_json::json!({ "share": share }))?;
    }
    written.finish(pictures.len(), serde_json::json!({ "seed": seed }))
}

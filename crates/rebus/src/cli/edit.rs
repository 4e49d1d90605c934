//! `rebus edit`: a picture that exists, changed.

use std::path::{Path, PathBuf};

use image::DynamicImage;
use rebus_eval::similarity;
use rebus_models::{Model, sampling::Sampler};
use rebus_tasks::{
    Adjustment, Change, EditTask, InvertTask, Made, PictureName, Place, Point, Region, Warp, adjust, edit,
};

use super::{
    again, attribute,
    compute::Compute,
    edits,
    failure::Failure,
    generate::{fresh_seed, stem},
    picture::{read_picture, read_with_profile},
    progress,
    say::tell,
    writing::{Finished, Writing},
};

/// Arguments of `rebus edit`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Pictures of any size; each is edited at the model's size, and what changed is put back into it.
    #[arg(required = true)]
    pictures: Vec<PathBuf>,
    /// What is to be seen: the picture is noised to a part of the way, and drawn anew.
    #[arg(long, required_unless_present_any = ["to", "attribute", "adjust", "warp", "shape", "invert", "recipe"], conflicts_with_all = ["from", "to"])]
    prompt: Option<String>,
    /// What is to be seen now, for an edit that changes what the words change.
    #[arg(long, requires = "to")]
    from: Option<String>,
    /// What is to be seen then.
    #[arg(long, requires = "from")]
    to: Option<String>,
    /// More of something, or less, by a slider that `rebus attribute` has learned: its name, or its file, and how far, such as
    /// smile=+1; several with commas between them.
    #[arg(long, value_name = "NAME=AMOUNT,...", value_delimiter = ',', value_parser = attribute::amount, conflicts_with_all = ["prompt", "from", "to", "negative_prompt"])]
    attribute: Vec<(String, f64)>,
    /// Take a picture back to the noise or the latent that it is drawn from, and keep it in this file: `rebus generate --noise FILE`
    /// begins with it. `--prompt` says what is seen; what is drawn of the noise is written too, with how near it comes.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to", "attribute", "adjust", "warp", "shape", "strength", "place", "negative_prompt", "count"])]
    invert: Option<PathBuf>,
    /// Changes that need no model, one after the other, before those by words: hue=DEGREES, saturation=FACTOR, brightness=PERCENT,
    /// contrast=FACTOR, blur=PIXELS, sharpen=PIXELS, rotate=90|180|270, flip=horizontal|vertical, crop=X:Y:WIDTH:HEIGHT,
    /// resize=WIDTH:HEIGHT, recolor=FILE.
    #[arg(long, value_name = "WHAT=HOW,...", allow_hyphen_values = true, value_parser = adjustments)]
    adjust: Option<Adjustments>,
    /// Another shape, behind `--adjust`: four places where the corners go, the upper left one first and then clockwise, as
    /// "4,0 27,0 31,31 0,31"; or control points and where they go, as "10,10>12,8 20,24>20,24".
    #[arg(long, value_name = "POINTS", allow_hyphen_values = true, value_parser = warp)]
    warp: Option<Warp>,
    /// Another shape: the outline of the white part of one mask goes to that of another.
    #[arg(long, num_args = 2, value_names = ["MASK", "MASK"])]
    shape: Option<Vec<PathBuf>>,
    /// Several edits, one after the other, before all others: a TOML file with an [[edit]] for each, whose keys are these options; paths
    /// begin in its folder.
    #[arg(long, value_name = "FILE.toml", conflicts_with = "invert")]
    recipe: Option<PathBuf>,
    /// The part of the way to noise, above 0 and at most 1: 0.6 for a prompt, all of it in a region, 0.7 for words, 0.85 for sliders.
    #[arg(long, allow_negative_numbers = true)]
    strength: Option<f64>,
    #[command(flatten)]
    region: RegionArgs,
    /// What to keep away from.
    #[arg(long, conflicts_with = "from")]
    negative_prompt: Option<String>,
    /// How many variations of each picture.
    #[arg(short = 'n', long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    count: u32,
    /// Variation i has seed SEED + i; a fresh one is taken and printed where none is given.
    #[arg(long)]
    seed: Option<u64>,
    /// How closely to follow the prompt; 1 is no guidance.
    #[arg(long, allow_negative_numbers = true)]
    guidance_scale: Option<f32>,
    /// How closely to follow `--from`; 1.5 by default.
    #[arg(long, allow_negative_numbers = true, requires = "from")]
    source_guidance_scale: Option<f32>,
    /// How many steps the whole way has.
    #[arg(long, visible_alias = "num-inference-steps")]
    steps: Option<usize>,
    /// How a step is taken.
    #[arg(long, value_parser = Sampler::ALL.map(Sampler::name))]
    sampler: Option<String>,
    /// How often a step is walked in a region, so that what is kept and what is drawn come to fit; 4 by default.
    #[arg(long, value_name = "N")]
    resamplings: Option<usize>,
    /// A model folder; the one that ships by default.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    #[command(flatten)]
    compute: Compute,
    #[command(flatten)]
    writing: Writing,
}

/// Where a picture changes.
#[derive(Debug, clap::Args)]
struct RegionArgs {
    /// A picture of the same size: white is drawn anew, black stays to the byte; with an alpha channel, opaque and transparent.
    #[arg(long, value_name = "FILE", group = "place")]
    mask: Option<PathBuf>,
    /// A rectangle that is drawn anew.
    #[arg(long = "box", value_name = "X,Y,WIDTH,HEIGHT", group = "place", value_parser = four)]
    rectangle: Option<[u32; 4]>,
    /// Whatever has this colour is drawn anew; `~10` behind it is how far each channel may be off.
    #[arg(long, value_name = "COLOUR[~N]", group = "place", value_parser = color)]
    color: Option<([u8; 3], u8)>,
    /// What is transparent is drawn anew.
    #[arg(long, group = "place")]
    mask_from_alpha: bool,
    /// Pixels that are added and drawn on each side.
    #[arg(long, value_name = "LEFT,RIGHT,TOP,BOTTOM", group = "place", value_parser = four)]
    expand: Option<[u32; 4]>,
    /// Draw all else anew instead.
    #[arg(long, requires = "place")]
    invert_mask: bool,
    /// Pixels over which the inner edge of the region goes from what was to what is drawn.
    #[arg(long, default_value_t = 0.0, value_name = "PIXELS")]
    feather: f32,
}

/// `hue=+20,contrast=1.1`, as it was said and as it is done; a picture is read later.
#[derive(Debug, Clone)]
struct Adjustments(Vec<(String, Step)>);

#[derive(Debug, Clone)]
enum Step {
    Adjustment(Adjustment),
    Recolor(PathBuf),
}

fn adjustments(text: &str) -> Result<Adjustments, String> {
    let step = |item: &str| {
        let (name, how) = item.split_once('=').ok_or_else(|| format!("`{item}` lacks its `=`"))?;
        let number = || how.parse::<f64>().ok().filter(|number| number.is_finite());
        let numbers = || how.split(':').map(|part| part.parse().ok()).collect::<Option<Vec<u32>>>();
        let found = match name {
            "hue" => number().map(Adjustment::Hue),
            "saturation" => number().filter(|factor| *factor >= 0.0).map(Adjustment::Saturation),
            "brightness" => number().map(Adjustment::Brightness),
            "contrast" => number().filter(|factor| *factor >= 0.0).map(Adjustment::Contrast),
            "blur" => number().map(|pixels| Adjustment::Blur(pixels as f32)),
            "sharpen" => number().map(|pixels| Adjustment::Sharpen(pixels as f32)),
            "rotate" => how.parse().ok().map(Adjustment::Rotate),
            "flip" => match how {
                "horizontal" => Some(Adjustment::FlipHorizontal),
                "vertical" => Some(Adjustment::FlipVertical),
                _ => None,
            },
            "crop" => numbers().and_then(|numbers| numbers.try_into().ok()).map(Adjustment::Crop),
            "resize" => numbers().and_then(|numbers| numbers.try_into().ok()).map(Adjustment::Resize),
            "recolor" => {
                let name = Path::new(how).file_name().map(|name| name.to_string_lossy().into_owned());
                return Ok((format!("recolor={}", name.unwrap_or_default()), Step::Recolor(how.into())));
            }
            _ => return Err(format!("`{name}` is no change; see --help for those that there are")),
        };
        let found = found.ok_or_else(|| format!("`{how}` is nothing that `{name}` takes; see --help"))?;
        Ok((item.to_string(), Step::Adjustment(found)))
    };
    text.split(',').map(|item| step(item.trim())).collect::<Result<_, _>>().map(Adjustments)
}

impl Adjustments {
    /// As it was said, files without their folders.
    fn said(&self) -> String {
        self.0.iter().map(|(said, _)| said.as_str()).collect::<Vec<_>>().join(",")
    }

    fn read(&self) -> Result<Vec<Adjustment>, Failure> {
        let read = |step: &Step| match step {
            Step::Adjustment(adjustment) => Ok(adjustment.clone()),
            Step::Recolor(path) => Ok(Adjustment::Recolor(Box::new(read_picture(path)?))),
        };
        self.0.iter().map(|(_, step)| read(step)).collect()
    }
}

/// `4,0 27,0 31,31 0,31`, or `10,10>12,8 20,24>20,24`
fn warp(text: &str) -> Result<Warp, String> {
    let point = |text: &str| -> Option<Point> {
        let (x, y) = text.split_once(',')?;
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        Some([number(x)?, number(y)?])
    };
    let items: Vec<&str> = text.split_whitespace().collect();
    let corners = || items.iter().map(|item| point(item)).collect::<Option<Vec<_>>>()?.try_into().ok();
    let pair = |item: &&str| item.split_once('>').and_then(|(from, to)| Some([point(from)?, point(to)?]));
    let pairs = || items.iter().map(pair).collect::<Option<Vec<_>>>().filter(|pairs| !pairs.is_empty());
    corners().map(Warp::Corners).or_else(|| pairs().map(Warp::Points)).ok_or_else(|| {
        format!("`{text}` is neither four places, as \"4,0 27,0 31,31 0,31\", nor pairs of them, as \"10,10>12,8\"")
    })
}

/// `16,16,0,0`
fn four(text: &str) -> Result<[u32; 4], String> {
    let wrong = || format!("`{text}` is not four whole numbers with commas between them");
    let numbers: Result<Vec<u32>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    numbers.ok().and_then(|numbers| numbers.try_into().ok()).ok_or_else(wrong)
}

/// `#fff~10`
fn color(text: &str) -> Result<([u8; 3], u8), String> {
    rebus_data::picture::parse_color_key(text).map_err(|error| error.to_string())
}

impl RegionArgs {
    fn read(&self) -> Result<Region, Failure> {
        let place = if let Some(path) = &self.mask {
            Some(Place::Mask(Box::new(read_picture(path)?)))
        } else if let Some([x, y, width, height]) = self.rectangle {
            Some(Place::Box { x, y, width, height })
        } else if let Some((color, tolerance)) = self.color {
            Some(Place::Color { color, tolerance })
        } else if let Some([left, right, top, bottom]) = self.expand {
            Some(Place::Expand { left, right, top, bottom })
        } else {
            self.mask_from_alpha.then_some(Place::Transparent)
        };
        Ok(Region { place, invert: self.invert_mask, feather: self.feather })
    }
}

/// `--invert`: the noise of one picture.
fn invert(args: &Args, file: &Path) -> Result<(), Failure> {
    let [path] = &args.pictures[..] else {
        return Err(Failure::input("--invert takes one picture, since it writes one file of noise"));
    };
    if file.exists() {
        return Err(rebus_tasks::TaskError::Exists { path: file.to_path_buf() }.into());
    }
    let mut written = args.writing.begin(1)?;
    let picture = read_picture(path)?;
    let model = args.compute.model(args.model.as_deref())?;
    let task = InvertTask {
        picture,
        prompt: args.prompt.clone(),
        num_inference_steps: args.steps,
        guidance_scale: args.guidance_scale,
    };
    let found = rebus_tasks::invert(&*model, &task, &mut progress::Drawing::new())?;
    rebus_data::write_atomic(file, &found.noise.to_bytes()?)?;
    let psnr = similarity(&found.redrawn.to_rgb8(), &found.shown.to_rgb8())?.psnr;
    let made = Made {
        prompt: args.prompt.clone(),
        num_inference_steps: args.steps,
        guidance_scale: args.guidance_scale,
        model: Some(args.compute.made_by(args.model.as_deref(), &*model)),
        ..again::made(&[("pictures", None, vec![again::name_of(path)])])
    };
    written.on_sheet(found.shown);
    let said = psnr.map_or("equal".to_string(), |psnr| format!("{psnr:.2} dB"));
    let stem = stem(path);
    let finished = Finished {
        picture: &found.redrawn,
        name: PictureName::Numbered { words: &stem, seed: 0 },
        made: &made,
        color_profile: None,
        said: &said,
    };
    written.picture(finished, serde_json::json!({ "picture": path, "noise": file, "psnr": psnr }))?;
    written.finish(2, serde_json::Value::Null)
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    if let Some(file) = &args.invert {
        return invert(args, file);
    }
    let before = args.recipe.as_deref().map(edits::read).transpose()?.unwrap_or_default();
    let draws = before.iter().chain([args]).any(|edit| edit.draws());
    let count = if args.draws() { args.count as usize } else { 1 };
    let mut written = args.writing.begin(args.pictures.len() * count)?;
    let mut steps = before.iter().map(Edit::of).collect::<Result<Vec<_>, _>>()?;
    steps.extend(args.changes_anything().then(|| Edit::of(args)).transpose()?);
    let pictures: Vec<_> =
        args.pictures.iter().map(|path| read_with_profile(path)).collect::<Result<_, _>>()?;
    let model = draws.then(|| args.compute.model(args.model.as_deref())).transpose()?;
    let seed = args.seed.unwrap_or_else(fresh_seed);
    if args.seed.is_none() && draws {
        tell!("seed {seed}");
    }
    // All that was asked for by words, one after the other.
    let said = before.iter().chain([args]).filter_map(|edit| edit.prompt.as_deref().or(edit.to.as_deref()));
    let said = Some(said.collect::<Vec<_>>().join("; ")).filter(|said| !said.is_empty());
    let made_by = model.as_deref().map(|model| args.compute.made_by(args.model.as_deref(), model));
    for (path, (picture, profile)) in args.pictures.iter().zip(pictures) {
        written.on_sheet(picture.clone());
        let mut edited = vec![picture];
        for step in &steps {
            // Of earlier steps with variations the first goes on.
            edited = step.made(edited.remove(0), model.as_deref(), seed)?;
        }
        for (number, edited) in edited.iter().take(count).enumerate() {
            let seed = draws.then(|| seed.wrapping_add(number as u64));
            let made = Made {
                prompt: said.clone(),
                negative_prompt: args.negative_prompt.clone(),
                seed,
                num_inference_steps: args.steps,
                guidance_scale: args.guidance_scale,
                strength: args.strength,
                model: made_by.clone(),
                ..again::made(&[
                    ("pictures", None, vec![again::name_of(path)]),
                    ("count", None, vec![]),
                    ("adjust", Some("adjust"), args.adjust.iter().map(Adjustments::said).collect()),
                    ("seed", Some("seed"), seed.iter().map(u64::to_string).collect()),
                ])
            };
            let name = stem(path);
            let finished = Finished {
                picture: edited,
                name: PictureName::Numbered { words: &name, seed: seed.unwrap_or(0) },
                made: &made,
                color_profile: profile.as_deref(),
                said: "",
            };
            written.picture(finished, serde_json::json!({ "picture": path, "seed": seed }))?;
        }
    }
    written.finish(count + 1, serde_json::Value::Null)
}

impl Args {
    /// Whether a model is asked.
    fn draws(&self) -> bool {
        self.prompt.is_some() || self.to.is_some() || !self.attribute.is_empty()
    }

    /// What a model changes, if it is asked.
    fn by_model(&self) -> Result<Option<Change>, Failure> {
        Ok(match (&self.prompt, &self.from, &self.to) {
            (Some(prompt), ..) => Some(Change::Redraw { prompt: prompt.clone() }),
            (None, Some(from), Some(to)) => Some(Change::Words { from: from.clone(), to: to.clone() }),
            _ if self.attribute.is_empty() => None,
            _ => {
                let read = |(name, amount): &(String, f64)| Ok((attribute::read(name)?, *amount));
                Some(Change::Attributes(self.attribute.iter().map(read).collect::<Result<_, Failure>>()?))
            }
        })
    }

    fn changes_anything(&self) -> bool {
        self.draws() || self.adjust.is_some() || self.warp.is_some() || self.shape.is_some()
    }
}

/// An edit with all that it needs of files.
struct Edit<'a> {
    args: &'a Args,
    by_model: Option<Change>,
    adjustments: Vec<Adjustment>,
    region: Region,
}

impl<'a> Edit<'a> {
    fn of(args: &'a Args) -> Result<Self, Failure> {
        let mut adjustments = args.adjust.as_ref().map(Adjustments::read).transpose()?.unwrap_or_default();
        adjustments.extend(args.warp.clone().map(Adjustment::Warp));
        if let Some([from, to]) = args.shape.as_deref() {
            let masks = [read_picture(from)?.to_luma8(), read_picture(to)?.to_luma8()];
            adjustments.push(Adjustment::Warp(Warp::Outline(Box::new(masks))));
        }
        Ok(Self { args, by_model: args.by_model()?, adjustments, region: args.region.read()? })
    }

    /// The variations of a picture; `seed` is for an edit that has none of its own.
    fn made(
        &self,
        picture: DynamicImage,
        model: Option<&dyn Model>,
        seed: u64,
    ) -> Result<Vec<DynamicImage>, Failure> {
        let Self { args, by_model, adjustments, region } = self;
        let (Some(model), Some(change)) = (model, by_model) else {
            return Ok(vec![adjust(&picture, adjustments, region)?]);
        };
        let task = EditTask {
            region: region.clone(),
            count: args.count as usize,
            seed: args.seed.unwrap_or(seed),
            strength: args.strength,
            negative_prompt: args.negative_prompt.clone(),
            guidance_scale: args.guidance_scale,
            source_guidance_scale: args.source_guidance_scale,
            num_inference_steps: args.steps,
            sampler: args.sampler.as_deref().and_then(Sampler::by_name),
            resamplings: args.resamplings,
            ..EditTask::new(adjust(&picture, adjustments, &Region::default())?, change.clone())
        };
        Ok(edit(model, &task, &mut progress::Drawing::new())?)
    }
}

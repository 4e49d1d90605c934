//! Pictures that exist, changed: drawn anew as a prompt says, in a region or everywhere, or as other words would have them.

mod adjust;
mod attribute;
mod invert;
mod paste;
mod pixels;
mod region;
mod warp;

use image::{DynamicImage, GrayImage};
use rebus_data::{
    Pictures,
    fit::{self, Size},
    picture,
};
use rebus_models::{
    GenerateRequest, Model, ModelError, Observer,
    registry::able,
    sampling::{FlowEdit, Sampler, Start, Words, flow_edit},
};

use crate::{
    TaskError,
    reconstruct::{fit as fitted, told},
};
pub use adjust::Adjustment;
pub use attribute::{Attribute, Contrast, Direction};
pub(crate) use invert::of_latent;
pub use invert::{InvertTask, Inverted, invert};
use paste::{Part, paste};
use region::Marked;
pub(crate) use region::fits;
pub use region::{Place, Region};
pub use warp::{Point, Warp};

/// Variations that are drawn at once; more only takes memory.
const AT_ONCE: usize = 16;
/// How much is drawn anew of a picture where no strength is given.
const STRENGTH: f64 = 0.6;

/// What to do with a picture.
#[derive(Debug, Clone)]
pub enum Change {
    /// Noise to part of the way, and drawn anew by a prompt (Meng et al. 2022).
    Redraw {
        /// What is to be seen.
        prompt: String,
    },
    /// What the words change, and nothing else: on flows by the difference of velocities (Kulikov et al. 2024), on autoencoders by
    /// another caption for the same latent.
    Words {
        /// What is to be seen now.
        from: String,
        /// What is to be seen then.
        to: String,
    },
    /// Along sliders, each by an amount: 1 is about as much as words change, below 0 is less of it.
    Attributes(Vec<(Attribute, f64)>),
}

/// A picture to change.
#[derive(Debug, Clone)]
pub struct EditTask {
    /// The picture, of any size and kind.
    pub picture: DynamicImage,
    /// What becomes of it.
    pub change: Change,
    /// Where.
    pub region: Region,
    /// How many variations.
    pub count: usize,
    /// Variation `i` has seed `seed + i`.
    pub seed: u64,
    /// The part of the way to noise: 0.6 by default, all of it in a region, 0.7 for words, 0.85 for sliders.
    pub strength: Option<f64>,
    /// What to keep away from.
    pub negative_prompt: Option<String>,
    /// How closely to follow the prompt; the model's own choice by default, 5.5 for words, 2.5 for sliders.
    pub guidance_scale: Option<f32>,
    /// How closely to follow what is said of the picture as it is; 1.5 by default.
    pub source_guidance_scale: Option<f32>,
    /// How many steps the whole way has; the model's own choice by default, 50 for words.
    pub num_inference_steps: Option<usize>,
    /// How a step is taken.
    pub sampler: Option<Sampler>,
    /// How often a step is walked where something is kept, so that it fits what is drawn; 4 by default.
    pub resamplings: Option<usize>,
}

impl EditTask {
    /// With the usual numbers.
    pub fn new(picture: DynamicImage, change: Change) -> Self {
        Self {
            picture,
            change,
            region: Region::default(),
            count: 1,
            seed: 0,
            strength: None,
            negative_prompt: None,
            guidance_scale: None,
            source_guidance_scale: None,
            num_inference_steps: None,
            sampler: None,
            resamplings: None,
        }
    }
}

/// The variations of a changed picture, in its own size, kind and depth. Outside of the region every pixel is the picture's own.
///
/// # Errors
/// A model that cannot do it, a region that cannot be, an option out of range, an interruption.
pub fn edit(
    model: &dyn Model,
    task: &EditTask,
    observer: &mut dyn Observer,
) -> Result<Vec<DynamicImage>, TaskError> {
    let Marked { picture, mask } = task.region.of(task.picture.clone())?;
    let [channels, height, width] = model.info().picture_shape;
    let everywhere = task.region.place.is_none();
    let part = match everywhere {
        true => Part { x: 0, y: 0, width: picture.width(), height: picture.height() },
        false => Part::around(&mask, [width as u32, height as u32]),
    };
    let size = Size { height: height as u32, width: width as u32 };
    let shown = squeezed(&picture::flatten(part.of(&picture), channels as u8, [255; 4]), size)?;
    let shown = fitted([channels, height, width], &[shown])?;
    let region = (!everywhere).then(|| part.of_mask(&mask));
    let region = region.map(|region| small(&region, size)).transpose()?;
    let back = Size { height: part.height, width: part.width };
    let seeds: Vec<u64> = (0..task.count as u64).map(|i| task.seed.wrapping_add(i)).collect();
    let mut variations = vec![];
    for seeds in seeds.chunks(AT_ONCE) {
        for drawn in changed(model, task, seeds, &shown, region.as_ref(), observer)?.to_images()? {
            let mut edited = picture.clone();
            paste(&mut edited, &mask, part, &squeezed(&drawn, back)?.to_rgb8(), everywhere);
            variations.push(edited);
        }
    }
    Ok(variations)
}

/// A picture after changes that need no model, one after the other; in a region, where that is told, and outside of it every pixel is
/// the picture's own.
///
/// # Errors
/// A value out of range, a region that cannot be, a region for a change that moves pixels.
pub fn adjust(
    picture: &DynamicImage,
    adjustments: &[Adjustment],
    region: &Region,
) -> Result<DynamicImage, TaskError> {
    let adjusted = |picture: DynamicImage| {
        adjustments.iter().try_fold(picture, |picture, adjustment| adjustment.of(picture))
    };
    if region.place.is_none() {
        return adjusted(picture.clone());
    }
    if let Some(moves) = adjustments.iter().find(|adjustment| !adjustment.keeps_places()) {
        let rule = "it moves pixels, and so has no region: leave one of the two out".to_string();
        return Err(TaskError::Region { what: "adjust", value: format!("{moves:?}"), rule });
    }
    let Marked { mut picture, mask } = region.of(picture.clone())?;
    let changed = adjusted(picture.clone())?.to_rgba16();
    pixels::map(&mut picture, |x, y, old| {
        let share = f64::from(mask[(x, y)][0]) / 255.0;
        let new = changed[(x, y)].0.map(|value| f64::from(value) / 65535.0);
        std::array::from_fn(|channel| old[channel] + (new[channel] - old[channel]) * share)
    });
    Ok(picture)
}

/// In another size, whatever becomes of the aspect: nothing is cut off.
fn squeezed(picture: &DynamicImage, size: Size) -> Result<DynamicImage, TaskError> {
    match (picture.width(), picture.height()) == (size.width, size.height) {
        true => Ok(picture.clone()),
        false => Ok(fit::stretch(picture, size)?),
    }
}

/// A mask as a model is shown it, `[1, 1, height, width]` in 0..1.
fn small(mask: &GrayImage, size: Size) -> Result<Pictures, TaskError> {
    let mask = squeezed(&DynamicImage::ImageLuma8(mask.clone()), size)?.to_luma8();
    let data = mask.as_raw().iter().map(|value| f32::from(*value) / 255.0).collect();
    Ok(Pictures { shape: [1, 1, size.height as usize, size.width as usize], data })
}

/// The variations at the model's size.
fn changed(
    model: &dyn Model,
    task: &EditTask,
    seeds: &[u64],
    shown: &Pictures,
    mask: Option<&Pictures>,
    observer: &mut dyn Observer,
) -> Result<Pictures, TaskError> {
    let count = seeds.len();
    let shown = shown.repeated(count);
    let lacks = |verb, able| ModelError::Lacks { family: model.info().family.clone(), verb, able };
    let told = |text: &str| told(model, text, count);
    match &task.change {
        Change::Redraw { prompt } => {
            let generator = model.generate().filter(|generator| generator.options().start);
            let generator = generator.ok_or_else(|| match model.reconstruct() {
                Some(_) => ModelError::Request {
                    option: "prompt",
                    value: prompt.clone(),
                    rule: format!(
                        "a model of family `{}` does not begin with a picture; say what is to be seen now and what then \
                         (`--from`, `--to`)",
                        model.info().family
                    ),
                },
                None => lacks("edit", able("edit")),
            })?;
            let mut request = GenerateRequest::default();
            request.seeds = seeds.to_vec();
            request.condition = Some(told(prompt)?);
            request.negative = task.negative_prompt.as_deref().map(told).transpose()?;
            request.guidance_scale = task.guidance_scale;
            request.num_inference_steps = task.num_inference_steps;
            request.sampler = task.sampler.unwrap_or_default();
            let mut start =
                Start::new(shown, task.strength.unwrap_or(if mask.is_some() { 1.0 } else { STRENGTH }));
            start.mask = mask.map(|mask| mask.repeated(count));
            start.resamplings = task.resamplings.unwrap_or(4);
            request.start = Some(start);
            Ok(generator.generate(&request, observer)?)
        }
        Change::Words { from, to } => {
            let (source, target) = (told(from)?, told(to)?);
            if let Some(denoise) = model.denoise() {
                let nothing = denoise.unconditional(count)?;
                let words = Words { source: &source, target: &target, negative: &nothing };
                return Ok(flow_edit(
                    denoise,
                    &shown,
                    seeds,
                    words,
                    walked(task, FlowEdit::default()),
                    observer,
                )?);
            }
            let able = model.reconstruct().ok_or_else(|| lacks("edit", able("edit")))?;
            let latents = able.latents(&shown, Some(&source), observer)?;
            Ok(able.decode(&latents, Some(&target))?)
        }
        Change::Attributes(sliders) => {
            attribute::moved(model, &shown, seeds, sliders, walked(task, FlowEdit::slider()), observer)
        }
    }
}

/// How a flow is walked for a task: as usual but for what it says.
fn walked(task: &EditTask, usual: FlowEdit) -> FlowEdit {
    FlowEdit {
        num_inference_steps: task.num_inference_steps.unwrap_or(usual.num_inference_steps),
        strength: task.strength.unwrap_or(usual.strength),
        source_guidance: task.source_guidance_scale.unwrap_or(usual.source_guidance),
        target_guidance: task.guidance_scale.unwrap_or(usual.target_guidance),
        ..usual
    }
}

//! How near a translated picture comes to the one that it should be: it punishes what is elsewhere or blurred, and forgives nothing that
//! could as well have been true, so that a colour that nobody can know from a grey picture counts as wrong.

use std::sync::Arc;

use image::DynamicImage;
use rebus_data::{Collection, DataConfig, Loader, LoaderPlan, SOURCE, Subset};
use rebus_models::{Input, Model, ModelError, Observer, TranslateRequest, registry::able};
use serde::Serialize;

use crate::{
    EvalError, Extractor, Features, Moments, frechet_distance, perceptual_distance, retrieval::nothing,
    similarity,
};

/// Pairs that are read and translated together.
const AT_ONCE: usize = 64;
/// Decibels of a picture that is what it should be, whose ratio is infinite.
const EQUAL: f64 = 100.0;

/// Settings of [`translation`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Translation {
    /// How pairs are read, and which are held out: as the model was trained with.
    pub data: DataConfig,
    /// The most pairs that are looked at.
    pub samples: usize,
    /// What is drawn of a transform or of the model.
    pub seed: u64,
    /// Steps of a model that takes such; its default otherwise.
    pub num_inference_steps: Option<usize>,
    /// How closely a model that follows words follows the caption of a pair.
    pub guidance_scale: Option<f32>,
    /// How closely it follows the source.
    pub image_guidance_scale: Option<f32>,
}

impl Translation {
    /// A thousand pairs, read as `data` says.
    pub fn new(data: DataConfig) -> Self {
        Self {
            data,
            samples: 1000,
            seed: 0,
            num_inference_steps: None,
            guidance_scale: None,
            image_guidance_scale: None,
        }
    }
}

/// How alike pictures and those that they should be are, on average.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Likeness {
    /// The peak signal-to-noise ratio in decibels; equal pictures count as 100.
    pub psnr: f64,
    /// Structural similarity, -1 to 1; `None` where a side is below 11 pixels.
    pub ssim: Option<f64>,
    /// How far they look apart to an encoder or to LPIPS, 0 for equal ones.
    pub perceptual: Option<f64>,
    /// The Fréchet distance to all that they should be, by an encoder's features; `None` for LPIPS, and for fewer pairs than features.
    pub frechet_distance: Option<f64>,
}

/// What [`translation`] found on held-out pairs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TranslationReport {
    /// Pairs that were looked at.
    pub pairs: usize,
    /// The sources as they are, in the place of what is made of them; of small pictures made larger, the bicubic ones.
    pub sources: Likeness,
    /// What the model made of them.
    pub made: Likeness,
}

/// A source, what was made of it, and what it should have been.
#[derive(Debug, Clone)]
pub struct Triple {
    /// What the model was shown.
    pub source: DynamicImage,
    /// What it made.
    pub made: DynamicImage,
    /// The truth.
    pub wanted: DynamicImage,
}

/// Translates held-out sources. `eye` says how far pictures look apart, and is LPIPS or an encoder; `show` is given each triple.
///
/// # Errors
/// A model that does not translate, a collection without held-out pairs, an interruption.
pub fn translation(
    model: &dyn Model,
    eye: Option<Arc<dyn Model>>,
    collection: Arc<dyn Collection>,
    settings: &Translation,
    observer: &mut dyn Observer,
    mut show: impl FnMut(Triple),
) -> Result<TranslationReport, EvalError> {
    let translate = model.translate().ok_or_else(|| ModelError::Lacks {
        family: model.info().family.clone(),
        verb: "translate",
        able: able("translate"),
    })?;
    if settings.data.source.is_none() {
        return Err(EvalError::NoPairs { place: collection.location().to_path_buf() });
    }
    let plan = LoaderPlan {
        batch_size: AT_ONCE.min(settings.samples),
        seed: settings.seed,
        start: 0,
        subset: Subset::Validation,
        strict: false,
    };
    let column = &settings.data.picture_column;
    let loader = Loader::new(Arc::clone(&collection), &settings.data, plan)?;
    let total = loader.records().min(settings.samples);
    let encoder = eye.clone().filter(|eye| eye.encode().is_some());
    let encoder = encoder.map(|eye| Extractor::new("the encoder", eye)).transpose()?;
    let eye = eye.as_deref();
    let (mut sources, mut made) = (Sums::default(), Sums::default());
    // Of the sources, of what was made, and of what should have been.
    let mut looks: [Vec<f32>; 3] = Default::default();
    for batch in loader {
        let batch = batch?;
        let left = settings.samples - made.count;
        let (shown, wanted) = (batch.pictures(SOURCE)?.first(left), batch.pictures(column)?.first(left));
        let mut request = TranslateRequest::new(shown.clone());
        if let Some(conditioner) = model.conditioner().filter(|_| translate.options().prompt) {
            let captions = batch.texts("text")?.iter().take(left);
            request.condition =
                Some(conditioner.condition(&captions.cloned().map(Input::Text).collect::<Vec<_>>())?);
        }
        request.num_inference_steps = settings.num_inference_steps;
        request.guidance_scale = settings.guidance_scale;
        request.image_guidance_scale = settings.image_guidance_scale;
        request.seeds.iter_mut().for_each(|seed| *seed += settings.seed + made.count as u64);
        let found = translate.translate(&request, &mut rebus_models::NoObserver)?;
        if let Some(encoder) = &encoder {
            for (looks, pictures) in looks.iter_mut().zip([&shown, &found, &wanted]) {
                looks.extend(encoder.pictures(pictures)?);
            }
        }
        let triples = shown.to_images()?.into_iter().zip(found.to_images()?).zip(wanted.to_images()?);
        for ((source, picture), wanted) in triples {
            sources.add(&source, &wanted, eye)?;
            made.add(&picture, &wanted, eye)?;
            show(Triple { source, made: picture, wanted });
        }
        if observer.step(made.count, total, &nothing).is_break() {
            return Err(EvalError::Model(ModelError::Interrupted));
        }
        if made.count >= settings.samples {
            break;
        }
    }
    match made.count {
        0 => Err(EvalError::NoPairs { place: collection.location().to_path_buf() }),
        pairs => {
            let [of_sources, of_made, of_wanted] = looks.map(|looks| moments(looks, pairs));
            let apart = |drawn: Option<Moments>| frechet_distance(&drawn?, of_wanted.as_ref()?).ok();
            Ok(TranslationReport {
                pairs,
                sources: Likeness { frechet_distance: apart(of_sources), ..sources.mean() },
                made: Likeness { frechet_distance: apart(of_made), ..made.mean() },
            })
        }
    }
}

/// Of features of so many pictures, if there are any.
fn moments(looks: Vec<f32>, pictures: usize) -> Option<Moments> {
    let width = looks.len() / pictures;
    Some(Moments::of(&Features::new("pictures", Some(width).filter(|width| *width > 0)?, looks).ok()?))
}

/// Likenesses added up.
#[derive(Default)]
struct Sums {
    count: usize,
    psnr: f64,
    ssim: Option<f64>,
    perceptual: Option<f64>,
}

impl Sums {
    fn add(
        &mut self,
        picture: &DynamicImage,
        wanted: &DynamicImage,
        eye: Option<&dyn Model>,
    ) -> Result<(), EvalError> {
        let (picture, wanted) = (picture.to_rgb8(), wanted.to_rgb8());
        let found = similarity(&picture, &wanted)?;
        let apart = eye.map(|eye| perceptual_distance(eye, &picture, &wanted)).transpose()?;
        let add = |sum: &mut Option<f64>, value: Option<f64>| {
            *sum = value.map(|value| sum.unwrap_or_default() + value);
        };
        self.count += 1;
        self.psnr += found.psnr.unwrap_or(EQUAL);
        add(&mut self.ssim, found.ssim);
        add(&mut self.perceptual, apart);
        Ok(())
    }

    fn mean(&self) -> Likeness {
        let share = 1.0 / self.count.max(1) as f64;
        Likeness {
            psnr: self.psnr * share,
            ssim: self.ssim.map(|sum| sum * share),
            perceptual: self.perceptual.map(|sum| sum * share),
            frechet_distance: None,
        }
    }
}

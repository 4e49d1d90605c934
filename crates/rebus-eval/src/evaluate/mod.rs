//! All measures of one model, or of pictures that were drawn before, against a collection.

mod bench;
mod cache;
mod measure;
mod plan;
mod seen;
mod source;

use std::{path::PathBuf, time::Instant};

use rebus_data::{Collection, DataConfig, Pictures, captions::caption_column};
use rebus_models::Observer;

pub use plan::CaptionSet;
pub use seen::Rulers;
pub use source::{Drawing, Source};

use crate::{
    DistanceSettings, EvalError, Extractor,
    report::{Against, Lost, Report, Ruler, Subject},
};
use bench::{Bench, Drawn};
use measure::Others;
use plan::Plan;

/// What a split calls captions as they are, beside which others are said in another way.
const PLAIN: &str = "plain";

/// Settings of [`evaluate`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Evaluation {
    /// How pictures are read, and which are held out; the one that the model was trained with.
    pub data: DataConfig,
    /// The column of captions; the collection's first text column by default.
    pub column: Option<String>,
    /// A column of sounds that a model is told instead of the captions.
    pub sounds: Option<String>,
    /// The most captions of each set; by default 1,000 of a model, and all pictures that lie there already.
    pub samples: Option<usize>,
    /// More sets of captions, beside those of training and those held out.
    pub sets: Vec<CaptionSet>,
    /// Whether only the last set is drawn and measured: of the usual ones, the captions that were held out.
    pub last_set_only: bool,
    /// True pictures of each set of which a model that can is asked how likely they are; 0 for none.
    pub likelihoods: usize,
    /// A folder in which what was seen of the reference is kept for the next time.
    pub cache: Option<PathBuf>,
    /// How pictures are drawn.
    pub drawing: Drawing,
    /// How distances are measured.
    pub distances: DistanceSettings,
}

/// What was found, with what a page shows of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Evaluated {
    /// The numbers.
    pub report: Report,
    /// What a page shows of each set, in the order of the report.
    pub shown: Vec<Shown>,
}

/// What a page shows of a set.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Shown {
    /// Some drawings, and the true pictures of the same captions where there are any.
    pub pairs: Vec<Pair>,
    /// The drawings nearest to training pictures by features, beside these.
    pub nearest: Vec<Pair>,
    /// Distances of all drawings to their nearest training pictures by features.
    pub drawn_distances: Vec<f64>,
    /// The same of pictures that the model was not shown.
    pub unseen_distances: Vec<f64>,
    /// Places of the true pictures in percent, by embeddings.
    pub places: Vec<f64>,
}

/// A drawing and another picture.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Pair {
    /// The caption; empty where there is none.
    pub caption: String,
    /// What was drawn, `[1, channel, height, width]`.
    pub drawn: Pictures,
    /// The other picture.
    pub other: Option<Pictures>,
}

impl Evaluation {
    /// With the usual numbers, for pictures read as `data` says.
    pub fn new(data: DataConfig) -> Self {
        Self {
            data,
            column: None,
            sounds: None,
            samples: None,
            sets: vec![],
            last_set_only: false,
            likelihoods: 32,
            cache: None,
            drawing: Drawing::default(),
            distances: DistanceSettings::default(),
        }
    }
}

/// Draws the captions of each set and measures the drawings. `name` is what the report calls them.
///
/// # Errors
/// A model that does not draw, or hears nothing of the sounds that it is to be told, a set without a picture, an interruption.
pub fn evaluate(
    name: &str,
    source: Source<'_>,
    collection: &dyn Collection,
    rulers: Rulers<'_>,
    settings: &Evaluation,
    observer: &mut dyn Observer,
) -> Result<Evaluated, EvalError> {
    let start = Instant::now();
    let plan = Plan::new(source, collection, settings)?;
    let column = settings.column.as_deref().or_else(|| caption_column(collection));
    let column = column.filter(|_| source.follows_captions());
    if source.follows_captions() && column.is_none() {
        return Err(EvalError::NoCaptions { location: collection.location().display().to_string() });
    }
    let mel = settings.sounds.as_deref().map(|column| source.hears(column)).transpose()?.flatten();
    let sounds = settings.sounds.as_deref().zip(mel.as_ref());
    let total = plan.reference.len() + plan.sets.iter().map(|set| set.records.len()).sum::<usize>();
    let mut bench = Bench { source, collection, rulers, settings, column, sounds, observer, done: 0, total };

    let reference = bench.look(&plan.reference)?;
    let drawn: Vec<Drawn> = plan.sets.iter().map(|set| bench.draw(set)).collect::<Result<_, _>>()?;
    let truth_of = |set: Option<usize>| set.and_then(|set| drawn[set].truth.as_ref());
    let training = truth_of(plan.training_set).map_or_else(|| reference.clone(), |own| reference.and(own));
    let unseen = truth_of(plan.unseen);
    let (mut sets, mut shown) = (vec![], vec![]);
    for (number, (set, drawn)) in plan.sets.iter().zip(&drawn).enumerate() {
        // Where the set's own pictures are not among those of training, they are ranked beside them.
        let all = match &drawn.truth {
            Some(own) if plan.training_set != Some(number) => Some(training.and_new(own)),
            _ => None,
        };
        let all = all.as_ref().unwrap_or(&training);
        let others = Others { reference: &reference, training: &training, unseen, all };
        let (mut report, show) = bench.measure(set, drawn, others)?;
        report.likelihood = bench.likelihood(set)?;
        report.learned = set.records.iter().filter(|record| plan.learned.contains(record)).count();
        sets.push(report);
        shown.push(show);
    }
    for number in 1..sets.len() {
        let others = &sets[..number];
        let easier = others.iter().find(|set| set.name == PLAIN).or(others.first());
        let lost = easier.and_then(|easier| Lost::of(&sets[number], easier));
        sets[number].lost = lost;
    }
    let report = Report {
        rebus: env!("CARGO_PKG_VERSION"),
        subject: Subject {
            name: name.to_string(),
            family: source.family(),
            hash: source.hash(),
            picture_shape: drawn[0].shape,
        },
        collection: Against {
            location: collection.location().display().to_string(),
            fingerprint: collection.fingerprint()?,
            column: column.map(str::to_string),
            sounds: settings.sounds.clone(),
            reference: reference.len(),
            training: training.len(),
        },
        extractor: ruler(rulers.extractor)?,
        encoder: ruler(rulers.encoder)?,
        classes: rulers.judge.map(|judge| judge.column().to_string()),
        seed: settings.drawing.seed,
        guidance_scale: settings.drawing.guidance_scale,
        num_inference_steps: settings.drawing.num_inference_steps,
        seconds: start.elapsed().as_secs_f64(),
        sets,
    };
    Ok(Evaluated { report, shown })
}

fn ruler(extractor: &Extractor) -> Result<Ruler, EvalError> {
    let (name, hash) = (extractor.name().to_string(), extractor.hash().to_string());
    Ok(Ruler { name, hash, width: extractor.width()? })
}

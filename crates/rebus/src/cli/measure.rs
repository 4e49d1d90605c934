//! Measures of a model while it learns, for `train.eval_every`.

use std::{path::PathBuf, sync::Arc};

use rebus_data::{Collection, DataConfig, captions::caption_column};
use rebus_eval::{Evaluation, Extractor, Retrieval, Rulers, SetReport, Source, evaluate, retrieval};
use rebus_models::Model;
use rebus_nn::burn::tensor::Device;
use rebus_train::{Measure, Recipe, Run};

use super::{cache, failure::Failure, progress};

/// Of a model that draws.
const DRAWN: [&str; 8] = [
    "kernel_distance",
    "precision",
    "recall",
    "coverage",
    "agreement",
    "place_by_encoder",
    "place_by_pixels",
    "near_copies",
];
/// Of an encoder.
const FOUND: [&str; 2] = ["picture_in_ten", "caption_in_ten"];

/// Measures the models of one run.
pub(crate) struct Measurer {
    run: PathBuf,
    device: Device,
    /// Opened when it is first asked for.
    opened: Option<Opened>,
}

struct Opened {
    collection: Arc<dyn Collection>,
    encoder: Extractor,
}

impl Measurer {
    pub(crate) fn new(run: PathBuf, device: Device) -> Self {
        Self { run, device, opened: None }
    }

    /// The names of what [`measures`](Self::measures) gives for such a model.
    pub(crate) fn names(model: &dyn Model) -> Vec<&'static str> {
        match (model.generate().is_some(), model.encode().is_some()) {
            (true, _) => DRAWN.to_vec(),
            (false, true) => FOUND.to_vec(),
            (false, false) => vec![],
        }
    }

    /// What is measured of the model's family: of one that draws its held-out captions, or learned ones where none are held
    /// out; of an encoder what it finds of the held-out pairs; of others nothing.
    pub(crate) fn measures(
        &mut self,
        model: Arc<dyn Model>,
        recipe: &Recipe,
    ) -> Result<Vec<Measure>, Failure> {
        if model.generate().is_none() && model.encode().is_none() {
            return Ok(vec![]);
        }
        let opened = match self.opened.take() {
            Some(opened) => opened,
            None => Opened {
                collection: rebus_data::open(&Run::new(&self.run).read()?.0.data, &Default::default())?,
                encoder: Extractor::new("the encoder that ships", rebus::default_encoder(&self.device)?)?,
            },
        };
        let opened = self.opened.insert(opened);
        let mut data = recipe.data.clone();
        data.captions.clear();
        let collection = &*opened.collection;
        match model.generate() {
            Some(_) => drawn(&*model, collection, &opened.encoder, data, recipe),
            None => found(model, collection, data),
        }
    }
}

fn drawn(
    model: &dyn Model,
    collection: &dyn Collection,
    encoder: &Extractor,
    data: DataConfig,
    recipe: &Recipe,
) -> Result<Vec<Measure>, Failure> {
    let mut settings = Evaluation::new(data);
    settings.samples = Some(recipe.train.eval_samples);
    settings.drawing.num_inference_steps = recipe.sample.num_inference_steps;
    settings.drawing.guidance_scale = recipe.sample.guidance_scale;
    settings.cache = cache::folder("eval");
    settings.last_set_only = true;
    settings.likelihoods = 0;
    let rulers = Rulers { extractor: encoder, encoder, judge: None };
    let mut watcher = progress::Drawing::of("measuring");
    let found = evaluate("the run", Source::Model(model), collection, rulers, &settings, &mut watcher)?;
    Ok(found.report.sets.last().map_or_else(Vec::new, of_set))
}

fn of_set(set: &SetReport) -> Vec<Measure> {
    let distances = set.distances.found();
    let values = [
        (distances.map(|found| found.kernel_distance_mean), false),
        (distances.map(|found| found.precision), true),
        (distances.map(|found| found.recall), true),
        (distances.map(|found| found.coverage), true),
        (set.agreement.map(|found| found.drawn), true),
        (set.rank_by_encoder.and_then(|found| found.median_plain), false),
        (set.rank_by_pixels.and_then(|found| found.median_plain), false),
        (Some(set.memorised_by_features.near_copies), false),
    ];
    named(&DRAWN, &values)
}

fn found(
    model: Arc<dyn Model>,
    collection: &dyn Collection,
    data: DataConfig,
) -> Result<Vec<Measure>, Failure> {
    let column = caption_column(collection).unwrap_or("text").to_string();
    let encoder = Extractor::new("the run", model)?;
    let mut settings = Retrieval::new(data, column);
    settings.held_out_only = true;
    let found = retrieval(&encoder, collection, &settings, &mut progress::Drawing::of("measuring"))?.held_out;
    let values = [
        (found.text_to_picture.map(|recall| recall.at_10), true),
        (found.picture_to_text.map(|recall| recall.at_10), true),
    ];
    Ok(named(&FOUND, &values))
}

/// Values, and whether more is better, by their names; what is missing is left out.
fn named(names: &[&str], values: &[(Option<f64>, bool)]) -> Vec<Measure> {
    let measure = |(name, (value, more_is_better)): (&&str, &(Option<f64>, bool))| {
        Some(Measure { name: name.to_string(), value: (*value)?, more_is_better: *more_is_better })
    };
    names.iter().zip(values).filter_map(measure).collect()
}

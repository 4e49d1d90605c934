//! Measures of a model while it learns, for `train.eval_every`.

use std::{path::PathBuf, sync::Arc};

use rebus_data::{Collection, DataConfig, captions::caption_column};
use rebus_eval::{Evaluation, Extractor, Retrieval, Rulers, SetReport, Source, evaluate, retrieval};
use rebus_models::Model;
use rebus_nn::burn::tensor::Device;
use rebus_train::{Measure, Recipe, Run};

use super::{eval::cache_folder, failure::Failure, progress};

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
    settings.cache = cache_folder();
    settings.last_set_only = true;
    let rulers = Rulers { extractor: encoder, encoder, judge: None };
    let mut watcher = progress::Drawing::of("measuring");
    let found = evaluate("the run", Source::Model(model), collection, rulers, &settings, &mut watcher)?;
    Ok(found.report.sets.last().map_or_else(Vec::new, of_set))
}

fn of_set(set: &SetReport) -> Vec<Measure> {
    let distances = set.distances.found();
    let more = |name: &str, value: Option<f64>| measure(name, value, true);
    let less = |name: &str, value: Option<f64>| measure(name, value, false);
    let measures = [
        less("kernel_distance", distances.map(|found| found.kernel_distance_mean)),
        more("precision", distances.map(|found| found.precision)),
        more("recall", distances.map(|found| found.recall)),
        more("coverage", distances.map(|found| found.coverage)),
        more("agreement", set.agreement.map(|found| found.drawn)),
        less("place_by_encoder", set.rank_by_encoder.and_then(|found| found.median_plain)),
        less("place_by_pixels", set.rank_by_pixels.and_then(|found| found.median_plain)),
        less("near_copies", Some(set.memorised_by_features.near_copies)),
    ];
    measures.into_iter().flatten().collect()
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
    let measures = [
        measure("picture_in_ten", found.text_to_picture.map(|recall| recall.at_10), true),
        measure("caption_in_ten", found.picture_to_text.map(|recall| recall.at_10), true),
    ];
    Ok(measures.into_iter().flatten().collect())
}

fn measure(name: &str, value: Option<f64>, more_is_better: bool) -> Option<Measure> {
    Some(Measure { name: name.to_string(), value: value?, more_is_better })
}

//! The grid of samples that shows how a run gets on: the same noise and the same prompts at every step.

use std::{
    ops::ControlFlow,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use fs_err as fs;
use image::DynamicImage;
use rebus_data::{Batch, Pictures, SOURCE, contact_sheet, write::write_png};
use rebus_models::{
    Generate, GenerateRequest, Input, Model, Objective, Observer, Translate, TranslateRequest, Which,
};

use crate::{
    Run, SampleConfig, TrainError, checkpoint,
    feed::{CAPTIONS, PICTURES},
};

/// Pixels between two pictures.
const GAP: u32 = 2;

/// `samples/NNNNNN.png`
pub(crate) fn path(run: &Run, step: u64) -> PathBuf {
    run.samples().join(format!("{}.png", checkpoint::name(step)))
}

/// Draws with the averaged weights: a picture a prompt, or a square grid where the family reads no prompts; of a family that
/// translates, what it makes of held-out sources. `None` where it does neither.
pub(crate) fn draw(
    run: &Run,
    config: &SampleConfig,
    objective: &dyn Objective,
    held_out: &[Batch],
    step: u64,
    stop: &AtomicBool,
) -> Result<Option<PathBuf>, TrainError> {
    let model = objective.model(Which::Average);
    let (pictures, columns) = match (model.generate(), model.translate()) {
        (Some(generate), _) => (generated(&*model, generate, config, stop)?, config.columns),
        (None, Some(translate)) if !held_out.is_empty() => {
            (translated(&*model, translate, held_out, config, stop)?, 3 * config.columns)
        }
        _ => return Ok(None),
    };
    let path = path(run, step);
    fs::create_dir_all(run.samples())?;
    write_png(&path, &contact_sheet(&pictures, columns, GAP, "white")?.into(), &[])?;
    Ok(Some(path))
}

fn generated(
    model: &dyn Model,
    generate: &dyn Generate,
    config: &SampleConfig,
    stop: &AtomicBool,
) -> Result<Vec<DynamicImage>, TrainError> {
    let inputs: Vec<Input> = config.prompts.iter().cloned().map(Input::Text).collect();
    let mut request = GenerateRequest::default();
    let mut count = config.columns * config.columns;
    if let Some(conditioner) = model.conditioner().filter(|_| !inputs.is_empty()) {
        request.condition = Some(conditioner.condition(&inputs)?);
        count = inputs.len();
    }
    let options = generate.options();
    request.seeds = (0..count as u64).map(|number| config.seed + number).collect();
    request.num_inference_steps = config.num_inference_steps.filter(|_| options.steps);
    request.guidance_scale = config.guidance_scale.filter(|_| options.guidance);
    Ok(generate.generate(&request, &mut Stop(stop))?.to_images()?)
}

/// Triples: a source, what was made of it, and what should have been; evenly spread over those held out.
fn translated(
    model: &dyn Model,
    translate: &dyn Translate,
    held_out: &[Batch],
    config: &SampleConfig,
    stop: &AtomicBool,
) -> Result<Vec<DynamicImage>, TrainError> {
    let mut all = vec![];
    for batch in held_out {
        let pairs =
            batch.pictures(SOURCE)?.to_images()?.into_iter().zip(batch.pictures(PICTURES)?.to_images()?);
        // Families that read nothing have batches without captions.
        let captions = batch.texts(CAPTIONS).map_or(vec![String::new(); batch.len()], <[String]>::to_vec);
        all.extend(pairs.zip(captions));
    }
    let count = (config.columns * config.columns).min(all.len());
    let chosen = (0..count).map(|place| all[place * all.len() / count].clone());
    let (mut sources, mut wanted, mut said) = (vec![], vec![], vec![]);
    for ((source, picture), caption) in chosen {
        sources.push(source);
        wanted.push(picture);
        said.push(Input::Text(caption));
    }
    let mut request = TranslateRequest::new(Pictures::from_images(&sources)?);
    let options = translate.options();
    if let Some(conditioner) = model.conditioner().filter(|_| options.prompt) {
        request.condition = Some(conditioner.condition(&said)?);
    }
    request.num_inference_steps = config.num_inference_steps.filter(|_| options.steps);
    request.guidance_scale = config.guidance_scale.filter(|_| options.guidance);
    let made = translate.translate(&request, &mut Stop(stop))?.to_images()?;
    let rows = sources.into_iter().zip(made).zip(wanted);
    Ok(rows.flat_map(|((source, made), wanted)| [source, made, wanted]).collect())
}

/// Stops where the run is asked to.
struct Stop<'a>(&'a AtomicBool);

impl Observer for Stop<'_> {
    fn step(&mut self, _: usize, _: usize, _: &dyn Fn() -> Pictures) -> ControlFlow<()> {
        match self.0.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

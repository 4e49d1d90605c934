//! The grid of samples that shows how a run gets on: the same noise and the same prompts at every step.

use std::{
    ops::ControlFlow,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use fs_err as fs;
use rebus_data::{Pictures, contact_sheet, write::write_png};
use rebus_models::{GenerateRequest, Input, Objective, Observer, Which};

use crate::{Run, SampleConfig, TrainError, checkpoint};

/// Pixels between two pictures.
const GAP: u32 = 2;

/// `samples/NNNNNN.png`
pub(crate) fn path(run: &Run, step: u64) -> PathBuf {
    run.samples().join(format!("{}.png", checkpoint::name(step)))
}

/// Draws with the averaged weights: a picture a prompt, or a square grid where the family reads no prompts. `None`
/// where it does not draw at all.
pub(crate) fn draw(
    run: &Run,
    config: &SampleConfig,
    objective: &dyn Objective,
    step: u64,
    stop: &AtomicBool,
) -> Result<Option<PathBuf>, TrainError> {
    let model = objective.model(Which::Average);
    let Some(generate) = model.generate() else { return Ok(None) };
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
    let pictures = generate.generate(&request, &mut Stop(stop))?;
    let path = path(run, step);
    fs::create_dir_all(run.samples())?;
    let sheet = contact_sheet(&pictures.to_images()?, config.columns, GAP, "white")?;
    write_png(&path, &sheet.into(), &[])?;
    Ok(Some(path))
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

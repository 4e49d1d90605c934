//! From one step to a picture: samplers and guidance, once for every family that can [`Denoise`].

mod chunks;
mod flow_edit;
mod fused;
mod guidance;
mod inversion;
mod likelihood;
mod noise;
mod redraw;
mod sampler;
mod start;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod toy;

pub use chunks::{CHUNK, Chunk, chunks, condition_in_chunks, in_one_step, numbers_in_chunks, of_each};
pub use flow_edit::{FlowEdit, Slider, Words, flow_edit, slide};
pub use fused::{Fused, FusedRegion, fused};
pub(crate) use guidance::of_both;
pub use guidance::{Guidance, guided};
pub use inversion::{Inversion, invert};
pub use likelihood::{Divergence, log_density};
pub use noise::SavedNoise;
pub use redraw::{SOURCE, redraw};
pub use sampler::{Sampler, Velocity, Walk};
pub use start::Start;

use burn::tensor::{Device, Tensor};
use rebus_data::Pictures;
use rebus_nn::random::{Purpose, normal_per_seed};

use start::Begun;

use crate::{
    Condition, Denoise, Generate, GenerateOptions, GenerateRequest, ModelError, Observer,
    capability::Parameterization, modality,
};

/// All that a drawing has settled before its first step.
struct Plan {
    /// Of what is drawn: `[count, channel, rows, columns]`.
    shape: [usize; 4],
    /// Of the picture.
    size: [usize; 2],
    steps: usize,
    guidance: Guidance,
    condition: Condition,
    negative: Condition,
}

impl Plan {
    fn new<D: Denoise>(model: &D, request: &GenerateRequest) -> Result<Self, ModelError> {
        let [_, height, width] = model.picture_shape();
        let size = [request.height.unwrap_or(height), request.width.unwrap_or(width)];
        let [channels, rows, columns] = model.latent_shape(size[0], size[1])?;
        let steps = checked_steps(request.num_inference_steps.unwrap_or(model.default_steps()))?;
        if let Some(possible) = model.possible_steps().filter(|possible| !possible.contains(&steps)) {
            let rule = format!("this model takes {} steps", one_of(possible));
            return Err(ModelError::Request {
                option: "num_inference_steps",
                value: steps.to_string(),
                rule,
            });
        }
        let scale = request.guidance_scale.unwrap_or(model.default_guidance());
        let interval = request.guidance_interval.unwrap_or([0.0, 1.0]);
        let guidance = Guidance { scale, interval }.check()?;
        let count = request.seeds.len();
        let condition = request.condition.clone().map_or_else(|| model.unconditional(count), Ok)?;
        let negative = request.negative.clone().map_or_else(|| model.unconditional(count), Ok)?;
        if let (Some(said), Some(away)) = (condition.main(), negative.main())
            && said.widths() != away.widths()
        {
            return Err(ModelError::told_otherwise(said.widths(), away.widths()));
        }
        Ok(Self { shape: [count, channels, rows, columns], size, steps, guidance, condition, negative })
    }

    /// What the drawing begins with: that of the seeds, or that which was asked for.
    fn noise(&self, request: &GenerateRequest, device: &Device) -> Result<Tensor<4>, ModelError> {
        let Some(noise) = &request.noise else {
            return Ok(normal_per_seed(self.shape, &request.seeds, Purpose::Noise, 0, device));
        };
        if noise.shape != self.shape {
            return Err(ModelError::Request {
                option: "noise",
                value: format!("{:?}", noise.shape),
                rule: format!("this drawing begins with noise of shape {:?}", self.shape),
            });
        }
        Ok(modality::to_tensor(noise, device))
    }

    /// A step of the sampler, or of a model that has steps of its own.
    fn step<D: Denoise>(
        &self,
        model: &D,
        walk: &mut Walk,
        x: Tensor<4>,
        [from, to]: [f64; 2],
    ) -> Result<Tensor<4>, ModelError> {
        let conditions = [&self.condition, &self.negative];
        let velocity = |x: Tensor<4>, t: f64| guided(model, x, t, conditions, self.guidance);
        match model.parameterization() {
            Parameterization::Velocity => walk.step(&velocity, x, from, to),
            Parameterization::MeanVelocity => {
                let all = |value: f64| Tensor::<1>::full([self.shape[0]], value, &x.device());
                let (times, lengths) = (all(from), all(from - to));
                Ok(x.clone() + model.predict_over(x, times, lengths, &self.condition)? * (to - from))
            }
        }
    }
}

impl<D: Denoise> Generate for D {
    fn generate(
        &self,
        request: &GenerateRequest,
        observer: &mut dyn Observer,
    ) -> Result<Pictures, ModelError> {
        let plan = Plan::new(self, request)?;
        let steps = plan.steps;
        let noise = plan.noise(request, &self.device())?;
        let begin = |start| Begun::new(self, start, &request.seeds, noise.clone(), (plan.size, steps));
        let begun = request.start.as_ref().map(begin).transpose()?;
        let first = begun.as_ref().map_or(0, |begun| begun.skipped);
        let mut x = begun.as_ref().map_or(noise, |begun| begun.at(time(first, steps)));
        let mut walk = request.sampler.start();
        for step in first..steps {
            let (from, to) = (time(step, steps), time(step + 1, steps));
            if step > first && plan.guidance.at(from) != plan.guidance.at(time(step - 1, steps)) {
                walk.turn();
            }
            for again in 0.. {
                x = plan.step(self, &mut walk, x, [from, to])?;
                let Some(begun) = &begun else { break };
                x = begun.keep(x, to);
                let Some(back) = begun.back(x.clone(), (step, again), steps) else { break };
                x = back;
                walk.turn();
            }
            let preview = || modality::from_tensor(self.decode(x.clone()));
            if observer.step(step + 1 - first, steps - first, &preview).is_break() {
                return Err(ModelError::Interrupted);
            }
        }
        Ok(modality::from_tensor(self.decode(x)))
    }

    fn options(&self) -> GenerateOptions {
        // A mean velocity has guidance in it, and leaves a sampler nothing to do.
        let moments = self.parameterization() == Parameterization::Velocity;
        GenerateOptions {
            prompt: true,
            guidance: moments,
            steps: true,
            sampler: moments,
            start: true,
            size: true,
        }
    }
}

/// The time after `step` of `steps` equal steps from 1 (noise) to 0 (picture).
fn time(step: usize, steps: usize) -> f64 {
    1.0 - step as f64 / steps as f64
}

/// "1, 2 or 3"
fn one_of(numbers: &[usize]) -> String {
    let names: Vec<String> = numbers.iter().map(usize::to_string).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

fn checked_steps(steps: usize) -> Result<usize, ModelError> {
    match steps {
        1..=10_000 => Ok(steps),
        _ => Err(ModelError::Request {
            option: "num_inference_steps",
            value: steps.to_string(),
            rule: "it must be 1 to 10000; 20 is a good choice".to_string(),
        }),
    }
}

//! From one step to a picture: samplers and guidance, once for every family that can [`Denoise`].

mod chunks;
mod guidance;
mod inversion;
mod likelihood;
mod sampler;
#[cfg(test)]
mod tests;

pub use chunks::{CHUNK, Chunk, chunks, condition_in_chunks, in_one_step, numbers_in_chunks};
pub(crate) use guidance::of_both;
pub use guidance::{Guidance, guided};
pub use inversion::{Inversion, invert};
pub use likelihood::{Divergence, log_density};
pub use sampler::{Sampler, Velocity, Walk};

use burn::tensor::Tensor;
use rebus_data::Pictures;
use rebus_nn::random::{Purpose, normal_per_seed};

use crate::{
    Denoise, Generate, GenerateOptions, GenerateRequest, ModelError, Observer, capability::Parameterization,
    modality,
};

impl<D: Denoise> Generate for D {
    fn generate(
        &self,
        request: &GenerateRequest,
        observer: &mut dyn Observer,
    ) -> Result<Pictures, ModelError> {
        let [_, height, width] = self.picture_shape();
        let (height, width) = (request.height.unwrap_or(height), request.width.unwrap_or(width));
        let [channels, rows, columns] = self.latent_shape(height, width)?;
        let steps = checked_steps(request.num_inference_steps.unwrap_or(self.default_steps()))?;
        if let Some(possible) = self.possible_steps().filter(|possible| !possible.contains(&steps)) {
            let rule = format!("this model takes {} steps", one_of(possible));
            return Err(ModelError::Request {
                option: "num_inference_steps",
                value: steps.to_string(),
                rule,
            });
        }
        let scale = request.guidance_scale.unwrap_or(self.default_guidance());
        let interval = request.guidance_interval.unwrap_or([0.0, 1.0]);
        let guidance = Guidance { scale, interval }.check()?;
        let count = request.seeds.len();
        let condition = request.condition.clone().map_or_else(|| self.unconditional(count), Ok)?;
        let negative = request.negative.clone().map_or_else(|| self.unconditional(count), Ok)?;
        if let (Some(said), Some(away)) = (condition.main(), negative.main())
            && said.widths() != away.widths()
        {
            return Err(ModelError::told_otherwise(said.widths(), away.widths()));
        }

        let shape = [count, channels, rows, columns];
        let mut x = normal_per_seed(shape, &request.seeds, Purpose::Noise, 0, &self.device());
        let velocity = |x: Tensor<4>, t: f64| guided(self, x, t, [&condition, &negative], guidance);
        let mut walk = request.sampler.start();
        for step in 0..steps {
            let (from, to) = (time(step, steps), time(step + 1, steps));
            if step > 0 && guidance.at(from) != guidance.at(time(step - 1, steps)) {
                walk.turn();
            }
            x = match self.parameterization() {
                Parameterization::Velocity => walk.step(&velocity, x, from, to)?,
                Parameterization::MeanVelocity => {
                    let all = |value: f64| Tensor::<1>::full([count], value, &x.device());
                    let (times, lengths) = (all(from), all(from - to));
                    x.clone() + self.predict_over(x, times, lengths, &condition)? * (to - from)
                }
            };
            let preview = || modality::from_tensor(self.decode(x.clone()));
            if observer.step(step + 1, steps, &preview).is_break() {
                return Err(ModelError::Interrupted);
            }
        }
        Ok(modality::from_tensor(self.decode(x)))
    }

    fn options(&self) -> GenerateOptions {
        // A mean velocity has guidance in it, and leaves a sampler nothing to do.
        let moments = self.parameterization() == Parameterization::Velocity;
        GenerateOptions { prompt: true, guidance: moments, steps: true, sampler: moments, size: true }
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

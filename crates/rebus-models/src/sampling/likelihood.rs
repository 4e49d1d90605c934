//! How likely a flow takes a picture to be, by the instantaneous change of variables (Chen et al. 2018, theorem 1).

use std::f64::consts::TAU;

use burn::tensor::Tensor;
use rebus_nn::random::{Purpose, normal_per_seed};

use super::checked_steps;
use crate::{Condition, Denoise, ModelError};

/// How the divergence of the velocity is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Divergence {
    /// From the slope along each number of a picture in turn: exact, and as many evaluations as it has numbers.
    Exact,
    /// From the slopes along random signs (Hutchinson 1990; Grathwohl et al. 2019): right on average.
    Estimated {
        /// How many directions at each time.
        probes: usize,
        /// What the directions are drawn from.
        seed: u64,
    },
}

/// How far to both sides slopes are taken, in numbers of -1..1: the rounding of 32 bits is as small as the bend of the field
/// there.
const REACH: f64 = 0.02;

/// `log p(x)` of each entry of `x` at time 0, `[batch, channel, height, width]`, in nats: what standard normal noise gives
/// its place at time 1, and the divergence of the velocity on the way there, by Heun's method.
///
/// # Errors
/// An option out of range, or what the model answered.
pub fn log_density<D: Denoise + ?Sized>(
    model: &D,
    mut x: Tensor<4>,
    condition: &Condition,
    steps: usize,
    divergence: Divergence,
) -> Result<Vec<f64>, ModelError> {
    let steps = checked_steps(steps)?;
    if let Divergence::Estimated { probes: 0, .. } = divergence {
        return Err(ModelError::Request {
            option: "probes",
            value: "0".to_string(),
            rule: "it must be at least 1".to_string(),
        });
    }
    let batch = x.dims()[0];
    let velocity = |x: Tensor<4>, t: f64| {
        let times = Tensor::<1>::full([batch], t, &x.device());
        model.predict(x, times, condition)
    };
    let mut total = vec![0.0; batch];
    let length = 1.0 / steps as f64;
    for step in 0..steps {
        let (from, to) = (step as f64 * length, (step + 1) as f64 * length);
        let here = velocity(x.clone(), from)?;
        let ahead = x.clone() + here.clone() * length;
        let there = velocity(ahead.clone(), to)?;
        let slopes = [
            divergences(&velocity, &x, from, divergence, 2 * step)?,
            divergences(&velocity, &ahead, to, divergence, 2 * step + 1)?,
        ];
        for (entry, total) in total.iter_mut().enumerate() {
            *total += (slopes[0][entry] + slopes[1][entry]) * (length / 2.0);
        }
        x = x + (here + there) * (length / 2.0);
    }
    let [_, channels, height, width] = x.dims();
    let numbers = (channels * height * width) as f64;
    let squares = per_entry(x.square());
    let of_noise = squares.into_iter().map(|squares| -0.5 * (squares + numbers * TAU.ln()));
    Ok(of_noise.zip(total).map(|(of_noise, total)| of_noise + total).collect())
}

/// The divergence of the velocity at each entry.
fn divergences(
    velocity: &dyn Fn(Tensor<4>, f64) -> Result<Tensor<4>, ModelError>,
    x: &Tensor<4>,
    time: f64,
    divergence: Divergence,
    place: usize,
) -> Result<Vec<f64>, ModelError> {
    let [batch, channels, height, width] = x.dims();
    let numbers = channels * height * width;
    let count = match divergence {
        Divergence::Exact => numbers,
        Divergence::Estimated { probes, .. } => probes,
    };
    let mut total = vec![0.0; batch];
    for probe in 0..count {
        let direction = match divergence {
            Divergence::Exact => {
                let mut along = vec![0.0; numbers];
                along[probe] = 1.0;
                let along = Tensor::<1>::from_floats(along.as_slice(), &x.device());
                along.reshape([1, channels, height, width]).expand([batch, channels, height, width])
            }
            Divergence::Estimated { seed, .. } => {
                let seeds: Vec<u64> = (0..batch as u64).map(|entry| seed.wrapping_add(entry)).collect();
                let step = (place * count + probe) as u64;
                normal_per_seed(x.dims(), &seeds, Purpose::Probe, step, &x.device()).sign()
            }
        };
        let near = |sign: f64| velocity(x.clone() + direction.clone() * (sign * REACH), time);
        let slope = (near(1.0)? - near(-1.0)?) * direction.clone();
        for (total, slope) in total.iter_mut().zip(per_entry(slope)) {
            *total += slope / (2.0 * REACH);
        }
    }
    let share = if divergence == Divergence::Exact { 1.0 } else { count as f64 };
    Ok(total.into_iter().map(|total| total / share).collect())
}

/// The sum of each entry's numbers, in 64 bits.
fn per_entry(x: Tensor<4>) -> Vec<f64> {
    let batch = x.dims()[0];
    let numbers: Vec<f32> = x.into_data().iter::<f32>().collect();
    let entries = numbers.chunks((numbers.len() / batch.max(1)).max(1));
    entries.map(|numbers| numbers.iter().map(|number| f64::from(*number)).sum()).collect()
}

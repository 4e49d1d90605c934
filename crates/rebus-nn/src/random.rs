//! Repeatable random tensors: each sample draws from a stream of its own, so that it is the same in any batch.

use burn::tensor::{Device, Tensor, TensorData};
use rebus_data::random::fill_normal;
pub use rebus_data::random::{Purpose, below, stream, uniform};

/// Normal noise where sample `i` comes from the key (`seeds[i]`, purpose, step, 0): `[seeds, ...shape]`.
pub fn normal_per_seed<const D: usize>(
    shape: [usize; D],
    seeds: &[u64],
    purpose: Purpose,
    step: u64,
    device: &Device,
) -> Tensor<D> {
    fill(shape, seeds.len(), device, |sample, values| {
        fill_normal(&mut stream(seeds[sample], purpose, step, 0), values);
    })
}

/// Normal noise where sample `i` comes from the key (seed, purpose, step, `first + i`).
pub fn normal<const D: usize>(shape: [usize; D], key: Key, purpose: Purpose, device: &Device) -> Tensor<D> {
    fill(shape, shape[0], device, |sample, values| {
        fill_normal(&mut key.stream(purpose, sample), values);
    })
}

/// Where in a training run numbers are drawn.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The run's seed.
    pub seed: u64,
    /// The step.
    pub step: u64,
    /// The number of the batch's first sample within the step.
    pub first: u64,
}

impl Key {
    /// The stream of one sample of the batch.
    pub fn stream(&self, purpose: Purpose, sample: usize) -> rand_chacha::ChaCha8Rng {
        stream(self.seed, purpose, self.step, self.first + sample as u64)
    }
}

fn fill<const D: usize>(
    mut shape: [usize; D],
    samples: usize,
    device: &Device,
    fill: impl Fn(usize, &mut [f32]),
) -> Tensor<D> {
    shape[0] = samples;
    let mut values = vec![0.0; shape.iter().product()];
    let each = values.len() / samples.max(1);
    for (sample, values) in values.chunks_mut(each.max(1)).enumerate() {
        fill(sample, values);
    }
    Tensor::from_data(TensorData::new(values, shape), device)
}

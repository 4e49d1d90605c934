//! First values of weights, each from a stream of its own.

use burn::{
    module::Param,
    tensor::{Device, Tensor, TensorData},
};
use rebus_data::random::{Purpose, fill_normal, stream, uniform};

use crate::ComputePrecision;

/// Hands out first values: the n-th weight asked for has the n-th stream of the seed, so that the same network with
/// the same seed starts the same on every device.
#[derive(Debug)]
pub struct Init {
    device: Device,
    seed: Option<u64>,
    next: u64,
    precision: ComputePrecision,
}

impl Init {
    /// Random first values, as training from scratch wants them.
    pub fn new(device: &Device, seed: u64) -> Self {
        Self { device: device.clone(), seed: Some(seed), next: 0, precision: ComputePrecision::default() }
    }

    /// Zeros everywhere: for a network whose weights are about to be read from a file.
    pub fn empty(device: &Device) -> Self {
        Self { device: device.clone(), seed: None, next: 0, precision: ComputePrecision::default() }
    }

    /// For layers that multiply in this precision. Their weights have 32 bits, as have sums.
    pub fn with_precision(self, precision: ComputePrecision) -> Self {
        Self { precision, ..self }
    }

    /// In which numbers layers are to multiply.
    pub fn precision(&self) -> ComputePrecision {
        self.precision
    }

    /// Where the weights lie.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Uniform in `-bound..bound`.
    pub fn uniform<const D: usize>(&mut self, shape: [usize; D], bound: f64) -> Param<Tensor<D>> {
        self.fill(shape, |generator, values| {
            for value in values {
                *value = (uniform(generator) * 2.0 - 1.0) * bound as f32;
            }
        })
    }

    /// Normal with mean 0 and the given standard deviation.
    pub fn normal<const D: usize>(&mut self, shape: [usize; D], deviation: f64) -> Param<Tensor<D>> {
        self.fill(shape, |generator, values| {
            fill_normal(generator, values);
            values.iter_mut().for_each(|value| *value *= deviation as f32);
        })
    }

    /// One number everywhere.
    pub fn constant<const D: usize>(&mut self, shape: [usize; D], value: f64) -> Param<Tensor<D>> {
        self.fill(shape, |_, values| values.fill(value as f32))
    }

    fn fill<const D: usize>(
        &mut self,
        shape: [usize; D],
        fill: impl FnOnce(&mut rand_chacha::ChaCha8Rng, &mut [f32]),
    ) -> Param<Tensor<D>> {
        let mut values = vec![0.0; shape.iter().product()];
        if let Some(seed) = self.seed {
            fill(&mut stream(seed, Purpose::Init, 0, self.next), &mut values);
        }
        self.next += 1;
        Param::from_data(TensorData::new(values, shape), &self.device)
    }
}

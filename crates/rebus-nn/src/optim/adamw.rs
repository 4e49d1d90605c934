//! AdamW (Loshchilov and Hutter 2019) over a whole network, its memory kept by the names of the weights.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{Device, Tensor, TensorData},
};
use serde::{Deserialize, Serialize};

use super::average::{Average, flat};
use crate::{
    graph,
    kernels::{self, AdamWStep},
    named::{Change, NamedTensors, Place, change},
};

/// The settings of [`AdamW`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamWConfig {
    /// Memory of the mean gradient, 0..1.
    pub beta_1: f64,
    /// Memory of the mean squared gradient, 0..1.
    pub beta_2: f64,
    /// Keeps the quotient finite.
    pub epsilon: f64,
    /// Pull of the weights towards zero, times the learning rate; matrices and kernels only.
    pub weight_decay: f64,
    /// The largest norm of all gradients together; longer ones are scaled down to it. 0 for no limit.
    pub clip_norm: f64,
    /// Weights that learn at another rate.
    pub rates: Vec<RateRule>,
}

/// Weights whose name contains a text learn at the learning rate times a factor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateRule {
    /// Part of the weight's name.
    pub contains: String,
    /// The factor on the learning rate.
    pub factor: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta_1: 0.9, beta_2: 0.99, epsilon: 1e-8, weight_decay: 0.01, clip_norm: 1.0, rates: vec![] }
    }
}

/// The optimiser of one network.
#[derive(Debug)]
pub struct AdamW {
    config: AdamWConfig,
    moments: BTreeMap<String, Moments>,
}

/// Mean gradient and mean squared gradient of one weight, flat, and how often it moved.
#[derive(Debug, Clone)]
struct Moments {
    first: Tensor<1>,
    second: Tensor<1>,
    time: usize,
}

impl AdamW {
    /// With no memory yet.
    pub fn new(config: AdamWConfig) -> Self {
        Self { config, moments: BTreeMap::new() }
    }

    /// One step: the network with its weights moved, and the norm of all gradients before clipping. The average of the
    /// weights moves after them.
    pub(super) fn step<M: Module>(
        &mut self,
        module: M,
        grads: GradientsParams,
        learning_rate: f64,
        average: &mut Average,
    ) -> (M, f64) {
        let norm = norm(&module, &grads);
        let clip = self.config.clip_norm;
        let scale = if clip > 0.0 && norm > clip { clip / norm } else { 1.0 };
        let config = self.config.clone();
        let mut stepper = Stepper {
            moments: &mut self.moments,
            share: average.next_share(),
            averages: &mut average.weights,
            config,
            grads,
            learning_rate,
            scale,
        };
        (change(module, &mut stepper), norm)
    }

    /// The memory by name, each name behind `prefix`: `NAME.first`, `NAME.second`, `NAME.time`.
    pub fn collect(&self, prefix: &str) -> NamedTensors {
        let mut tensors = NamedTensors::new();
        for (name, moments) in &self.moments {
            tensors.insert(format!("{prefix}{name}.first"), moments.first.clone().into_data());
            tensors.insert(format!("{prefix}{name}.second"), moments.second.clone().into_data());
            tensors.insert(format!("{prefix}{name}.time"), TensorData::new(vec![moments.time as f32], [1]));
        }
        tensors
    }

    /// Takes back what [`collect`](Self::collect) gave.
    pub fn restore(&mut self, prefix: &str, tensors: &NamedTensors, device: &Device) {
        let device = device.clone().inner();
        let part = |name: &str, part: &str| {
            let data = tensors.get(&format!("{prefix}{name}.{part}"))?;
            Some(Tensor::<1>::from_data(data.clone(), &device))
        };
        let names = tensors.keys().filter_map(|key| key.strip_prefix(prefix)?.strip_suffix(".time"));
        self.moments = names
            .filter_map(|name| {
                let time = part(name, "time")?.into_scalar::<f32>() as usize;
                let moments = Moments { first: part(name, "first")?, second: part(name, "second")?, time };
                Some((name.to_string(), moments))
            })
            .collect();
    }
}

/// The root of the sum of all squared gradients.
fn norm<M: Module>(module: &M, grads: &GradientsParams) -> f64 {
    struct Norm<'a> {
        grads: &'a GradientsParams,
        squares: f64,
    }
    impl ModuleVisitor for Norm<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(grad) = self.grads.get::<D>(param.id) {
                self.squares += kernels::square_sum(flat(grad));
            }
        }
    }
    let mut visitor = Norm { grads, squares: 0.0 };
    module.visit(&mut visitor);
    visitor.squares.sqrt()
}

struct Stepper<'a> {
    moments: &'a mut BTreeMap<String, Moments>,
    averages: &'a mut BTreeMap<String, Tensor<1>>,
    share: f64,
    config: AdamWConfig,
    grads: GradientsParams,
    learning_rate: f64,
    scale: f64,
}

impl Change for Stepper<'_> {
    fn change<const D: usize>(&mut self, place: Place<'_>, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = place.name.to_string();
        let (average, share) = (self.averages.remove(&name), self.share);
        let Some(grad) = self.grads.remove::<D>(param.id) else {
            let still = |average| kernels::blend(average, flat(param.base().without_autodiff()), share);
            self.averages.extend(average.map(|average| (name, still(average))));
            return param;
        };
        let config = &self.config;
        let rules = config.rates.iter().filter(|rule| name.contains(&rule.contains));
        let rate = self.learning_rate * rules.map(|rule| rule.factor).product::<f64>();
        let decay = if D > 1 { config.weight_decay } else { 0.0 };
        let (moments, averages, scale) = (&mut self.moments, &mut self.averages, self.scale);
        param.map(|tensor| {
            let (shape, device) = (tensor.dims(), tensor.device());
            let weight = flat(tensor.inner());
            let old = moments.remove(&name).unwrap_or_else(|| Moments {
                first: weight.zeros_like(),
                second: weight.zeros_like(),
                time: 0,
            });
            let time = old.time + 1;
            let step = AdamWStep {
                learning_rate: rate,
                beta_1: config.beta_1,
                beta_2: config.beta_2,
                epsilon: config.epsilon,
                weight_decay: decay,
                gradient_scale: scale,
                time,
                average: share,
            };
            let tensors = [weight, flat(grad), old.first, old.second];
            let ([moved, first, second], average) = kernels::adamw(tensors, average, step);
            averages.extend(average.map(|average| (name.clone(), average)));
            moments.insert(name, Moments { first, second, time });
            graph::constant(moved.reshape(shape), &device).require_grad()
        })
    }
}

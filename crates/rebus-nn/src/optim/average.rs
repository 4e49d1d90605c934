//! A moving average of the weights, which draws better than the weights themselves.

use std::collections::BTreeMap;

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use serde::{Deserialize, Serialize};

use crate::named::{Change, Place, See, change, see};

/// How long the average remembers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AverageConfig {
    /// The largest weight of the old average in a step, 0..1.
    pub decay: f64,
    /// The warm-up: at step t the weight of the old average is at most `(1 - 1/t)^(gamma + 1)`, so that the average
    /// always spans the same share of the run so far (Karras et al. 2024, "Analyzing and Improving the Training
    /// Dynamics of Diffusion Models", equation 3).
    pub gamma: f64,
}

impl Default for AverageConfig {
    fn default() -> Self {
        Self { decay: 0.9999, gamma: 16.0 }
    }
}

impl AverageConfig {
    /// The weight of the old average at a step counted from 1.
    pub fn decay_at(&self, step: u64) -> f64 {
        self.decay.min((1.0 - 1.0 / step.max(1) as f64).powf(self.gamma + 1.0))
    }
}

/// The average of a network's weights, flat and by name.
#[derive(Debug)]
pub(super) struct Average {
    config: AverageConfig,
    pub weights: BTreeMap<String, Tensor<1>>,
    /// How often it moved.
    pub updates: u64,
}

impl Average {
    /// Of a network that has not moved yet.
    pub fn new<M: Module>(config: AverageConfig, module: &M) -> Self {
        Self { config, weights: weights(module), updates: 0 }
    }

    /// What stays of the old average in the next step.
    pub fn next_share(&mut self) -> f64 {
        self.updates += 1;
        self.config.decay_at(self.updates)
    }

    /// The network with the averages for weights.
    pub fn network<M: Module>(&self, module: M) -> M {
        struct Fill<'a>(&'a BTreeMap<String, Tensor<1>>);
        impl Change for Fill<'_> {
            fn change<const D: usize>(
                &mut self,
                place: Place<'_>,
                param: Param<Tensor<D>>,
            ) -> Param<Tensor<D>> {
                let Some(average) = self.0.get(place.name) else { return param };
                param.map(|weight| average.clone().reshape(weight.dims()))
            }
        }
        change(module, &mut Fill(&self.weights))
    }
}

/// A network's weights as they stand, flat and by name.
pub(super) fn weights<M: Module>(module: &M) -> BTreeMap<String, Tensor<1>> {
    struct Flatten(BTreeMap<String, Tensor<1>>);
    impl See for Flatten {
        fn see<const D: usize>(&mut self, place: Place<'_>, param: &Param<Tensor<D>>) {
            self.0.insert(place.name.to_string(), flat(param.base().without_autodiff()));
        }
    }
    let mut flatten = Flatten(BTreeMap::new());
    see(module, &mut flatten);
    flatten.0
}

/// All numbers in a row.
pub(super) fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let count = tensor.dims().iter().product::<usize>();
    tensor.reshape([count])
}

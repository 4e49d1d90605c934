//! A moving average of the weights, which draws better than the weights themselves.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::Tensor,
};
use serde::{Deserialize, Serialize};

use crate::kernels;

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

/// `average * decay + module * (1 - decay)`, weight by weight. Both are the same network.
pub fn blend<M: Module>(average: M, module: &M, decay: f64) -> M {
    struct Flatten(Vec<Tensor<1>>);
    impl ModuleVisitor for Flatten {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.base().without_autodiff();
            let count = value.dims().iter().product::<usize>();
            self.0.push(value.reshape([count]));
        }
    }
    struct Blend {
        values: std::vec::IntoIter<Tensor<1>>,
        decay: f64,
    }
    impl ModuleMapper for Blend {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let Some(new) = self.values.next() else { return param };
            let decay = self.decay;
            param.map(|old| {
                let shape = old.dims();
                let count = shape.iter().product::<usize>();
                kernels::blend(old.reshape([count]), new, decay).reshape(shape)
            })
        }
    }
    let mut flat = Flatten(vec![]);
    module.visit(&mut flat);
    average.map(&mut Blend { values: flat.0.into_iter(), decay })
}

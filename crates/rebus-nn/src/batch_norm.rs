//! Normalisation over a batch (Ioffe and Szegedy 2015), in Keras's meaning.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, module},
};

use crate::Init;

/// Mean 0 and variance 1 a channel over the batch, then a learned scale and shift; in use, over averages that
/// training keeps. `momentum` is the weight of the old average and the variance is the biased one, as in Keras.
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// `[channels]`
    pub scale: Param<Tensor<1>>,
    /// `[channels]`
    pub shift: Param<Tensor<1>>,
    running_mean: Param<Tensor<1>>,
    running_variance: Param<Tensor<1>>,
    #[module(skip)]
    momentum: f64,
    #[module(skip)]
    epsilon: f64,
}

impl BatchNorm {
    /// Scale one, shift zero, epsilon 1e-3.
    pub fn new(channels: usize, momentum: f64, init: &mut Init) -> Self {
        Self {
            scale: init.constant([channels], 1.0),
            shift: init.constant([channels], 0.0),
            running_mean: init.constant([channels], 0.0).set_require_grad(false),
            running_variance: init.constant([channels], 1.0).set_require_grad(false),
            momentum,
            epsilon: 1e-3,
        }
    }

    /// With the batch's own statistics, which also move the averages. `[batch, channels, ...]` to the same.
    pub fn train<const D: usize>(&mut self, input: Tensor<D>) -> Tensor<D> {
        let batch = module::batch_norm_train(input, self.scale.val(), self.shift.val(), self.epsilon);
        let old = self.momentum;
        let moved = |average: &Param<Tensor<1>>, new: Tensor<1>| {
            average.clone().map(|average| (average * old + new.detach() * (1.0 - old)).detach())
        };
        self.running_mean = moved(&self.running_mean, batch.mean);
        self.running_variance = moved(&self.running_variance, batch.variance);
        batch.output
    }

    /// With the averages. `[batch, channels, ...]` to the same.
    pub fn infer<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let (mean, variance) = (self.running_mean.val(), self.running_variance.val());
        module::batch_norm(input, self.scale.val(), self.shift.val(), mean, variance, self.epsilon)
    }
}

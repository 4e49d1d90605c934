//! Normalisation over a batch (Ioffe and Szegedy 2015), in Keras's meaning.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, module},
};

use crate::{Init, kernels};

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

/// What a [`BatchNorm`] makes mean 0 and variance 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistics {
    /// The batch at hand, as in training.
    Batch,
    /// The averages over past batches, as in use.
    Average,
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

    /// Over the statistics of the batch, which move the averages, or over the averages.
    pub fn forward<const D: usize>(&mut self, input: Tensor<D>, statistics: Statistics) -> Tensor<D> {
        match statistics {
            Statistics::Batch => self.train(input),
            Statistics::Average => self.infer(input),
        }
    }

    /// With the batch's own statistics, which also move the averages. `[batch, channels, ...]` to the same.
    pub fn train<const D: usize>(&mut self, input: Tensor<D>) -> Tensor<D> {
        let shape = input.dims();
        let [batch, channels] = [shape[0], shape[1]];
        let places = shape[2..].iter().product::<usize>();
        let (scale, shift) = (self.scale.val(), self.shift.val());
        let input = input.reshape([batch, channels, places]);
        let (output, [mean, variance]) = kernels::batch_norm(input, scale, shift, self.epsilon);
        let old = self.momentum;
        let moved = |average: &Param<Tensor<1>>, new: Tensor<1>| {
            average.clone().map(|average| (average * old + new * (1.0 - old)).detach())
        };
        self.running_mean = moved(&self.running_mean, mean);
        self.running_variance = moved(&self.running_variance, variance);
        output.reshape(shape)
    }

    /// With the averages. `[batch, channels, ...]` to the same.
    pub fn infer<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let (mean, variance) = (self.running_mean.val(), self.running_variance.val());
        module::batch_norm(input, self.scale.val(), self.shift.val(), mean, variance, self.epsilon)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn training_takes_the_batch_and_moves_the_averages_by_the_rest_of_momentum() {
        let device = Device::flex();
        let mut norm = BatchNorm::new(1, 0.8, &mut Init::new(&device, 0));
        let input = Tensor::<2>::from_floats([[1.0], [5.0]], &device); // mean 3, biased variance 4
        let output: Vec<f32> =
            norm.forward(input.clone(), Statistics::Batch).into_data().iter::<f32>().collect();
        let expected = 2.0 / (4.0f32 + 1e-3).sqrt();
        assert!((output[0] + expected).abs() < 1e-5 && (output[1] - expected).abs() < 1e-5, "{output:?}");
        let mean = norm.running_mean.val().into_scalar::<f32>();
        let variance = norm.running_variance.val().into_scalar::<f32>();
        assert!((mean - 0.6).abs() < 1e-6, "{mean}"); // 0.8 * 0 + 0.2 * 3
        assert!((variance - 1.6).abs() < 1e-6, "{variance}"); // 0.8 * 1 + 0.2 * 4
        let used: Vec<f32> = norm.forward(input, Statistics::Average).into_data().iter::<f32>().collect();
        let expected = (1.0 - 0.6) / (1.6f32 + 1e-3).sqrt();
        assert!((used[0] - expected).abs() < 1e-5, "{used:?}");
    }
}

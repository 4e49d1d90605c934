//! Normal distributions with a mean and a variance a number.

use burn::tensor::Tensor;

/// Logarithms of variances are kept within this of 0.
const MOST: f64 = 10.0;

/// A batch of them, `[batch, channel, height, width]`.
#[derive(Debug, Clone)]
pub struct Gaussian {
    /// The means.
    pub mean: Tensor<4>,
    /// The logarithms of the variances.
    pub log_variance: Tensor<4>,
}

impl Gaussian {
    /// From twice as many channels: the means, then the logarithms of the variances.
    pub fn from_channels(both: Tensor<4>) -> Self {
        let channels = both.dims()[1] / 2;
        Self {
            mean: both.clone().narrow(1, 0, channels),
            log_variance: both.narrow(1, channels, channels).clamp(-MOST, MOST),
        }
    }

    /// `mean + deviation * noise` (Kingma and Welling 2014, section 2.4).
    pub fn sample(&self, noise: Tensor<4>) -> Tensor<4> {
        self.mean.clone() + (self.log_variance.clone() / 2.0).exp() * noise
    }

    /// The divergence from another, number by number, in nats.
    pub fn divergence(&self, other: &Self) -> Tensor<4> {
        let apart = (self.mean.clone() - other.mean.clone()).square();
        let shares = (self.log_variance.clone().exp() + apart) / other.log_variance.clone().exp();
        (other.log_variance.clone() - self.log_variance.clone() + shares - 1.0) / 2.0
    }

    /// The divergence from a standard normal, summed over all but the batch, `[batch]`, in nats.
    pub fn standard_divergence(&self) -> Tensor<1> {
        let squares = self.log_variance.clone().exp() + self.mean.clone().square();
        summed((squares - self.log_variance.clone() - 1.0) / 2.0)
    }

    /// The logarithm of the density at a place, summed over all but the batch, `[batch]`.
    pub fn log_density(&self, place: Tensor<4>) -> Tensor<1> {
        let scaled = (place - self.mean.clone()).square() / self.log_variance.clone().exp();
        let constant = (2.0 * std::f64::consts::PI).ln();
        summed((scaled + self.log_variance.clone() + constant) / -2.0)
    }
}

/// The sum over all but the batch, `[batch]`.
pub(crate) fn summed(x: Tensor<4>) -> Tensor<1> {
    let [batch, ..] = x.dims();
    let width = x.dims().iter().product::<usize>() / batch.max(1);
    x.reshape([batch, width]).sum_dim(1).reshape([batch])
}

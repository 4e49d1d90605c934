//! What every network of this family is to the rest of it.

use burn::{module::Module, tensor::Tensor};
use rebus_nn::{Init, Linear, TimeEmbedding, kernels::silu};

use super::FlowConfig;
use crate::{Embedding, text::TextEncoder};

/// The velocity of a noisy picture at a time, given a text.
pub trait VelocityField: Module + Sync + 'static {
    /// The network at its start, when it predicts zero. `config` has been validated; `channels` are the picture's.
    fn new(config: &FlowConfig, channels: usize, init: &mut Init) -> Self;

    /// The text encoder, which learns with the rest; none where `config` has an encoder.
    fn text(&self) -> Option<&TextEncoder>;

    /// `x_t` `[batch, channel, height, width]` at a moment, a text of `batch` entries to the velocity, shaped as `x_t`. Where
    /// `config` says [`FlowConfig::from_source`], `x_t` has the source's channels behind its own, and the velocity has not.
    fn forward(&self, x_t: Tensor<4>, moment: Moment, text: &Embedding) -> Tensor<4>;
}

/// Where noisy pictures are on their way.
#[derive(Debug, Clone)]
pub struct Moment {
    /// `[batch]`, from 0 (picture) to 1 (noise)
    pub times: Tensor<1>,
    /// `[batch]`: over how long a step from there towards the picture the velocity is to be the mean; the velocity of the moment
    /// itself where there are none. Networks without [`FlowConfig::mean_velocity`] know of no others.
    pub lengths: Option<Tensor<1>>,
}

impl Moment {
    /// Times alone.
    pub fn at(times: Tensor<1>) -> Self {
        Self { times, lengths: None }
    }
}

/// What modulates the blocks, `[batch, condition_width]`: the time, the length of the step where the network is told of it, and the
/// pooled text.
pub(super) fn modulation(
    (time, length): (&TimeEmbedding, Option<&TimeEmbedding>),
    pooled: &Linear,
    moment: Moment,
    text: &Embedding,
) -> Tensor<2> {
    let zeros = || moment.times.zeros_like();
    let of_length = length.map(|length| length.forward(moment.lengths.clone().unwrap_or_else(zeros)));
    let at = time.forward(moment.times.clone()) + pooled.forward(text.pooled.clone());
    silu(of_length.into_iter().fold(at, |at, length| at + length))
}

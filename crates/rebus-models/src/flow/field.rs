//! What every network of this family is to the rest of it.

use burn::{module::Module, tensor::Tensor};
use rebus_nn::Init;

use super::FlowConfig;
use crate::{Embedding, text::TextEncoder};

/// The velocity of a noisy picture at a time, given a text.
pub trait VelocityField: Module + Sync + 'static {
    /// The network at its start, when it predicts zero. `config` has been validated; `channels` are the picture's.
    fn new(config: &FlowConfig, channels: usize, init: &mut Init) -> Self;

    /// The text encoder, which learns with the rest.
    fn text(&self) -> &TextEncoder;

    /// `x_t` `[batch, channel, height, width]`, `times` `[batch]` in 0..1, a text of `batch` entries to the velocity,
    /// shaped as `x_t`.
    fn forward(&self, x_t: Tensor<4>, times: Tensor<1>, text: &Embedding) -> Tensor<4>;
}

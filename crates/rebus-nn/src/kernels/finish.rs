//! What comes behind a convolution's product: a bias, and an activation.

use pulp::{Simd, WithSimd};

use super::{Activation, lanes::Lanes, rows::update, run};

#[derive(Debug, Clone, Copy)]
pub(super) struct Finish<'a> {
    /// A number for each channel, or none.
    pub bias: &'a [f32],
    pub activation: Option<Activation>,
}

impl<'a> Finish<'a> {
    /// The biases of so many channels.
    pub fn bias(&self, first: usize, channels: usize) -> &'a [f32] {
        if self.bias.is_empty() { &[] } else { &self.bias[first..first + channels] }
    }

    /// On planes of whole channels, from this one on.
    pub fn of_planes(&self, first: usize, planes: &mut [f32], plane: usize) {
        if !self.bias.is_empty() || self.activation.is_some() {
            let bias = self.bias(first, planes.len() / plane);
            run::dispatch(OfPlanes { planes, plane, bias, activation: self.activation });
        }
    }
}

struct OfPlanes<'a> {
    planes: &'a mut [f32],
    plane: usize,
    bias: &'a [f32],
    activation: Option<Activation>,
}

impl WithSimd for OfPlanes<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { planes, plane, bias, activation } = self;
        for (channel, values) in planes.chunks_exact_mut(plane).enumerate() {
            let bias = Lanes::splat(simd, bias.get(channel).copied().unwrap_or(0.0));
            update(
                simd,
                values,
                [],
                #[inline(always)]
                |value, []| match activation {
                    Some(activation) => activation.value(value + bias),
                    None => value + bias,
                },
            );
        }
    }
}

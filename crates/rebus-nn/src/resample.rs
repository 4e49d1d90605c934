//! Changes of size without weights. All take and give `[batch, channel, height, width]`.

use burn::tensor::Tensor;

pub use crate::kernels::{downsample_mean, upsample_nearest};

/// Squares of pixels become channels: `[b, c, h, w]` to `[b, c * factor², h / factor, w / factor]`, channel outermost.
pub fn pixel_unshuffle(input: Tensor<4>, factor: usize) -> Tensor<4> {
    let [batch, channels, height, width] = input.dims();
    input
        .reshape([batch, channels, height / factor, factor, width / factor, factor])
        .permute([0, 1, 3, 5, 2, 4])
        .reshape([batch, channels * factor * factor, height / factor, width / factor])
}

/// The inverse of [`pixel_unshuffle`] (Shi et al. 2016).
pub fn pixel_shuffle(input: Tensor<4>, factor: usize) -> Tensor<4> {
    let [batch, channels, height, width] = input.dims();
    let channels = channels / (factor * factor);
    input.reshape([batch, channels, factor, factor, height, width]).permute([0, 1, 4, 2, 5, 3]).reshape([
        batch,
        channels,
        height * factor,
        width * factor,
    ])
}

//! A small residual network that looks at pictures: the tower of an encoder, the whole of a classifier.

mod config;
mod eye;
pub(crate) mod levels;
mod network;

use burn::tensor::{Device, Tensor};
use rebus_data::Pictures;

pub use config::PictureConfig;
pub use eye::Eye;
pub use network::PictureTower;

use crate::{modality, sampling::chunks};

/// How far pictures look apart to a tower, `[batch]`: the mean over its levels of the mean squared distance between the
/// activations of the same place, each a vector of length 1 (Zhang et al. 2018, equation 1, without weights that were learned from
/// people's judgement).
pub(crate) fn apart(tower: &PictureTower, a: Tensor<4>, b: Tensor<4>) -> Tensor<1> {
    let (a, b) = (tower.levels(a), tower.levels(b));
    let levels = a.len() as f64;
    let of_level = |(a, b): (Tensor<4>, Tensor<4>)| {
        let [batch, channels, height, width] = a.dims();
        let apart = (unit(a) - unit(b)).square().reshape([batch, channels * height * width]);
        apart.sum_dim(1).reshape([batch]) / (height * width) as f64
    };
    let sum = a.into_iter().zip(b).map(of_level).reduce(|sum, next| sum + next);
    sum.map_or_else(|| Tensor::zeros([0], &Device::default()), |sum| sum / levels)
}

/// How many times smaller pictures of a height and width may be made, so that things in them have the size of those in pictures
/// that a tower learned from; 1 where they are no larger, or no whole number of times.
pub(crate) fn smaller_by(size: [usize; 2], own: [usize; 2]) -> usize {
    let larger = (size[0] / own[0].max(1)).min(size[1] / own[1].max(1)).max(1);
    (1..=larger).rev().find(|factor| size.iter().all(|side| side.is_multiple_of(*factor))).unwrap_or(1)
}

/// Each place's channels as a vector of length 1.
pub(crate) fn unit(x: Tensor<4>) -> Tensor<4> {
    let length = x.clone().square().sum_dim(1).sqrt() + 1e-10; // [b, 1, h, w]
    x / length
}

/// A row a picture, in computations of one fixed size, so that each is the same to the bit whatever is looked at beside it.
pub(crate) fn in_chunks(
    pictures: &Pictures,
    device: &Device,
    look: impl Fn(Tensor<4>) -> Tensor<2>,
) -> Vec<f32> {
    let [count, channels, height, width] = pictures.shape;
    let all: Vec<&[f32]> = pictures.data.chunks(channels * height * width).collect();
    let rows = chunks(count).flat_map(|chunk| {
        let filled = modality::to_tensor(&chunk.pictures(&all, [channels, height, width]), device);
        look(filled).narrow(0, 0, chunk.length).into_data().iter::<f32>().collect::<Vec<_>>()
    });
    rows.collect()
}

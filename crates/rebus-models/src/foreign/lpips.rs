//! LPIPS (Zhang et al. 2018): how far two pictures look apart, by the activations of AlexNet or VGG-16 with a learned weight for
//! each channel (version 0.1 of the package `lpips`, whose names these are).

use burn::tensor::{Device, Tensor};
use rebus_data::Pictures;

use super::{
    layers::{Conv, Shape, halve, max_pool},
    weights::Weights,
};
use crate::{Encoded, Model, ModelError, ModelInfo, Perceive, modality, picture::unit};

/// A tensor that only this network has.
pub(super) const KNOWN_BY: &str = "lin0.model.1.weight";

/// The network.
pub struct Lpips {
    /// `[1, 3, 1, 1]` each.
    shift: Tensor<4>,
    scale: Tensor<4>,
    stages: Vec<Stage>,
    /// The smallest side of which something is left behind all pooling.
    least: usize,
    info: ModelInfo,
    device: Device,
}

/// Convolutions up to a place at which activations are compared.
struct Stage {
    pool: Pool,
    convs: Vec<Conv>,
    /// `[1, channels, 1, 1]`
    weight: Tensor<4>,
}

/// What makes the picture smaller before a stage.
#[derive(Clone, Copy)]
enum Pool {
    None,
    /// AlexNet's 3x3 with stride 2.
    Alex,
    /// VGG's 2x2.
    Vgg,
}

impl Lpips {
    pub(super) fn new(mut weights: Weights) -> Result<Self, ModelError> {
        let vgg = weights.has("net.slice1.2.weight");
        let info = super::info(if vgg { "lpips-vgg" } else { "lpips-alex" }, &weights);
        let device = weights.device().clone();
        let w = &mut weights;
        let shift = w.take("scaling_layer.shift", [1, 3, 1, 1]);
        let scale = w.take("scaling_layer.scale", [1, 3, 1, 1]);
        let stages = if vgg { self::vgg() } else { alex() };
        let stages = stages.into_iter().enumerate().map(|(number, (pool, convs))| {
            let channels = convs.last().map_or(0, |(_, shape)| shape.channels[1]);
            let convs = convs
                .into_iter()
                .map(|(layer, shape)| Conv::biased(w, &format!("net.slice{}.{layer}", number + 1), shape));
            let convs = convs.collect();
            let weight = w.take(&format!("lin{number}.model.1.weight"), [1, channels, 1, 1]);
            Stage { pool, convs, weight }
        });
        let stages = stages.collect();
        weights.finish(&["lins."])?;
        let least = if vgg { 16 } else { 31 };
        Ok(Self { shift, scale, stages, least, info, device })
    }

    /// Two batches of pictures in -1..1 to a distance a pair, `[batch]`.
    fn forward(&self, a: Tensor<4>, b: Tensor<4>) -> Tensor<1> {
        let scaled = |x: Tensor<4>| (x - self.shift.clone()) / self.scale.clone();
        let (mut a, mut b) = (scaled(a), scaled(b));
        let mut sum = Tensor::zeros([a.dims()[0]], &self.device);
        for stage in &self.stages {
            (a, b) = (stage.forward(a), stage.forward(b));
            let apart = (unit(a.clone()) - unit(b.clone())).square() * stage.weight.clone();
            let [batch, channels, height, width] = apart.dims();
            let places = (height * width) as f64;
            sum =
                sum + apart.reshape([batch, channels * height * width]).sum_dim(1).reshape([batch]) / places;
        }
        sum
    }
}

impl Stage {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = match self.pool {
            Pool::None => x,
            Pool::Alex => max_pool(x, 2, 0),
            Pool::Vgg => halve(x),
        };
        self.convs.iter().fold(x, |x, conv| conv.forward(x))
    }
}

type Stages = Vec<(Pool, Vec<(usize, Shape)>)>;

/// AlexNet (Krizhevsky et al. 2012) as torchvision numbers it.
fn alex() -> Stages {
    let first = Shape { stride: 4, padding: [2, 2], ..Shape::same(3, 64, 11) };
    vec![
        (Pool::None, vec![(0, first)]),
        (Pool::Alex, vec![(3, Shape::same(64, 192, 5))]),
        (Pool::Alex, vec![(6, Shape::same(192, 384, 3))]),
        (Pool::None, vec![(8, Shape::same(384, 256, 3))]),
        (Pool::None, vec![(10, Shape::same(256, 256, 3))]),
    ]
}

/// VGG-16 (Simonyan and Zisserman 2015).
fn vgg() -> Stages {
    let stage = |pool, layers: &[usize], from: usize, to: usize| {
        let conv = |(place, layer): (usize, &usize)| {
            (*layer, Shape::same(if place == 0 { from } else { to }, to, 3))
        };
        (pool, layers.iter().enumerate().map(conv).collect())
    };
    vec![
        stage(Pool::None, &[0, 2], 3, 64),
        stage(Pool::Vgg, &[5, 7], 64, 128),
        stage(Pool::Vgg, &[10, 12, 14], 128, 256),
        stage(Pool::Vgg, &[17, 19, 21], 256, 512),
        stage(Pool::Vgg, &[24, 26, 28], 512, 512),
    ]
}

impl Model for Lpips {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn perceive(&self) -> Option<&dyn Perceive> {
        Some(self)
    }
}

impl Perceive for Lpips {
    fn distances(&self, a: &Pictures, b: &Pictures) -> Result<Vec<f32>, ModelError> {
        for pictures in [a, b] {
            super::colours(Encoded::Pictures(pictures), &self.info)?;
            let [_, _, height, width] = pictures.shape;
            if height.min(width) < self.least {
                return Err(ModelError::Config {
                    field: "height and width",
                    value: format!("{width}x{height}"),
                    rule: format!(
                        "{} compares pictures of {} pixels a side and more",
                        self.info.family, self.least
                    ),
                });
            }
        }
        let tensor = |pictures| modality::to_tensor(pictures, &self.device);
        Ok(self.forward(tensor(a), tensor(b)).into_data().iter::<f32>().collect())
    }
}

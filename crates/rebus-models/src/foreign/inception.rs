//! Inception-v3 (Szegedy et al. 2016) with the weights of 2015-12-05, on whose 2,048 features the Fréchet distance was published
//! (Heusel et al. 2017): names, pooling and normalisation are torch-fidelity's.

use burn::tensor::{Device, Tensor};
use rebus_data::Pictures;

use super::{
    layers::{Conv, Shape, max_pool, mean_pool},
    resample::{Way, resample},
    weights::Weights,
};
use crate::{Encode, Encoded, Model, ModelError, ModelInfo, Vectors, picture::in_chunks};

/// A tensor that only this network has.
pub(super) const KNOWN_BY: &str = "Mixed_7c.branch_pool.conv.weight";
/// Pixels a side that the network looks at.
const SIDE: usize = 299;
const WIDTH: usize = 2048;
/// Added to variances.
const EPSILON: f64 = 1e-3;

/// Which program's numbers are wanted: they resize pictures in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resizing {
    /// TensorFlow 1's bilinear, as torch-fidelity and the published numbers.
    #[default]
    TorchFidelity,
    /// Pillow's bicubic, as clean-fid (Parmar et al. 2022).
    CleanFid,
}

/// The network up to its last mean.
pub struct Inception {
    stem: [Conv; 5],
    mixed: Vec<Mixed>,
    resizing: Resizing,
    info: ModelInfo,
    device: Device,
}

/// Branches side by side, whose channels are joined.
struct Mixed {
    branches: Vec<Branch>,
}

/// A way of the picture through a block.
struct Branch {
    pool: Option<Pool>,
    convs: Vec<Conv>,
    /// The last two side by side, where a branch forks.
    fork: Option<[Conv; 2]>,
}

#[derive(Clone, Copy)]
enum Pool {
    Mean,
    Largest,
    /// The largest, with a stride of 2.
    Halved,
}

/// A block before its weights are known.
struct Plan<'a> {
    weights: &'a mut Weights,
    name: &'static str,
    channels: usize,
    branches: Vec<Branch>,
}

impl Inception {
    pub(super) fn new(mut weights: Weights, resizing: Resizing) -> Result<Self, ModelError> {
        let mut info = super::info("inception-v3", &weights);
        // The same weights see otherwise where pictures are resized otherwise.
        if resizing == Resizing::CleanFid {
            info.family += " (clean-fid)";
            info.hash += " clean-fid";
        }
        let device = weights.device().clone();
        let w = &mut weights;
        let halved = |channels_in, channels_out| Shape {
            stride: 2,
            padding: [0, 0],
            ..Shape::same(channels_in, channels_out, 3)
        };
        let stem = [
            conv(w, "Conv2d_1a_3x3", halved(3, 32)),
            conv(w, "Conv2d_2a_3x3", Shape { padding: [0, 0], ..Shape::same(32, 32, 3) }),
            conv(w, "Conv2d_2b_3x3", Shape::same(32, 64, 3)),
            conv(w, "Conv2d_3b_1x1", Shape::same(64, 80, 1)),
            conv(w, "Conv2d_4a_3x3", Shape { padding: [0, 0], ..Shape::same(80, 192, 3) }),
        ];
        let mixed = vec![
            block_a(Plan::new(w, "Mixed_5b", 192), 32),
            block_a(Plan::new(w, "Mixed_5c", 256), 64),
            block_a(Plan::new(w, "Mixed_5d", 288), 64),
            Plan::new(w, "Mixed_6a", 288)
                .branch(None, &[("branch3x3", halved(288, 384))])
                .branch(
                    None,
                    &[
                        ("branch3x3dbl_1", Shape::same(288, 64, 1)),
                        ("branch3x3dbl_2", Shape::same(64, 96, 3)),
                        ("branch3x3dbl_3", halved(96, 96)),
                    ],
                )
                .branch(Some(Pool::Halved), &[])
                .mixed(),
            block_c(Plan::new(w, "Mixed_6b", 768), 128),
            block_c(Plan::new(w, "Mixed_6c", 768), 160),
            block_c(Plan::new(w, "Mixed_6d", 768), 160),
            block_c(Plan::new(w, "Mixed_6e", 768), 192),
            Plan::new(w, "Mixed_7a", 768)
                .branch(None, &[("branch3x3_1", Shape::same(768, 192, 1)), ("branch3x3_2", halved(192, 320))])
                .branch(
                    None,
                    &[
                        ("branch7x7x3_1", Shape::same(768, 192, 1)),
                        ("branch7x7x3_2", row(192, 192, 7)),
                        ("branch7x7x3_3", column(192, 192, 7)),
                        ("branch7x7x3_4", halved(192, 192)),
                    ],
                )
                .branch(Some(Pool::Halved), &[])
                .mixed(),
            block_e(Plan::new(w, "Mixed_7b", 1280), Pool::Mean),
            block_e(Plan::new(w, "Mixed_7c", 2048), Pool::Largest),
        ];
        weights.finish(&["fc."])?;
        Ok(Self { stem, mixed, resizing, info, device })
    }

    /// Pictures in -1..1 to `[batch, 2048]`.
    fn forward(&self, pictures: Tensor<4>) -> Tensor<2> {
        let way = match self.resizing {
            Resizing::TorchFidelity => Way::TensorFlow1,
            Resizing::CleanFid => Way::Pillow,
        };
        let bytes = (pictures + 1.0) * 127.5; // 0 to 255
        let x = (resample(bytes, [SIDE, SIDE], way) - 128.0) / 128.0; // [b, 3, 299, 299]
        let [first, second, third, fourth, fifth] = &self.stem;
        let x = third.forward(second.forward(first.forward(x))); // [b, 64, 147, 147]
        let x = fifth.forward(fourth.forward(max_pool(x, 2, 0))); // [b, 192, 71, 71]
        let x = self.mixed.iter().fold(max_pool(x, 2, 0), |x, mixed| mixed.forward(x)); // [b, 2048, 8, 8]
        let [batch, width, height, columns] = x.dims();
        x.reshape([batch, width, height * columns]).mean_dim(2).reshape([batch, width])
    }
}

impl Mixed {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        Tensor::cat(self.branches.iter().map(|branch| branch.forward(x.clone())).collect(), 1)
    }
}

impl Branch {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = match self.pool {
            None => x,
            Some(Pool::Mean) => mean_pool(x),
            Some(Pool::Largest) => max_pool(x, 1, 1),
            Some(Pool::Halved) => max_pool(x, 2, 0),
        };
        let x = self.convs.iter().fold(x, |x, conv| conv.forward(x));
        match &self.fork {
            None => x,
            Some([a, b]) => Tensor::cat(vec![a.forward(x.clone()), b.forward(x)], 1),
        }
    }
}

/// Figure 5 of the paper.
fn block_a(plan: Plan<'_>, pooled: usize) -> Mixed {
    let channels = plan.channels;
    plan.branch(None, &[("branch1x1", Shape::same(channels, 64, 1))])
        .branch(
            None,
            &[("branch5x5_1", Shape::same(channels, 48, 1)), ("branch5x5_2", Shape::same(48, 64, 5))],
        )
        .branch(
            None,
            &[
                ("branch3x3dbl_1", Shape::same(channels, 64, 1)),
                ("branch3x3dbl_2", Shape::same(64, 96, 3)),
                ("branch3x3dbl_3", Shape::same(96, 96, 3)),
            ],
        )
        .branch(Some(Pool::Mean), &[("branch_pool", Shape::same(channels, pooled, 1))])
        .mixed()
}

/// Figure 6.
fn block_c(plan: Plan<'_>, inner: usize) -> Mixed {
    let channels = plan.channels;
    plan.branch(None, &[("branch1x1", Shape::same(channels, 192, 1))])
        .branch(
            None,
            &[
                ("branch7x7_1", Shape::same(channels, inner, 1)),
                ("branch7x7_2", row(inner, inner, 7)),
                ("branch7x7_3", column(inner, 192, 7)),
            ],
        )
        .branch(
            None,
            &[
                ("branch7x7dbl_1", Shape::same(channels, inner, 1)),
                ("branch7x7dbl_2", column(inner, inner, 7)),
                ("branch7x7dbl_3", row(inner, inner, 7)),
                ("branch7x7dbl_4", column(inner, inner, 7)),
                ("branch7x7dbl_5", row(inner, 192, 7)),
            ],
        )
        .branch(Some(Pool::Mean), &[("branch_pool", Shape::same(channels, 192, 1))])
        .mixed()
}

/// Figure 7.
fn block_e(plan: Plan<'_>, pool: Pool) -> Mixed {
    let channels = plan.channels;
    let forks = |name: [&'static str; 2]| [(name[0], row(384, 384, 3)), (name[1], column(384, 384, 3))];
    plan.branch(None, &[("branch1x1", Shape::same(channels, 320, 1))])
        .forked(&[("branch3x3_1", Shape::same(channels, 384, 1))], forks(["branch3x3_2a", "branch3x3_2b"]))
        .forked(
            &[
                ("branch3x3dbl_1", Shape::same(channels, 448, 1)),
                ("branch3x3dbl_2", Shape::same(448, 384, 3)),
            ],
            forks(["branch3x3dbl_3a", "branch3x3dbl_3b"]),
        )
        .branch(Some(pool), &[("branch_pool", Shape::same(channels, 192, 1))])
        .mixed()
}

impl<'a> Plan<'a> {
    fn new(weights: &'a mut Weights, name: &'static str, channels: usize) -> Self {
        Self { weights, name, channels, branches: vec![] }
    }

    fn convs(&mut self, convs: &[(&str, Shape)]) -> Vec<Conv> {
        convs
            .iter()
            .map(|(name, shape)| conv(self.weights, &format!("{}.{name}", self.name), *shape))
            .collect()
    }

    fn branch(mut self, pool: Option<Pool>, convs: &[(&str, Shape)]) -> Self {
        let convs = self.convs(convs);
        self.branches.push(Branch { pool, convs, fork: None });
        self
    }

    fn forked(mut self, convs: &[(&str, Shape)], fork: [(&str, Shape); 2]) -> Self {
        let convs = self.convs(convs);
        let fork = fork.map(|(name, shape)| conv(self.weights, &format!("{}.{name}", self.name), shape));
        self.branches.push(Branch { pool: None, convs, fork: Some(fork) });
        self
    }

    fn mixed(self) -> Mixed {
        Mixed { branches: self.branches }
    }
}

/// A kernel one pixel high.
fn row(channels_in: usize, channels_out: usize, width: usize) -> Shape {
    Shape { kernel: [1, width], padding: [0, width / 2], ..Shape::same(channels_in, channels_out, 1) }
}

/// A kernel one pixel wide.
fn column(channels_in: usize, channels_out: usize, height: usize) -> Shape {
    Shape { kernel: [height, 1], padding: [height / 2, 0], ..Shape::same(channels_in, channels_out, 1) }
}

/// A convolution and its batch norm as one: the norm's averages stay as they are.
fn conv(weights: &mut Weights, name: &str, shape: Shape) -> Conv {
    let [channels_in, channels_out] = shape.channels;
    let [height, width] = shape.kernel;
    let weight = weights.take(&format!("{name}.conv.weight"), [channels_out, channels_in, height, width]);
    let mut norm = |part: &str| weights.take::<1>(&format!("{name}.bn.{part}"), [channels_out]);
    let (scale, shift) = (norm("weight"), norm("bias"));
    let (mean, variance) = (norm("running_mean"), norm("running_var"));
    let scale = scale / (variance + EPSILON).sqrt();
    let bias = shift - mean * scale.clone();
    Conv::new(weight * scale.reshape([channels_out, 1, 1, 1]), bias, shape)
}

impl Model for Inception {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn encode(&self) -> Option<&dyn Encode> {
        Some(self)
    }
}

impl Encode for Inception {
    fn width(&self) -> usize {
        WIDTH
    }

    fn picture_shape(&self) -> Option<[usize; 3]> {
        None
    }

    fn reads_texts(&self) -> bool {
        false
    }

    fn encode(&self, inputs: Encoded<'_>) -> Result<Vectors, ModelError> {
        let pictures: &Pictures = super::colours(inputs, &self.info)?;
        let data = in_chunks(pictures, &self.device, |chunk| self.forward(chunk));
        Ok(Vectors { width: WIDTH, data })
    }
}

//! DINOv2 (Oquab et al. 2023), a vision transformer (Dosovitskiy et al. 2021) that learned from pictures alone: names are those of
//! `transformers`, the embedding is that of the class token.

use burn::tensor::{Device, Tensor, activation, module, ops::ConvOptions};
use rebus_nn::kernels;

use super::{
    resample::{Way, resample},
    weights::Weights,
};
use crate::{Encode, Encoded, Model, ModelError, ModelInfo, Vectors, picture::in_chunks};

/// A tensor that only this network has.
pub(super) const KNOWN_BY: &str = "embeddings.patch_embeddings.projection.weight";
/// The shorter side before the middle is cut out, and the side of the middle.
const RESIZED: usize = 256;
const SIDE: usize = 224;
/// Pixels a side of a patch.
const PATCH: usize = 14;
/// Numbers of an attention head.
const HEAD: usize = 64;
const EPSILON: f64 = 1e-6;
/// ImageNet's mean and standard deviation, of values from 0 to 1.
const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f64; 3] = [0.229, 0.224, 0.225];

/// The network.
pub struct Dinov2 {
    /// `[width, 3, 14, 14]`
    patches: Tensor<4>,
    patches_bias: Tensor<1>,
    /// `[1, 1, width]`
    class: Tensor<3>,
    /// `[1, 1 + patches, width]`, for pictures of 224 pixels a side.
    positions: Tensor<3>,
    blocks: Vec<Block>,
    norm: [Tensor<1>; 2],
    width: usize,
    info: ModelInfo,
    device: Device,
}

struct Block {
    first_norm: [Tensor<1>; 2],
    query: Affine,
    key: Affine,
    value: Affine,
    attended: Affine,
    first_scale: Tensor<1>,
    second_norm: [Tensor<1>; 2],
    widen: Affine,
    narrow: Affine,
    second_scale: Tensor<1>,
}

/// `[input, output]` and `[output]`
struct Affine {
    weight: Tensor<2>,
    bias: Tensor<1>,
}

impl Affine {
    fn new(weights: &mut Weights, name: &str, from: usize, to: usize) -> Self {
        let weight = weights.take::<2>(&format!("{name}.weight"), [to, from]).swap_dims(0, 1);
        Self { weight, bias: weights.take(&format!("{name}.bias"), [to]) }
    }

    /// `[batch, length, input]` to `[batch, length, output]`
    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let [batch, length, width] = input.dims();
        let rows = input.reshape([batch * length, width]);
        let [_, output] = self.weight.dims();
        kernels::linear(rows, self.weight.clone(), Some(self.bias.clone())).reshape([batch, length, output])
    }
}

impl Dinov2 {
    pub(super) fn new(mut weights: Weights) -> Result<Self, ModelError> {
        let info = super::info("dinov2", &weights);
        let device = weights.device().clone();
        let width = weights.shape(KNOWN_BY).and_then(|shape| shape.first().copied()).unwrap_or(0);
        let learned = weights.shape("embeddings.position_embeddings").and_then(|shape| shape.get(1).copied());
        let learned = learned.unwrap_or(2).max(2);
        let layers =
            (0..).take_while(|layer| weights.has(&format!("encoder.layer.{layer}.norm1.weight"))).count();
        let w = &mut weights;
        let norm = |w: &mut Weights, name: &str| {
            ["weight", "bias"].map(|part| w.take::<1>(&format!("{name}.{part}"), [width]))
        };
        let patches = w.take(KNOWN_BY, [width, 3, PATCH, PATCH]);
        let patches_bias = w.take("embeddings.patch_embeddings.projection.bias", [width]);
        let class = w.take("embeddings.cls_token", [1, 1, width]);
        let positions = w.take("embeddings.position_embeddings", [1, learned, width]);
        let blocks = (0..layers.max(1))
            .map(|layer| {
                let at = |name: &str| format!("encoder.layer.{layer}.{name}");
                let inner = w.shape(&at("mlp.fc1.weight")).and_then(|shape| shape.first().copied());
                let inner = inner.unwrap_or(4 * width);
                Block {
                    first_norm: norm(w, &at("norm1")),
                    query: Affine::new(w, &at("attention.attention.query"), width, width),
                    key: Affine::new(w, &at("attention.attention.key"), width, width),
                    value: Affine::new(w, &at("attention.attention.value"), width, width),
                    attended: Affine::new(w, &at("attention.output.dense"), width, width),
                    first_scale: w.take(&at("layer_scale1.lambda1"), [width]),
                    second_norm: norm(w, &at("norm2")),
                    widen: Affine::new(w, &at("mlp.fc1"), width, inner),
                    narrow: Affine::new(w, &at("mlp.fc2"), inner, width),
                    second_scale: w.take(&at("layer_scale2.lambda1"), [width]),
                }
            })
            .collect();
        let norm = norm(w, "layernorm");
        weights.finish(&["embeddings.mask_token"])?;
        let positions = of_size(positions, SIDE / PATCH);
        Ok(Self { patches, patches_bias, class, positions, blocks, norm, width, info, device })
    }

    /// Pictures in -1..1 to `[batch, width]`.
    fn forward(&self, pictures: Tensor<4>) -> Tensor<2> {
        let x = self.normalized(pictures); // [b, 3, 224, 224]
        let options = ConvOptions::new([PATCH; 2], [0, 0], [1, 1], 1);
        let x = module::conv2d(x, self.patches.clone(), Some(self.patches_bias.clone()), options);
        let [batch, width, rows, columns] = x.dims();
        let x = x.reshape([batch, width, rows * columns]).swap_dims(1, 2); // [b, patches, w]
        let x = Tensor::cat(vec![self.class.clone().repeat_dim(0, batch), x], 1) + self.positions.clone();
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        let [scale, shift] = self.norm.clone();
        let class = x.narrow(1, 0, 1).reshape([batch, width]);
        module::layer_norm(class, scale, Some(shift), EPSILON)
    }

    /// The middle of the picture as the network knows pictures.
    fn normalized(&self, pictures: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = pictures.dims();
        let shorter = height.min(width).max(1);
        let side = |length: usize| (length * RESIZED / shorter).max(RESIZED);
        let (tall, wide) = (side(height), side(width));
        let x = resample((pictures + 1.0) / 2.0, [tall, wide], Way::Pillow).clamp(0.0, 1.0);
        let x = x.narrow(2, (tall - SIDE) / 2, SIDE).narrow(3, (wide - SIDE) / 2, SIDE);
        let of = |numbers: [f64; 3]| Tensor::<1>::from_floats(numbers, &self.device).reshape([1, 3, 1, 1]);
        (x - of(MEAN)) / of(DEVIATION)
    }
}

/// Positions learned on a square of patches, for a square of another size.
fn of_size(positions: Tensor<3>, side: usize) -> Tensor<3> {
    let [_, count, width] = positions.dims();
    let learned = (count - 1).isqrt();
    if learned == side {
        return positions;
    }
    let class = positions.clone().narrow(1, 0, 1);
    let square = positions.narrow(1, 1, learned * learned).reshape([1, learned, learned, width]);
    let square = square.swap_dims(2, 3).swap_dims(1, 2); // [1, w, learned, learned]
    let square = resample(square, [side, side], Way::Torch);
    let square = square.reshape([1, width, side * side]).swap_dims(1, 2);
    Tensor::cat(vec![class, square], 1)
}

impl Block {
    /// `[batch, length, width]` to the same.
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let norm = |x: Tensor<3>, [scale, shift]: &[Tensor<1>; 2]| {
            module::layer_norm(x, scale.clone(), Some(shift.clone()), EPSILON)
        };
        let [batch, length, width] = x.dims();
        let h = norm(x.clone(), &self.first_norm);
        let both = vec![self.key.forward(h.clone()), self.value.forward(h.clone())];
        let even = Tensor::zeros([batch, length], &x.device());
        let h = kernels::attention(self.query.forward(h), Tensor::cat(both, 2), even, width / HEAD);
        let x = x + self.attended.forward(h) * self.first_scale.clone().reshape([1, 1, width]);
        let h = activation::gelu(self.widen.forward(norm(x.clone(), &self.second_norm)));
        x + self.narrow.forward(h) * self.second_scale.clone().reshape([1, 1, width])
    }
}

impl Model for Dinov2 {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn encode(&self) -> Option<&dyn Encode> {
        Some(self)
    }
}

impl Encode for Dinov2 {
    fn width(&self) -> usize {
        self.width
    }

    fn picture_shape(&self) -> Option<[usize; 3]> {
        None
    }

    fn reads_texts(&self) -> bool {
        false
    }

    fn encode(&self, inputs: Encoded<'_>) -> Result<Vectors, ModelError> {
        let pictures = super::colours(inputs, &self.info)?;
        let data = in_chunks(pictures, &self.device, |chunk| self.forward(chunk));
        Ok(Vectors { width: self.width, data })
    }
}

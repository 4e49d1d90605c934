//! A transformer over patches and words together (MM-DiT, Esser et al. 2024, figure 2): two streams with weights of their own,
//! which meet in one attention. Time and pooled text modulate every norm, and gate what is added.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use rebus_nn::{FeedForward, Init, Linear, RmsNorm, TimeEmbedding, attention::bias, kernels, resample};

use super::{FlowConfig, Moment, TransformerConfig, VelocityField, field::modulation};
use crate::{Embedding, text::TextEncoder};

/// Turns of a rotary position slow down from 1 a patch towards 1 over this: sides have tens of patches.
const SLOWEST: f64 = 100.0;

/// The network.
#[derive(Module, Debug)]
pub struct FlowTransformer {
    text: Option<TextEncoder>,
    time: TimeEmbedding,
    length: Option<TimeEmbedding>,
    pooled: Linear,
    patches: Linear,
    words: Linear,
    blocks: Vec<Block>,
    modulation: Linear,
    output: Linear,
    #[module(skip)]
    patch: usize,
    #[module(skip)]
    head_width: usize,
}

/// Both streams through one attention, and each through a feed-forward layer. In the last nobody looks at the words any more but the
/// patches, so that words ask nothing there.
#[derive(Module, Debug)]
struct Block {
    patches: Before,
    words: Before,
    after_patches: After,
    after_words: Option<After>,
}

/// What a stream gives to the attention.
#[derive(Module, Debug)]
struct Before {
    modulation: Linear,
    query: Option<Normed>,
    key: Normed,
    value: Linear,
}

/// A linear layer whose heads are normalised.
#[derive(Module, Debug)]
struct Normed {
    linear: Linear,
    norm: RmsNorm,
}

/// What a stream makes of what it gets from there.
#[derive(Module, Debug)]
struct After {
    modulation: Linear,
    output: Linear,
    feed_forward: FeedForward,
}

impl VelocityField for FlowTransformer {
    fn new(config: &FlowConfig, channels: usize, init: &mut Init) -> Self {
        let FlowConfig { patch, condition_width, .. } = *config;
        let TransformerConfig { width, blocks, head_width } = config.transformer.clone().unwrap_or_default();
        let [shown, pixels] =
            [config.shown_channels(channels), channels].map(|channels| channels * patch * patch);
        let block = |is_last: bool, init: &mut Init| Block {
            patches: Before::new(width, head_width, condition_width, true, init),
            words: Before::new(width, head_width, condition_width, !is_last, init),
            after_patches: After::new(width, condition_width, init),
            after_words: (!is_last).then(|| After::new(width, condition_width, init)),
        };
        Self {
            text: config.encoder.is_none().then(|| TextEncoder::new(&config.text, init)),
            time: TimeEmbedding::new(32, condition_width, init),
            length: config.mean_velocity.then(|| TimeEmbedding::zeroed(32, condition_width, init)),
            pooled: Linear::new(config.told_width(), condition_width, init),
            patches: Linear::new(shown, width, init),
            words: Linear::new(config.told_width(), width, init),
            blocks: (1..=blocks).map(|number| block(number == blocks, init)).collect(),
            modulation: Linear::zeroed(condition_width, 2 * width, init),
            output: Linear::zeroed(width, pixels, init),
            patch,
            head_width,
        }
    }

    fn text(&self) -> Option<&TextEncoder> {
        self.text.as_ref()
    }

    fn forward(&self, x_t: Tensor<4>, moment: Moment, text: &Embedding) -> Tensor<4> {
        let condition = modulation((&self.time, self.length.as_ref()), &self.pooled, moment, text); // [b, cond]
        let x = resample::pixel_unshuffle(x_t, self.patch); // [b, c * p², h/p, w/p]
        let [batch, shown, rows, columns] = x.dims();
        let x = x.reshape([batch, shown, rows * columns]).swap_dims(1, 2); // [b, places, c * p²]
        let mut x = self.patches.forward(x); // [b, places, width]
        let mut words = self.words.forward(text.sequence.clone()); // [b, words, width]

        let angles = angles([rows, columns], self.head_width / 2, &x.device()); // [places, head / 2]
        let everywhere = Tensor::zeros([batch, rows * columns], &x.device());
        let bias = Tensor::cat(vec![everywhere, bias(text.mask.clone())], 1); // [b, places + words]
        for block in &self.blocks {
            [x, words] = block.forward([x, words], &condition, &angles, &bias);
        }

        let [shift, scale] = parts(self.modulation.forward(condition)); // [b, width]
        let x = self.output.forward(kernels::modulated_layer_norm(x, scale + 1.0, shift)); // [b, places, c * p²]
        let pixels = x.dims()[2];
        resample::pixel_shuffle(x.swap_dims(1, 2).reshape([batch, pixels, rows, columns]), self.patch)
    }
}

impl Block {
    /// `[b, places, width]` and `[b, words, width]` to the same.
    fn forward(
        &self,
        [patches, words]: [Tensor<3>; 2],
        condition: &Tensor<2>,
        angles: &Tensor<2>,
        bias: &Tensor<2>,
    ) -> [Tensor<3>; 2] {
        let [_, places, width] = patches.dims();
        // Words have no place on the picture, so theirs are not turned.
        let turned = |x: Tensor<3>| kernels::rotate(x, angles.clone());
        let of_patches = self.patches.forward(patches.clone(), condition);
        let of_words = self.words.forward(words.clone(), condition);
        let key = Tensor::cat(vec![turned(of_patches.key), of_words.key], 1); // [b, places + words, width]
        let value = Tensor::cat(vec![of_patches.value, of_words.value], 1);
        let asks = of_patches.query.map(turned).into_iter().chain(of_words.query);
        let query = Tensor::cat(asks.collect(), 1);

        let heads = width / (2 * angles.dims()[1]);
        let attended = kernels::attention(query, Tensor::cat(vec![key, value], 2), bias.clone(), heads);
        let [_, asked, _] = attended.dims();
        let of_patches = attended.clone().narrow(1, 0, places);
        let patches = self.after_patches.forward(patches, of_patches, condition);
        let words = match &self.after_words {
            Some(after) => after.forward(words, attended.narrow(1, places, asked - places), condition),
            None => words,
        };
        [patches, words]
    }
}

/// Queries, keys and values of a stream, `[b, length, width]` each.
struct Asked {
    query: Option<Tensor<3>>,
    key: Tensor<3>,
    value: Tensor<3>,
}

impl Before {
    fn new(width: usize, head_width: usize, condition_width: usize, asks: bool, init: &mut Init) -> Self {
        let normed = |init: &mut Init| Normed {
            linear: Linear::new(width, width, init),
            norm: RmsNorm::new(head_width, init),
        };
        Self {
            modulation: Linear::zeroed(condition_width, 2 * width, init),
            query: asks.then(|| normed(init)),
            key: normed(init),
            value: Linear::new(width, width, init),
        }
    }

    fn forward(&self, x: Tensor<3>, condition: &Tensor<2>) -> Asked {
        let [shift, scale] = parts(self.modulation.forward(condition.clone())); // [b, width]
        let h = kernels::modulated_layer_norm(x, scale + 1.0, shift);
        Asked {
            query: self.query.as_ref().map(|query| query.forward(h.clone())),
            key: self.key.forward(h.clone()),
            value: self.value.forward(h),
        }
    }
}

impl Normed {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.norm.by_heads(self.linear.forward(x))
    }
}

impl After {
    /// The gates start at one and the outputs at zero, so that the branches start silent and learn from the first step on.
    fn new(width: usize, condition_width: usize, init: &mut Init) -> Self {
        Self {
            modulation: Linear::zeroed(condition_width, 4 * width, init),
            output: Linear::zeroed(width, width, init),
            feed_forward: FeedForward::new(width, 2, init),
        }
    }

    fn forward(&self, x: Tensor<3>, attended: Tensor<3>, condition: &Tensor<2>) -> Tensor<3> {
        let [gate, shift, scale, last_gate] = parts(self.modulation.forward(condition.clone())); // [b, width]
        let x = kernels::gated_add(x, self.output.forward(attended), gate + 1.0);
        let h = kernels::modulated_layer_norm(x.clone(), scale + 1.0, shift);
        kernels::gated_add(x, self.feed_forward.forward(h), last_gate + 1.0)
    }
}

/// `[b, N * width]` in `N` parts.
fn parts<const N: usize>(x: Tensor<2>) -> [Tensor<2>; N] {
    let width = x.dims()[1] / N;
    std::array::from_fn(|part| x.clone().narrow(1, part * width, width))
}

/// By how much each pair of a head's numbers is turned, `[rows * columns, pairs]`: the first half by the row, the rest by the
/// column, each pair slower than the one before.
fn angles([rows, columns]: [usize; 2], pairs: usize, device: &Device) -> Tensor<2> {
    let rate = |pair: usize| SLOWEST.powf(-(pair as f64) / (pairs as f64 / 2.0));
    let of_place = |place: usize| {
        let turned = move |at: usize| (0..pairs / 2).map(move |pair| (at as f64 * rate(pair)) as f32);
        turned(place / columns).chain(turned(place % columns))
    };
    let angles: Vec<f32> = (0..rows * columns).flat_map(of_place).collect();
    Tensor::<1>::from_floats(angles.as_slice(), device).reshape([rows * columns, pairs])
}

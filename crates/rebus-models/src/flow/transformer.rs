//! A transformer over patches and words together (MM-DiT, Esser et al. 2024, figure 2): two streams with weights of their own,
//! which meet in one attention. Time and pooled text modulate every norm, and gate what is added.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use rebus_nn::{
    FeedForward, Init, Linear, RmsNorm, TimeEmbedding,
    attention::bias,
    kernels::{self, silu},
    resample,
};

use super::{FlowConfig, TransformerConfig, VelocityField};
use crate::{Embedding, text::TextEncoder};

/// The slowest turn of a rotary position is by 1 over this: sides have tens of patches.
const SLOWEST: f64 = 100.0;

/// The network.
#[derive(Module, Debug)]
pub struct FlowTransformer {
    text: TextEncoder,
    time: TimeEmbedding,
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

/// Both streams through one attention, and each through a feed-forward layer. Behind the last attention nobody looks at the
/// words any more.
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
    query: Linear,
    key: Linear,
    value: Linear,
    query_norm: RmsNorm,
    key_norm: RmsNorm,
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
        let pixels = channels * patch * patch;
        let block = |is_last: bool, init: &mut Init| Block {
            patches: Before::new(width, head_width, condition_width, init),
            words: Before::new(width, head_width, condition_width, init),
            after_patches: After::new(width, condition_width, init),
            after_words: (!is_last).then(|| After::new(width, condition_width, init)),
        };
        Self {
            text: TextEncoder::new(&config.text, init),
            time: TimeEmbedding::new(32, condition_width, init),
            pooled: Linear::new(config.text.width, condition_width, init),
            patches: Linear::new(pixels, width, init),
            words: Linear::new(config.text.width, width, init),
            blocks: (1..=blocks).map(|number| block(number == blocks, init)).collect(),
            modulation: Linear::zeroed(condition_width, 2 * width, init),
            output: Linear::zeroed(width, pixels, init),
            patch,
            head_width,
        }
    }

    fn text(&self) -> &TextEncoder {
        &self.text
    }

    fn forward(&self, x_t: Tensor<4>, times: Tensor<1>, text: &Embedding) -> Tensor<4> {
        let condition = silu(self.time.forward(times) + self.pooled.forward(text.pooled.clone())); // [b, cond]
        let x = resample::pixel_unshuffle(x_t, self.patch); // [b, c * p², h/p, w/p]
        let [batch, pixels, rows, columns] = x.dims();
        let x = x.reshape([batch, pixels, rows * columns]).swap_dims(1, 2); // [b, places, c * p²]
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
        let [[_, places, width], [_, said, _]] = [patches.dims(), words.dims()];
        // Words have no place on the picture, so theirs are not turned.
        let [query, key, value] = self.patches.forward(patches.clone(), condition);
        let [query, key] = [query, key].map(|x| kernels::rotate(x, angles.clone()));
        let [query_of_words, key_of_words, value_of_words] = self.words.forward(words.clone(), condition);
        let joined = |patches: Tensor<3>, words: Tensor<3>| Tensor::cat(vec![patches, words], 1); // [b, places + words, width]
        let (key, value) = (joined(key, key_of_words), joined(value, value_of_words));
        let key_value = Tensor::cat(vec![key, value], 2);

        let heads = width / (2 * angles.dims()[1]);
        let attended = kernels::attention(joined(query, query_of_words), key_value, bias.clone(), heads);
        let of_patches = attended.clone().narrow(1, 0, places);
        let patches = self.after_patches.forward(patches, of_patches, condition);
        let words = match &self.after_words {
            Some(after) => after.forward(words, attended.narrow(1, places, said), condition),
            None => words,
        };
        [patches, words]
    }
}

impl Before {
    fn new(width: usize, head_width: usize, condition_width: usize, init: &mut Init) -> Self {
        Self {
            modulation: Linear::zeroed(condition_width, 2 * width, init),
            query: Linear::new(width, width, init),
            key: Linear::new(width, width, init),
            value: Linear::new(width, width, init),
            query_norm: RmsNorm::new(head_width, init),
            key_norm: RmsNorm::new(head_width, init),
        }
    }

    /// Queries, keys and values, `[b, length, width]` each.
    fn forward(&self, x: Tensor<3>, condition: &Tensor<2>) -> [Tensor<3>; 3] {
        let [shift, scale] = parts(self.modulation.forward(condition.clone())); // [b, width]
        let h = kernels::modulated_layer_norm(x, scale + 1.0, shift);
        let query = self.query_norm.by_heads(self.query.forward(h.clone()));
        let key = self.key_norm.by_heads(self.key.forward(h.clone()));
        [query, key, self.value.forward(h)]
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

//! A U-Net (Ronneberger et al. 2015) whose blocks are modulated by time and pooled text, and whose coarse levels
//! attend to themselves and to the tokens of the text at once.

use burn::{module::Module, tensor::Tensor};
use rebus_nn::{
    Conv2d, GroupNorm, Init, Joint, Linear, Residual, TimeEmbedding, TransformerBlock,
    kernels::{self, Activation::Silu},
    resample,
};

use super::{FlowConfig, Moment, VelocityField, field::modulation};
use crate::{Embedding, text::TextEncoder};

/// The network.
#[derive(Module, Debug)]
pub struct FlowUNet {
    text: Option<TextEncoder>,
    time: TimeEmbedding,
    length: Option<TimeEmbedding>,
    pooled: Linear,
    input: Conv2d,
    down: Vec<Stage>,
    up: Vec<Stage>,
    norm: GroupNorm,
    output: Conv2d,
    #[module(skip)]
    patch: usize,
}

/// The blocks of one level, on one way. Going down, `change` widens the channels after the picture is halved; going
/// up, it narrows them before the picture is doubled.
#[derive(Module, Debug)]
struct Stage {
    change: Option<Conv2d>,
    blocks: Vec<Residual>,
    attention: Option<TransformerBlock>,
}

impl VelocityField for FlowUNet {
    fn new(config: &FlowConfig, channels: usize, init: &mut Init) -> Self {
        let FlowConfig { patch, groups, condition_width, .. } = *config;
        let widths = &config.widths;
        let [shown, pixels] =
            [config.shown_channels(channels), channels].map(|channels| channels * patch * patch);
        let stage = |level: usize, change: Option<usize>, init: &mut Init| Stage {
            change: change.map(|from| Conv2d::new([from, widths[level]], 1, init)),
            blocks: (0..config.blocks)
                .map(|_| Residual::new(widths[level], groups, Some(condition_width), init))
                .collect(),
            attention: (level >= config.attention_from).then(|| {
                let heads = widths[level] / config.head_width;
                TransformerBlock::new(widths[level], heads, Some(config.told_width()), 2, init)
            }),
        };
        Self {
            text: config.encoder.is_none().then(|| TextEncoder::new(&config.text, init)),
            time: TimeEmbedding::new(32, condition_width, init),
            length: config.mean_velocity.then(|| TimeEmbedding::zeroed(32, condition_width, init)),
            pooled: Linear::new(config.told_width(), condition_width, init),
            input: Conv2d::new([shown, widths[0]], 3, init),
            down: (0..widths.len())
                .map(|level| stage(level, level.checked_sub(1).map(|above| widths[above]), init))
                .collect(),
            up: (0..widths.len() - 1)
                .rev()
                .map(|level| stage(level, Some(widths[level + 1]), init))
                .collect(),
            norm: GroupNorm::new(groups, widths[0], init),
            output: Conv2d::zeroed([widths[0], pixels], 3, init),
            patch,
        }
    }

    fn text(&self) -> Option<&TextEncoder> {
        self.text.as_ref()
    }

    fn forward(&self, x_t: Tensor<4>, moment: Moment, text: &Embedding) -> Tensor<4> {
        let condition = modulation((&self.time, self.length.as_ref()), &self.pooled, moment, text); // [b, cond]
        let joint = Joint { sequence: text.sequence.clone(), mask: text.mask.clone() };

        let mut x = self.input.forward(resample::pixel_unshuffle(x_t, self.patch)); // [b, w0, h/p, w/p]
        let mut skips = Vec::with_capacity(self.down.len());
        for stage in &self.down {
            if let Some(change) = &stage.change {
                x = change.forward(resample::downsample_mean(x, 2));
            }
            x = stage.forward(x, &condition, &joint);
            skips.push(x.clone());
        }
        skips.pop(); // the lowest level meets itself
        for stage in &self.up {
            if let (Some(change), Some(skip)) = (&stage.change, skips.pop()) {
                x = kernels::add(resample::upsample_nearest(change.forward(x), 2), skip);
            }
            x = stage.forward(x, &condition, &joint);
        }
        let x = self.output.forward(self.norm.forward(x, Silu)); // [b, c * p², h/p, w/p]
        resample::pixel_shuffle(x, self.patch)
    }
}

impl Stage {
    fn forward(&self, x: Tensor<4>, condition: &Tensor<2>, joint: &Joint) -> Tensor<4> {
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x, Some(condition)));
        let Some(attention) = &self.attention else { return x };
        let [batch, width, height, columns] = x.dims();
        let places = x.reshape([batch, width, height * columns]).swap_dims(1, 2); // [b, places, width]
        let places = attention.forward(places, None, Some(joint));
        places.swap_dims(1, 2).reshape([batch, width, height, columns])
    }
}

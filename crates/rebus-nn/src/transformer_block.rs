//! The block that every transformer here is made of.

use burn::{
    module::Module,
    tensor::{Bool, Tensor},
};

use crate::{Attention, FeedForward, Init, Joint, LayerNorm, kernels};

/// Attention beside the line, then a feed-forward layer beside it, each behind a norm (Vaswani et al. 2017; Xiong et al. 2020). Both
/// branches start silent.
#[derive(Module, Debug)]
pub struct TransformerBlock {
    attention_norm: LayerNorm,
    attention: Attention,
    feed_forward_norm: LayerNorm,
    feed_forward: FeedForward,
}

impl TransformerBlock {
    /// `heads` divide `width`; `context_width` is that of a second sequence that is attended to, if there is one; the feed-forward
    /// layer is `expansion` times as wide inside.
    pub fn new(
        width: usize,
        heads: usize,
        context_width: Option<usize>,
        expansion: usize,
        init: &mut Init,
    ) -> Self {
        Self {
            attention_norm: LayerNorm::new(width, init),
            attention: Attention::new(width, heads, context_width, init),
            feed_forward_norm: LayerNorm::new(width, init),
            feed_forward: FeedForward::new(width, expansion, init),
        }
    }

    /// `[batch, length, width]` to the same. `mask` (true where a token counts) is for the sequence itself.
    pub fn forward(&self, x: Tensor<3>, mask: Option<Tensor<2, Bool>>, joint: Option<&Joint>) -> Tensor<3> {
        let h = self.attention_norm.forward(x.clone());
        let x = kernels::add(x, self.attention.forward(h, mask, joint));
        let h = self.feed_forward_norm.forward(x.clone());
        kernels::add(x, self.feed_forward.forward(h))
    }
}

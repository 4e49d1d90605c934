//! A pre-norm transformer over tokens (Vaswani et al. 2017; Xiong et al. 2020).

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use rebus_nn::{Init, LayerNorm, Linear, TransformerBlock};

use super::TextConfig;
use crate::{Embedding, modality::TextTokens};

/// Tokens to a sequence of vectors and one pooled vector. An empty text is a learned vector of its own.
#[derive(Module, Debug)]
pub struct TextEncoder {
    tokens: rebus_nn::Embedding,
    positions: Param<Tensor<2>>,
    empty: Param<Tensor<2>>,
    blocks: Vec<TransformerBlock>,
    norm: LayerNorm,
    pool: Linear,
}

impl TextEncoder {
    /// The network at its start.
    pub fn new(config: &TextConfig, init: &mut Init) -> Self {
        let width = config.width;
        let block = |init: &mut Init| TransformerBlock::new(width, config.heads, None, 4, init);
        Self {
            tokens: rebus_nn::Embedding::new(config.vocabulary, width, 0.5, init),
            positions: init.normal([config.context, width], 0.1),
            empty: init.normal([1, width], 0.5),
            blocks: (0..config.layers).map(|_| block(init)).collect(),
            norm: LayerNorm::new(width, init),
            pool: Linear::new(width, width, init),
        }
    }

    /// `[batch, length]` to a sequence `[batch, length, width]` and a pooled vector `[batch, width]`.
    pub fn forward(&self, text: TextTokens) -> Embedding {
        let [batch, length] = text.ids.dims();
        let width = self.empty.val().dims()[1];

        // The first place of an empty text counts, and holds the learned empty vector.
        let counts = text.mask.float(); // [batch, length]
        let is_empty = counts.clone().sum_dim(1).equal_scalar(0.0).float(); // [batch, 1]
        let first =
            Tensor::cat(vec![is_empty.clone(), Tensor::zeros([batch, length - 1], &counts.device())], 1);
        let counts = counts + first; // 0 or 1
        let tokens = self.tokens.forward(text.ids); // [batch, length, width]
        let empty = self.empty.val().reshape([1, 1, width]);
        let is_empty = is_empty.reshape([batch, 1, 1]);
        let input = tokens * (is_empty.clone() * -1.0 + 1.0) + empty * is_empty;

        let mut x = input + self.positions.val().slice([0..length, 0..width]).reshape([1, length, width]);
        let mask = counts.clone().bool();
        for block in &self.blocks {
            x = block.forward(x, Some(mask.clone()), None);
        }
        let sequence = self.norm.forward(x); // [batch, length, width]

        let total = counts.clone().sum_dim(1); // [batch, 1], at least 1
        let counts = counts.reshape([batch, length, 1]);
        let mean = (sequence.clone() * counts).sum_dim(1).reshape([batch, width]) / total;
        Embedding::new(sequence, mask, self.pool.forward(mean))
    }
}

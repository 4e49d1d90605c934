//! Multi-head attention (Vaswani et al. 2017).

use burn::{
    module::Module,
    tensor::{Bool, Tensor, activation::softmax},
};

use crate::{Init, Linear};

/// Queries from one sequence, keys and values from the same one, joined by those of a context where there is one.
#[derive(Module, Debug)]
pub struct Attention {
    query: Linear,
    key_value: Linear,
    context: Option<Linear>,
    output: Linear,
    #[module(skip)]
    heads: usize,
}

/// A second sequence that is attended to beside the first.
#[derive(Debug, Clone)]
pub struct Joint {
    /// `[batch, length, width]`
    pub sequence: Tensor<3>,
    /// `[batch, length]`, true where a token counts.
    pub mask: Tensor<2, Bool>,
}

impl Attention {
    /// `heads` must divide `width`. The output starts at zero, so that the branch starts silent.
    pub fn new(width: usize, heads: usize, context_width: Option<usize>, init: &mut Init) -> Self {
        Self {
            query: Linear::new(width, width, init),
            key_value: Linear::new(width, 2 * width, init),
            context: context_width.map(|context| Linear::new(context, 2 * width, init)),
            output: Linear::zeroed(width, width, init),
            heads,
        }
    }

    /// `[batch, length, width]` to the same. `mask` (true where a token counts) is for the sequence itself.
    pub fn forward(
        &self,
        input: Tensor<3>,
        mask: Option<Tensor<2, Bool>>,
        joint: Option<&Joint>,
    ) -> Tensor<3> {
        let [batch, length, width] = input.dims();
        let query = self.split(self.query.forward(input.clone()));
        let mut key_value = self.key_value.forward(input); // [batch, length, 2 * width]
        let mut counts = mask;
        if let (Some(project), Some(joint)) = (&self.context, joint) {
            let all = Tensor::<2>::ones([batch, length], &joint.mask.device()).bool();
            let own = counts.unwrap_or(all);
            counts = Some(Tensor::cat(vec![own, joint.mask.clone()], 1));
            key_value = Tensor::cat(vec![key_value, project.forward(joint.sequence.clone())], 1);
        }
        let key = self.split(key_value.clone().narrow(2, 0, width)); // [batch, heads, keys, head width]
        let value = self.split(key_value.narrow(2, width, width));

        let head_width = width / self.heads;
        let mut scores = query.matmul(key.swap_dims(2, 3)) * (head_width as f64).powf(-0.5);
        if let Some(counts) = counts {
            let keys = counts.dims()[1];
            let bias = (counts.float() - 1.0) * 1e4; // 0 where a token counts, -10000 where it does not
            scores = scores + bias.reshape([batch, 1, 1, keys]);
        }
        let mixed = softmax(scores, 3).matmul(value); // [batch, heads, length, head width]
        self.output.forward(mixed.swap_dims(1, 2).reshape([batch, length, width]))
    }

    /// `[batch, length, width]` to `[batch, heads, length, width / heads]`
    fn split(&self, input: Tensor<3>) -> Tensor<4> {
        let [batch, length, width] = input.dims();
        input.reshape([batch, length, self.heads, width / self.heads]).swap_dims(1, 2)
    }
}

//! Multi-head attention (Vaswani et al. 2017).

use burn::{
    module::Module,
    tensor::{Bool, Tensor},
};

use crate::{Init, Linear, kernels};

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
        let [batch, length, _] = input.dims();
        let query = self.query.forward(input.clone());
        let mut key_value = self.key_value.forward(input); // [batch, length, 2 * width]
        let own = mask.map_or_else(|| Tensor::zeros([batch, length], &query.device()), bias);
        let bias = match (&self.context, joint) {
            (Some(project), Some(joint)) => {
                key_value = Tensor::cat(vec![key_value, project.forward(joint.sequence.clone())], 1);
                Tensor::cat(vec![own, bias(joint.mask.clone())], 1)
            }
            _ => own,
        };
        self.output.forward(kernels::attention(query, key_value, bias, self.heads))
    }
}

/// On the scores: 0 where a token counts, -10000 where it does not.
pub fn bias(counts: Tensor<2, Bool>) -> Tensor<2> {
    (counts.float() - 1.0) * 1e4
}

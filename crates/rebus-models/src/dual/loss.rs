//! What pulls pairs together and all else apart.

use burn::tensor::{
    Tensor,
    activation::{log_softmax, softplus},
};

use super::DualLoss;

/// Embeddings of a batch, each row of length 1.
#[derive(Debug, Clone)]
pub struct Pairs {
    /// `[batch, width]`
    pub pictures: Tensor<2>,
    /// `[batch + more, width]`: the pictures' own texts, then texts that are nobody's.
    pub texts: Tensor<2>,
    /// `[batch, batch + more]`: 1 where a text says the same as the picture's own and is another's: neither right nor wrong.
    pub ignored: Tensor<2>,
}

/// The loss of all pairs, given the logarithm of the scale and the bias, each `[1]`.
///
/// With the logits `l = exp(scale) * cosine + bias`: by sigmoids `sum_ij softplus(-z_ij l_ij) / batch`, where z is 1 for a
/// pair and -1 else; by softmax the mean cross-entropy of the right text of each picture and of the right picture of each
/// text, in which the bias cancels.
pub fn contrastive_loss(pairs: Pairs, scale: Tensor<1>, bias: Tensor<1>, loss: DualLoss) -> Tensor<1> {
    let device = pairs.pictures.device();
    let [batch, _] = pairs.pictures.dims();
    let [texts, _] = pairs.texts.dims();
    let cosines = pairs.pictures.matmul(pairs.texts.swap_dims(0, 1)); // [b, t]
    let logits = cosines * scale.exp().reshape([1, 1]) + bias.reshape([1, 1]);
    let own = Tensor::<2>::eye(batch, &device); // [b, b]
    match loss {
        DualLoss::Sigmoid => {
            let own = Tensor::cat(vec![own, Tensor::zeros([batch, texts - batch], &device)], 1); // [b, t]
            let sign = own * 2.0 - 1.0;
            let terms = softplus(-(logits * sign), 1.0) * (pairs.ignored * -1.0 + 1.0);
            terms.sum() / batch as f64
        }
        DualLoss::Softmax => {
            let logits = logits - pairs.ignored * 1e4;
            let of_pictures = log_softmax(logits.clone(), 1).narrow(1, 0, batch) * own.clone();
            let of_texts = log_softmax(logits.narrow(1, 0, batch), 0) * own;
            -(of_pictures.sum() + of_texts.sum()) / (2 * batch) as f64
        }
    }
}

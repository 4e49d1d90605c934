//! How a tensor outside of a graph comes into one.

use burn::tensor::{Device, Tensor};

/// A tensor as a constant in the graphs of this device, with the checkpointing that it has: tensors of one graph must agree
/// on that. Where the device does not differentiate, the tensor as it is.
pub fn constant<const D: usize>(tensor: Tensor<D>, device: &Device) -> Tensor<D> {
    match device.gradient_checkpointing_strategy() {
        Some(strategy) => tensor.autodiff().with_gradient_checkpointing_strategy(strategy),
        None => tensor,
    }
}

//! Pictures between host arrays and tensors.

use burn::tensor::{Device, Tensor, TensorData};
use rebus_data::Pictures;

/// `[batch, channel, height, width]`, values as they are.
pub fn to_tensor(pictures: &Pictures, device: &Device) -> Tensor<4> {
    Tensor::from_data(TensorData::new(pictures.data.clone(), pictures.shape), device)
}

/// Values clamped to -1..1.
pub fn from_tensor(tensor: Tensor<4>) -> Pictures {
    values_of(tensor.clamp(-1.0, 1.0))
}

/// Values as they are.
pub fn values_of(tensor: Tensor<4>) -> Pictures {
    let shape = tensor.dims();
    Pictures { shape, data: tensor.into_data().iter::<f32>().collect() }
}

//! Pictures between host arrays and tensors.

use burn::tensor::{Device, Tensor, TensorData};
use rebus_data::Pictures;

/// `[batch, channel, height, width]`, values as they are.
pub fn to_tensor(pictures: &Pictures, device: &Device) -> Tensor<4> {
    Tensor::from_data(TensorData::new(pictures.data.clone(), pictures.shape), device)
}

/// Values clamped to -1..1.
pub fn from_tensor(tensor: Tensor<4>) -> Pictures {
    let shape = tensor.dims();
    let data = tensor.clamp(-1.0, 1.0).into_data().iter::<f32>().collect();
    Pictures { shape, data }
}

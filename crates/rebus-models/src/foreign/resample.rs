//! Resizing exactly as other programs do, on whose results published numbers rest: no library here samples as TensorFlow 1 did, or
//! keeps what Pillow's filter makes of real numbers. Each is linear, so it is one matrix a side.

use burn::tensor::{Device, Tensor, TensorData};

/// How a program resizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// TensorFlow 1's bilinear, which takes the first pixel's corner for its centre.
    TensorFlow1,
    /// Pillow's bicubic, whose filter widens where the picture shrinks.
    Pillow,
    /// PyTorch's bicubic, whose filter does not.
    Torch,
}

/// `[batch, channel, height, width]` to another height and width.
pub(super) fn resample(input: Tensor<4>, [height, width]: [usize; 2], way: Way) -> Tensor<4> {
    let [_, _, from_height, from_width] = input.dims();
    let device = input.device();
    let rows = matrix(from_height, height, way, &device); // [height, from_height]
    let columns = matrix(from_width, width, way, &device).swap_dims(0, 1); // [from_width, width]
    rows.unsqueeze::<4>().matmul(input.matmul(columns.unsqueeze::<4>()))
}

/// `[to, from]`: what each pixel takes of each.
fn matrix(from: usize, to: usize, way: Way, device: &Device) -> Tensor<2> {
    let mut shares = vec![0.0f32; to * from];
    for (place, row) in shares.chunks_mut(from).enumerate() {
        match way {
            Way::TensorFlow1 => {
                let at = place as f64 * from as f64 / to as f64;
                let (first, share) = (at.floor() as usize, at - at.floor());
                row[first.min(from - 1)] += (1.0 - share) as f32;
                row[(first + 1).min(from - 1)] += share as f32;
            }
            Way::Pillow => {
                let scale = from as f64 / to as f64;
                let widened = scale.max(1.0);
                let centre = (place as f64 + 0.5) * scale;
                let first = ((centre - 2.0 * widened + 0.5) as usize).min(from);
                let last = ((centre + 2.0 * widened + 0.5) as usize).min(from);
                let weights: Vec<f64> =
                    (first..last).map(|pixel| cubic((pixel as f64 - centre + 0.5) / widened, -0.5)).collect();
                let sum: f64 = weights.iter().sum();
                for (share, weight) in row[first..last].iter_mut().zip(weights) {
                    *share = (weight / sum) as f32;
                }
            }
            Way::Torch => {
                let at = (place as f64 + 0.5) * from as f64 / to as f64 - 0.5;
                for tap in -1..=2i64 {
                    let pixel = at.floor() as i64 + tap;
                    let weight = cubic(at - pixel as f64, -0.75);
                    row[pixel.clamp(0, from as i64 - 1) as usize] += weight as f32;
                }
            }
        }
    }
    Tensor::from_data(TensorData::new(shares, [to, from]), device)
}

/// The cubic convolution kernel (Keys 1981, equation 4) with parameter `a`.
fn cubic(x: f64, a: f64) -> f64 {
    match x.abs() {
        x if x < 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * a,
        _ => 0.0,
    }
}

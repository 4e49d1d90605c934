//! Weights at rest: safetensors files, read and written strictly.

use burn::tensor::{DType, TensorData};
use half::{bf16, f16};
use rebus_nn::named::NamedTensors;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::Precision;

/// Reads a whole safetensors file. Half precisions become float32.
///
/// # Errors
/// The parser's words: a header too large or cut short, an offset outside the file, a kind that weights never have.
pub fn parse(bytes: &[u8]) -> Result<NamedTensors, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    file.tensors().into_iter().map(|(name, view)| Ok((name, to_data(&view)?))).collect()
}

fn to_data(view: &TensorView<'_>) -> Result<TensorData, String> {
    let (bytes, shape) = (view.data(), view.shape().to_vec());
    let floats: Vec<f32> = match view.dtype() {
        Dtype::F32 => each(bytes, f32::from_le_bytes),
        Dtype::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
        Dtype::I64 => return Ok(TensorData::new(each(bytes, i64::from_le_bytes), shape)),
        other => return Err(format!("a tensor of kind {other:?}, where F32, F16, BF16 or I64 is read")),
    };
    Ok(TensorData::new(floats, shape))
}

fn each<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
}

/// A safetensors file: the same tensors give the same bytes.
///
/// # Errors
/// The writer's words; only a tensor of a kind that no network here has.
pub fn serialize(tensors: &NamedTensors, precision: Precision) -> Result<Vec<u8>, String> {
    let mut parts = Vec::with_capacity(tensors.len());
    for (name, data) in tensors {
        let (dtype, bytes): (Dtype, Vec<u8>) = match data.dtype() {
            DType::I64 => (Dtype::I64, data.iter::<i64>().flat_map(i64::to_le_bytes).collect()),
            _ if precision == Precision::Float16 => {
                (Dtype::F16, data.iter::<f32>().flat_map(|v| f16::from_f32(v).to_le_bytes()).collect())
            }
            _ => (Dtype::F32, data.iter::<f32>().flat_map(f32::to_le_bytes).collect()),
        };
        parts.push((name, dtype, data.shape().to_vec(), bytes));
    }
    let views = parts.iter().map(|(name, dtype, shape, bytes)| {
        let view =
            TensorView::new(*dtype, shape.clone(), bytes).map_err(|error| format!("{name}: {error}"))?;
        Ok((name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>, String>>()?;
    safetensors::serialize(views, None).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> NamedTensors {
        let half = TensorData::new(vec![0.5f32, -2.0, 3.25], [3]);
        NamedTensors::from([
            ("a.weight".to_string(), TensorData::new(vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])),
            ("b.bias".to_string(), half),
        ])
    }

    #[test]
    fn weights_survive_the_file_in_both_precisions() {
        for precision in [Precision::Float32, Precision::Float16] {
            let bytes = serialize(&sample(), precision).unwrap();
            assert_eq!(parse(&bytes).unwrap(), sample());
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        let bytes = serialize(&sample(), Precision::Float32).unwrap();
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length]).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn a_header_that_claims_to_be_huge_is_refused() {
        let mut bytes = serialize(&sample(), Precision::Float32).unwrap();
        bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(parse(&bytes).is_err());
    }
}

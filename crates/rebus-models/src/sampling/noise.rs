//! The noise or latent that a picture was taken back to, kept in a file, to be drawn from again.

use std::collections::HashMap;

use rebus_data::Pictures;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::ModelError;

/// The tensor's name, and that of the model's hash beside it.
const NOISE: &str = "noise";
const MODEL: &str = "model";

/// Noise `[1, channel, height, width]` or a latent `[1, 1, 1, width]`, and for which model.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedNoise {
    /// What a drawing begins with.
    pub values: Pictures,
    /// The hash of the model that it was found by.
    pub model: String,
}

impl SavedNoise {
    /// As a safetensors file.
    ///
    /// # Errors
    /// Numbers that do not fit their shape.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ModelError> {
        let bytes: Vec<u8> = self.values.data.iter().flat_map(|value| value.to_le_bytes()).collect();
        let wrong = |error: safetensors::SafeTensorError| ModelError::Request {
            option: NOISE,
            value: format!("{:?}", self.values.shape),
            rule: error.to_string(),
        };
        let view = TensorView::new(Dtype::F32, self.values.shape.to_vec(), &bytes).map_err(wrong)?;
        let about = HashMap::from([(MODEL.to_string(), self.model.clone())]);
        safetensors::serialize([(NOISE, view)], Some(about)).map_err(wrong)
    }

    /// From a file's bytes.
    ///
    /// # Errors
    /// It holds no noise.
    pub fn from_bytes(bytes: &[u8], place: &str) -> Result<Self, ModelError> {
        let refuse = |reason: String| ModelError::Request {
            option: NOISE,
            value: place.to_string(),
            rule: format!("it must be a file that `rebus edit --invert` wrote ({reason})"),
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| refuse(error.to_string()))?;
        let model = header.metadata().as_ref().and_then(|about| about.get(MODEL).cloned());
        let file = SafeTensors::deserialize(bytes).map_err(|error| refuse(error.to_string()))?;
        let view = file.tensor(NOISE).map_err(|error| refuse(error.to_string()))?;
        let shape: [usize; 4] =
            view.shape().try_into().map_err(|_| refuse("its shape is another".to_string()))?;
        if view.dtype() != Dtype::F32 || shape[0] != 1 {
            return Err(refuse("its shape is another".to_string()));
        }
        let (fours, _) = view.data().as_chunks::<4>();
        let data: Vec<f32> = fours.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        if !data.iter().all(|value| value.is_finite()) {
            return Err(refuse("not all of its numbers are finite".to_string()));
        }
        Ok(Self { values: Pictures { shape, data }, model: model.unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_survives_its_file_and_other_files_are_refused() {
        let noise = SavedNoise {
            values: Pictures { shape: [1, 1, 2, 3], data: vec![0.5, -1.0, 2.0, 0.0, 1e-9, -3.5] },
            model: "abc".to_string(),
        };
        let bytes = noise.to_bytes().unwrap();
        assert_eq!(SavedNoise::from_bytes(&bytes, "a").unwrap(), noise);
        for wrong in [&b""[..], b"no file", &bytes[..bytes.len() - 3]] {
            let said = SavedNoise::from_bytes(wrong, "a.safetensors").unwrap_err().to_string();
            assert!(said.contains("a.safetensors") && said.contains("--invert"), "{said}");
        }
        let mut infinite = noise;
        infinite.values.data[1] = f32::NAN;
        assert!(SavedNoise::from_bytes(&infinite.to_bytes().unwrap(), "a").is_err());
    }
}

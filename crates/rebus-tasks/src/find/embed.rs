//! Words, pictures and sounds as rows of length 1.

use image::DynamicImage;
use rebus_data::{MelConfig, Sounds};
use rebus_models::{Encode, Encoded, Model, ModelError, Vectors, confidences, registry::able};
use rebus_store::ModelKey;

use crate::{TaskError, reconstruct::fit};

/// The most that an encoder's cosines are multiplied with in training (Radford et al. 2021, section 2.5), for one that does not
/// say.
const USUAL_SCALE: f32 = 100.0;

/// A model's embeddings, each of length 1.
#[derive(Clone, Copy)]
pub(super) struct Embedder<'a> {
    model: &'a dyn Model,
    encode: &'a dyn Encode,
}

impl<'a> Embedder<'a> {
    pub(super) fn of(model: &'a dyn Model) -> Result<Self, TaskError> {
        let encode = model.encode().ok_or_else(|| ModelError::Lacks {
            family: model.info().family.clone(),
            verb: "encode",
            able: able("encode"),
        })?;
        Ok(Self { model, encode })
    }

    /// What a store knows the model by.
    pub(super) fn key(&self, name: &str) -> ModelKey {
        ModelKey { name: name.to_string(), hash: self.model.info().hash.clone(), width: self.encode.width() }
    }

    /// What cosines are multiplied with before a softmax says how likely each of so many is: what `rebus eval --calibrate` noted, or
    /// what the model learned.
    fn confidence_scale(&self, count: usize) -> f32 {
        let noted = &self.model.info().provenance["calibration"];
        let noted = |key: &str| noted[key].as_f64().map(|number| number as f32);
        let calibrated = noted("scale").zip(noted("scale_per_log"));
        let calibrated =
            calibrated.map(|(scale, more)| (scale + more * (count.max(1) as f32).ln()).clamp(1.0, 1000.0));
        calibrated.or_else(|| self.encode.confidence_scale()).unwrap_or(USUAL_SCALE)
    }

    /// How likely each of some of so many cosines is the right one, if one of them is.
    pub(super) fn confidences(&self, cosines: &[f32], count: usize) -> Vec<f32> {
        let shares = confidences(cosines, f64::from(self.confidence_scale(count)));
        shares.into_iter().map(|share| share as f32).collect()
    }

    /// How sounds should be heard, if the model hears any.
    pub(super) fn hears(&self) -> Option<MelConfig> {
        self.encode.hears()
    }

    /// How sounds should be heard.
    pub(super) fn must_hear(&self) -> Result<MelConfig, TaskError> {
        let rule = || {
            format!(
                "a model of family `{}` without a tower of sounds hears nothing; `rebus train emoji-dual-sound` binds one to an encoder",
                self.model.info().family
            )
        };
        let deaf = || ModelError::Request { option: "audio", value: "a sound".to_string(), rule: rule() };
        Ok(self.hears().ok_or_else(deaf)?)
    }

    pub(super) fn sounds(&self, sounds: &Sounds) -> Result<Vec<Vec<f32>>, TaskError> {
        Ok(rows(&self.encode.encode(Encoded::Sounds(sounds))?))
    }

    pub(super) fn sees_pictures(&self) -> bool {
        self.encode.sees_pictures()
    }

    pub(super) fn reads_texts(&self) -> bool {
        self.encode.reads_texts()
    }

    pub(super) fn texts(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, TaskError> {
        if !self.reads_texts() {
            let rule = format!("a model of family `{}` knows no words", self.model.info().family);
            return Err(ModelError::Request { option: "text", value: texts.join(", "), rule }.into());
        }
        Ok(rows(&self.encode.encode(Encoded::Texts(texts))?))
    }

    /// Pictures of any size, cut to the sides that the model knows.
    pub(super) fn pictures(&self, pictures: &[DynamicImage]) -> Result<Vec<Vec<f32>>, TaskError> {
        match self.encode.picture_shape() {
            Some(shape) => Ok(rows(&self.encode.encode(Encoded::Pictures(&fit(shape, pictures)?))?)),
            // It brings each to size itself, and pictures of several sizes are no batch.
            None => {
                let one = |picture: &DynamicImage| {
                    let shape = [3, picture.height() as usize, picture.width() as usize];
                    let picture = fit(shape, std::slice::from_ref(picture))?;
                    Ok(unit(self.encode.encode(Encoded::Pictures(&picture))?.row(0)))
                };
                pictures.iter().map(one).collect()
            }
        }
    }
}

fn rows(vectors: &Vectors) -> Vec<Vec<f32>> {
    (0..vectors.len()).map(|row| unit(vectors.row(row))).collect()
}

/// What a store knows a model by.
///
/// # Errors
/// The model does not encode.
pub fn model_key(model: &dyn Model, name: &str) -> Result<ModelKey, TaskError> {
    Ok(Embedder::of(model)?.key(name))
}

/// The same direction, of length 1; zeros stay zeros.
pub(super) fn unit(row: &[f32]) -> Vec<f32> {
    let length = row.iter().map(|number| number * number).sum::<f32>().sqrt();
    row.iter().map(|number| if length > 0.0 { number / length } else { 0.0 }).collect()
}

//! What looks at pictures: a model that encodes, by whose embeddings pictures are compared with each other and with words.

use std::{borrow::Cow, sync::Arc};

use rayon::prelude::*;
use rebus_data::{
    Pictures, Sounds,
    fit::{self, Size},
    picture::flatten,
};
use rebus_models::{Encode, Encoded, Model, ModelError, registry::able};

use crate::EvalError;

/// Under transparent pictures, for a model that knows no transparency.
const WHITE: [u8; 4] = [255; 4];

/// A model that encodes, with a name for reports.
#[derive(Clone)]
pub struct Extractor {
    name: String,
    model: Arc<dyn Model>,
}

impl Extractor {
    /// Of a model; `name` is what reports call it.
    ///
    /// # Errors
    /// The model does not encode.
    pub fn new(name: impl Into<String>, model: Arc<dyn Model>) -> Result<Self, EvalError> {
        let extractor = Self { name: name.into(), model };
        extractor.encoder()?;
        Ok(extractor)
    }

    /// What reports call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The hash of its weights.
    pub fn hash(&self) -> &str {
        &self.model.info().hash
    }

    /// Numbers of a row.
    ///
    /// # Errors
    /// The model does not encode.
    pub fn width(&self) -> Result<usize, EvalError> {
        Ok(self.encoder()?.width())
    }

    /// The model's capability.
    ///
    /// # Errors
    /// The model does not encode.
    pub fn encoder(&self) -> Result<&dyn Encode, EvalError> {
        let lacks = || ModelError::Lacks {
            family: self.model.info().family.clone(),
            verb: "encode",
            able: able("encode"),
        };
        Ok(self.model.encode().ok_or_else(lacks)?)
    }

    /// A row a picture; pictures of another size or other channels than the model reads are brought to them.
    ///
    /// # Errors
    /// Pictures that the model cannot read.
    pub fn pictures(&self, pictures: &Pictures) -> Result<Vec<f32>, EvalError> {
        let encoder = self.encoder()?;
        let pictures = match encoder.picture_shape() {
            Some(shape) => bring(pictures, shape)?,
            // Who takes any size takes three channels.
            None => bring(pictures, [3, pictures.shape[2], pictures.shape[3]])?,
        };
        Ok(encoder.encode(Encoded::Pictures(&pictures))?.data)
    }

    /// A row a sound, heard as the model does.
    ///
    /// # Errors
    /// A model that hears nothing, or in another way.
    pub fn sounds(&self, sounds: &Sounds) -> Result<Vec<f32>, EvalError> {
        Ok(self.encoder()?.encode(Encoded::Sounds(sounds))?.data)
    }

    /// The error of a measure that asks it for words.
    pub(crate) fn knows_no_words(&self) -> EvalError {
        EvalError::KnowsNoWords { name: self.name.clone() }
    }

    /// A row a text; `None` where the model knows no words.
    ///
    /// # Errors
    /// A text that the tokenizer cannot read.
    pub fn texts(&self, texts: &[String]) -> Result<Option<Vec<f32>>, EvalError> {
        let encoder = self.encoder()?;
        match encoder.reads_texts() {
            true => Ok(Some(encoder.encode(Encoded::Texts(texts))?.data)),
            false => Ok(None),
        }
    }
}

/// Pictures in a shape, through 8 bits a number where they have another.
pub(crate) fn bring(pictures: &Pictures, shape: [usize; 3]) -> Result<Cow<'_, Pictures>, EvalError> {
    if pictures.shape[1..] == shape {
        return Ok(Cow::Borrowed(pictures));
    }
    let [channels, height, width] = shape;
    let size = Size { height: height as u32, width: width as u32 };
    let bring = |image| fit::resize(&flatten(image, channels as u8, WHITE), size);
    let images: Result<Vec<_>, _> = pictures.to_images()?.into_par_iter().map(bring).collect();
    Ok(Cow::Owned(Pictures::from_images(&images?)?))
}

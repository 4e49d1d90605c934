//! How far two pictures look apart, by what a network sees in them (Zhang et al. 2018).

use image::{DynamicImage, RgbImage};
use rebus_data::Pictures;
use rebus_models::{Model, ModelError};

use crate::{EvalError, extractor::bring};

/// The distance, 0 for equal pictures. A model that knows one size alone, as the encoder that ships, sees both at that size.
///
/// # Errors
/// They have other sizes, or the model does not compare pictures.
pub fn perceptual_distance(
    model: &dyn Model,
    picture: &RgbImage,
    reference: &RgbImage,
) -> Result<f64, EvalError> {
    if picture.dimensions() != reference.dimensions() {
        return Err(EvalError::SizesDiffer {
            picture: picture.dimensions(),
            reference: reference.dimensions(),
        });
    }
    let judge = model.perceive().ok_or_else(|| ModelError::Lacks {
        family: model.info().family.clone(),
        verb: "compare pictures",
        able: "dual, and LPIPS weights".to_string(),
    })?;
    let shape = model.info().picture_shape;
    let see = |image: &RgbImage| {
        let pictures = Pictures::from_images(&[DynamicImage::ImageRgb8(image.clone())])?;
        match shape {
            [_, 0, 0] => Ok::<_, EvalError>(pictures),
            shape => Ok(bring(&pictures, shape)?.into_owned()),
        }
    };
    let found = judge.distances(&see(picture)?, &see(reference)?)?;
    Ok(found.first().copied().map_or(0.0, f64::from))
}

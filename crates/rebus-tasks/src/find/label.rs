//! Which of some labels fits a picture best, without having learned to classify (Radford et al. 2021, section 3.1).

use image::DynamicImage;
use rebus_models::Model;
use rebus_store::dot;
use serde::Serialize;

use super::embed::Embedder;
use crate::TaskError;

/// A label of a picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Labelled {
    /// The label.
    pub label: String,
    /// How likely it is the right one, if one of them is: a softmax over the cosines, scaled as the model says.
    pub confidence: f32,
    /// The cosine between label and picture.
    pub cosine: f32,
}

/// All labels of each picture, the likeliest first.
///
/// # Errors
/// No label, one that stands there twice, or a model that knows no words.
pub fn label(
    model: &dyn Model,
    pictures: &[DynamicImage],
    labels: &[String],
) -> Result<Vec<Vec<Labelled>>, TaskError> {
    let embedder = Embedder::of(model)?;
    for (place, label) in labels.iter().enumerate() {
        if labels[..place].contains(label) {
            return Err(TaskError::Labels { reason: format!("`{label}` stands there twice") });
        }
    }
    if labels.is_empty() || labels.iter().any(String::is_empty) {
        return Err(TaskError::Labels { reason: "there is none, or an empty one".to_string() });
    }
    let words = embedder.texts(labels)?;
    let pictures = embedder.pictures(pictures)?;
    let each = pictures.iter().map(|picture| {
        let cosines: Vec<f32> = words.iter().map(|words| dot(picture, words)).collect();
        let confidences = embedder.confidences(&cosines, labels.len());
        let mut labelled: Vec<Labelled> = labels
            .iter()
            .zip(cosines.iter().zip(confidences))
            .map(|(label, (&cosine, confidence))| Labelled { label: label.clone(), confidence, cosine })
            .collect();
        // A stable sort: of equal ones the first named comes first.
        labelled.sort_by(|a, b| b.cosine.total_cmp(&a.cosine));
        labelled
    });
    Ok(each.collect())
}

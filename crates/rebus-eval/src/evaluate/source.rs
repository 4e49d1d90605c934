//! Where the pictures come from that are measured: a model that draws them, or a collection in which they lie.

use rebus_data::{Collection, MelConfig, Pictures};
use rebus_models::{
    Condition, GenerateRequest, Input, Model, ModelError, Observer,
    capability::{bits_per_dimension, heard_by},
    registry::able,
};

use crate::{EvalError, report::TrueLikelihood};

/// Makes the pictures that are measured.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Source<'a> {
    /// A model draws them from the captions of the collection.
    Model(&'a dyn Model),
    /// They were drawn before, by whatever it was.
    Pictures(&'a dyn Collection),
}

/// How a model draws.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Drawing {
    /// Picture of record `i` has seed `seed + i`.
    pub seed: u64,
    /// How closely to follow the caption; the model's own choice by default.
    pub guidance_scale: Option<f32>,
    /// How many steps; the model's own choice by default.
    pub num_inference_steps: Option<usize>,
}

impl Source<'_> {
    /// What the model makes of what it is told; nothing by one that reads no captions.
    fn condition(&self, told: &[Input]) -> Result<Option<Condition>, ModelError> {
        let Self::Model(model) = self else { return Ok(None) };
        model.conditioner().map(|conditioner| conditioner.condition(told)).transpose()
    }

    /// How the model hears the sounds of a column.
    ///
    /// # Errors
    /// It hears nothing.
    pub(super) fn hears(&self, column: &str) -> Result<Option<MelConfig>, ModelError> {
        match self {
            Self::Model(model) => heard_by(*model, "sounds", column).map(Some),
            Self::Pictures(_) => Ok(None),
        }
    }

    /// Whether a batch of pictures has the shape that the model was trained on.
    pub(super) fn knows(&self, [_, channels, height, width]: [usize; 4]) -> bool {
        matches!(self, Self::Model(model) if model.info().picture_shape == [channels, height, width])
    }

    /// How likely the model takes true pictures with what is said of them to be, on average.
    ///
    /// # Errors
    /// Pictures of another size, an interruption.
    pub(super) fn likelihood(
        &self,
        truth: &Pictures,
        told: &[Input],
        seed: u64,
        observer: &mut dyn Observer,
    ) -> Result<Option<TrueLikelihood>, EvalError> {
        let Self::Model(model) = self else { return Ok(None) };
        let Some(knows) = model.likelihood() else { return Ok(None) };
        let condition = self.condition(told)?;
        let nats = knows.log_probability(truth, condition.as_ref(), seed, observer)?;
        let mean = -nats.iter().sum::<f64>() / nats.len().max(1) as f64;
        Ok(Some(TrueLikelihood {
            bits_per_dimension: bits_per_dimension(mean, model.info().picture_shape),
            pictures: nats.len(),
            bound: knows.bound(),
        }))
    }

    /// Whether pictures are drawn from captions.
    pub(super) fn follows_captions(&self) -> bool {
        matches!(self, Self::Model(model) if model.conditioner().is_some())
    }

    /// The model's family, or `pictures`.
    pub(super) fn family(&self) -> String {
        match self {
            Self::Model(model) => model.info().family.clone(),
            Self::Pictures(_) => "pictures".to_string(),
        }
    }

    /// The hash of the model's weights.
    pub(super) fn hash(&self) -> Option<String> {
        match self {
            Self::Model(model) => Some(model.info().hash.clone()),
            Self::Pictures(_) => None,
        }
    }

    /// A picture for each record, in order, from what is said of it.
    ///
    /// # Errors
    /// Nothing that draws, an interruption.
    pub(super) fn draw(
        &self,
        records: &[usize],
        told: &[Input],
        drawing: &Drawing,
        observer: &mut dyn Observer,
    ) -> Result<Pictures, EvalError> {
        let generator = match self {
            Self::Model(model) => model.generate(),
            Self::Pictures(_) => None,
        };
        let generator = generator.ok_or_else(|| ModelError::Lacks {
            family: self.family(),
            verb: "generate",
            able: able("generate"),
        })?;
        let mut request = GenerateRequest::default();
        request.seeds = records.iter().map(|record| drawing.seed.wrapping_add(*record as u64)).collect();
        request.guidance_scale = drawing.guidance_scale;
        request.num_inference_steps = drawing.num_inference_steps;
        request.condition = self.condition(told)?;
        let drawn = generator.generate(&request, observer)?;
        // As a file would hold them.
        Ok(Pictures::from_images(&drawn.to_images()?)?)
    }
}

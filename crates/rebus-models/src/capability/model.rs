//! A model: what it is, and a getter for each thing that it may be able to do.

use serde::Serialize;

use super::{Classify, Conditioner, Denoise, Encode, Generate, Likelihood, Perceive, Reconstruct, Translate};

/// A model in memory. `Arc<dyn Model>` is shared between threads.
pub trait Model: Send + Sync {
    /// What it is.
    fn info(&self) -> &ModelInfo;

    /// Words, pictures or sounds to a condition.
    fn conditioner(&self) -> Option<&dyn Conditioner> {
        None
    }

    /// Noise and a condition to a picture.
    fn generate(&self) -> Option<&dyn Generate> {
        None
    }

    /// Words and pictures to embeddings in one space.
    fn encode(&self) -> Option<&dyn Encode> {
        None
    }

    /// Pictures to names of a closed set.
    fn classify(&self) -> Option<&dyn Classify> {
        None
    }

    /// Pictures to latents and back.
    fn reconstruct(&self) -> Option<&dyn Reconstruct> {
        None
    }

    /// A picture to another picture.
    fn translate(&self) -> Option<&dyn Translate> {
        None
    }

    /// How likely pictures are.
    fn likelihood(&self) -> Option<&dyn Likelihood> {
        None
    }

    /// How far two pictures look apart.
    fn perceive(&self) -> Option<&dyn Perceive> {
        None
    }

    /// One step of an iterative family.
    fn denoise(&self) -> Option<&dyn Denoise> {
        None
    }
}

/// What a model is, as `rebus model show` tells it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelInfo {
    /// The family's name.
    pub family: String,
    /// How many numbers its weights are.
    pub parameters: usize,
    /// `[channel, height, width]` of the pictures that it was trained on.
    pub picture_shape: [usize; 3],
    /// blake3 of the weights and the configuration, hexadecimal.
    pub hash: String,
    /// What it was trained on, by whom, for how long: free text by key, from `model.json`.
    pub provenance: serde_json::Value,
}

impl ModelInfo {
    /// Of a network that came from no folder: it has no hash, and tells of nothing.
    pub(crate) fn in_memory(family: &str, parameters: usize, picture_shape: [usize; 3]) -> Self {
        let family = family.to_string();
        Self { family, parameters, picture_shape, hash: String::new(), provenance: serde_json::Value::Null }
    }

    /// The same with what its folder tells.
    pub(crate) fn told_by(self, hash: String, provenance: serde_json::Value) -> Self {
        Self { hash, provenance, ..self }
    }
}

const _: fn() = || {
    fn shared_between_threads<T: Send + Sync + ?Sized>() {}
    shared_between_threads::<dyn Model>();
};

//! What a model can do: one small object-safe trait a capability.

mod classify;
mod conditioner;
mod denoise;
mod encode;
mod generate;
pub(crate) mod likelihood;
mod model;
mod observer;
mod perceive;
pub(crate) mod reconstruct;
pub(crate) mod translate;

pub use classify::Classify;
pub use conditioner::{Conditioner, heard_by};
pub use denoise::{Denoise, Parameterization};
pub use encode::{Encode, Encoded, Vectors, confidences};
pub use generate::{Generate, GenerateOptions, GenerateRequest};
pub use likelihood::{Likelihood, bits_per_dimension};
pub use model::{Model, ModelInfo};
pub use observer::{NoObserver, Observer};
pub use perceive::Perceive;
pub use reconstruct::Reconstruct;
pub use translate::{Translate, TranslateOptions, TranslateRequest};

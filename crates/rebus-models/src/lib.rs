//! Model families behind capability traits.
//!
//! A [`Model`] is a folder on disk and, in memory, a set of capabilities: [`Generate`] makes pictures from noise and a
//! [`Condition`], [`Denoise`] is one step of an iterative family, [`Conditioner`] turns words into a condition.
//! [`open`] reads a folder of any family; an [`Objective`] is what training needs of one. A family is a folder here:
//! `config`, `network`, `objective`, `sample`.
//!
//! Knows nothing of the training loop.

pub mod autoencoder;
pub mod capability;
pub mod classifier;
pub mod cyclegan;
pub mod dual;
pub mod error;
pub mod flow;
pub mod folder;
pub mod foreign;
pub mod gan;
pub mod modality;
pub mod objective;
pub mod picture;
pub mod pix2pix;
pub mod reader;
pub mod registry;
pub mod sampling;
pub mod sound;
pub mod text;
pub mod vae;
pub mod weights;

pub use capability::{
    Classify, Conditioner, Denoise, Encode, Encoded, Generate, GenerateOptions, GenerateRequest, Likelihood,
    Model, ModelInfo, NoObserver, Observer, Perceive, Reconstruct, Translate, TranslateOptions,
    TranslateRequest, Vectors, confidences,
};
pub use error::ModelError;
pub use folder::{ModelFolder, Package, Precision};
pub use modality::{Condition, Embedding, Input};
pub use objective::{Losses, Objective, ObjectiveSpec, Step, Which};
pub use registry::{Family, families, family, open};

//! Rebus: cross-modal picture making, as a crate.
//!
//! Draw a picture with the model that ships:
//!
//! ```no_run
//! use rebus::prelude::*;
//!
//! let model = rebus::default_model(&rebus::device("cpu")?)?;
//! let task = GenerateTask { prompts: vec!["a red apple".into()], count: 1, seed: 7, ..Default::default() };
//! let output = Output::resolve("apple.png".as_ref(), 1)?;
//! generate(&*model, &task, &mut NoObserver, |drawing| {
//!     let name = PictureName::Numbered { words: &drawing.prompt, seed: drawing.seed };
//!     output.write(&drawing.picture, name, &[]).map(|_| ())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Training on a folder and reading a collection are in `examples/`. Each room is re-exported under its own name:
//! [`data`], [`store`], [`nn`], [`models`], [`train`], [`eval`], [`tasks`].

#[cfg(feature = "assets")]
pub use rebus_assets as assets;
pub use rebus_data as data;
pub use rebus_eval as eval;
pub use rebus_models as models;
pub use rebus_nn as nn;
pub use rebus_nn::{ComputePrecision, device::device};
pub use rebus_store as store;
pub use rebus_tasks as tasks;
pub use rebus_train as train;

mod shipped;

pub use shipped::{
    default_encoder, default_folder, default_model, looking_model, model, model_in, shipped_font,
    shipped_for, translator_in,
};

/// What most programs need.
pub mod prelude {
    pub use crate::{
        data::{Collection, DataError, Pictures},
        default_model, device, model,
        models::{Model, ModelError, NoObserver, Observer},
        tasks::{GenerateTask, Output, PictureName, TaskError, generate},
    };
}

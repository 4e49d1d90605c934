//! The store and the encoder: options of every command that finds.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rebus_models::{Model, foreign::Resizing};
use rebus_store::{Filter, Store};

use super::failure::Failure;

/// Options of commands that find.
#[derive(Debug, clap::Args)]
pub(crate) struct Finding {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) encoder: Encoder,
}

/// Where things are indexed.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// The store: a folder, or a database as postgres://USER:PASSWORD@HOST/DATABASE; a folder of your user's data by default, or what
    /// REBUS_STORE names.
    #[arg(long, value_name = "PATH|URL")]
    store: Option<PathBuf>,
}

/// What looks at words and pictures.
#[derive(Debug, clap::Args)]
pub(crate) struct Encoder {
    /// An encoder: a model folder, such as the recipe emoji-dual makes, or a safetensors file of DINOv2 or Inception-v3; the one
    /// that ships by default.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Where to compute: cpu, vulkan:0, metal:0, cuda:0.
    #[arg(long, default_value = "cpu")]
    device: String,
}

impl Encoder {
    /// The model, and what a store calls it.
    pub(crate) fn open(&self) -> Result<(Arc<dyn Model>, String), Failure> {
        let device = rebus::device(&self.device)?;
        let model = rebus::looking_model(self.model.as_deref(), Resizing::default(), &device)?;
        let name = match &self.model {
            Some(path) => std::path::absolute(path)?.display().to_string(),
            None => "shipped".to_string(),
        };
        Ok((model, name))
    }
}

impl Place {
    /// The store, which is made if it is not there.
    pub(crate) fn create(&self) -> Result<Box<dyn Store>, Failure> {
        Ok(rebus_store::create(&self.place()?)?)
    }

    /// The store, which must be there.
    pub(crate) fn open(&self) -> Result<Box<dyn Store>, Failure> {
        Ok(rebus_store::open(&self.place()?)?)
    }

    fn place(&self) -> Result<PathBuf, Failure> {
        let named = self
            .store
            .clone()
            .or_else(|| std::env::var_os("REBUS_STORE").filter(|value| !value.is_empty()).map(PathBuf::from));
        named.or_else(usual).ok_or_else(|| {
            Failure::input("this system has no place for a user's data: name a folder by --store")
        })
    }
}

/// The folder of the store where none is named.
pub(crate) fn usual() -> Option<PathBuf> {
    Some(directories::ProjectDirs::from("", "", "rebus")?.data_dir().join("store"))
}

/// A filter, whose fields items must have.
pub(crate) fn filter(store: &dyn Store, text: Option<&str>) -> Result<Option<Filter>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let filter = Filter::parse(text)?;
    filter.check(text, &store.about()?.fields)?;
    Ok(Some(filter))
}

/// A path below the current folder without it, as a person would write it.
pub(crate) fn shown(path: &str) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let below = Path::new(path).strip_prefix(&here);
    below.map_or_else(|_| path.to_string(), |below| below.display().to_string())
}

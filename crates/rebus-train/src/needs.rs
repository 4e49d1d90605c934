//! Other models that a recipe needs before it can begin.

use std::{collections::BTreeMap, path::Path, path::PathBuf, sync::Arc};

use indexmap::IndexMap;
use rebus_models::{ModelError, ModelFolder, reader::CONDITION};
use serde::{Deserialize, Serialize};

use crate::{Recipe, TrainError};

/// What a recipe calls a model inside the program.
const SHIPPED: &str = "shipped";

/// `[needs.NAME]`: a model that the family learns with; the name says what for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// A model folder, a run that has ended, or `shipped` for the one inside the program.
    pub model: String,
    /// The command that makes it, for the error that it is not there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub made_by: String,
}

/// What the program that trains has beside the run.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Home {
    /// Models inside the program, by what they are needed for.
    pub shipped: Option<fn(&str) -> Result<ModelFolder, ModelError>>,
    /// A folder for what may be computed again; nothing is kept where there is none.
    pub cache: Option<PathBuf>,
}

impl Home {
    /// Every model that a recipe needs.
    ///
    /// # Errors
    /// One of them is not there; the error says what makes it.
    pub(crate) fn models(&self, recipe: &Recipe) -> Result<IndexMap<String, Arc<ModelFolder>>, TrainError> {
        let model = |(name, need): (String, Need)| {
            let folder = self.model(&name, &need)?;
            Ok((name, Arc::new(folder)))
        };
        needs(recipe).into_iter().map(model).collect()
    }

    fn model(&self, name: &str, need: &Need) -> Result<ModelFolder, TrainError> {
        if need.model == SHIPPED {
            return match self.shipped {
                Some(shipped) => Ok(shipped(name)?),
                None => Err(absent(name, need)),
            };
        }
        let folder = Path::new(&need.model);
        match ModelFolder::read(folder) {
            Err(ModelError::NoModel { .. }) => {}
            other => return Ok(other?),
        }
        match ModelFolder::read(&folder.join("model")) {
            Err(ModelError::NoModel { .. }) => Err(absent(name, need)),
            other => Ok(other?),
        }
    }
}

/// The recipe's `[needs]`, and the encoder of its `[condition]`.
fn needs(recipe: &Recipe) -> BTreeMap<String, Need> {
    let mut needs = recipe.needs.clone();
    if !recipe.condition.is_own() {
        let model = recipe.condition.encoder.clone();
        let usual = || "rebus train emoji-dual --data PATH".to_string();
        let made_by = recipe.condition.made_by.clone().unwrap_or_else(usual);
        needs.insert(CONDITION.to_string(), Need { model, made_by });
    }
    needs
}

fn absent(name: &str, need: &Need) -> TrainError {
    let Need { model, made_by } = need.clone();
    TrainError::NoNeed { name: name.to_string(), model, made_by }
}

/// What a run notes of the models that it learned with: name, place and hash.
pub(crate) fn noted(recipe: &Recipe, models: &IndexMap<String, Arc<ModelFolder>>) -> BTreeMap<String, Noted> {
    let of = |(name, folder): (&String, &Arc<ModelFolder>)| {
        let model = needs(recipe).get(name)?.model.clone();
        Some((name.clone(), Noted { model, hash: folder.hash.clone() }))
    };
    models.iter().filter_map(of).collect()
}

/// A model that a run learned with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noted {
    /// Where it lay.
    pub model: String,
    /// The hash of its weights.
    pub hash: String,
}

/// Refuses to go on with other models than the run began with.
pub(crate) fn same(
    run: &Path,
    before: &BTreeMap<String, Noted>,
    now: &BTreeMap<String, Noted>,
) -> Result<(), TrainError> {
    for (name, before) in before {
        let found = now.get(name);
        if found.is_none_or(|found| found.hash != before.hash) {
            let (name, wanted) = (name.clone(), before.hash.clone());
            let model = found.map_or_else(|| before.model.clone(), |found| found.model.clone());
            return Err(TrainError::NeedDiffers { name, model, wanted, run: run.to_path_buf() });
        }
    }
    Ok(())
}

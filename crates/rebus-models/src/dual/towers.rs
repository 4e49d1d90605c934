//! Which towers learn, and which are there already and stay as they are (LiT, Zhai et al. 2022; ImageBind, Girdhar et al. 2023).

use std::sync::Arc;

use burn::{module::Param, tensor::Tensor};
use rebus_data::Tokenizer;
use rebus_nn::graph;
use serde::{Deserialize, Serialize};

use super::{DualConfig, DualNetwork, DualObjectiveConfig, Pair, encode};
use crate::{ModelError, ObjectiveSpec, registry::section, sound::SoundTowerConfig};

/// What the recipe's `[needs]` calls the encoder to whose space sounds are bound.
pub(super) const TOWERS: &str = "towers";

/// What a recipe makes of the towers.
pub(super) struct Towers {
    pub(super) learning: DualNetwork,
    pub(super) staying: DualNetwork,
    /// Of both together.
    pub(super) config: DualConfig,
    pub(super) pairs: Vec<(Pair, f64)>,
    /// What reads texts, where some tower does.
    pub(super) tokenizer: Option<Arc<Tokenizer>>,
}

/// The recipe's `[model]` where sounds are bound to towers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BoundConfig {
    sound: SoundTowerConfig,
}

impl Towers {
    /// By a recipe: sounds are bound to `needs.towers`, if it names some, and otherwise all towers learn that its pairs have.
    ///
    /// # Errors
    /// A setting that cannot work, no such encoder, no sounds, no tokenizer.
    pub(super) fn new(spec: &ObjectiveSpec, objective: &DualObjectiveConfig) -> Result<Self, ModelError> {
        match spec.needs.contains_key(TOWERS) {
            true => Self::bound(spec, objective),
            false => Self::together(spec, objective),
        }
    }

    fn together(spec: &ObjectiveSpec, objective: &DualObjectiveConfig) -> Result<Self, ModelError> {
        let mut config: DualConfig = section(&spec.model, "model", super::FAMILY.name)?;
        let pairs = pairs(objective, |pair| spec.sound.is_some() || !pair.has_sounds());
        let any = |has: fn(Pair) -> bool| pairs.iter().any(|(pair, _)| has(*pair));
        config.text = config.text.filter(|_| any(Pair::has_texts));
        config.picture = config.picture.filter(|_| any(Pair::has_pictures));
        config.sound = match any(Pair::has_sounds) {
            true => Some(sound(spec, config.sound.unwrap_or_default())?),
            // Named for nothing.
            false if config.sound.is_some() && spec.sound.is_none() => return Err(no_sounds()),
            false => None,
        };
        let tokenizer = config.text.is_some().then(|| spec.require_tokenizer()).transpose()?;
        if let (Some(text), Some(tokenizer)) = (&mut config.text, &tokenizer) {
            text.vocabulary = tokenizer.vocab_size();
        }
        config.validate()?;
        let [channels, height, width] = spec.picture_shape;
        config.validate_size(height, width)?;
        let learning = DualNetwork::new(&config, channels, &mut spec.init());
        Self { learning, staying: DualNetwork::none(), config, pairs, tokenizer }.checked()
    }

    fn bound(spec: &ObjectiveSpec, objective: &DualObjectiveConfig) -> Result<Self, ModelError> {
        let bound: BoundConfig = section(&spec.model, "model", super::FAMILY.name)?;
        let sound = sound(spec, bound.sound)?;
        let folder = spec.need(TOWERS)?;
        let (staying, mut config) = encode::open(folder, &spec.device.clone().inner())?;
        if folder.picture_shape != spec.picture_shape {
            let [channels, height, width] = folder.picture_shape;
            return Err(ModelError::Config {
                field: "data.image_size",
                value: format!("{:?}", &spec.picture_shape[1..]),
                rule: format!("needs.towers looks at pictures of {height}x{width} with {channels} channels"),
            });
        }
        let pairs = pairs(objective, |pair| match pair {
            Pair::PictureText => false,
            Pair::SoundText => config.text.is_some(),
            Pair::PictureSound => config.picture.is_some(),
        });
        config.sound = Some(sound);
        let alone = DualConfig { text: None, picture: None, ..config.clone() };
        let mut learning = DualNetwork::new(&alone, spec.picture_shape[0], &mut spec.init());
        // Its pairs begin as sharp as those of the towers have become.
        let as_there = |there: &Option<Param<Tensor<1>>>| {
            let there = there.as_ref()?;
            Some(Param::from_tensor(graph::constant(there.val(), &spec.device)))
        };
        if let (Some(hearing), Some(scale), Some(bias)) =
            (&mut learning.sound, as_there(&staying.scale), as_there(&staying.bias))
        {
            (hearing.scale, hearing.bias) = (scale, bias);
        }
        let staying = DualNetwork { sound: None, ..staying };
        let tokenizer = config.text.is_some().then(|| folder.require_tokenizer()).transpose()?;
        Self { learning, staying, config, pairs, tokenizer }.checked()
    }

    /// Refuses pairs of which a tower is not there, or of which none learns.
    fn checked(self) -> Result<Self, ModelError> {
        let DualConfig { text, picture, sound, .. } = &self.config;
        let is_there = |(pair, _): &(Pair, f64)| {
            (text.is_some() || !pair.has_texts())
                && (picture.is_some() || !pair.has_pictures())
                && (sound.is_some() || !pair.has_sounds())
                && (self.learning.text.is_some() || *pair != Pair::PictureText)
        };
        if !self.pairs.is_empty() && self.pairs.iter().all(is_there) {
            return Ok(self);
        }
        let named: Vec<_> = self.pairs.iter().map(|(pair, _)| serde_json::json!(pair).to_string()).collect();
        Err(ModelError::Config {
            field: "objective.pairs",
            value: named.join(", "),
            rule: "there must be one at least, and each of two modalities that the recipe has towers for, of which one learns".to_string(),
        })
    }
}

/// The pairs that count, and how much.
fn pairs(objective: &DualObjectiveConfig, can_be: impl Fn(Pair) -> bool) -> Vec<(Pair, f64)> {
    let all = || Pair::ALL.into_iter().filter(|pair| can_be(*pair)).map(|pair| (pair, 1.0)).collect();
    let named: Vec<(Pair, f64)> = objective.pairs.iter().map(|(pair, weight)| (*pair, *weight)).collect();
    let mut pairs = if named.is_empty() { all() } else { named };
    pairs.retain(|(_, weight)| *weight > 0.0);
    pairs
}

/// The sizes of a tower of sounds that hears as the recipe's data says.
fn sound(spec: &ObjectiveSpec, mut config: SoundTowerConfig) -> Result<SoundTowerConfig, ModelError> {
    config.mel = spec.sound.as_ref().ok_or_else(no_sounds)?.1;
    config.validate()?;
    Ok(config)
}

fn no_sounds() -> ModelError {
    ModelError::Config {
        field: "data.sound",
        value: "none".to_string(),
        rule:
            "a tower of sounds learns from sounds: name their column, such as --set data.sound.column=audio"
                .to_string(),
    }
}

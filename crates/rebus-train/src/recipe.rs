//! A recipe: everything that decides what a run becomes, as TOML.

use std::{collections::BTreeMap, path::Path};

use fs_err as fs;
use rebus_data::{DataConfig, tokenizer::TokenizerConfig};
use rebus_nn::{
    ComputePrecision,
    optim::{AdamWConfig, AverageConfig},
};
use serde::{Deserialize, Serialize};
use toml::Table;

use crate::{Need, TrainError, keys};

/// A whole recipe, every key resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The family and its sizes.
    pub model: ModelSection,
    /// How records become batches.
    #[serde(default)]
    pub data: DataConfig,
    /// The tokenizer, for families that read captions.
    #[serde(default)]
    pub tokenizer: TokenizerConfig,
    /// The family's settings of its losses.
    #[serde(default)]
    pub objective: Table,
    /// The optimiser.
    #[serde(default)]
    pub optimizer: AdamWConfig,
    /// The moving average of the weights.
    #[serde(default)]
    pub average: AverageConfig,
    /// The loop.
    #[serde(default)]
    pub train: TrainConfig,
    /// The pictures drawn while it trains.
    #[serde(default)]
    pub sample: SampleConfig,
    /// What reads captions for the family.
    #[serde(default, skip_serializing_if = "ConditionSection::is_own")]
    pub condition: ConditionSection,
    /// Other models that the family learns with, by what they are for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub needs: BTreeMap<String, Need>,
}

/// `[model]`: the family's name, and keys that the family knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSection {
    /// The family's name.
    pub family: String,
    /// The rest, which the family checks.
    #[serde(flatten)]
    pub settings: Table,
}

/// `[condition]`: what reads captions for the family.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConditionSection {
    /// `own` for the family's own text encoder, which learns with it; or an encoder of words and pictures that stays as it is: a
    /// model folder, a run that has ended, or `shipped`.
    pub encoder: String,
    /// The command that makes it, for the error that it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
    /// How often the picture itself is shown to such an encoder instead of its caption, so that the model can be shown pictures.
    pub pictures: f64,
}

impl ConditionSection {
    /// Whether the family reads by itself.
    pub fn is_own(&self) -> bool {
        self.encoder == "own"
    }
}

impl Default for ConditionSection {
    fn default() -> Self {
        Self { encoder: "own".to_string(), made_by: None, pictures: 0.3 }
    }
}

/// `[train]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Steps of the optimiser; no schedule depends on it, so a run can be made longer.
    pub steps: u64,
    /// Pictures a step.
    pub batch_size: usize,
    /// Parts that a step's pictures are taken in, one after the other, to save memory; it divides `batch_size`.
    pub accumulate: usize,
    /// Whether cheap operations are worked out once more on the way back instead of being kept (Chen et al. 2016): less memory,
    /// a little slower, the same numbers.
    pub gradient_checkpointing: bool,
    /// In which numbers the network multiplies; its weights, norms, sums and losses have 32 bits in either.
    pub precision: ComputePrecision,
    /// The rate after warm-up and before decay.
    pub learning_rate: f64,
    /// Steps over which the rate rises.
    pub warmup_steps: u64,
    /// The step at which the rate begins to fall.
    pub decay_start: u64,
    /// Steps over which the rate falls; 0 for a constant rate.
    pub decay_steps: u64,
    /// What is left of the rate after the decay.
    pub final_factor: f64,
    /// Makes the first weights, the order of the pictures and all noise.
    pub seed: u64,
    /// Steps from one line of the log to the next.
    pub log_every: u64,
    /// Steps from one checkpoint to the next; 0 for one at the end only.
    pub checkpoint_every: u64,
    /// Steps from one grid of samples to the next; 0 for none.
    pub sample_every: u64,
    /// Steps from one look at the held-out pictures to the next; 0 for none.
    pub validate_every: u64,
    /// Held-out batches at most; the first ones, always the same.
    pub validation_batches: usize,
    /// Steps from one evaluation of the model to the next; 0 for none.
    pub eval_every: u64,
    /// Captions that an evaluation draws.
    pub eval_samples: usize,
    /// The measure by whose best value a checkpoint is kept, such as `agreement`; empty for none.
    pub best: String,
    /// How many of the newest checkpoints are kept.
    pub keep_checkpoints: usize,
    /// Checkpoints at multiples of this many steps are kept for ever; 0 for none.
    pub keep_every: u64,
}

/// `[sample]`: the grid of samples, drawn from the same noise and the same prompts each time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SampleConfig {
    /// One picture each. Empty for captions of the collection, evenly spread.
    pub prompts: Vec<String>,
    /// Steps of the sampler; the family's own choice where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_inference_steps: Option<usize>,
    /// How far to follow the prompt; the family's own choice where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance_scale: Option<f32>,
    /// Picture `i` is drawn from seed `seed + i`.
    pub seed: u64,
    /// Pictures a row.
    pub columns: usize,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            steps: 10_000,
            batch_size: 32,
            accumulate: 1,
            gradient_checkpointing: false,
            precision: ComputePrecision::default(),
            learning_rate: 1e-3,
            warmup_steps: 200,
            decay_start: 0,
            decay_steps: 0,
            final_factor: 0.1,
            seed: 0,
            log_every: 50,
            checkpoint_every: 500,
            sample_every: 500,
            validate_every: 500,
            validation_batches: 16,
            eval_every: 0,
            eval_samples: 100,
            best: String::new(),
            keep_checkpoints: 2,
            keep_every: 0,
        }
    }
}

impl Default for SampleConfig {
    fn default() -> Self {
        Self { prompts: vec![], num_inference_steps: None, guidance_scale: None, seed: 0, columns: 4 }
    }
}

/// The text of a recipe as the table that [`Recipe::resolve`] takes.
///
/// # Errors
/// It is no TOML; the error names the place and the line.
pub fn parse(text: &str, place: &str) -> Result<Table, TrainError> {
    toml::from_str(text)
        .map_err(|error| TrainError::Syntax { place: place.into(), reason: error.to_string() })
}

/// A recipe's file as a table.
///
/// # Errors
/// The file cannot be read, or is no TOML.
pub fn read(file: &Path) -> Result<Table, TrainError> {
    parse(&fs::read_to_string(file)?, &file.display().to_string())
}

impl Recipe {
    /// From what was said: a table, and `key=value` changes to it in the order given.
    ///
    /// ```
    /// use rebus_train::{Recipe, recipe};
    /// let said = recipe::parse("[model]\nfamily = \"flow\"", "here").unwrap();
    /// let recipe = Recipe::resolve(said.clone(), &["train.steps=7".to_string()]).unwrap();
    /// assert_eq!(recipe.train.steps, 7);
    /// let error = Recipe::resolve(said, &["train.stepz=7".to_string()]).unwrap_err().to_string();
    /// assert!(error.contains("did you mean `steps`"));
    /// ```
    ///
    /// # Errors
    /// A key that does not exist, with the nearest that does; a value of another kind, or out of range.
    pub fn resolve(mut said: Table, set: &[String]) -> Result<Self, TrainError> {
        for text in set {
            keys::set(&mut said, text)?;
        }
        let recipe: Self = keys::read(said, "recipe")?;
        recipe.validate()?;
        Ok(recipe)
    }

    /// As a table with every key.
    ///
    /// # Errors
    /// A whole number beyond what TOML can hold.
    pub fn to_table(&self) -> Result<Table, TrainError> {
        let whole =
            |error: toml::ser::Error| TrainError::Kind { place: "recipe".into(), reason: error.to_string() };
        Table::try_from(self).map_err(whole)
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the key, its value and the rule.
    pub fn validate(&self) -> Result<(), TrainError> {
        rebus_models::family(&self.model.family)?;
        self.data.validate()?;
        let (train, optimizer) = (&self.train, &self.optimizer);
        self.tokenizer.validate()?;
        rule("train.steps", train.steps, "at least 1", |v| *v > 0)?;
        rule("train.batch_size", train.batch_size, "from 1 to 65536", |v| (1..=65_536).contains(v))?;
        rule("train.accumulate", train.accumulate, "a divisor of train.batch_size", |v| {
            *v > 0 && train.batch_size.is_multiple_of(*v)
        })?;
        rule("train.learning_rate", train.learning_rate, "a number above 0", |v| v.is_finite() && *v > 0.0)?;
        rule("train.final_factor", train.final_factor, "from 0 to 1", |v| (0.0..=1.0).contains(v))?;
        rule("train.seed", train.seed, "below 2^63, as TOML's whole numbers are", |v| {
            i64::try_from(*v).is_ok()
        })?;
        rule("train.log_every", train.log_every, "at least 1", |v| *v > 0)?;
        rule("train.validation_batches", train.validation_batches, "at least 1", |v| *v > 0)?;
        rule("train.eval_samples", train.eval_samples, "at least 1", |v| *v > 0)?;
        rule("train.best", &train.best, "empty, or with train.eval_every above 0", |best| {
            best.is_empty() || train.eval_every > 0
        })?;
        rule("train.keep_checkpoints", train.keep_checkpoints, "at least 1", |v| *v > 0)?;
        rule("optimizer.beta_1", optimizer.beta_1, "at least 0 and below 1", |v| (0.0..1.0).contains(v))?;
        rule("optimizer.beta_2", optimizer.beta_2, "at least 0 and below 1", |v| (0.0..1.0).contains(v))?;
        rule("optimizer.epsilon", optimizer.epsilon, "a number above 0", |v| v.is_finite() && *v > 0.0)?;
        rule("optimizer.weight_decay", optimizer.weight_decay, "a number from 0", |v| {
            v.is_finite() && *v >= 0.0
        })?;
        rule("optimizer.clip_norm", optimizer.clip_norm, "a number from 0", |v| v.is_finite() && *v >= 0.0)?;
        for rate in &optimizer.rates {
            rule("optimizer.rates.factor", rate.factor, "a number from 0", |v| v.is_finite() && *v >= 0.0)?;
        }
        rule("average.decay", self.average.decay, "at least 0 and below 1", |v| (0.0..1.0).contains(v))?;
        rule("average.gamma", self.average.gamma, "a number from 0", |v| v.is_finite() && *v >= 0.0)?;
        rule("sample.columns", self.sample.columns, "from 1 to 64", |v| (1..=64).contains(v))?;
        rule("condition.pictures", self.condition.pictures, "from 0 to 1", |v| (0.0..=1.0).contains(v))?;
        let (steps, scale) =
            (self.sample.num_inference_steps.unwrap_or(1), self.sample.guidance_scale.unwrap_or(1.0));
        rule("sample.num_inference_steps", steps, "from 1 to 10000", |v| (1..=10_000).contains(v))?;
        rule("sample.guidance_scale", scale, "a number from 0", |v| v.is_finite() && *v >= 0.0)?;
        rule("sample.seed", self.sample.seed, "below 2^62", |v| *v < 1 << 62)
    }
}

fn rule<T: ToString>(
    field: &'static str,
    value: T,
    rule: &str,
    holds: impl FnOnce(&T) -> bool,
) -> Result<(), TrainError> {
    if holds(&value) {
        return Ok(());
    }
    Err(TrainError::Config { field, value: value.to_string(), rule: format!("it must be {rule}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str, set: &[&str]) -> Result<Recipe, TrainError> {
        let set: Vec<String> = set.iter().map(ToString::to_string).collect();
        Recipe::resolve(parse(text, "test.toml").unwrap(), &set)
    }

    fn error(text: &str, set: &[&str]) -> String {
        resolve(text, set).unwrap_err().to_string()
    }

    const FLOW: &str = "[model]\nfamily = \"flow\"\nwidths = [8, 16]\n";

    #[test]
    fn a_recipe_survives_its_own_table() {
        let text = format!("{FLOW}[data]\ncaptions = {{ text = 0.5, \"text+keywords\" = 0.15 }}\n");
        let recipe = resolve(&text, &[]).unwrap();
        let again = Recipe::resolve(recipe.to_table().unwrap(), &[]).unwrap();
        assert_eq!(again, recipe);
        let text = toml::to_string(&recipe.to_table().unwrap()).unwrap();
        assert_eq!(Recipe::resolve(parse(&text, "").unwrap(), &[]).unwrap(), recipe);
    }

    #[test]
    fn a_wrong_key_names_the_nearest_right_one_and_its_table() {
        let cases = [
            ("[trian]\n", "the recipe has no key `trian` (did you mean `train`?)"),
            ("[train]\nstepz = 1\n", "[train] has no key `stepz` (did you mean `steps`?)"),
            (
                "[data.color_jitter]\nbrigthness = 1\n",
                "[data.color_jitter] has no key `brigthness` (did you mean `brightness`?)",
            ),
            (
                "[optimizer]\nrates = [{ contain = \"a\", factor = 1.0 }]\n",
                "[optimizer.rates[0]] has no key `contain` (did you mean `contains`?)",
            ),
        ];
        for (text, wanted) in cases {
            let message = error(&format!("{FLOW}{text}"), &[]);
            assert!(message.starts_with(wanted), "{message}");
        }
    }

    #[test]
    fn a_value_of_another_kind_names_its_key() {
        let message = error(&format!("{FLOW}[train]\nsteps = \"many\"\n"), &[]);
        assert!(message.starts_with("train.steps: invalid type: string \"many\""), "{message}");
        let message = error("[train]\nsteps = 1\n", &[]);
        assert!(message.contains("missing field `model`"), "{message}");
    }

    #[test]
    fn a_value_out_of_range_names_the_rule() {
        let message = error(FLOW, &["train.accumulate=5"]);
        assert_eq!(message, "train.accumulate = 5: it must be a divisor of train.batch_size");
        assert!(error(FLOW, &["model.family=flo"]).contains("did you mean `flow`"));
    }

    #[test]
    fn changes_are_toml_or_bare_strings() {
        let set = [
            "model.widths=[4, 8]",
            "data.background=white",
            "data.captions.text=2",
            "sample.prompts=[\"a=b\"]",
        ];
        let recipe = resolve(FLOW, &set).unwrap();
        assert_eq!(recipe.model.settings["widths"], toml::Value::from(vec![4, 8]));
        assert_eq!(recipe.data.background, "white");
        assert_eq!(recipe.data.captions["text"], 2.0);
        assert_eq!(recipe.sample.prompts, ["a=b"]);
    }

    #[test]
    fn a_change_that_cannot_be_made_says_why() {
        assert!(error(FLOW, &["train.stepz=1"]).contains("did you mean `steps`"));
        assert!(error(FLOW, &["train.steps"]).contains("no `=`"));
        assert!(error(FLOW, &["model.family.name=1"]).contains("`model.family` is no table"));
    }
}

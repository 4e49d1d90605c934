//! What training needs of a family: a step over batches, with its own optimisers and its own memory.

use std::{path::PathBuf, sync::Arc};

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use indexmap::IndexMap;
use rebus_data::{Batch, MelConfig, Tokenizer};
pub use rebus_nn::optim::Which;
use rebus_nn::{
    ComputePrecision, Init,
    optim::{AdamWConfig, AverageConfig, Learner, Remember, Snapshot},
};

use crate::{Model, ModelError, ModelFolder, Package};

/// Losses by name, in the order of the family.
pub type Losses = IndexMap<String, f64>;

/// The number of a loss.
pub(crate) fn scalar(loss: &Tensor<1>) -> f64 {
    f64::from(loss.clone().into_scalar::<f32>())
}

/// Decibels of a mean squared difference of values in -1..1, whose range is 2.
pub(crate) fn psnr(squared: &Tensor<1>) -> f64 {
    10.0 * (4.0 / scalar(squared).max(1e-10)).log10()
}

/// Where training stands when a step is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Counted from 0.
    pub number: u64,
    /// The run's seed; all that a step draws is keyed by it and the number.
    pub seed: u64,
    /// The rate after warm-up and decay.
    pub learning_rate: f64,
}

/// One family's way to learn. The training loop knows nothing else of it.
pub trait Objective: Send {
    /// One step of all its optimisers over the micro-batches together.
    ///
    /// # Errors
    /// A batch without a column that the family needs.
    fn step(&mut self, batches: &[Batch], step: &Step) -> Result<Losses, ModelError>;

    /// The same losses on a batch that is not learned from, with the averaged weights.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    fn evaluate(&mut self, batch: &Batch, step: &Step) -> Result<Losses, ModelError>;

    /// Its networks with all that training remembers of each, always in the same order.
    fn learners(&self) -> Vec<&dyn Remember>;

    /// The same, to go back to what they were.
    fn learners_mut(&mut self) -> Vec<&mut dyn Remember>;

    /// All that goes into a checkpoint as tensors.
    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        self.learners().into_iter().for_each(|learner| learner.save(&mut snapshot));
        snapshot
    }

    /// Whatever is not a tensor: a pool of past pictures, an adaptive probability.
    fn state(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// Goes back to a snapshot and a state.
    ///
    /// # Errors
    /// They are of another network.
    fn restore(&mut self, snapshot: &Snapshot, _state: &serde_json::Value) -> Result<(), ModelError> {
        let mut learners = self.learners_mut().into_iter();
        learners.try_for_each(|learner| learner.load(snapshot)).map_err(ModelError::checkpoint)
    }

    /// The model as it stands, ready to draw.
    fn model(&self, which: Which) -> Arc<dyn Model>;

    /// All that goes into a model folder.
    fn package(&self, which: Which) -> Package;
}

/// What a family is given to build its objective from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ObjectiveSpec {
    /// The recipe's `[model]` without `family`.
    pub model: serde_json::Value,
    /// The recipe's `[objective]`.
    pub objective: serde_json::Value,
    /// The recipe's `[optimizer]`.
    pub optimizer: AdamWConfig,
    /// The recipe's `[average]`.
    pub average: AverageConfig,
    /// `[channel, height, width]` of the pictures.
    pub picture_shape: [usize; 3],
    /// The tokenizer, for families that read captions.
    pub tokenizer: Option<Arc<Tokenizer>>,
    /// Other models, by the name in the recipe's `[needs]`.
    pub needs: IndexMap<String, Arc<ModelFolder>>,
    /// How often a picture is shown instead of its caption, to an encoder that the family is conditioned by.
    pub shown_pictures: f32,
    /// The column of sounds and how they are heard, where the data has some.
    pub sound: Option<(String, MelConfig)>,
    /// Whether each picture comes with the one that it is to be made of.
    pub pairs: bool,
    /// A folder for what may be computed again; nothing is kept where there is none.
    pub cache: Option<PathBuf>,
    /// Where to train; it differentiates.
    pub device: Device,
    /// The seed of the first weights.
    pub seed: u64,
    /// In which numbers the networks multiply; weights, sums, norms and losses have 32 bits in either.
    pub precision: ComputePrecision,
}

impl ObjectiveSpec {
    /// With default settings of the model, the objective and the optimiser.
    pub fn new(picture_shape: [usize; 3], device: Device, seed: u64) -> Self {
        Self {
            model: serde_json::json!({}),
            objective: serde_json::json!({}),
            optimizer: AdamWConfig::default(),
            average: AverageConfig::default(),
            picture_shape,
            tokenizer: None,
            needs: IndexMap::new(),
            shown_pictures: 0.0,
            sound: None,
            pairs: false,
            cache: None,
            device,
            seed,
            precision: ComputePrecision::default(),
        }
    }

    /// First weights of the family's networks.
    pub fn init(&self) -> Init {
        Init::new(&self.device, self.seed).with_precision(self.precision)
    }

    /// A network at its first step. `name` stands before the names of its weights in files.
    pub fn learner<M: Module>(&self, name: &'static str, network: M) -> Learner<M> {
        Learner::new(name, network, self.optimizer.clone(), self.average)
    }

    /// A model that the recipe needs.
    ///
    /// # Errors
    /// It names none.
    pub fn need(&self, name: &'static str) -> Result<&ModelFolder, ModelError> {
        self.needs.get(name).map(AsRef::as_ref).ok_or(ModelError::Needs { name })
    }

    /// For a family that learns from pairs.
    ///
    /// # Errors
    /// There are none.
    pub fn require_pairs(&self) -> Result<(), ModelError> {
        match self.pairs {
            true => Ok(()),
            false => Err(ModelError::Config {
                field: "data.source",
                value: "none".to_string(),
                rule: "this family learns from pairs: say where the source of each picture is, by a column, a half, a transform or \
                       two groups, such as --set 'data.source={transform=\"edges\"}'"
                    .to_string(),
            }),
        }
    }

    /// The tokenizer of a family that reads captions.
    ///
    /// # Errors
    /// There is none.
    pub fn require_tokenizer(&self) -> Result<Arc<Tokenizer>, ModelError> {
        self.tokenizer.clone().ok_or_else(|| ModelError::Config {
            field: "tokenizer",
            value: "none".to_string(),
            rule: "this family reads captions, and so needs a tokenizer".to_string(),
        })
    }
}

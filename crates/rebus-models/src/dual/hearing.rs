//! The third tower, bound to a space that is there: sounds learn where the words and the pictures lie that belong to them, and
//! neither of those moves (Zhai et al. 2022; Girdhar et al. 2023).

use std::sync::Arc;

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, TensorData},
};
use rebus_data::{Batch, MelConfig, Sounds, Tokenizer};
use rebus_nn::{
    Init, graph,
    optim::{Learner, Remember},
};
use serde::{Deserialize, Serialize};

use super::{DualConfig, DualLoss, DualModel, DualNetwork, Pairs, contrastive_loss, encode, network};
use crate::{
    Losses, Model, ModelError, Objective, ObjectiveSpec, Package, Step, Which,
    modality::{self, Length},
    objective::scalar,
    registry::section,
    sound::{Heard, SoundTower, SoundTowerConfig},
};

/// What the recipe's `[needs]` calls the encoder to whose space sounds are bound.
pub(super) const TOWERS: &str = "towers";

/// The tower of sounds, with the scale and the bias of its own pairs.
#[derive(Module, Debug)]
pub struct Hearing {
    /// The tower.
    pub tower: SoundTower,
    /// `[1]`: the logarithm of what multiplies a cosine.
    pub scale: Param<Tensor<1>>,
    /// `[1]`: what is added then.
    pub bias: Param<Tensor<1>>,
}

impl Hearing {
    /// The tower at its start, into a space of `width` numbers.
    pub fn new(config: &SoundTowerConfig, width: usize, init: &mut Init) -> Self {
        Self {
            tower: SoundTower::new(config, width, init),
            scale: init.constant([1], network::FIRST_SCALE),
            bias: init.constant([1], network::FIRST_BIAS),
        }
    }

    /// Sounds to `[batch, width]`, each row of length 1.
    pub fn sounds(&self, heard: Heard) -> Tensor<2> {
        network::unit(self.tower.forward(heard))
    }
}

/// The recipe's `[model]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HearingConfig {
    sound: SoundTowerConfig,
}

/// The recipe's `[objective]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HearingObjectiveConfig {
    loss: DualLoss,
    /// How much the words count with which a sound belongs together.
    text_weight: f64,
    /// How much the picture counts.
    picture_weight: f64,
}

impl Default for HearingObjectiveConfig {
    fn default() -> Self {
        Self { loss: DualLoss::default(), text_weight: 1.0, picture_weight: 1.0 }
    }
}

/// The one part of a network that learns, by its name in the whole.
#[derive(Module, Debug)]
struct Learning {
    sound: Hearing,
}

/// Sounds, told from all others by words and pictures.
pub struct HearingObjective {
    learner: Learner<Learning>,
    /// The towers that do not move, and the one that learns at its start.
    frozen: DualNetwork,
    picture_shape: [usize; 3],
    config: DualConfig,
    objective: HearingObjectiveConfig,
    tokenizer: Arc<Tokenizer>,
    column: String,
    device: Device,
}

impl HearingObjective {
    /// From a recipe whose `needs.towers` is an encoder and whose data has sounds.
    ///
    /// # Errors
    /// A setting that cannot work, or no such encoder.
    pub fn new(spec: &ObjectiveSpec) -> Result<Self, ModelError> {
        let HearingConfig { mut sound } = section(&spec.model, "model", super::FAMILY.name)?;
        let objective: HearingObjectiveConfig = section(&spec.objective, "objective", super::FAMILY.name)?;
        for (field, weight) in [
            ("objective.text_weight", objective.text_weight),
            ("objective.picture_weight", objective.picture_weight),
        ] {
            if !(weight.is_finite() && weight >= 0.0) {
                let rule = "it must be a number, at least 0".to_string();
                return Err(ModelError::Config { field, value: weight.to_string(), rule });
            }
        }
        let (column, mel) = spec.sound.clone().ok_or_else(|| ModelError::Config {
            field: "data.sound",
            value: "none".to_string(),
            rule: "a tower of sounds learns from sounds: name their column, such as --set data.sound.column=audio".to_string(),
        })?;
        sound.mel = mel;
        sound.validate()?;
        let folder = spec.need(TOWERS)?;
        let plain = spec.device.clone().inner();
        let (frozen, mut config) = encode::open(folder, &plain)?;
        if folder.picture_shape != spec.picture_shape {
            let [channels, height, width] = folder.picture_shape;
            return Err(ModelError::Config {
                field: "data.image_size",
                value: format!("{:?}", &spec.picture_shape[1..]),
                rule: format!("needs.towers looks at pictures of {height}x{width} with {channels} channels"),
            });
        }
        config.sound = Some(sound.clone());
        // Its pairs begin as sharp as those of the towers have become.
        let device = &spec.device;
        let tower = Hearing {
            scale: Param::from_tensor(graph::constant(frozen.scale.val(), device)),
            bias: Param::from_tensor(graph::constant(frozen.bias.val(), device)),
            ..Hearing::new(&sound, config.width, &mut spec.init())
        };
        let learner = spec.learner("network", Learning { sound: tower });
        let (tokenizer, device) = (folder.require_tokenizer()?, spec.device.clone());
        Ok(Self {
            learner,
            frozen,
            picture_shape: folder.picture_shape,
            config,
            objective,
            tokenizer,
            column,
            device,
        })
    }

    /// The loss of a micro-batch, whose sounds are told from each other.
    fn loss(&self, hearing: &Hearing, batch: &Batch, device: &Device) -> Result<Tensor<1>, ModelError> {
        let plain = self.device.clone().inner();
        let heard = Heard::new(batch.sounds(&self.column)?, device);
        let sounds = hearing.sounds(heard);
        let captions = batch.texts("text")?;
        let same = |row: usize, column: usize| row != column && captions[row] == captions[column];
        let count = captions.len();
        let ignored: Vec<f32> =
            (0..count * count).map(|at| f32::from(same(at / count, at % count))).collect();
        let ignored = Tensor::from_data(TensorData::new(ignored, [count, count]), device);
        let HearingObjectiveConfig { loss, text_weight, picture_weight } = self.objective;
        let against = |others: Tensor<2>, weight: f64| {
            let texts = graph::constant(others, device);
            let pairs = Pairs { pictures: sounds.clone(), texts, ignored: ignored.clone() };
            contrastive_loss(pairs, hearing.scale.val(), hearing.bias.val(), loss) * weight
        };
        let mut sum = Tensor::zeros([1], device);
        if text_weight > 0.0 {
            let length = Length::Longest(self.config.text.context);
            let tokens = modality::tokenize(&self.tokenizer, captions, length, None, &plain)?;
            sum = sum + against(self.frozen.texts(tokens), text_weight);
        }
        if picture_weight > 0.0 {
            let pictures = modality::to_tensor(batch.pictures("image")?, &plain);
            sum = sum + against(self.frozen.pictures(pictures), picture_weight);
        }
        Ok(sum)
    }

    fn whole(&self, which: Which) -> DualNetwork {
        DualNetwork { sound: Some(self.learner.network(which).sound), ..self.frozen.clone() }
    }
}

impl Objective for HearingObjective {
    fn step(&mut self, batches: &[Batch], step: &Step) -> Result<Losses, ModelError> {
        let mut sum = 0.0;
        for batch in batches {
            let loss = self.loss(&self.learner.module.sound, batch, &self.device)? / batches.len() as f64;
            self.learner.backward(&loss);
            sum += scalar(&loss);
        }
        self.learner.update(step.learning_rate);
        Ok(Losses::from([("contrastive".to_string(), sum)]))
    }

    fn evaluate(&mut self, batch: &Batch, _: &Step) -> Result<Losses, ModelError> {
        let hearing = self.learner.average().sound;
        let loss = self.loss(&hearing, batch, &self.device.clone().inner())?;
        Ok(Losses::from([("contrastive".to_string(), scalar(&loss))]))
    }

    fn learners(&self) -> Vec<&dyn Remember> {
        vec![&self.learner]
    }

    fn learners_mut(&mut self) -> Vec<&mut dyn Remember> {
        vec![&mut self.learner]
    }

    fn model(&self, which: Which) -> Arc<dyn Model> {
        let (network, shape) = (self.whole(which), self.picture_shape);
        Arc::new(DualModel::new(network, self.config.clone(), shape, self.tokenizer.clone()))
    }

    fn package(&self, which: Which) -> Package {
        let mut weights = rebus_nn::named::collect(&self.frozen, "network.");
        weights.extend(self.learner.weights(which));
        let config = serde_json::json!(self.config);
        let package = Package::new(super::FAMILY.name, config, self.picture_shape, weights);
        Package { tokenizer: Some(self.tokenizer.clone()), ..package }
    }
}

/// Sounds as rows of length 1, in computations of one size.
pub(super) fn rows(
    network: &Hearing,
    mel: &MelConfig,
    sounds: &Sounds,
    device: &Device,
) -> Result<Vec<f32>, ModelError> {
    let wanted = [mel.n_mels, mel.frames()];
    if sounds.shape[1..] != wanted {
        return Err(ModelError::Request {
            option: "sounds",
            value: format!("{:?}", &sounds.shape[1..]),
            rule: format!("this model hears {} bands of {} frames", wanted[0], wanted[1]),
        });
    }
    let size = wanted[0] * wanted[1];
    let rows = crate::sampling::chunks(sounds.len()).flat_map(|chunk| {
        let places: Vec<usize> = chunk.of(&(0..sounds.len()).collect::<Vec<_>>());
        let data = places.iter().flat_map(|&place| &sounds.data[place * size..][..size]).copied().collect();
        let lengths = places.iter().map(|&place| sounds.lengths[place]).collect();
        let filled = Sounds { shape: [places.len(), wanted[0], wanted[1]], data, lengths };
        let made = network.sounds(Heard::new(&filled, device)).narrow(0, 0, chunk.length);
        made.into_data().iter::<f32>().collect::<Vec<_>>()
    });
    Ok(rows.collect())
}

//! How the classifier learns: the cross-entropy of each picture's class.

use std::{collections::HashMap, sync::Arc};

use burn::tensor::{Device, Int, Tensor, TensorData, activation::log_softmax};
use rebus_data::Batch;
use rebus_nn::optim::{Learner, Remember};

use super::{ClassifierConfig, ClassifierModel, ClassifierObjectiveConfig};
use crate::{
    Losses, Model, ModelError, Objective, ObjectiveSpec, Package, Step, Which, modality, objective::scalar,
    picture::PictureTower, registry::section,
};

/// Pictures and the names of their classes.
pub struct ClassifierObjective {
    learner: Learner<PictureTower>,
    config: ClassifierConfig,
    objective: ClassifierObjectiveConfig,
    /// The number of each class.
    numbers: HashMap<String, i64>,
    picture_shape: [usize; 3],
    device: Device,
}

impl ClassifierObjective {
    /// From a recipe.
    ///
    /// # Errors
    /// A setting that cannot work.
    pub fn new(spec: &ObjectiveSpec) -> Result<Self, ModelError> {
        let config: ClassifierConfig = section(&spec.model, "model", super::FAMILY.name)?;
        let objective: ClassifierObjectiveConfig = section(&spec.objective, "objective", super::FAMILY.name)?;
        config.validate()?;
        objective.validate()?;
        let picture_shape = spec.picture_shape;
        config.picture.validate_size(picture_shape[1], picture_shape[2])?;
        let mut init = spec.init();
        let network = PictureTower::new(&config.picture, picture_shape[0], config.classes.len(), &mut init);
        Ok(Self {
            learner: spec.learner("network", network),
            numbers: config.classes.iter().cloned().zip(0..).collect(),
            config,
            objective,
            picture_shape,
            device: spec.device.clone(),
        })
    }

    /// The loss, and the share of pictures whose class is not the likeliest. Pictures of an unknown class do not count.
    fn loss(
        &self,
        network: &PictureTower,
        batch: &Batch,
        smoothing: f64,
        device: &Device,
    ) -> Result<(Tensor<1>, f64), ModelError> {
        let classes: Vec<i64> =
            batch.texts("text")?.iter().map(|text| *self.numbers.get(text).unwrap_or(&-1)).collect();
        let known = classes.iter().filter(|class| **class >= 0).count().max(1) as f64;
        let counts: Vec<f32> = classes.iter().map(|class| f32::from(*class >= 0)).collect();
        let column = [classes.len(), 1];
        let own: Vec<i64> = classes.iter().map(|class| (*class).max(0)).collect();
        let own = Tensor::<2, Int>::from_data(TensorData::new(own, column), device); // [b, 1]
        let counts = Tensor::<2>::from_data(TensorData::new(counts, column), device); // [b, 1]

        let logits = network.forward(modality::to_tensor(batch.pictures("image")?, device)); // [b, classes]
        let wrong = logits.clone().argmax(1).not_equal(own.clone()).float() * counts.clone(); // [b, 1]
        let loss = cross_entropy(logits, own, counts, smoothing);
        Ok((loss, scalar(&wrong.sum()) / known))
    }
}

/// The mean over the pictures that count of `-sum(q log p)`, where `q` gives a picture's own class `1 - smoothing` and spreads the rest
/// over all (Szegedy et al. 2016, section 7): logits `[batch, classes]`, classes and counts of 0 or 1 `[batch, 1]`.
pub fn cross_entropy(
    logits: Tensor<2>,
    classes: Tensor<2, Int>,
    counts: Tensor<2>,
    smoothing: f64,
) -> Tensor<1> {
    let log_shares = log_softmax(logits, 1);
    let own = log_shares.clone().gather(1, classes); // [b, 1]
    let even = log_shares.mean_dim(1); // [b, 1]
    let count = counts.clone().sum().clamp_min(1.0);
    -((own * (1.0 - smoothing) + even * smoothing) * counts).sum() / count
}

impl Objective for ClassifierObjective {
    fn step(&mut self, batches: &[Batch], step: &Step) -> Result<Losses, ModelError> {
        let parts = batches.len() as f64;
        let mut sums = Losses::from([("cross_entropy".to_string(), 0.0), ("wrong".to_string(), 0.0)]);
        for batch in batches {
            let (loss, wrong) =
                self.loss(&self.learner.module, batch, self.objective.label_smoothing, &self.device)?;
            self.learner.backward(&(loss.clone() / parts));
            sums["cross_entropy"] += scalar(&loss) / parts;
            sums["wrong"] += wrong / parts;
        }
        self.learner.update(step.learning_rate);
        Ok(sums)
    }

    fn evaluate(&mut self, batch: &Batch, _: &Step) -> Result<Losses, ModelError> {
        let device = self.device.clone().inner();
        let (loss, wrong) = self.loss(&self.learner.average(), batch, 0.0, &device)?;
        Ok(Losses::from([("cross_entropy".to_string(), scalar(&loss)), ("wrong".to_string(), wrong)]))
    }

    fn learners(&self) -> Vec<&dyn Remember> {
        vec![&self.learner]
    }

    fn learners_mut(&mut self) -> Vec<&mut dyn Remember> {
        vec![&mut self.learner]
    }

    fn model(&self, which: Which) -> Arc<dyn Model> {
        let network = self.learner.network(which);
        Arc::new(ClassifierModel::new(network, self.config.clone(), self.picture_shape))
    }

    fn package(&self, which: Which) -> Package {
        let config = serde_json::json!(self.config);
        Package::new(super::FAMILY.name, config, self.picture_shape, self.learner.weights(which))
    }
}

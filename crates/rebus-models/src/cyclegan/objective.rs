//! How it learns: pictures of one group are taken for those of the other, and come back when they are translated there and back.

use std::sync::Arc;

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use rebus_data::{Batch, SOURCE};
use rebus_nn::{
    graph, kernels,
    optim::{Learner, Remember},
};

use super::{Both, CycleGanConfig, CycleGanModel, CycleGanObjectiveConfig, Generator, Judges, Pool};
use crate::{
    Losses, Model, ModelError, Objective, ObjectiveSpec, Package, Step, Which,
    gan::PatchDiscriminator,
    modality,
    objective::{psnr, scalar},
    registry::section,
};

/// Two generators, two discriminators, and what these remember.
pub struct CycleGanObjective {
    generators: Learner<Both>,
    judges: Learner<Judges>,
    past: [Pool; 2],
    config: CycleGanConfig,
    objective: CycleGanObjectiveConfig,
    picture_shape: [usize; 3],
    device: Device,
}

/// Pictures of one group, translated there and back, and those of the other group as they stay; all `[batch, channel, height, width]`.
#[derive(Debug, Clone)]
pub struct Round {
    /// Of the one group.
    pub real: Tensor<4>,
    /// As the other group's.
    pub made: Tensor<4>,
    /// As they come back.
    pub back: Tensor<4>,
    /// What the generator of this group makes of them, who are in it already.
    pub same: Tensor<4>,
}

impl Round {
    /// From where `there` begins and `back` ends.
    pub fn of(real: Tensor<4>, there: &Generator, back: &Generator) -> Self {
        let made = there.forward(real.clone());
        Self { back: back.forward(made.clone()), same: back.forward(real.clone()), made, real }
    }

    /// What both generators minimise of this round (equation 3 and section 5.2), with the discriminator's logits of what was made.
    pub fn loss(&self, logits: Tensor<4>, objective: &CycleGanObjectiveConfig) -> Tensor<1> {
        let CycleGanObjectiveConfig { cycle_weight, identity_weight, loss, .. } = objective;
        let kept = self.cycle() + self.identity() * *identity_weight;
        loss.maker(logits) + kept * *cycle_weight
    }

    fn cycle(&self) -> Tensor<1> {
        kernels::mean((self.back.clone() - self.real.clone()).abs())
    }

    fn identity(&self) -> Tensor<1> {
        kernels::mean((self.same.clone() - self.real.clone()).abs())
    }

    fn losses(&self, name: &str) -> Losses {
        let squared = kernels::mean((self.back.clone() - self.real.clone()).square());
        Losses::from([
            (format!("cycle_{name}"), scalar(&self.cycle())),
            (format!("psnr_{name}"), psnr(&squared)),
            (format!("identity_{name}"), scalar(&self.identity())),
        ])
    }
}

impl CycleGanObjective {
    /// From a recipe.
    ///
    /// # Errors
    /// A setting that cannot work.
    pub fn new(spec: &ObjectiveSpec) -> Result<Self, ModelError> {
        let config: CycleGanConfig = section(&spec.model, "model", super::FAMILY.name)?;
        let objective: CycleGanObjectiveConfig = section(&spec.objective, "objective", super::FAMILY.name)?;
        spec.require_pairs()?;
        config.validate(spec.picture_shape)?;
        objective.validate()?;
        let channels = spec.picture_shape[0];
        let mut init = spec.init();
        let generators = Both::new(&config, channels, &mut init);
        let judges = Judges::new(&objective.discriminator_widths, channels, &mut init);
        let inner = spec.device.clone().inner();
        let pool = |name| Pool::new(name, objective.pool, &inner);
        Ok(Self {
            generators: spec.learner("network", generators),
            judges: spec.learner("discriminator", judges),
            past: [pool("past_sources"), pool("past_pictures")],
            config,
            objective,
            picture_shape: spec.picture_shape,
            device: spec.device.clone(),
        })
    }

    /// Sources to pictures and back, and pictures to sources and back.
    fn rounds(generators: &Both, batch: &Batch, device: &Device) -> Result<[Round; 2], ModelError> {
        let column = |name| Ok::<_, ModelError>(modality::to_tensor(batch.pictures(name)?, device));
        let Both { there, back } = generators;
        Ok([Round::of(column(SOURCE)?, there, back), Round::of(column("image")?, back, there)])
    }

    fn losses([sources, pictures]: &[Round; 2]) -> Losses {
        let mut losses = sources.losses("source");
        losses.extend(pictures.losses("picture"));
        losses
    }

    /// A discriminator's loss on pictures of its group and on some that were made.
    fn judged(&self, judge: &PatchDiscriminator, real: Tensor<4>, made: Tensor<4>) -> Tensor<1> {
        let logits = |pictures| judge.forward(graph::constant(pictures, &self.device));
        self.objective.loss.judge(logits(real), logits(made))
    }
}

impl Objective for CycleGanObjective {
    fn step(&mut self, batches: &[Batch], step: &Step) -> Result<Losses, ModelError> {
        let judges = self.judges.module.clone().no_grad();
        let share = 1.0 / batches.len().max(1) as f64;
        let (mut sums, mut seen) = (Losses::new(), vec![]);
        let mut add = |losses: Losses| {
            losses.into_iter().for_each(|(name, value)| *sums.entry(name).or_default() += value * share);
        };
        for batch in batches {
            let rounds = Self::rounds(&self.generators.module, batch, &self.device)?;
            let [sources, pictures] = &rounds;
            let loss = sources.loss(judges.pictures.forward(sources.made.clone()), &self.objective)
                + pictures.loss(judges.sources.forward(pictures.made.clone()), &self.objective);
            self.generators.backward(&(loss * share));
            add(Self::losses(&rounds));
            seen.push(rounds.map(|round| (round.real.inner(), round.made.inner())));
        }
        self.generators.update(step.learning_rate);

        for (number, [(source, as_picture), (picture, as_source)]) in (0..).zip(seen) {
            // Each pool has draws of its own, and each part of a step too.
            let key = step.number * 2 * batches.len() as u64 + 2 * number;
            let [past_sources, past_pictures] = &mut self.past;
            let as_source = past_sources.exchange(as_source, step.seed, key);
            let as_picture = past_pictures.exchange(as_picture, step.seed, key + 1);
            let Judges { sources, pictures } = &self.judges.module;
            let loss = self.judged(sources, source, as_source) + self.judged(pictures, picture, as_picture);
            self.judges.backward(&(loss.clone() * share));
            add(Losses::from([("discriminator".to_string(), scalar(&loss) / 2.0)]));
        }
        self.judges.update(step.learning_rate);
        Ok(sums)
    }

    fn evaluate(&mut self, batch: &Batch, _step: &Step) -> Result<Losses, ModelError> {
        let device = self.device.clone().inner();
        Ok(Self::losses(&Self::rounds(&self.generators.average(), batch, &device)?))
    }

    fn learners(&self) -> Vec<&dyn Remember> {
        vec![&self.generators, &self.judges, &self.past[0], &self.past[1]]
    }

    fn learners_mut(&mut self) -> Vec<&mut dyn Remember> {
        let [sources, pictures] = &mut self.past;
        vec![&mut self.generators, &mut self.judges, sources, pictures]
    }

    fn model(&self, which: Which) -> Arc<dyn Model> {
        let network = self.generators.network(which);
        Arc::new(CycleGanModel::new(network, self.picture_shape))
    }

    fn package(&self, which: Which) -> Package {
        let config = serde_json::json!(self.config);
        Package::new(super::FAMILY.name, config, self.picture_shape, self.generators.weights(which))
    }
}

//! A network together with what training it needs: its gradients, its optimiser and the average of its weights.

use burn::{
    module::{Module, ModuleMapper, Param},
    optim::{GradientsAccumulator, GradientsParams},
    tensor::Tensor,
};

use super::{
    AdamW, AdamWConfig, AverageConfig,
    average::{self, Average},
};
use crate::named::{self, Mismatch, NamedTensors};

/// A network that learns. A family with two networks has two of these.
pub struct Learner<M> {
    /// The network as it stands, on a device that differentiates.
    pub module: M,
    /// The same without numbers, to stand in its place while it changes.
    hollow: M,
    average: Average,
    optimizer: AdamW,
    gradients: GradientsAccumulator<M>,
    name: &'static str,
}

/// Which weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The weights as they stand.
    Raw,
    /// Their moving average, which draws better.
    Average,
}

/// What a learner is at one moment, by name: enough to go on as if nothing had happened.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The weights.
    pub weights: NamedTensors,
    /// Their moving average.
    pub average: NamedTensors,
    /// The optimiser's memory.
    pub optimizer: NamedTensors,
}

impl<M: Module> Learner<M> {
    /// A network at its first step. `name` stands before the names of its weights in files.
    pub fn new(name: &'static str, module: M, optimizer: AdamWConfig, average_config: AverageConfig) -> Self {
        Self {
            hollow: module.clone().map(&mut Hollow),
            average: Average::new(average_config, &module),
            module,
            optimizer: AdamW::new(optimizer),
            gradients: GradientsAccumulator::new(),
            name,
        }
    }

    /// Differentiates a loss and adds its gradients to those that wait for [`update`](Self::update). Gradients of
    /// other networks that took part are dropped.
    pub fn backward(&mut self, loss: &Tensor<1>) {
        let gradients = GradientsParams::from_grads(loss.backward(), &self.module);
        self.gradients.accumulate(&self.module, gradients);
    }

    /// Moves the weights by the gradients that wait, and the average after them. Returns the gradients' norm.
    pub fn update(&mut self, learning_rate: f64) -> f64 {
        let gradients = self.gradients.grads();
        // What nobody else holds is written over: so the network is taken out while it changes.
        let module = std::mem::replace(&mut self.module, self.hollow.clone());
        let (module, norm) = self.optimizer.step(module, gradients, learning_rate, &mut self.average);
        self.module = module;
        norm
    }

    /// The averaged network, on a device that does not differentiate.
    pub fn average(&self) -> M {
        self.average.network(self.module.valid())
    }

    /// The network as it stands, on a device that does not differentiate.
    pub fn raw(&self) -> M {
        self.module.valid()
    }

    /// One of the two, on a device that does not differentiate.
    pub fn network(&self, which: Which) -> M {
        match which {
            Which::Raw => self.raw(),
            Which::Average => self.average(),
        }
    }

    /// Its weights by name, as a model folder has them.
    pub fn weights(&self, which: Which) -> NamedTensors {
        named::collect(&self.network(which), &format!("{}.", self.name))
    }
}

/// What a checkpoint asks of a learner, whatever its network.
pub trait Remember {
    /// Adds this learner's part to a snapshot.
    fn save(&self, snapshot: &mut Snapshot);

    /// Takes this learner's part from a snapshot. A snapshot without an optimiser's memory starts one anew.
    ///
    /// # Errors
    /// The snapshot is of another network.
    fn load(&mut self, snapshot: &Snapshot) -> Result<(), Mismatch>;
}

impl<M: Module> Remember for Learner<M> {
    fn save(&self, snapshot: &mut Snapshot) {
        let prefix = format!("{}.", self.name);
        snapshot.weights.append(&mut named::collect(&self.module, &prefix));
        snapshot.average.append(&mut named::collect(&self.average(), &prefix));
        snapshot.optimizer.append(&mut self.optimizer.collect(&prefix));
        let updates = burn::tensor::TensorData::new(vec![self.average.updates as i64], [1]);
        snapshot.optimizer.insert(format!("{}.updates", self.name), updates);
    }

    fn load(&mut self, snapshot: &Snapshot) -> Result<(), Mismatch> {
        let prefix = format!("{}.", self.name);
        let device = self.module.devices().into_iter().next().unwrap_or_default();
        self.module = named::replace(self.module.clone(), &prefix, &snapshot.weights)?;
        self.average.weights = average::weights(&named::replace(self.average(), &prefix, &snapshot.average)?);
        self.optimizer.restore(&prefix, &snapshot.optimizer, &device);
        let updates = snapshot.optimizer.get(&format!("{}.updates", self.name));
        self.average.updates = updates.and_then(|data| data.iter::<i64>().next()).unwrap_or(0) as u64;
        Ok(())
    }
}

/// Takes the numbers out of a network.
struct Hollow;

impl ModuleMapper for Hollow {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weight| Tensor::empty([0; D], &weight.device()))
    }
}

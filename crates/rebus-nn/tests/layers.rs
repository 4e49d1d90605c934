//! What linear layers and convolutions do beside their product: adapters on their weights, and each sample's own gradient.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "cpu")]

use burn::{
    module::{Module, Param, Reparameterization, Reparameterizer},
    tensor::{Device, Tensor},
};
use rebus_nn::{
    Conv2d, Init, Linear, burn, kernels,
    optim::{AdamWConfig, AverageConfig, Learner, Remember, Snapshot},
    random::{self, Key, Purpose},
};

fn noise<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    random::normal(shape, Key { seed, step: 0, first: 0 }, Purpose::Other, device)
}

/// Two convolutions, one of each kind that kernels know, and a linear layer.
#[derive(Module, Debug)]
struct Network {
    first: Conv2d,
    strided: Conv2d,
    last: Linear,
}

impl Network {
    fn new(device: &Device) -> Self {
        let mut init = Init::new(device, 1);
        Self {
            first: Conv2d::new([9, 10], 3, &mut init),
            strided: Conv2d::new([10, 6], 3, &mut init).with_stride(2, (1, 1)),
            last: Linear::new(16, 5, &mut init),
        }
    }

    /// `[batch, 9, 8, 8]` to `[batch, 6, 5]`
    fn forward(&self, input: Tensor<4>) -> Tensor<3> {
        let batch = input.dims()[0];
        let places = self.strided.forward(self.first.forward(input)).reshape([batch, 6, 16]);
        self.last.forward(places)
    }
}

/// An adapter that multiplies a weight by a number that learns.
#[derive(Module, Debug)]
struct Gain {
    gain: Param<Tensor<1>>,
}

impl Reparameterization for Gain {
    const NAME: &'static str = "gain";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        base * self.gain.val().reshape([1; D])
    }
}

/// Puts a gain on each matrix and kernel, and lets nothing else learn.
struct Gains(f32);

impl Reparameterizer for Gains {
    type Reparam = Gain;

    fn reparameterize<const D: usize>(
        &mut self,
        _path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<Gain>) {
        let gain = Tensor::full([1], self.0, &param.base().device());
        let gain = (D > 1).then(|| Gain { gain: Param::from_tensor(gain) });
        (param.set_require_grad(false), gain)
    }
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

#[test]
fn an_adapter_reaches_every_weight_and_what_was_made_of_the_weight_before_is_dropped() {
    let device = Device::flex();
    let network = Network::new(&device);
    let input = noise([2, 9, 8, 8], 2, &device);
    let bare = numbers(network.forward(input.clone()));
    for gain in [1.0, -0.5] {
        // The same layers, which have kept the kernels that they made of the weights before.
        let adapted = network.clone().apply_reparameterization(Gains(gain));
        let found = numbers(adapted.forward(input.clone()));
        let folded = numbers(adapted.clone().materialize().forward(input.clone()));
        assert_eq!(found, folded, "gain {gain}");
        assert_eq!(found == bare, gain == 1.0);
        assert_eq!(numbers(network.forward(input.clone())), bare);
    }
}

#[test]
fn with_an_adapter_only_the_adapter_learns() {
    let device = Device::flex().autodiff();
    let network = Network::new(&device).apply_reparameterization(Gains(1.0));
    let mut learner = Learner::new("network", network, AdamWConfig::default(), AverageConfig::default());
    let mut before = Snapshot::default();
    learner.save(&mut before);
    let output = learner.module.forward(noise([2, 9, 8, 8], 2, &device));
    learner.backward(&kernels::mean(output.square()));
    learner.update(0.01);
    let mut after = Snapshot::default();
    learner.save(&mut after);
    let moved: Vec<&str> = after
        .weights
        .iter()
        .filter(|(name, data)| before.weights[*name] != **data)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        moved,
        [
            "network.first.weight.gain.gain",
            "network.last.weight.gain.gain",
            "network.strided.weight.gain.gain"
        ]
    );
}

#[test]
fn each_sample_tells_how_long_its_gradient_is() {
    const SAMPLES: usize = 3;
    let device = Device::flex().autodiff();
    let network = Network::new(&device);
    let input = noise([SAMPLES, 9, 8, 8], 2, &device);
    let loss = |input: Tensor<4>| kernels::sum(network.forward(input).square());
    let (_, found) = kernels::sample_norms(SAMPLES, || loss(input.clone()).backward());
    let found = found.unwrap();
    for (sample, found) in found.iter().enumerate() {
        let alone = input.clone().narrow(0, sample, 1);
        let gradients = burn::optim::GradientsParams::from_grads(loss(alone).backward(), &network);
        let squares =
            |param: &Param<Tensor<4>>| kernels::square_sum(flat(gradients.get::<4>(param.id).unwrap()));
        let bias = |param: &Option<Param<Tensor<1>>>| {
            kernels::square_sum(gradients.get::<1>(param.as_ref().unwrap().id).unwrap())
        };
        let exact = squares(&network.first.weight)
            + squares(&network.strided.weight)
            + kernels::square_sum(flat(gradients.get::<2>(network.last.weight.id).unwrap()))
            + [&network.first.bias, &network.strided.bias, &network.last.bias].map(bias).iter().sum::<f64>();
        assert!((found / exact - 1.0).abs() < 1e-5, "sample {sample}: {found} and {exact}");
    }
    // Without somebody who watches, and on the way forward, there is nothing to tell.
    assert!(kernels::sample_norms(SAMPLES, || loss(input.clone())).1.is_none());
}

fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let count = tensor.dims().iter().product::<usize>();
    tensor.reshape([count])
}

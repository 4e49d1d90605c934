//! What draws a picture, searched for by descent, since the network has no encoder (Zhu et al. 2016, equation 5): noise, which with the
//! text makes a style, and how far each layer's own style is from that (Abdal et al. 2019, "Image2StyleGAN"). Another text then moves
//! the styles of all layers by what it says, and what was found beyond stays.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use rebus_nn::{
    optim::{AdamWConfig, AverageConfig, Learner, RateRule},
    random::{Purpose, normal_per_seed},
    resample,
};

use super::{Generator, ModernConfig};

/// Drawings among which the nearest is where the search begins.
const STARTS: u64 = 32;
/// Steps of the search, and how far a layer's own style moves beside the noise in them: at first by noise alone.
const SEARCH: [(usize, f64); 2] = [(100, 0.0), (200, 0.2)];
/// All of them.
pub(super) const STEPS: usize = SEARCH[0].0 + SEARCH[1].0;
/// The length of the first step; they grow shorter to nothing.
const LEARNING_RATE: f64 = 0.1;
/// How much a layer's own style costs: a style that any noise could make is better to change by words (Tov et al. 2021).
const APART: f64 = 0.005;
/// How much noise costs that is not likely.
const UNLIKELY: f64 = 1e-4;
/// Pictures are compared at sides this many times smaller.
const FACTORS: [usize; 3] = [1, 2, 4];

/// Noise `[batch, noise width]`, and how far each layer is from its style, `[batch, layer, style width]`.
#[derive(Module, Debug)]
pub(super) struct Latent {
    noise: Param<Tensor<2>>,
    apart: Param<Tensor<3>>,
}

impl Latent {
    fn new(noise: Tensor<2>, apart: Tensor<3>) -> Self {
        Self { noise: Param::from_tensor(noise), apart: Param::from_tensor(apart) }
    }

    /// From rows of numbers, a latent each.
    pub(super) fn of_rows(rows: Tensor<2>, config: &ModernConfig) -> Self {
        let [batch, width] = rows.dims();
        let noise = rows.clone().narrow(1, 0, config.noise_width);
        let apart = rows.narrow(1, config.noise_width, width - config.noise_width);
        let layers = (width - config.noise_width) / config.style_width;
        Self::new(noise, apart.reshape([batch, layers, config.style_width]))
    }

    /// As rows of numbers.
    pub(super) fn to_rows(&self) -> Tensor<2> {
        Tensor::cat(vec![self.noise.val(), self.apart.val().flatten(1, 2)], 1)
    }

    /// The pictures, with a pooled text.
    pub(super) fn drawn(&self, generator: &Generator, pooled: Tensor<2>) -> Tensor<4> {
        let style = generator.style(self.noise.val(), pooled); // [b, style]
        let [batch, width] = style.dims();
        let layer = |at| style.clone() + self.apart.val().narrow(1, at, 1).reshape([batch, width]);
        generator.draw(&(0..generator.layers()).map(layer).collect::<Vec<_>>())
    }
}

/// The latents that draw pictures told by a pooled text, an entry of each for each. No picture bears on another's. `watch` is told
/// of each of the [`STEPS`], and says whether to go on.
pub(super) fn search(
    generator: &Generator,
    config: &ModernConfig,
    shown: Tensor<4>,
    pooled: Tensor<2>,
    watch: &mut dyn FnMut(usize) -> bool,
) -> Option<Latent> {
    let noise = nearest(generator, config, &shown, &pooled);
    let ([batch, _], device) = (noise.dims(), noise.device());
    let apart = Tensor::zeros([batch, generator.layers(), config.style_width], &device);
    let mut latent = Latent::new(noise, apart);
    let generator = generator.clone().train().no_grad();
    let (shown, pooled) = (shown.autodiff(), pooled.autodiff());
    let mut done = 0;
    for (steps, factor) in SEARCH {
        let rates = vec![RateRule { contains: "apart".to_string(), factor }];
        let optimizer =
            AdamWConfig { beta_2: 0.999, weight_decay: 0.0, clip_norm: 0.0, rates, ..AdamWConfig::default() };
        let mut learner = Learner::new("latent", latent.train(), optimizer, AverageConfig::default());
        for step in 0..steps {
            let latent = &learner.module;
            let unlikely = mean_square(latent.noise.val()) * UNLIKELY;
            let apart = mean_square(latent.apart.val()) * APART;
            let off = distance(latent.drawn(&generator, pooled.clone()), shown.clone());
            learner.backward(&(off + unlikely + apart).sum());
            learner.update(LEARNING_RATE * (1.0 - step as f64 / steps as f64));
            done += 1;
            if !watch(done) {
                return None;
            }
        }
        latent = learner.raw();
    }
    Some(latent)
}

/// Of some noise, for each picture that of the nearest drawing.
fn nearest(generator: &Generator, config: &ModernConfig, shown: &Tensor<4>, pooled: &Tensor<2>) -> Tensor<2> {
    let [batch, ..] = shown.dims();
    let draw = |seed: u64| {
        let noise =
            normal_per_seed([0, config.noise_width], &vec![seed; batch], Purpose::Noise, 0, &shown.device());
        (distance(generator.forward(noise.clone(), pooled.clone()), shown.clone()), noise)
    };
    let (mut least, mut best) = draw(0);
    for (off, noise) in (1..STARTS).map(draw) {
        let nearer = off.clone().lower(least.clone()); // [b]
        least = least.mask_where(nearer.clone(), off);
        best = best.mask_where(nearer.unsqueeze_dim::<2>(1).expand(noise.dims()), noise);
    }
    best
}

/// The mean square of each entry's numbers, `[batch]`.
fn mean_square<const D: usize>(values: Tensor<D>) -> Tensor<1> {
    let batch = values.dims()[0];
    let numbers = values.dims().iter().product::<usize>() / batch.max(1);
    values.square().reshape([batch, numbers]).mean_dim(1).reshape([batch])
}

/// How far pictures are from others at several sizes, `[batch]`.
fn distance(pictures: Tensor<4>, others: Tensor<4>) -> Tensor<1> {
    let apart = pictures - others;
    let [batch, _, height, width] = apart.dims();
    let fits = |factor: &&usize| height.is_multiple_of(**factor) && width.is_multiple_of(**factor);
    let zero = Tensor::zeros([batch], &apart.device());
    FACTORS
        .iter()
        .filter(fits)
        .fold(zero, |sum, factor| sum + mean_square(resample::downsample_mean(apart.clone(), *factor)))
}

//! The two losses, from networks, pictures, tokens and noise alone.

use burn::tensor::Tensor;
use rebus_nn::{kernels, resample};

use super::{Discriminator, Generator, ModernObjectiveConfig};
use crate::{
    ModelError,
    gan::{augment::Augmentation, loss::pairing},
    reader::Said,
};

/// What the discriminator is shown.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Pictures, augmented.
    pub real: Tensor<4>,
    /// Pictures drawn for the same texts, augmented, no part of a graph.
    pub fake: Tensor<4>,
    /// The texts of both.
    pub text: Said,
    /// `[batch, 1]`: 1 where the next sample's text (the first's for the last) is wrong for this picture, else 0.
    pub mismatched: Tensor<2>,
    /// Normal noise for the penalties, for the real and for the drawn pictures, where this step has penalties.
    pub probe: Option<(Tensor<4>, Tensor<4>)>,
}

/// The parts of the discriminator's loss.
#[derive(Debug, Clone)]
pub struct DiscriminatorLoss {
    /// Real above drawn.
    pub pairing: Tensor<1>,
    /// Its own text above another's, weighted.
    pub mismatch: Option<Tensor<1>>,
    /// The slope at real and drawn pictures, weighted.
    pub penalty: Option<Tensor<1>>,
}

impl DiscriminatorLoss {
    /// What to minimise: penalties that are measured every `penalty_every` steps count that many times.
    pub fn total(&self, penalty_every: u64) -> Tensor<1> {
        let mut total = self.pairing.clone();
        if let Some(mismatch) = &self.mismatch {
            total = total + mismatch.clone();
        }
        if let Some(penalty) = &self.penalty {
            total = total + penalty.clone() * penalty_every as f64;
        }
        total
    }
}

/// The relativistic loss (Huang et al. 2024, equation 2) with mismatched texts as further pairs (Reed et al. 2016,
/// section 4.2) and, where there is a probe, zero-centred penalties: `gamma / 2` times the mean squared gradient at real
/// pictures (R1) and at drawn ones (R2).
///
/// A gradient's square is measured along noise: for n ~ N(0, I), `((D(x + s n) - D(x)) / s)²` has it as its mean as s
/// goes to 0, and needs no second derivative. The trunk sees all pictures in one batch and knows nothing of texts, so
/// that mismatched texts cost next to nothing.
///
/// # Errors
/// Tokens for a network without a text encoder.
pub fn discriminator_loss(
    discriminator: &Discriminator,
    shown: Judged,
    settings: &ModernObjectiveConfig,
) -> Result<DiscriminatorLoss, ModelError> {
    let batch = shown.real.dims()[0];
    let step = settings.penalty_step;
    let mut pictures = vec![shown.real.clone(), shown.fake.clone()];
    if let Some((real, fake)) = &shown.probe {
        pictures.push(shown.real + real.clone() * step);
        pictures.push(shown.fake + fake.clone() * step);
    }
    let features = discriminator.look(Tensor::cat(pictures, 0)); // [2 or 4 times b, width]
    let pooled = shown.text.embed(discriminator.text.as_ref())?.pooled; // [b, text width]
    let judge = |part: usize, pooled: &Tensor<2>| {
        discriminator.judge(features.clone().narrow(0, part * batch, batch), pooled.clone()) // [b, 1]
    };
    let (real, fake) = (judge(0, &pooled), judge(1, &pooled));

    let mismatch = (settings.mismatch_weight > 0.0 && batch > 1).then(|| {
        let next =
            Tensor::cat(vec![pooled.clone().narrow(0, 1, batch - 1), pooled.clone().narrow(0, 0, 1)], 0);
        let pairs = pairing(real.clone(), judge(0, &next)) * shown.mismatched;
        pairs.mean() * settings.mismatch_weight
    });
    let penalty = shown.probe.map(|_| {
        let slope = |beside: Tensor<2>, here: &Tensor<2>| ((beside - here.clone()) / step).square().mean();
        (slope(judge(2, &pooled), &real) + slope(judge(3, &pooled), &fake)) * (settings.gamma / 2.0)
    });
    Ok(DiscriminatorLoss { pairing: pairing(real, fake).mean(), mismatch, penalty })
}

/// What the generator is asked to draw, and what it is judged against.
#[derive(Debug, Clone)]
pub struct Drawn {
    /// `[batch, noise width]`
    pub noise: Tensor<2>,
    /// Other noise of that shape, for a second drawing of each text where the pair term counts.
    pub again: Option<Tensor<2>>,
    /// The texts.
    pub text: Said,
    /// The texts' own pictures.
    pub real: Tensor<4>,
    /// Changes of the real and of the drawn pictures before they are judged.
    pub augmentation: (Augmentation, Augmentation),
}

/// The generator's side of the relativistic loss, drawn above real, under a discriminator that stays as it is; and the
/// weighted pair term, where there is a second drawing.
///
/// The pair term is the continuous ranked probability score of each pixel (Gneiting & Raftery 2007, section 4.2)
/// from two drawings G1 and G2 of a text whose own picture is x, all made smaller:
/// `(|G1 - x| + |G2 - x|) / 2 - |G1 - G2| / 2`. It is least where the drawings of a text vary as its pictures do. The
/// mean difference alone would be least at their median, which is one grey picture under every noise.
///
/// # Errors
/// As [`discriminator_loss`].
pub fn generator_loss(
    generator: &Generator,
    discriminator: &Discriminator,
    task: Drawn,
    settings: &ModernObjectiveConfig,
) -> Result<(Tensor<1>, Option<Tensor<1>>), ModelError> {
    let pooled = task.text.clone().embed(generator.text.as_ref())?.pooled;
    let drawn = generator.forward(task.noise, pooled.clone()); // [b, c, h, w]
    let pair = task.again.map(|noise| {
        let small = |pictures: Tensor<4>| resample::downsample_mean(pictures, settings.pair_factor);
        let (one, two) = (small(drawn.clone()), small(generator.forward(noise, pooled)));
        let own = small(task.real.clone());
        let apart = |one: &Tensor<4>, two: &Tensor<4>| kernels::mean((one.clone() - two.clone()).abs());
        (apart(&one, &own) + apart(&two, &own) - apart(&one, &two)) * (settings.pair_weight / 2.0)
    });
    let pooled = task.text.embed(discriminator.text.as_ref())?.pooled;
    let judge = |pictures: Tensor<4>| discriminator.judge(discriminator.look(pictures), pooled.clone());
    let real = judge(task.augmentation.0.apply(task.real));
    let fake = judge(task.augmentation.1.apply(drawn));
    Ok((pairing(fake, real).mean(), pair))
}

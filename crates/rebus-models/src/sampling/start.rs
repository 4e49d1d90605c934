//! From a picture a part of the way to noise, and drawn anew from there (Meng et al. 2022); what a mask keeps stays on its own way
//! (Lugmayr et al. 2022).

use burn::tensor::{Tensor, TensorData};
use rebus_data::Pictures;
use rebus_nn::{
    random::{Purpose, normal_per_seed},
    resample,
};

use super::time;
use crate::{Denoise, ModelError, capability::reconstruct::check_shape, modality};

/// Pictures to begin with, in the place of noise alone.
#[derive(Debug, Clone)]
pub struct Start {
    /// A picture a seed, of the size that is drawn.
    pub pictures: Pictures,
    /// The part of the way to noise: near 0 next to nothing changes, at 1 the picture is forgotten.
    pub strength: f64,
    /// Where to draw, `[count, 1, height, width]` in 0..1: 0 keeps the picture; everywhere if there is none.
    pub mask: Option<Pictures>,
    /// How often each step is walked: before it is walked again noise takes it back, so that what is drawn and what is kept come to
    /// fit each other. 1 is once.
    pub resamplings: usize,
}

impl Start {
    /// Everything drawn anew from this part of the way.
    pub fn new(pictures: Pictures, strength: f64) -> Self {
        Self { pictures, strength, mask: None, resamplings: 1 }
    }
}

/// A drawing that has begun with pictures.
pub(super) struct Begun {
    /// The pictures as the model draws them.
    clean: Tensor<4>,
    noise: Tensor<4>,
    mask: Option<Tensor<4>>,
    seeds: Vec<u64>,
    /// Steps of the whole way that are left out.
    pub(super) skipped: usize,
    pub(super) resamplings: usize,
}

impl Begun {
    /// The noise is what a drawing without pictures begins with, so that a strength of 1 is that drawing.
    ///
    /// # Errors
    /// Pictures of another size, a strength out of range or too small for so many steps, a mask of another size.
    pub(super) fn new<D: Denoise + ?Sized>(
        model: &D,
        start: &Start,
        seeds: &[u64],
        noise: Tensor<4>,
        ([height, width], steps): ([usize; 2], usize),
    ) -> Result<Self, ModelError> {
        let refuse = |option, value: String, rule: String| Err(ModelError::Request { option, value, rule });
        let [channels, ..] = model.picture_shape();
        check_shape(&start.pictures, [channels, height, width], "this drawing begins with")?;
        if start.pictures.len() != seeds.len() {
            let rule = format!("a picture for each of {} seeds", seeds.len());
            return refuse("start", start.pictures.len().to_string(), rule);
        }
        let strength = start.strength;
        if !(strength > 0.0 && strength <= 1.0) {
            let rule =
                "it must be above 0, where nothing changes, and at most 1, where the picture is forgotten";
            return refuse("strength", strength.to_string(), rule.to_string());
        }
        let walked = (strength * steps as f64).round() as usize;
        if walked == 0 {
            let rule = format!("of {steps} steps none is left: take at least {:.0}", (0.5 / strength).ceil());
            return refuse("strength", strength.to_string(), rule);
        }
        let device = model.device();
        let mask = match &start.mask {
            Some(mask) => {
                check_shape(mask, [1, height, width], "a mask here has")?;
                let full = Tensor::<4>::from_data(TensorData::new(mask.data.clone(), mask.shape), &device);
                let [_, _, rows, _] = noise.dims();
                Some(resample::downsample_mean(full, height / rows.max(1)))
            }
            None => None,
        };
        Ok(Self {
            clean: model.encode(modality::to_tensor(&start.pictures, &device)),
            noise,
            mask,
            seeds: seeds.to_vec(),
            skipped: steps - walked,
            resamplings: start.resamplings.max(1),
        })
    }

    /// Where the pictures stand at a time.
    pub(super) fn at(&self, time: f64) -> Tensor<4> {
        self.clean.clone() * (1.0 - time) + self.noise.clone() * time
    }

    /// What has been drawn, with the pictures where they are kept.
    pub(super) fn keep(&self, drawn: Tensor<4>, time: f64) -> Tensor<4> {
        match &self.mask {
            Some(mask) => drawn * mask.clone() + self.at(time) * (1.0 - mask.clone()),
            None => drawn,
        }
    }

    /// A step taken back by fresh noise, to be walked again; where it began with noise alone there is nothing to fit.
    pub(super) fn back(
        &self,
        x: Tensor<4>,
        (step, again): (usize, usize),
        steps: usize,
    ) -> Option<Tensor<4>> {
        let (from, to) = (time(step, steps), time(step + 1, steps));
        if again + 1 >= self.resamplings || self.mask.is_none() || from == 1.0 || to == 0.0 {
            return None;
        }
        let shrunk = (1.0 - from) / (1.0 - to);
        let fresh = (from * from - shrunk * shrunk * to * to).max(0.0).sqrt();
        let number = (1 + step * self.resamplings + again) as u64;
        let noise = normal_per_seed(x.dims(), &self.seeds, Purpose::Noise, number, &x.device());
        Some(x * shrunk + noise * fresh)
    }
}

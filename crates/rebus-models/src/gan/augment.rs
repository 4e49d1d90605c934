//! Differentiable augmentation (Zhao et al. 2020): what a discriminator sees is changed, real and drawn alike, so that
//! it cannot learn few pictures by heart, and the change passes gradients on to the generator.

use burn::tensor::{Device, Tensor, TensorData};
use rebus_nn::random::{Key, Purpose, below, uniform};
use serde::{Deserialize, Serialize};

use crate::ModelError;

/// How far pictures are changed; 0 leaves a change out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// The most that is added to all colours, in units of the range -1..1.
    pub brightness: f32,
    /// The most that the distance from a pixel's own grey is scaled by, above and below 1.
    pub saturation: f32,
    /// The most that the distance from a picture's mean is scaled by, above and below 1.
    pub contrast: f32,
    /// The most that a picture is moved, as a part of each side; 0 (mid-grey) moves in.
    pub translation: f32,
    /// The sides of the hole (0, mid-grey) as a part of the picture's.
    pub cutout: f32,
}

impl Default for AugmentConfig {
    fn default() -> Self {
        Self { brightness: 0.5, saturation: 0.0, contrast: 0.0, translation: 0.125, cutout: 0.5 }
    }
}

impl AugmentConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), ModelError> {
        let fields = [
            ("objective.augment.brightness", self.brightness),
            ("objective.augment.saturation", self.saturation),
            ("objective.augment.contrast", self.contrast),
            ("objective.augment.translation", self.translation),
            ("objective.augment.cutout", self.cutout),
        ];
        match fields.into_iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
            Some((field, value)) => {
                let rule = "it must be 0 (left out) to 1".to_string();
                Err(ModelError::Config { field, value: value.to_string(), rule })
            }
            None => Ok(()),
        }
    }
}

/// What is done to one picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Added to all colours.
    pub brightness: f32,
    /// The factor of the distance from a pixel's own grey.
    pub saturation: f32,
    /// The factor of the distance from the picture's mean.
    pub contrast: f32,
    /// Pixels that it moves down and right.
    pub shift: [isize; 2],
    /// The first row and column of the hole, which may hang over the edge.
    pub hole: [isize; 2],
    /// The hole's height and width.
    pub hole_size: [usize; 2],
}

impl Change {
    /// A random one for a picture of a height and width, from the stream of its own.
    pub fn draw(config: &AugmentConfig, size: [usize; 2], key: Key, sample: usize) -> Self {
        let mut generator = key.stream(Purpose::Discriminator, sample);
        let mut around = |most: f32| (uniform(&mut generator) * 2.0 - 1.0) * most;
        let (brightness, saturation, contrast) =
            (around(config.brightness), 1.0 + around(config.saturation), 1.0 + around(config.contrast));
        let shift = size.map(|side| {
            let most = part(side, config.translation);
            below(&mut generator, 2 * most + 1) as isize - most as isize
        });
        let hole_size = size.map(|side| part(side, config.cutout));
        // Its middle is anywhere in the picture.
        let hole = [0, 1].map(|axis: usize| {
            let (side, hole) = (size[axis], hole_size[axis]);
            below(&mut generator, side + 1 - hole % 2) as isize - (hole / 2) as isize
        });
        Self { brightness, saturation, contrast, shift, hole, hole_size }
    }

    fn is_hole(&self, place: [usize; 2]) -> bool {
        [0, 1].into_iter().all(|axis: usize| {
            let after = place[axis] as isize - self.hole[axis];
            (0..self.hole_size[axis] as isize).contains(&after)
        })
    }
}

fn part(side: usize, share: f32) -> usize {
    (side as f32 * share).round() as usize
}

/// The changes of a batch, ready to be applied.
#[derive(Debug, Clone)]
pub struct Augmentation {
    /// `[batch, 1, 1, 1]`
    brightness: Tensor<4>,
    /// `[batch, 1, 1, 1]`
    saturation: Option<Tensor<4>>,
    /// `[batch, 1, 1, 1]`
    contrast: Option<Tensor<4>>,
    /// `[batch, 1, height, height]`: from the left, moves rows down.
    rows: Tensor<4>,
    /// `[batch, 1, width, width]`: from the right, moves columns right.
    columns: Tensor<4>,
    /// `[batch, 1, height, width]`: 0 in the hole and 1 elsewhere.
    keep: Tensor<4>,
}

impl Augmentation {
    /// Random changes for a batch of a shape, each sample's from a stream of its own.
    pub fn draw(config: &AugmentConfig, shape: [usize; 4], key: Key, device: &Device) -> Self {
        let [batch, _, height, width] = shape;
        let change = |sample| Change::draw(config, [height, width], key, sample);
        Self::new(&(0..batch).map(change).collect::<Vec<_>>(), [height, width], device)
    }

    /// Given changes, one a sample, for pictures of a height and width.
    pub fn new(changes: &[Change], [height, width]: [usize; 2], device: &Device) -> Self {
        let tensor = |values: Vec<f32>, [rows, columns]: [usize; 2]| {
            Tensor::from_data(TensorData::new(values, [changes.len(), 1, rows, columns]), device)
        };
        let each = |value: fn(&Change) -> f32| tensor(changes.iter().map(value).collect(), [1, 1]);
        let keep = changes.iter().flat_map(|change| {
            let places = (0..height).flat_map(|row| (0..width).map(move |column| [row, column]));
            places.map(move |place| f32::from(!change.is_hole(place)))
        });
        Self {
            brightness: each(|change| change.brightness),
            saturation: changes.iter().any(|c| c.saturation != 1.0).then(|| each(|c| c.saturation)),
            contrast: changes.iter().any(|c| c.contrast != 1.0).then(|| each(|c| c.contrast)),
            rows: tensor(changes.iter().flat_map(|c| shift(height, c.shift[0])).collect(), [height, height]),
            columns: tensor(changes.iter().flat_map(|c| shift(width, -c.shift[1])).collect(), [width, width]),
            keep: tensor(keep.collect(), [height, width]),
        }
    }

    /// `[batch, channel, height, width]` to the same: colour, then place, then the hole. Alpha, where there are two or
    /// four channels, keeps its values.
    pub fn apply(&self, pictures: Tensor<4>) -> Tensor<4> {
        let [_, channels, ..] = pictures.dims();
        let colours = channels - usize::from(channels % 2 == 0);
        let x = pictures.clone().narrow(1, 0, colours);
        let mut x = x + self.brightness.clone();
        if let Some(saturation) = &self.saturation {
            let grey = x.clone().mean_dim(1); // [b, 1, h, w]
            x = (x - grey.clone()) * saturation.clone() + grey;
        }
        if let Some(contrast) = &self.contrast {
            let mean = x.clone().mean_dim(1).mean_dim(2).mean_dim(3); // [b, 1, 1, 1]
            x = (x - mean.clone()) * contrast.clone() + mean;
        }
        let x = match channels > colours {
            true => Tensor::cat(vec![x, pictures.narrow(1, colours, channels - colours)], 1),
            false => x,
        };
        let x = self.rows.clone().matmul(x).matmul(self.columns.clone());
        x * self.keep.clone()
    }
}

/// The matrix that moves a column vector down by `by` places, and a row vector left; zeros come in.
fn shift(side: usize, by: isize) -> Vec<f32> {
    let mut matrix = vec![0.0; side * side];
    for to in 0..side {
        if let Some(from) = to.checked_add_signed(-by).filter(|&from| from < side) {
            matrix[to * side + from] = 1.0;
        }
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(first: u64) -> Key {
        Key { seed: 1, step: 2, first }
    }

    fn pictures(shape: [usize; 4]) -> Tensor<4> {
        let values: Vec<f32> =
            (0..shape.iter().product()).map(|i: usize| (i % 17) as f32 / 8.5 - 1.0).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn values(tensor: Tensor<4>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    #[test]
    fn all_settings_at_zero_change_nothing() {
        let off =
            AugmentConfig { brightness: 0.0, saturation: 0.0, contrast: 0.0, translation: 0.0, cutout: 0.0 };
        let x = pictures([3, 4, 6, 8]);
        let same = Augmentation::draw(&off, x.dims(), key(0), &x.device()).apply(x.clone());
        for (a, b) in values(same).iter().zip(values(x)) {
            assert!((a - b).abs() < 1e-6);
        }
    }

    #[test]
    fn a_sample_is_changed_the_same_whatever_is_beside_it() {
        let config = AugmentConfig { saturation: 0.5, contrast: 0.5, ..AugmentConfig::default() };
        let x = pictures([4, 3, 8, 8]);
        let together = Augmentation::draw(&config, x.dims(), key(10), &x.device()).apply(x.clone());
        for sample in 0..4 {
            let alone = x.clone().narrow(0, sample, 1);
            let alone =
                Augmentation::draw(&config, alone.dims(), key(10 + sample as u64), &x.device()).apply(alone);
            assert_eq!(values(alone), values(together.clone().narrow(0, sample, 1)), "sample {sample}");
        }
    }

    #[test]
    fn a_shift_moves_down_and_right_and_zeros_come_in() {
        let x = pictures([1, 1, 3, 3]) + 5.0;
        let change = Change {
            brightness: 0.0,
            saturation: 1.0,
            contrast: 1.0,
            shift: [1, -1],
            hole: [1, 0],
            hole_size: [2, 1],
        };
        let before = values(x.clone());
        let after = values(Augmentation::new(&[change], [3, 3], &x.device()).apply(x));
        // Down by one, left by one; the hole is in the first column, the two rows below the first.
        assert_eq!(after, [0.0, 0.0, 0.0, 0.0, before[2], 0.0, 0.0, before[5], 0.0]);
    }
}

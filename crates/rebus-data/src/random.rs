//! All randomness: a counter-based generator keyed by (seed, purpose, step, sample).
//!
//! The same key gives the same numbers on every machine, whatever was drawn before, in whatever order and on
//! whatever thread. So a run can be resumed at any step, and a picture is the same alone or among others.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a stream of random numbers is for; streams of different purposes never overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
#[non_exhaustive]
pub enum Purpose {
    /// The order of records in an epoch.
    Order = 1,
    /// Crops, flips, colour jitter.
    Augment = 2,
    /// Which caption column, and the order of a list's items.
    Caption = 3,
    /// First values of weights.
    Init = 4,
    /// Noise that becomes a picture.
    Noise = 5,
    /// Times at which a flow is trained.
    Time = 6,
    /// Dropout of conditions and words.
    Dropout = 7,
    /// Augmentation inside a discriminator.
    Discriminator = 8,
    /// Noise that a penalty's finite difference adds.
    Penalty = 9,
    /// Directions along which a likelihood looks for slopes.
    Probe = 11,
    /// Which picture is the source of another, and what is taken from it.
    Source = 12,
    /// Which past pictures a discriminator is shown.
    Pool = 13,
    /// Fresh seeds and everything of a test.
    Other = 10,
}

/// A generator for one (seed, purpose, step, sample).
///
/// ```
/// use rand::Rng;
/// use rebus_data::random::{stream, Purpose};
/// let a = stream(7, Purpose::Noise, 0, 3).next_u64();
/// assert_eq!(a, stream(7, Purpose::Noise, 0, 3).next_u64());
/// assert_ne!(a, stream(7, Purpose::Noise, 0, 4).next_u64());
/// ```
pub fn stream(seed: u64, purpose: Purpose, step: u64, sample: u64) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[0..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&step.to_le_bytes());
    key[16..24].copy_from_slice(&sample.to_le_bytes());
    key[24..28].copy_from_slice(&(purpose as u32).to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// A uniform number in 0..1 (1 excluded).
pub fn uniform(generator: &mut impl Rng) -> f32 {
    (generator.next_u32() >> 8) as f32 * (1.0 / (1u32 << 24) as f32)
}

/// A whole number in `0..bound`; 0 where `bound` is 0.
pub fn below(generator: &mut impl Rng, bound: usize) -> usize {
    ((u128::from(generator.next_u64()) * bound as u128) >> 64) as usize
}

/// Fills a slice with independent normal numbers of mean 0 and variance 1 (Box and Muller 1958).
pub fn fill_normal(generator: &mut impl Rng, values: &mut [f32]) {
    for pair in values.chunks_mut(2) {
        // 1 - u lies in (0, 1], so the logarithm is finite.
        let radius = (-2.0 * (1.0 - f64::from(uniform(generator))).ln()).sqrt();
        let angle = std::f64::consts::TAU * f64::from(uniform(generator));
        pair[0] = (radius * angle.cos()) as f32;
        if let Some(second) = pair.get_mut(1) {
            *second = (radius * angle.sin()) as f32;
        }
    }
}

/// Puts items into a random order (Fisher and Yates).
pub fn shuffle<T>(generator: &mut impl Rng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(generator, last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let mut values = vec![0.0; 100_001];
        fill_normal(&mut stream(1, Purpose::Other, 0, 0), &mut values);
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / values.len() as f32;
        assert!(mean.abs() < 0.015, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.02, "variance {variance}");
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<usize> = (0..1000).collect();
        shuffle(&mut stream(1, Purpose::Order, 0, 0), &mut items);
        assert_ne!(items, (0..1000).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn whole_numbers_stay_below_their_bound_and_reach_all_of_it() {
        let mut generator = stream(1, Purpose::Other, 0, 0);
        let mut seen = [false; 7];
        for _ in 0..500 {
            seen[below(&mut generator, 7)] = true;
        }
        assert_eq!(seen, [true; 7]);
        assert_eq!(below(&mut generator, 0), 0);
    }
}

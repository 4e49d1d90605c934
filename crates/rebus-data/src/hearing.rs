//! Sounds as a model is to hear them: `[data.sound]`, and what is done to them so that it hears more than was recorded.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::{
    DataError, EncodedFile, MelConfig, Sound, Sounds,
    random::{below, uniform},
    sound::{QUIET, decode},
};

/// The most frames that one mask covers.
const WIDEST_MASK: usize = 20;

/// The column of sounds, and what is done to them in training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SoundConfig {
    /// The column with the sounds.
    pub column: String,
    /// How a sound becomes a spectrogram.
    pub mel: MelConfig,
    /// The probability of noise, 5 to 30 dB below the sound.
    pub noise: f32,
    /// How much faster or slower, 0 to 0.5: a factor of one plus an even draw from minus to plus this; pitch goes with it.
    pub speed: f32,
    /// How many stretches of time, and as many of pitch, are left out (SpecAugment, Park et al. 2019).
    pub masks: usize,
}

impl Default for SoundConfig {
    fn default() -> Self {
        Self { column: "audio".into(), mel: MelConfig::default(), noise: 0.0, speed: 0.0, masks: 0 }
    }
}

impl SoundConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`DataError::Config`] names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), DataError> {
        self.mel.validate()?;
        for (field, value, most) in [("noise", self.noise, 1.0), ("speed", self.speed, 0.5)] {
            if !(0.0..=most).contains(&value) {
                return Err(DataError::Config {
                    field: format!("sound.{field}"),
                    value: value.to_string(),
                    rule: format!("from 0 to {most}"),
                });
            }
        }
        Ok(())
    }

    /// What a file sounds like; with `draws`, as it might have sounded.
    ///
    /// # Errors
    /// A broken sound, or a silent one.
    pub fn hear(&self, file: &EncodedFile, draws: Option<&mut impl Rng>) -> Result<Sounds, DataError> {
        let sound = decode(file)?;
        let Some(draws) = draws else { return sound.log_mel(&self.mel) };
        let mut sound = self.faster(sound, draws);
        if uniform(draws) < self.noise {
            add_noise(&mut sound, 5.0 + 25.0 * uniform(draws), draws);
        }
        let mut heard = sound.log_mel(&self.mel)?;
        for _ in 0..self.masks {
            mask(&mut heard, draws);
        }
        Ok(heard)
    }

    /// The same samples said to have been taken at another rate, which the spectrogram brings back.
    fn faster(&self, sound: Sound, draws: &mut impl Rng) -> Sound {
        let factor = 1.0 + self.speed * (2.0 * uniform(draws) - 1.0);
        // To whole hundreds: rates without common factors are slow to bring together.
        let rate = (sound.sample_rate as f32 * factor / 100.0).round() as u32 * 100;
        Sound { sample_rate: rate.max(1000), ..sound }
    }
}

/// Adds noise that is so many dB quieter than the sound.
pub fn add_noise(sound: &mut Sound, decibels: f32, draws: &mut impl Rng) {
    let count = sound.samples.len().max(1) as f32;
    let power = sound.samples.iter().map(|sample| sample * sample).sum::<f32>() / count;
    // An even draw from -1 to 1 has a power of a third.
    let loudness = (3.0 * power * 10f32.powf(-decibels / 10.0)).sqrt();
    sound.samples.iter_mut().for_each(|sample| *sample += loudness * (2.0 * uniform(draws) - 1.0));
}

/// Leaves out a stretch of time and a band of pitches.
fn mask(heard: &mut Sounds, draws: &mut impl Rng) {
    let [_, mels, frames] = heard.shape;
    let length = heard.lengths.first().copied().unwrap_or(0).max(1);
    let wide = below(draws, WIDEST_MASK.min(length / 4).max(1));
    let first = below(draws, length - wide.min(length - 1));
    let high = below(draws, (mels / 5).max(1));
    let low = below(draws, mels - high);
    for mel in 0..mels {
        for frame in 0..frames {
            if (low..low + high).contains(&mel) || (first..first + wide).contains(&frame) {
                heard.data[mel * frames + frame] = QUIET.ln() as f32;
            }
        }
    }
}

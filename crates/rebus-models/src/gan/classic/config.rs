//! The sizes of the textbook network and the settings of its loss.

use serde::{Deserialize, Serialize};

use crate::{ModelError, gan::loss::GeneratorLoss};

/// A side of the picture that the generator's dense layers make.
pub(super) const START: usize = 4;

/// Which pictures the network draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Exactly the article's network: three convolutions at 4x4 pixels.
    Article,
    /// The same with sides doubled before a convolution: three times for 32x32 pixels, once more, with one more
    /// convolution, for each doubling of that.
    #[default]
    ArticleUpsampled,
}

/// Sizes of a [`Generator`](super::Generator) and of the [`Discriminator`](super::Discriminator) that teaches it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassicConfig {
    /// Which pictures it draws.
    pub preset: Preset,
    /// Numbers of the noise that becomes a picture.
    pub noise_width: usize,
    /// Outputs of each dense layer before the picture's own.
    pub hidden: Vec<usize>,
    /// Channels of every convolution of both networks but the generator's last.
    pub channels: usize,
}

impl Default for ClassicConfig {
    fn default() -> Self {
        Self { preset: Preset::default(), noise_width: 100, hidden: vec![128, 1024, 1024], channels: 512 }
    }
}

impl ClassicConfig {
    /// Checks what the types cannot, the size of the pictures included.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self, [channels, height, width]: [usize; 3]) -> Result<(), ModelError> {
        let wrong = |field, value: String, rule: &str| {
            Err(ModelError::Config { field, value, rule: rule.to_string() })
        };
        if self.noise_width == 0 || self.channels == 0 || self.hidden.contains(&0) {
            let rule = "noise_width, channels and each of hidden must be at least 1";
            return wrong("model.channels", self.channels.to_string(), rule);
        }
        if channels == 0 {
            return wrong("data.channels", "0".to_string(), "it must be at least 1");
        }
        let size = format!("{width}x{height}");
        let doubles = height == width && height >= START && (height / START * START) == height;
        let doubles = doubles && (height / START).is_power_of_two();
        match self.preset {
            Preset::Article if (height, width) != (START, START) => {
                let rule = "the preset `article` draws 4x4 pixels; `article-upsampled` draws larger pictures";
                wrong("data.image_size", size, rule)
            }
            Preset::ArticleUpsampled if !doubles => {
                wrong("data.image_size", size, "it must be square, with sides 4, 8, 16, 32, 64, ...")
            }
            _ => Ok(()),
        }
    }

    /// How often the generator doubles the sides, for pictures of a side that [`validate`](Self::validate) allows.
    pub fn doublings(&self, side: usize) -> usize {
        (side / START).max(1).ilog2() as usize
    }
}

/// Settings of the losses.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassicObjectiveConfig {
    /// What the generator minimises: `minimax` or `non-saturating`.
    pub loss: GeneratorLoss,
}

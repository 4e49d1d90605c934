//! What a recipe says about its data: the `[data]` table.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::{DataError, SoundConfig, SourceConfig, fit::Size, picture};

/// How records become batches. Every field has a default, so an empty table is a whole one.
///
/// ```
/// use rebus_data::config::DataConfig;
/// let config = DataConfig { horizontal_flip: 1.5, ..Default::default() };
/// assert!(config.validate().unwrap_err().to_string().contains("horizontal_flip"));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Pixels a side, or `[height, width]`. With `shape = "bucket"` it gives the area.
    pub image_size: ImageSize,
    /// The column with the pictures.
    pub picture_column: String,
    /// From which other picture each is to be made, for families that translate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceConfig>,
    /// Sounds beside the pictures, for models that hear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound: Option<SoundConfig>,
    /// 1 (grey), 3 (RGB on the background) or 4 (RGB and alpha).
    pub channels: u8,
    /// A CSS colour under transparent pictures and around padded ones; around pictures with four channels it is transparent.
    pub background: String,
    /// How a picture of another aspect is brought to size.
    pub shape: Shape,
    /// Sides of bucketed sizes are multiples of this.
    pub bucket_step: u32,
    /// Larger pictures are refused from their header, before they are decoded.
    pub max_pixels: u64,
    /// The probability that a picture is mirrored.
    pub horizontal_flip: f32,
    /// Pixels of background added on each side before a random crop back to size.
    pub padding_crop: u32,
    /// At most this many items of a list column make up one caption, in random order.
    pub keywords_max: usize,
    /// The part of the records held back for validation, by a hash of the caption, or of the record's key where captions
    /// are names of classes.
    pub validation_fraction: f64,
    /// By what records are held back.
    pub validation_by: ValidationBy,
    /// A regular expression removed from the caption before it is hashed, so that variants stay on one side of the split.
    pub validation_ignore: String,
    /// A file of `rebus data split` whose combinations are held back too. A run takes their keys into `held_back` when it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<std::path::PathBuf>,
    /// Keys of records that are held back, whatever their captions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_back: Vec<String>,
    /// Threads that read and decode.
    pub workers: usize,
    /// Batches made ahead; bounds the memory, and more workers than this have nothing to do.
    pub queue: usize,
    /// Caption columns and their weights; `"text+keywords"` joins two. An empty table trains without captions.
    pub captions: IndexMap<String, f32>,
    /// Random changes of colour.
    pub color_jitter: ColorJitter,
    /// The probability that a picture is blurred, cropped, or spoiled by noise or JPEG, at any of five strengths.
    pub corruption: f32,
    /// The probability that a caption has a letter wrong.
    pub typos: f32,
    /// Records shown less often.
    pub sampling: Vec<SamplingRule>,
}

/// One number for a square, or `[height, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "image_size is one number, or [height, width]")]
pub enum ImageSize {
    /// Both sides.
    Square(u32),
    /// `[height, width]`
    Sides([u32; 2]),
}

/// By what records are held back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValidationBy {
    /// By a hash of the caption, unless captions are names of classes: twenty records and more share one on average.
    #[default]
    Auto,
    /// By a hash of the caption, however many share it.
    Caption,
    /// By a hash of each record's key.
    Record,
}

/// How a picture is brought to size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// The middle part of the target's aspect, resized: nothing is empty, the edges may be lost.
    Crop,
    /// The whole picture, resized, in the middle of the background.
    Pad,
    /// As `Crop`, to the nearest aspect among sizes of about the same area; a batch has one size.
    Bucket,
}

/// How far colours may change; each is drawn evenly from minus to plus this, and 0 is off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColorJitter {
    /// 0..=1, towards white (1) or black (-1).
    pub brightness: f32,
    /// 0..=1, the factor of the distance from middle grey is 1 plus the draw.
    pub contrast: f32,
    /// 0..=1, towards full colour (1) or grey (-1).
    pub saturation: f32,
    /// 0..=0.5, in turns of the colour circle.
    pub hue: f32,
}

/// Records whose column contains a text are kept in an epoch with a probability; of several rules the product counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplingRule {
    /// A text or list column.
    pub column: String,
    /// What the column must contain; case matters.
    pub contains: String,
    /// 0..=1.
    pub weight: f32,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            image_size: ImageSize::Square(64),
            picture_column: "image".into(),
            source: None,
            sound: None,
            channels: 3,
            background: "#ffffff".into(),
            shape: Shape::Crop,
            bucket_step: 8,
            max_pixels: 64_000_000,
            horizontal_flip: 0.0,
            padding_crop: 0,
            keywords_max: 4,
            validation_fraction: 0.0,
            validation_by: ValidationBy::default(),
            validation_ignore: "(?:[:,] ?(?:light|medium-light|medium|medium-dark|dark) skin tone\
                                |[:：,，、]? ?(?:较浅|中等-浅|中等|中等-深|较深)肤色)"
                .into(),
            split: None,
            held_back: Vec::new(),
            workers: 4,
            queue: 8,
            captions: IndexMap::from([("text".into(), 1.0)]),
            color_jitter: ColorJitter::default(),
            corruption: 0.0,
            typos: 0.0,
            sampling: Vec::new(),
        }
    }
}

impl ImageSize {
    /// Height and width.
    pub fn size(self) -> Size {
        match self {
            Self::Square(side) => Size { height: side, width: side },
            Self::Sides([height, width]) => Size { height, width },
        }
    }
}

impl DataConfig {
    /// Checks every value that can be checked without the collection.
    ///
    /// # Errors
    /// [`DataError::Config`] names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), DataError> {
        let Size { height, width } = self.image_size.size();
        let smallest = if self.shape == Shape::Bucket { self.bucket_step } else { 1 };
        for side in [height, width] {
            rule("image_size", side, "from 1 to 16384", (1..=16384).contains(&side))?;
            rule("image_size", side, "with buckets at least one bucket_step", side >= smallest)?;
        }
        rule("channels", self.channels, "1, 3 or 4", [1, 3, 4].contains(&self.channels))?;
        let alpha = picture::parse_color(&self.background)?[3];
        rule(
            "background",
            &self.background,
            "opaque, or with channels = 4",
            alpha == 255 || self.channels == 4,
        )?;
        rule("bucket_step", self.bucket_step, "from 1 to 1024", (1..=1024).contains(&self.bucket_step))?;
        rule("max_pixels", self.max_pixels, "at least 1", self.max_pixels >= 1)?;
        within("horizontal_flip", self.horizontal_flip, 1.0)?;
        let side = height.min(width);
        rule("padding_crop", self.padding_crop, "below the picture's side", self.padding_crop < side)?;
        rule("keywords_max", self.keywords_max, "at least 1", self.keywords_max >= 1)?;
        let fraction = self.validation_fraction;
        rule("validation_fraction", fraction, "at least 0 and below 1", (0.0..1.0).contains(&fraction))?;
        self.ignored()?;
        rule("workers", self.workers, "from 1 to 256", (1..=256).contains(&self.workers))?;
        rule("queue", self.queue, "from 1 to 4096", (1..=4096).contains(&self.queue))?;
        for (column, &weight) in &self.captions {
            let field = format!("captions.{column}");
            rule(&field, weight, "a number above 0", weight.is_finite() && weight > 0.0)?;
            rule(
                &field,
                weight,
                "named after columns joined by +",
                column.split('+').all(|c| !c.trim().is_empty()),
            )?;
        }
        within("color_jitter.brightness", self.color_jitter.brightness, 1.0)?;
        within("color_jitter.contrast", self.color_jitter.contrast, 1.0)?;
        within("color_jitter.saturation", self.color_jitter.saturation, 1.0)?;
        within("color_jitter.hue", self.color_jitter.hue, 0.5)?;
        self.sound.as_ref().map(SoundConfig::validate).transpose()?;
        within("corruption", self.corruption, 1.0)?;
        within("typos", self.typos, 1.0)?;
        for (index, sampling) in self.sampling.iter().enumerate() {
            within(&format!("sampling[{index}].weight"), sampling.weight, 1.0)?;
        }
        Ok(())
    }

    /// The expression removed from captions before the split, compiled.
    ///
    /// # Errors
    /// It is not a regular expression.
    pub fn ignored(&self) -> Result<regex::Regex, DataError> {
        regex::Regex::new(&self.validation_ignore).map_err(|error| DataError::Config {
            field: "validation_ignore".into(),
            value: self.validation_ignore.clone(),
            rule: format!("a regular expression ({error})"),
        })
    }
}

fn rule(field: &str, value: impl ToString, rule: &str, holds: bool) -> Result<(), DataError> {
    if holds {
        return Ok(());
    }
    Err(DataError::Config { field: field.into(), value: value.to_string(), rule: rule.into() })
}

fn within(field: &str, value: f32, most: f32) -> Result<(), DataError> {
    rule(field, value, &format!("from 0 to {most}"), (0.0..=most).contains(&value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_table_is_the_default_and_the_default_is_valid() {
        let config: DataConfig = toml::from_str("").unwrap();
        assert_eq!(config, DataConfig::default());
        config.validate().unwrap();
    }

    #[test]
    fn a_config_survives_toml() {
        let text = r##"
            image_size = [32, 64]
            shape = "bucket"
            background = "white"
            captions = { text = 2.0, "text+keywords" = 1.0 }
            [color_jitter]
            hue = 0.1
            [[sampling]]
            column = "group"
            contains = "Flags"
            weight = 0.25
        "##;
        let config: DataConfig = toml::from_str(text).unwrap();
        config.validate().unwrap();
        assert_eq!(config.image_size.size(), Size { height: 32, width: 64 });
        assert_eq!(config.captions.get_index(1), Some((&"text+keywords".to_string(), &1.0)));
        assert_eq!(toml::from_str::<DataConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(toml::from_str::<DataConfig>("image_siz = 3").unwrap_err().to_string().contains("image_siz"));
        assert!(
            toml::from_str::<DataConfig>("image_size = \"x\"")
                .unwrap_err()
                .to_string()
                .contains("[height, width]")
        );
    }

    #[test]
    fn each_rule_names_its_field_and_value() {
        let cases = [
            ("image_size = 0", "image_size", "0"),
            ("image_size = 4\nshape = \"bucket\"", "image_size", "4"),
            ("channels = 2", "channels", "2"),
            ("background = \"whit\"", "background", "whit"),
            ("background = \"#ffffff80\"", "background", "#ffffff80"),
            ("bucket_step = 0", "bucket_step", "0"),
            ("max_pixels = 0", "max_pixels", "0"),
            ("horizontal_flip = -0.5", "horizontal_flip", "-0.5"),
            ("padding_crop = 64", "padding_crop", "64"),
            ("keywords_max = 0", "keywords_max", "0"),
            ("validation_fraction = 1.0", "validation_fraction", "1"),
            ("validation_ignore = \"(\"", "validation_ignore", "("),
            ("workers = 0", "workers", "0"),
            ("queue = 0", "queue", "0"),
            ("captions = { text = nan }", "captions.text", "NaN"),
            ("captions = { \"a+\" = 1.0 }", "captions.a+", "1"),
            ("color_jitter = { hue = 0.6 }", "color_jitter.hue", "0.6"),
            ("corruption = 1.5", "corruption", "1.5"),
            ("typos = -1.0", "typos", "-1"),
            ("sampling = [{ column = \"a\", contains = \"b\", weight = 2.0 }]", "sampling[0].weight", "2"),
        ];
        for (text, field, value) in cases {
            match toml::from_str::<DataConfig>(text).unwrap().validate() {
                Err(DataError::Config { field: named, value: shown, .. }) => {
                    assert_eq!((named.as_str(), shown.as_str()), (field, value), "{text}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}

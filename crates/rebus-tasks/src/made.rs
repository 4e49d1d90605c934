//! How a picture was made: what every written picture carries, and how it is read again.

use rebus_data::{DataError, write::read_png_texts};
use rebus_models::Model;
use serde::{Deserialize, Serialize};

/// The text chunk that holds all of it as JSON.
const CHUNK: &str = "rebus";
/// The text chunk that web interfaces of the field read.
const PARAMETERS: &str = "parameters";

/// What a picture says of itself: nothing of when or where, so that the same wish gives the same bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// What was done, such as `generate`.
    pub verb: String,
    /// What is to be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What was kept away from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negative_prompt: Option<String>,
    /// The seed of this picture alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Steps that were taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_inference_steps: Option<usize>,
    /// How they were taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampler: Option<String>,
    /// How closely the prompt was followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guidance_scale: Option<f32>,
    /// The part of the way to noise that a picture was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<f64>,
    /// By which model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<MadeBy>,
    /// The version of Rebus.
    pub version: String,
    /// The command that makes it again, without the place where it goes; files in it have lost their folders.
    pub command: Vec<String>,
}

/// A model as a picture names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MadeBy {
    /// Its folder's name, or `shipped`.
    pub name: String,
    /// Its family.
    pub family: String,
    /// The hash of its weights and configuration.
    pub hash: String,
}

impl MadeBy {
    /// Of a model with this name.
    pub fn new(name: String, model: &dyn Model) -> Self {
        let info = model.info();
        Self { name, family: info.family.clone(), hash: info.hash.clone() }
    }
}

impl Made {
    /// The text chunks of a PNG that say it.
    ///
    /// # Errors
    /// A number that JSON has no word for.
    pub fn chunks(&self, [width, height]: [u32; 2]) -> Result<Vec<(String, String)>, DataError> {
        let whole = serde_json::to_string(self)
            .map_err(|error| DataError::Encode { format: "JSON", reason: error.to_string() })?;
        Ok(vec![
            ("Software".to_string(), format!("Rebus {}", self.version)),
            (PARAMETERS.to_string(), self.parameters([width, height])),
            (CHUNK.to_string(), whole),
        ])
    }

    /// In the words of the field's web interfaces: the prompt, what to keep away from, and settings by name.
    fn parameters(&self, [width, height]: [u32; 2]) -> String {
        let mut lines = self.prompt.clone().into_iter().collect::<Vec<_>>();
        lines.extend(self.negative_prompt.iter().map(|prompt| format!("Negative prompt: {prompt}")));
        let named = |name: &str, value: Option<String>| value.map(|value| format!("{name}: {value}"));
        let capital = |name: &String| name[..1].to_uppercase() + &name[1..];
        let settings = [
            named("Steps", self.num_inference_steps.map(|steps| steps.to_string())),
            named("Sampler", self.sampler.as_ref().filter(|name| !name.is_empty()).map(capital)),
            named("CFG scale", self.guidance_scale.map(|scale| scale.to_string())),
            named("Seed", self.seed.map(|seed| seed.to_string())),
            named("Size", Some(format!("{width}x{height}"))),
            named("Model hash", self.model.as_ref().map(|model| model.hash.chars().take(10).collect())),
            named("Model", self.model.as_ref().map(|model| model.name.clone())),
            named("Denoising strength", self.strength.map(|strength| strength.to_string())),
            named("Version", Some(format!("Rebus {}", self.version))),
        ];
        lines.push(settings.into_iter().flatten().collect::<Vec<_>>().join(", "));
        lines.join("\n")
    }

    /// Reads what a PNG says: how it was made, or else what another program wrote of it.
    ///
    /// # Errors
    /// It is no PNG, or what it says is damaged.
    pub fn read(bytes: &[u8], name: &str) -> Result<Told, DataError> {
        let texts = read_png_texts(bytes, name)?;
        let text = |wanted: &str| texts.iter().find(|(name, _)| name == wanted).map(|(_, text)| text.clone());
        if let Some(whole) = text(CHUNK) {
            let made = serde_json::from_str(&whole).map_err(|error| DataError::Picture {
                name: name.to_string(),
                reason: format!("what it says of how it was made is damaged: {error}"),
            })?;
            return Ok(Told::Ours(Box::new(made)));
        }
        Ok(text(PARAMETERS).map_or(Told::Nothing, Told::Others))
    }
}

/// What a picture says of how it was made.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// Rebus made it.
    Ours(Box<Made>),
    /// Another program made it; in its own words.
    Others(String),
    /// Nothing.
    Nothing,
}

#[cfg(test)]
mod tests {
    use image::DynamicImage;
    use rebus_data::write::encode_png;

    use super::*;

    fn made() -> Made {
        Made {
            verb: "generate".to_string(),
            prompt: Some("a 红 apple".to_string()),
            negative_prompt: Some("leaves".to_string()),
            seed: Some(7),
            num_inference_steps: Some(20),
            sampler: Some("euler".to_string()),
            guidance_scale: Some(3.0),
            model: Some(MadeBy {
                name: "shipped".to_string(),
                family: "flow".to_string(),
                hash: "0123456789abcdef".to_string(),
            }),
            version: "0.1.0".to_string(),
            command: vec!["generate".to_string(), "a 红 apple".to_string()],
            ..Made::default()
        }
    }

    #[test]
    fn a_picture_says_how_it_was_made() {
        let chunks = made().chunks([32, 24]).unwrap();
        let bytes = encode_png(&DynamicImage::new_rgb8(32, 24), &chunks[..]).unwrap();
        assert_eq!(Made::read(&bytes, "a.png").unwrap(), Told::Ours(Box::new(made())));
        assert_eq!(
            chunks[1].1,
            "a 红 apple\nNegative prompt: leaves\nSteps: 20, Sampler: Euler, CFG scale: 3, Seed: 7, Size: 32x24, \
             Model hash: 0123456789, Model: shipped, Version: Rebus 0.1.0"
        );
    }

    #[test]
    fn others_words_are_read_and_damage_is_told_of() {
        let picture = DynamicImage::new_rgb8(2, 2);
        let with = |name: &str, text: &str| {
            let bytes = encode_png(&picture, &[(name.to_string(), text.to_string())]).unwrap();
            Made::read(&bytes, "a.png")
        };
        assert_eq!(
            with("parameters", "a cat\nSteps: 5").unwrap(),
            Told::Others("a cat\nSteps: 5".to_string())
        );
        assert_eq!(with("Comment", "a cat").unwrap(), Told::Nothing);
        assert!(with("rebus", "{").unwrap_err().to_string().contains("a.png"));
        assert!(Made::read(b"no picture", "b.png").unwrap_err().to_string().contains("b.png"));
    }
}

//! Inputs of a person as conditions, by what reads for a family.

use burn::tensor::Device;
use rebus_data::{MelConfig, Pictures, Sounds};

use super::{Reader, Said};
use crate::{
    Condition, Conditioner, Embedding, Input, ModelError,
    modality::{self, Length},
    sampling,
    sound::Heard,
    text::TextEncoder,
};

/// Reads the prompts of a model whose condition is one text, one picture or one sound.
pub struct Reading {
    reader: Reader,
    /// The text encoder of the model's network, where it has one.
    own: Option<TextEncoder>,
    device: Device,
}

impl Reading {
    /// `own` is the network's text encoder, where it has one; `device` is where the network is.
    pub fn new(reader: Reader, own: Option<TextEncoder>, device: Device) -> Self {
        Self { reader, own, device }
    }

    /// The unconditional embedding, `batch` times.
    ///
    /// # Errors
    /// The tokenizer cannot read the empty text.
    pub fn nothing(&self, batch: usize) -> Result<Condition, ModelError> {
        self.condition(&vec![Input::Text(String::new()); batch])
    }

    fn texts(&self, texts: &[String]) -> Result<Embedding, ModelError> {
        let length = Length::Exactly(self.reader.context());
        self.reader.texts(texts, length, None, &self.device)?.embed(self.own.as_ref())
    }

    fn picture(&self, picture: &Pictures) -> Result<Embedding, ModelError> {
        let frozen = self.reader.frozen().ok_or_else(ModelError::reads_no_pictures)?;
        if picture.shape[1..] != frozen.config().picture_shape {
            let [_, channels, height, width] = picture.shape;
            let [wanted, tall, wide] = frozen.config().picture_shape;
            return Err(ModelError::Request {
                option: "image",
                value: format!("{width}x{height} with {channels} channels"),
                rule: format!("this model looks at pictures of {wide}x{tall} with {wanted} channels"),
            });
        }
        let shown = modality::to_tensor(picture, frozen.device());
        Said::Known(frozen.pictures(shown, self.reader.context())?.on(&self.device)).embed(None)
    }

    fn sound(&self, sound: &Sounds) -> Result<Embedding, ModelError> {
        let wrong = |rule: String| ModelError::Request {
            option: "audio",
            value: format!("{:?}", &sound.shape[1..]),
            rule,
        };
        let deaf = || {
            wrong(
                "this model's encoder hears nothing: train it with `[condition] encoder` of one that does"
                    .to_string(),
            )
        };
        let frozen = self.reader.frozen().ok_or_else(deaf)?;
        let mel = frozen.hears().ok_or_else(deaf)?;
        if sound.shape[1..] != [mel.n_mels, mel.frames()] {
            return Err(wrong(format!("this model hears {} bands of {} frames", mel.n_mels, mel.frames())));
        }
        let heard = frozen.sounds(Heard::new(sound, frozen.device()), self.reader.context());
        Said::Known(heard.ok_or_else(deaf)?.on(&self.device)).embed(None)
    }
}

impl Conditioner for Reading {
    /// One entry an input, the same to the bit whatever the others say.
    fn condition(&self, inputs: &[Input]) -> Result<Condition, ModelError> {
        sampling::condition_in_chunks(inputs, |inputs| {
            let texts: Vec<String> = inputs
                .iter()
                .map(|input| match input {
                    Input::Text(text) => text.clone(),
                    Input::Picture(_) | Input::Sound(_) => String::new(),
                })
                .collect();
            let mut all = Condition::of("text", self.texts(&texts)?);
            for (entry, input) in inputs.iter().enumerate() {
                // Two of it, as computations have: one alone might be summed otherwise.
                let shown = match input {
                    Input::Text(_) => continue,
                    Input::Picture(picture) => {
                        let shape = [2, picture.shape[1], picture.shape[2], picture.shape[3]];
                        self.picture(&Pictures { shape, data: picture.data.repeat(2) })?
                    }
                    Input::Sound(sound) => {
                        let (shape, lengths) = ([2, sound.shape[1], sound.shape[2]], sound.lengths.repeat(2));
                        self.sound(&Sounds { shape, data: sound.data.repeat(2), lengths })?
                    }
                };
                all = all.with_entry(entry, &Condition::of("text", shown).narrow(0, 1));
            }
            Ok(all)
        })
    }

    fn truncation(&self, text: &str) -> Result<Option<String>, ModelError> {
        Ok(self.reader.tokenizer().truncation(text, self.reader.context())?)
    }

    fn hears(&self) -> Option<MelConfig> {
        self.reader.frozen().and_then(|frozen| frozen.hears())
    }

    fn picture_shape(&self) -> Option<[usize; 3]> {
        self.reader.frozen().map(|frozen| frozen.config().picture_shape)
    }
}

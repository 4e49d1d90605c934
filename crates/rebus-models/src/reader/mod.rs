//! What a family is conditioned by: its own text encoder, which learns with it, or a frozen encoder of words and pictures.

mod conditioner;
mod frozen;

pub use conditioner::Reading;
pub use frozen::{Frozen, FrozenConfig};

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use rebus_data::{Batch, Tokenizer, random::uniform};
use rebus_nn::random::{Key, Purpose};

use crate::{
    Embedding, ModelError, ModelFolder, ObjectiveSpec, Package,
    modality::{self, Length, TextTokens},
    text::TextEncoder,
};

/// What a recipe calls the encoder whose embeddings condition a family.
pub const CONDITION: &str = "condition";

/// What reads for a family.
#[derive(Clone)]
pub enum Reader {
    /// Words become tokens, which a text encoder reads that is a part of the family's own network.
    Own {
        /// Words to tokens.
        tokenizer: Arc<Tokenizer>,
        /// The most tokens of a text.
        context: usize,
    },
    /// Words and pictures become embeddings, by an encoder that has learned before.
    Frozen(Arc<Frozen>),
}

/// What was said or shown, before the family's network.
#[allow(clippy::large_enum_variant, reason = "one or two are made a step")]
#[derive(Debug, Clone)]
pub enum Said {
    /// For the network's own text encoder.
    Tokens(TextTokens),
    /// Read already.
    Known(Embedding),
}

/// How captions are said while a family learns.
#[derive(Debug, Clone, Copy, Default)]
pub struct Saying {
    /// How often a caption is left out.
    pub caption_dropout: f32,
    /// How often each token is left out.
    pub word_dropout: f32,
    /// How often the picture itself is shown instead of its caption, to a frozen encoder.
    pub pictures: f32,
}

/// A batch's captions, some left out.
///
/// # Errors
/// The batch has none.
pub fn captions(batch: &Batch, key: Key, dropout: f32) -> Result<Vec<String>, ModelError> {
    let mut captions = batch.texts("text")?.to_vec();
    for (sample, caption) in captions.iter_mut().enumerate() {
        if uniform(&mut key.stream(Purpose::Caption, sample)) < dropout {
            caption.clear();
        }
    }
    Ok(captions)
}

impl Reader {
    /// What a recipe asks for: the model that it names, or the family's own encoder of `context` tokens.
    ///
    /// # Errors
    /// No tokenizer, or a model that reads nothing.
    pub fn new(spec: &ObjectiveSpec, context: usize) -> Result<Self, ModelError> {
        match spec.needs.get(CONDITION) {
            Some(folder) => {
                let device = spec.device.clone().inner();
                Ok(Self::Frozen(Arc::new(Frozen::open(folder, spec.picture_shape, &device)?)))
            }
            None => Ok(Self::Own { tokenizer: spec.require_tokenizer()?, context }),
        }
    }

    /// That of a model's folder; `encoder` is what its configuration says of a frozen one.
    ///
    /// # Errors
    /// No tokenizer, or weights that do not fit.
    pub fn of_folder(
        folder: &ModelFolder,
        encoder: Option<&FrozenConfig>,
        context: usize,
        device: &Device,
    ) -> Result<Self, ModelError> {
        match encoder {
            Some(encoder) => Ok(Self::Frozen(Arc::new(Frozen::within(folder, encoder, device)?))),
            None => Ok(Self::Own { tokenizer: folder.require_tokenizer()?, context }),
        }
    }

    /// A model's package with all that reads for it: the tokenizer, and a frozen encoder's weights.
    pub fn packed_with(&self, mut package: Package) -> Package {
        package.weights.extend(self.frozen().into_iter().flat_map(|frozen| frozen.weights().clone()));
        Package { tokenizer: Some(self.tokenizer().clone()), ..package }
    }

    /// Words to tokens.
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        match self {
            Self::Own { tokenizer, .. } => tokenizer,
            Self::Frozen(frozen) => frozen.tokenizer(),
        }
    }

    /// The most tokens of a text.
    pub fn context(&self) -> usize {
        match self {
            Self::Own { context, .. } => *context,
            Self::Frozen(frozen) => frozen.context(),
        }
    }

    /// A frozen encoder, where one reads.
    pub fn frozen(&self) -> Option<&Frozen> {
        match self {
            Self::Own { .. } => None,
            Self::Frozen(frozen) => Some(frozen),
        }
    }

    /// What a batch says; while learning, some of it left out.
    ///
    /// # Errors
    /// A batch without captions.
    pub fn of_batch(
        &self,
        batch: &Batch,
        key: Key,
        saying: Option<Saying>,
        device: &Device,
    ) -> Result<Said, ModelError> {
        let chosen = saying.unwrap_or_default();
        let captions = captions(batch, key, chosen.caption_dropout)?;
        let dropout = saying.map(|saying| (saying.word_dropout, key));
        let said = self.texts(&captions, Length::Longest(self.context()), dropout, device)?;
        match (self, said) {
            (Self::Frozen(frozen), Said::Known(told)) if chosen.pictures > 0.0 => {
                let shows = |sample: usize| {
                    let mut generator = key.stream(Purpose::Caption, sample);
                    // The first number has left the caption out, or has not.
                    let left_out = uniform(&mut generator) < chosen.caption_dropout;
                    !left_out && uniform(&mut generator) < chosen.pictures
                };
                let shown: Vec<f32> = (0..batch.len()).map(|sample| f32::from(shows(sample))).collect();
                let pictures = modality::to_tensor(batch.pictures("image")?, frozen.device());
                let [_, length, _] = told.sequence.dims();
                let seen = frozen.pictures(pictures, length)?.on(device);
                Ok(Said::Known(mixed(told, seen, &shown)))
            }
            (_, said) => Ok(said),
        }
    }

    /// Texts.
    ///
    /// # Errors
    /// A tokenizer that the user gave has no token for some part of a text.
    pub fn texts(
        &self,
        texts: &[String],
        length: Length,
        word_dropout: Option<(f32, Key)>,
        device: &Device,
    ) -> Result<Said, ModelError> {
        match self {
            Self::Own { tokenizer, .. } => {
                Ok(Said::Tokens(modality::tokenize(tokenizer, texts, length, word_dropout, device)?))
            }
            Self::Frozen(frozen) => {
                let own = frozen.device();
                let tokens = modality::tokenize(frozen.tokenizer(), texts, length, word_dropout, own)?;
                Ok(Said::Known(frozen.texts(tokens)?.on(device)))
            }
        }
    }
}

/// Of each sample one of the two: the second where `second` is 1.
fn mixed(first: Embedding, second: Embedding, chosen: &[f32]) -> Embedding {
    let count = chosen.len();
    let second_counts = Tensor::<1>::from_floats(chosen, &first.pooled.device());
    let blend = |a: Tensor<3>, b: Tensor<3>| {
        let share = second_counts.clone().reshape([count, 1, 1]);
        a * (share.clone() * -1.0 + 1.0) + b * share
    };
    let flat = |x: Tensor<2>| x.unsqueeze_dim::<3>(1);
    let mask = blend(flat(first.mask.float()), flat(second.mask.float())).squeeze_dim::<2>(1);
    Embedding {
        sequence: blend(first.sequence, second.sequence),
        mask: mask.greater_elem(0.5),
        pooled: blend(flat(first.pooled), flat(second.pooled)).squeeze_dim(1),
    }
}

impl Said {
    /// As the network's blocks take it; `own` is its text encoder.
    ///
    /// # Errors
    /// Tokens for a network without a text encoder.
    pub fn embed(self, own: Option<&TextEncoder>) -> Result<Embedding, ModelError> {
        match (self, own) {
            (Self::Tokens(tokens), Some(own)) => Ok(own.forward(tokens)),
            (Self::Known(known), _) => Ok(known),
            (Self::Tokens(_), None) => Err(ModelError::without_text()),
        }
    }

    /// How many places each entry has.
    pub fn length(&self) -> usize {
        match self {
            Self::Tokens(tokens) => tokens.ids.dims()[1],
            Self::Known(known) => known.sequence.dims()[1],
        }
    }

    /// Some consecutive entries.
    pub fn narrow(&self, first: usize, count: usize) -> Self {
        match self {
            Self::Tokens(tokens) => Self::Tokens(tokens.narrow(first, count)),
            Self::Known(known) => Self::Known(known.narrow(first, count)),
        }
    }

    /// The same on another device, such as one that differentiates.
    pub fn on(&self, device: &Device) -> Self {
        match self {
            Self::Tokens(tokens) => Self::Tokens(tokens.on(device)),
            Self::Known(known) => Self::Known(known.on(device)),
        }
    }
}

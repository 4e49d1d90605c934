//! What a model is conditioned on, whatever modality it came from.

use burn::tensor::{Bool, Device, Tensor};
use indexmap::IndexMap;
use rebus_nn::graph;

/// Data of one modality, encoded.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Embedding {
    /// `[batch, length, width]`
    pub sequence: Tensor<3>,
    /// `[batch, length]`, true where an entry counts.
    pub mask: Tensor<2, Bool>,
    /// `[batch, width]`
    pub pooled: Tensor<2>,
}

impl Embedding {
    /// From its parts.
    pub fn new(sequence: Tensor<3>, mask: Tensor<2, Bool>, pooled: Tensor<2>) -> Self {
        Self { sequence, mask, pooled }
    }

    /// `length` entries from `start` on.
    pub fn narrow(&self, start: usize, length: usize) -> Self {
        Self {
            sequence: self.sequence.clone().narrow(0, start, length),
            mask: self.mask.clone().narrow(0, start, length),
            pooled: self.pooled.clone().narrow(0, start, length),
        }
    }

    /// Numbers of an entry of the sequence, and of the pooled vector.
    pub fn widths(&self) -> [usize; 2] {
        [self.sequence.dims()[2], self.pooled.dims()[1]]
    }

    /// Both, one after the other along the batch.
    pub fn then(&self, other: &Self) -> Self {
        Self {
            sequence: Tensor::cat(vec![self.sequence.clone(), other.sequence.clone()], 0),
            mask: Tensor::cat(vec![self.mask.clone(), other.mask.clone()], 0),
            pooled: Tensor::cat(vec![self.pooled.clone(), other.pooled.clone()], 0),
        }
    }

    /// The same on a device that differentiates, or on one that does not; no gradient goes back.
    pub fn on(&self, device: &Device) -> Self {
        match device.is_autodiff() && !self.pooled.device().is_autodiff() {
            true => Self {
                sequence: graph::constant(self.sequence.clone(), device),
                mask: Tensor::from_data(self.mask.to_data(), device),
                pooled: graph::constant(self.pooled.clone(), device),
            },
            false => self.clone(),
        }
    }
}

/// Named embeddings, and whatever else a family wants to be conditioned on.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Condition {
    /// Sequences with their masks and pooled vectors; the first is the main one.
    pub embeddings: IndexMap<String, Embedding>,
    /// Vectors `[batch, width]` such as sizes, or a pooled vector of another encoder.
    pub vectors: IndexMap<String, Tensor<2>>,
    /// Pictures or maps `[batch, channel, height, width]` that steer place by place.
    pub spatial: IndexMap<String, Tensor<4>>,
}

impl Condition {
    /// With one embedding.
    pub fn of(name: &str, embedding: Embedding) -> Self {
        Self { embeddings: IndexMap::from([(name.to_string(), embedding)]), ..Self::default() }
    }

    /// The main embedding.
    pub fn main(&self) -> Option<&Embedding> {
        self.embeddings.first().map(|(_, embedding)| embedding)
    }

    /// Both, one after the other along the batch. Parts that only one has are dropped.
    pub fn then(&self, other: &Self) -> Self {
        let mut joined = Self::default();
        for (name, a) in &self.embeddings {
            let Some(b) = other.embeddings.get(name) else { continue };
            joined.embeddings.insert(name.clone(), a.then(b));
        }
        for (name, a) in &self.vectors {
            if let Some(b) = other.vectors.get(name) {
                joined.vectors.insert(name.clone(), Tensor::cat(vec![a.clone(), b.clone()], 0));
            }
        }
        for (name, a) in &self.spatial {
            if let Some(b) = other.spatial.get(name) {
                joined.spatial.insert(name.clone(), Tensor::cat(vec![a.clone(), b.clone()], 0));
            }
        }
        joined
    }

    /// Entries on the straight way from this condition to another, each of one entry: one a share, 0 for this and 1 for the other.
    /// Where a token counts in either, it counts between them. Parts that only one has are dropped.
    pub fn between(&self, other: &Self, shares: &[f32]) -> Self {
        let mut between: Option<Self> = None;
        for &share in shares {
            let mut entry = Self::default();
            for (name, a) in &self.embeddings {
                let Some(b) = other.embeddings.get(name) else { continue };
                let embedding = Embedding {
                    sequence: blend(&a.sequence, &b.sequence, share),
                    mask: match share {
                        0.0 => a.mask.clone(),
                        1.0 => b.mask.clone(),
                        _ => a.mask.clone().bool_or(b.mask.clone()),
                    },
                    pooled: blend(&a.pooled, &b.pooled, share),
                };
                entry.embeddings.insert(name.clone(), embedding);
            }
            for (name, a) in &self.vectors {
                if let Some(b) = other.vectors.get(name) {
                    entry.vectors.insert(name.clone(), blend(a, b, share));
                }
            }
            for (name, a) in &self.spatial {
                if let Some(b) = other.spatial.get(name) {
                    entry.spatial.insert(name.clone(), blend(a, b, share));
                }
            }
            between = Some(match between {
                Some(before) => before.then(&entry),
                None => entry,
            });
        }
        between.unwrap_or_default()
    }

    /// All entries as one, each by its weight. Where a token counts in any, it counts.
    pub fn mixed(&self, weights: &[f32]) -> Self {
        let mut mixed: Option<Self> = None;
        for (entry, &weight) in weights.iter().enumerate() {
            let mut one = self.narrow(entry, 1);
            for embedding in one.embeddings.values_mut() {
                embedding.sequence = embedding.sequence.clone() * weight;
                embedding.pooled = embedding.pooled.clone() * weight;
            }
            one.vectors.values_mut().for_each(|vector| *vector = vector.clone() * weight);
            one.spatial.values_mut().for_each(|spatial| *spatial = spatial.clone() * weight);
            mixed = Some(match mixed {
                None => one,
                Some(before) => before.plus(one),
            });
        }
        mixed.unwrap_or_default()
    }

    /// The sum with another of the same parts.
    fn plus(mut self, other: Self) -> Self {
        for (name, more) in other.embeddings {
            if let Some(embedding) = self.embeddings.get_mut(&name) {
                embedding.sequence = embedding.sequence.clone() + more.sequence;
                embedding.pooled = embedding.pooled.clone() + more.pooled;
                embedding.mask = embedding.mask.clone().bool_or(more.mask);
            }
        }
        for (name, more) in other.vectors {
            if let Some(vector) = self.vectors.get_mut(&name) {
                *vector = vector.clone() + more;
            }
        }
        for (name, more) in other.spatial {
            if let Some(spatial) = self.spatial.get_mut(&name) {
                *spatial = spatial.clone() + more;
            }
        }
        self
    }

    /// The same so many times.
    pub fn repeated(&self, times: usize) -> Self {
        (1..times).fold(self.clone(), |all, _| all.then(self))
    }

    /// With another entry in the place of one.
    pub fn with_entry(&self, entry: usize, other: &Self) -> Self {
        let count = self.main().map_or(0, |main| main.pooled.dims()[0]);
        let before = (entry > 0).then(|| self.narrow(0, entry));
        let after = (entry + 1 < count).then(|| self.narrow(entry + 1, count - entry - 1));
        let with = before.map_or_else(|| other.clone(), |before| before.then(other));
        after.iter().fold(with, |with, after| with.then(after))
    }

    /// `length` entries from `start` on.
    pub fn narrow(&self, start: usize, length: usize) -> Self {
        let embeddings = self.embeddings.iter().map(|(name, all)| (name.clone(), all.narrow(start, length)));
        let vectors =
            self.vectors.iter().map(|(name, all)| (name.clone(), all.clone().narrow(0, start, length)));
        let spatial =
            self.spatial.iter().map(|(name, all)| (name.clone(), all.clone().narrow(0, start, length)));
        Self { embeddings: embeddings.collect(), vectors: vectors.collect(), spatial: spatial.collect() }
    }
}

/// A share of the way from one tensor to another.
fn blend<const D: usize>(from: &Tensor<D>, to: &Tensor<D>, share: f32) -> Tensor<D> {
    from.clone() * (1.0 - share) + to.clone() * share
}

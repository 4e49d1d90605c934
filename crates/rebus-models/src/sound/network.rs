//! Two steps that halve time, then a pre-norm transformer over moments (the shape of Whisper's encoder, Radford et al. 2022,
//! section 2.2).

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use rebus_data::Sounds;
use rebus_nn::{Init, LayerNorm, Linear, TransformerBlock, kernels::silu};

use super::SoundTowerConfig;

/// The loudness in the middle and how far from it loudness goes, natural logarithms of power: about where a spoken word lies.
const MIDDLE: f32 = -4.0;
const SPREAD: f32 = 4.0;

/// Log-mel spectrograms to one vector each.
#[derive(Module, Debug)]
pub struct SoundTower {
    first: Linear,
    second: Linear,
    positions: Param<Tensor<2>>,
    blocks: Vec<TransformerBlock>,
    norm: LayerNorm,
    output: Linear,
}

/// Sounds as a network sees them.
#[derive(Debug, Clone)]
pub struct Heard {
    /// `[batch, frame, mel]`, a multiple of 4 frames, about -1 to 1.
    pub frames: Tensor<3>,
    /// `[batch, frame / 4]`: 1 where something is heard before the sound's end, 0 behind it.
    pub counts: Tensor<2>,
}

impl Heard {
    /// From spectrograms on the host.
    pub fn new(sounds: &Sounds, device: &burn::tensor::Device) -> Self {
        let [batch, mels, frames] = sounds.shape;
        let all = frames.next_multiple_of(4);
        let silence = rebus_data::sound::QUIET.ln() as f32;
        let seen = |loudness: f32| (loudness - MIDDLE) / SPREAD;
        let mut data = vec![seen(silence); batch * all * mels];
        for sound in 0..batch {
            for mel in 0..mels {
                for frame in 0..frames {
                    data[(sound * all + frame) * mels + mel] =
                        seen(sounds.data[(sound * mels + mel) * frames + frame]);
                }
            }
        }
        let counts: Vec<f32> = sounds
            .lengths
            .iter()
            .flat_map(|length| {
                let last = length.div_ceil(4).max(1);
                (0..all / 4).map(move |moment| if moment < last { 1.0 } else { 0.0 })
            })
            .collect();
        let of = |data: Vec<f32>, shape: Vec<usize>| burn::tensor::TensorData::new(data, shape);
        Self {
            frames: Tensor::from_data(of(data, vec![batch, all, mels]), device),
            counts: Tensor::from_data(of(counts, vec![batch, all / 4]), device),
        }
    }
}

impl SoundTower {
    /// The tower at its start, to vectors of `width` numbers.
    pub fn new(config: &SoundTowerConfig, width: usize, init: &mut Init) -> Self {
        let own = config.width;
        let block = |init: &mut Init| TransformerBlock::new(own, config.heads, None, 4, init);
        Self {
            first: Linear::new(6 * config.mel.n_mels, own, init),
            second: Linear::new(6 * own, own, init),
            positions: init.normal([config.moments(), own], 0.1),
            blocks: (0..config.layers).map(|_| block(init)).collect(),
            norm: LayerNorm::new(own, init),
            output: Linear::new(own, width, init),
        }
    }

    /// `[batch, width]`, of any length.
    pub fn forward(&self, heard: Heard) -> Tensor<2> {
        let x = silu(self.first.forward(halved(heard.frames))); // [b, f/2, own]
        let x = silu(self.second.forward(halved(x))); // [b, f/4, own]
        let [batch, moments, own] = x.dims();
        let mut x = x + self.positions.val().reshape([1, moments, own]);
        let mask = heard.counts.clone().bool();
        for block in &self.blocks {
            x = block.forward(x, Some(mask.clone()), None);
        }
        let total = heard.counts.clone().sum_dim(1); // [b, 1], at least 1
        let counts = heard.counts.reshape([batch, moments, 1]);
        let mean = (self.norm.forward(x) * counts).sum_dim(1).reshape([batch, own]) / total;
        self.output.forward(mean)
    }
}

/// Two moments as one, with the two before and the two behind: `[b, t, w]` to `[b, t / 2, 6 w]`.
fn halved(x: Tensor<3>) -> Tensor<3> {
    let [batch, length, width] = x.dims();
    let pairs = x.reshape([batch, length / 2, 2 * width]);
    let edge = Tensor::zeros([batch, 1, 2 * width], &pairs.device());
    let count = length / 2;
    let before = Tensor::cat(vec![edge.clone(), pairs.clone().narrow(1, 0, count - 1)], 1);
    let behind = Tensor::cat(vec![pairs.clone().narrow(1, 1, count - 1), edge], 1);
    Tensor::cat(vec![before, pairs, behind], 2)
}

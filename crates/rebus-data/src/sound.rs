//! One sound: from a file's bytes to samples of one channel, and from samples to the picture of its pitches over time that
//! models see.

use std::{f64::consts::PI, io::Cursor};

use realfft::RealFftPlanner;
use rubato::{Fft, FixedSync, Resampler, audioadapter_buffers::direct::SequentialSlice};
use serde::{Deserialize, Serialize};
use symphonia::core::{
    codecs::audio::AudioDecoderOptions,
    errors::Error,
    formats::{FormatOptions, TrackType, probe::Hint},
    io::MediaSourceStream,
    meta::MetadataOptions,
};

use crate::{DataError, EncodedFile};

/// What is added to a pitch's power before the logarithm: quieter than this is silence.
pub const QUIET: f64 = 1e-6;
/// No sample of a sound is louder than this, if it is silent: half a step of 16 bits.
const SILENCE: f32 = 0.5 / 32768.0;
/// The most seconds of a file that are decoded: memory holds all samples.
const MOST_SECONDS: u64 = 600;
/// Samples that are resampled at a time.
const CHUNK: usize = 1024;
/// Endings of files that can be decoded.
const SOUNDS: [&str; 5] = ["wav", "flac", "mp3", "ogg", "oga"];

/// Samples of one channel, in -1..1.
#[derive(Debug, Clone, PartialEq)]
pub struct Sound {
    /// Samples a second.
    pub sample_rate: u32,
    /// The samples.
    pub samples: Vec<f32>,
}

/// How a sound becomes a log-mel spectrogram; names and meaning are those of torchaudio's `MelSpectrogram` (power 2, centred, a
/// periodic Hann window, HTK's scale, no norm).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MelConfig {
    /// Samples a second, to which sounds are brought.
    pub sample_rate: u32,
    /// Samples of a window.
    pub n_fft: usize,
    /// Samples from one window to the next.
    pub hop_length: usize,
    /// Bands of pitches.
    pub n_mels: usize,
    /// The seconds of a sound that a model hears; the rest is cut off.
    pub seconds: f32,
}

impl Default for MelConfig {
    fn default() -> Self {
        Self { sample_rate: 16_000, n_fft: 512, hop_length: 160, n_mels: 40, seconds: 3.0 }
    }
}

impl MelConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`DataError::Config`] names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), DataError> {
        let rule = |field: &str, value: String, rule: &str, kept: bool| match kept {
            true => Ok(()),
            false => {
                Err(DataError::Config { field: format!("sound.{field}"), value, rule: rule.to_string() })
            }
        };
        let rate = self.sample_rate;
        rule("sample_rate", rate.to_string(), "from 1000 to 384000", (1000..=384_000).contains(&rate))?;
        rule("n_fft", self.n_fft.to_string(), "from 16 to 16384", (16..=16_384).contains(&self.n_fft))?;
        let hop = self.hop_length;
        rule("hop_length", hop.to_string(), "from 1 to n_fft", (1..=self.n_fft).contains(&hop))?;
        let mels = self.n_mels;
        rule("n_mels", mels.to_string(), "from 1 to n_fft / 2", (1..=self.n_fft / 2).contains(&mels))?;
        let seconds = self.seconds;
        rule("seconds", seconds.to_string(), "above 0 and at most 60", seconds > 0.0 && seconds <= 60.0)
    }

    /// Windows of the seconds that a model hears.
    pub fn frames(&self) -> usize {
        (f64::from(self.seconds) * f64::from(self.sample_rate) / self.hop_length as f64).ceil() as usize
    }
}

/// Log-mel spectrograms of one length, stacked.
#[derive(Debug, Clone, PartialEq)]
pub struct Sounds {
    /// `[batch, mel, frame]`
    pub shape: [usize; 3],
    /// Natural logarithms of power, batch first; behind a sound's end that of silence.
    pub data: Vec<f32>,
    /// Frames of each sound before its end.
    pub lengths: Vec<usize>,
}

impl Sounds {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.shape[0]
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Several of one shape as one.
    ///
    /// # Errors
    /// None, or two that differ in shape.
    pub fn stack(sounds: &[Self]) -> Result<Self, DataError> {
        let wrong = |reason: String| DataError::Stack { reason };
        let first = sounds.first().ok_or_else(|| wrong("there is no sound to stack".to_string()))?;
        let mut all = Self { shape: [0, first.shape[1], first.shape[2]], data: vec![], lengths: vec![] };
        for sound in sounds {
            if sound.shape[1..] != first.shape[1..] {
                return Err(wrong(format!("sounds of {:?} and {:?}", &sound.shape[1..], &first.shape[1..])));
            }
            all.shape[0] += sound.shape[0];
            all.data.extend(&sound.data);
            all.lengths.extend(&sound.lengths);
        }
        Ok(all)
    }
}

/// Whether a file's name is that of a sound that can be decoded.
pub fn is_sound(name: &str) -> bool {
    let extension = std::path::Path::new(name).extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| SOUNDS.contains(&extension.to_ascii_lowercase().as_str()))
}

/// Decodes a WAV, FLAC, MP3 or Ogg Vorbis file; several channels become their mean.
///
/// # Errors
/// [`DataError::Sound`] where the bytes are no such sound, it has no sample, or it is silent; it names the file.
pub fn decode(file: &EncodedFile) -> Result<Sound, DataError> {
    let broken = |reason: String| DataError::Sound { name: file.name.clone(), reason };
    let said = |error: Error| broken(error.to_string());
    let source = MediaSourceStream::new(Box::new(Cursor::new(file.bytes.clone())), Default::default());
    let mut format = symphonia::default::get_probe()
        .probe(&Hint::new(), source, FormatOptions::default(), MetadataOptions::default())
        .map_err(said)?;
    let track =
        format.default_track(TrackType::Audio).ok_or_else(|| broken("it has no sound".to_string()))?;
    let id = track.id;
    let codec = track.codec_params.as_ref().and_then(|codec| codec.audio());
    let codec = codec.ok_or_else(|| broken("its coding is not known".to_string()))?;
    let decoder = symphonia::default::get_codecs().make_audio_decoder(codec, &AudioDecoderOptions::default());
    let mut decoder = decoder.map_err(said)?;
    let mut sound = Sound { sample_rate: 0, samples: vec![] };
    let mut together = Vec::<f32>::new();
    loop {
        let packet = match format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            // A file that is cut off is heard as far as it goes, if that is anything.
            Err(Error::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(said(error)),
        };
        if packet.track_id != id {
            continue;
        }
        let decoded = match decoder.decode(&packet) {
            Ok(decoded) => decoded,
            Err(Error::DecodeError(_)) if !sound.samples.is_empty() => continue,
            Err(error) => return Err(said(error)),
        };
        let spec = decoded.spec();
        let channels = spec.channels().count();
        if channels == 0 || (sound.sample_rate != 0 && sound.sample_rate != spec.rate()) {
            return Err(broken("its channels or its rate change on the way".to_string()));
        }
        sound.sample_rate = spec.rate();
        decoded.copy_to_vec_interleaved(&mut together);
        let mean = |frame: &[f32]| frame.iter().sum::<f32>() / channels as f32;
        sound.samples.extend(together.chunks_exact(channels).map(mean));
        if sound.samples.len() as u64 > MOST_SECONDS * u64::from(sound.sample_rate) {
            return Err(broken(format!("it is longer than {MOST_SECONDS} seconds; cut it")));
        }
    }
    if sound.samples.iter().any(|sample| !sample.is_finite()) {
        return Err(broken("a sample is not a number".to_string()));
    }
    match sound.samples.iter().all(|sample| sample.abs() <= SILENCE) {
        true if sound.samples.is_empty() => Err(broken("it has no sample".to_string())),
        true => Err(broken("it is silent".to_string())),
        false => Ok(sound),
    }
}

impl Sound {
    /// The same at another rate.
    ///
    /// # Errors
    /// A rate that cannot be.
    pub fn resampled(&self, sample_rate: u32) -> Result<Self, DataError> {
        if sample_rate == self.sample_rate {
            return Ok(self.clone());
        }
        let wrong = |error: String| DataError::Sound {
            name: format!("{} to {sample_rate} samples a second", self.sample_rate),
            reason: error,
        };
        let (from, to) = (self.sample_rate as usize, sample_rate as usize);
        let mut resampler = Fft::<f32>::new(from, to, CHUNK, 1, FixedSync::Input)
            .map_err(|error| wrong(error.to_string()))?;
        let length = self.samples.len();
        let input =
            SequentialSlice::new(&self.samples, 1, length).map_err(|error| wrong(error.to_string()))?;
        let output = resampler.process_all(&input, length, None).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { sample_rate, samples: output.take_data() })
    }

    /// Its log-mel spectrogram, cut to the seconds that a model hears, or with silence behind.
    ///
    /// # Errors
    /// As [`resampled`](Self::resampled).
    pub fn log_mel(&self, config: &MelConfig) -> Result<Sounds, DataError> {
        let sound = self.resampled(config.sample_rate)?;
        let (mels, frames) = (config.n_mels, config.frames());
        let heard = &sound.samples[..sound.samples.len().min(frames * config.hop_length)];
        let spectrogram = spectrogram(heard, config);
        let length = (spectrogram.len() / mels).min(frames);
        let mut data = vec![QUIET.ln() as f32; mels * frames];
        for frame in 0..length {
            for mel in 0..mels {
                data[mel * frames + frame] = spectrogram[frame * mels + mel];
            }
        }
        Ok(Sounds { shape: [1, mels, frames], data, lengths: vec![length] })
    }
}

/// `[frame, mel]`, natural logarithms of power.
fn spectrogram(samples: &[f32], config: &MelConfig) -> Vec<f32> {
    let (size, half) = (config.n_fft, config.n_fft / 2);
    // The ends are mirrored, so that the first window is centred on the first sample; what is too short for that ends in silence.
    let mut padded: Vec<f64> = samples.iter().map(|&sample| f64::from(sample)).collect();
    padded.resize(padded.len().max(half + 1), 0.0);
    let last = padded.len() - 1;
    let before: Vec<f64> = (1..=half).rev().map(|place| padded[place]).collect();
    let after: Vec<f64> = (1..=half).map(|place| padded[last - place]).collect();
    let count = padded.len() / config.hop_length + 1;
    let padded: Vec<f64> = before.into_iter().chain(padded).chain(after).collect();
    let window: Vec<f64> =
        (0..size).map(|place| 0.5 - 0.5 * (2.0 * PI * place as f64 / size as f64).cos()).collect();
    let filters = filters(config);
    let transform = RealFftPlanner::<f64>::new().plan_fft_forward(size);
    let (mut input, mut output) = (transform.make_input_vec(), transform.make_output_vec());
    let mut scratch = transform.make_scratch_vec();
    let mut made = Vec::with_capacity(count * config.n_mels);
    for frame in 0..count {
        let samples = &padded[frame * config.hop_length..][..size];
        input.iter_mut().zip(samples.iter().zip(&window)).for_each(|(input, (s, w))| *input = s * w);
        // It fails for buffers of other lengths alone.
        let _ = transform.process_with_scratch(&mut input, &mut output, &mut scratch);
        for filter in &filters {
            let powers = output[filter.first..].iter().zip(&filter.weights);
            let power: f64 = powers.map(|(value, weight)| value.norm_sqr() * weight).sum();
            made.push((power + QUIET).ln() as f32);
        }
    }
    made
}

/// A band of pitches: what each frequency counts, from the first on that counts.
struct Filter {
    first: usize,
    weights: Vec<f64>,
}

/// Triangles on HTK's scale of pitches, each as high as 1.
fn filters(config: &MelConfig) -> Vec<Filter> {
    let mel = |hertz: f64| 2595.0 * (1.0 + hertz / 700.0).log10();
    let hertz = |mel: f64| 700.0 * (10f64.powf(mel / 2595.0) - 1.0);
    let highest = f64::from(config.sample_rate / 2);
    let bins = config.n_fft / 2 + 1;
    let step = highest / (bins - 1) as f64;
    let points: Vec<f64> = (0..config.n_mels + 2)
        .map(|point| hertz(mel(highest) * point as f64 / (config.n_mels + 1) as f64))
        .collect();
    let filter = |three: &[f64]| {
        let weight = |bin: usize| {
            let at = bin as f64 * step;
            let (up, down) =
                ((at - three[0]) / (three[1] - three[0]), (three[2] - at) / (three[2] - three[1]));
            up.min(down).max(0.0)
        };
        let first = (0..bins).find(|&bin| weight(bin) > 0.0).unwrap_or(0);
        let weights = (first..bins).map(weight).take_while(|&weight| weight > 0.0).collect();
        Filter { first, weights }
    };
    points.windows(3).map(filter).collect()
}

#[cfg(test)]
#[path = "tests/sound.rs"]
mod tests;

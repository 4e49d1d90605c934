//! Finding by sounds: the picture and the words of a sound, and the sounds of a picture and of words, on what was held out; by a
//! column such as the voice, and with noise or at other speeds.

use indexmap::IndexMap;
use rayon::prelude::*;
use rebus_data::{
    Collection, DataConfig, Pictures, Sound, Sounds,
    fit::Fitter,
    hearing::add_noise,
    main_sound,
    picture::{decode, flatten, parse_color},
    random::{Purpose, stream},
    sound, split,
};
use rebus_models::{ModelError, Observer};
use serde::Serialize;

use crate::{
    EvalError, Extractor, Recall,
    captioned::{picture_column, stack},
    retrieval::{nothing, rank, recall},
};

/// Records that are read and encoded together.
const AT_ONCE: usize = 256;
/// Noise, dB below the sound.
const NOISES: [f32; 4] = [20.0, 10.0, 5.0, 0.0];
/// How many times faster.
const SPEEDS: [f32; 4] = [0.7, 0.85, 1.15, 1.3];

/// Settings of [`hearing`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Hearing {
    /// How pictures and sounds are read, and which records are held out.
    pub data: DataConfig,
    /// The column with the words that are heard.
    pub column: String,
    /// A column by whose values sounds are measured apart too.
    pub by: Option<String>,
    /// Whether noise and other speeds are measured too.
    pub spoiled: bool,
    /// The seed of the noise.
    pub seed: u64,
}

impl Hearing {
    /// Of records read as `data` says, the words that are heard in `column`.
    pub fn new(data: DataConfig, column: impl Into<String>) -> Self {
        Self { data, column: column.into(), by: None, spoiled: false, seed: 0 }
    }
}

/// How well each is found by each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeardHalf {
    /// How many sounds there are.
    pub sounds: usize,
    /// The picture of a sound, among all pictures.
    pub sound_to_picture: Option<Recall>,
    /// The words of a sound, among all that differ.
    pub sound_to_text: Option<Recall>,
    /// A sound of a picture.
    pub picture_to_sound: Option<Recall>,
    /// A sound of words.
    pub text_to_sound: Option<Recall>,
    /// The picture of the words that are heard.
    pub text_to_picture: Option<Recall>,
}

/// What [`hearing`] found, on held-out records, or on all where none are held out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HearingReport {
    /// The column of words.
    pub column: String,
    /// `held out` or `all`.
    pub half: &'static str,
    /// Pictures that differ.
    pub pictures: usize,
    /// Texts that differ.
    pub texts: usize,
    /// All sounds, then those of each value of the column `by`.
    pub groups: IndexMap<String, HeardHalf>,
    /// All sounds with noise or at another speed, if that was asked for.
    pub spoiled: IndexMap<String, HeardHalf>,
}

/// What one record says and shows: numbers of its picture and its words among those that differ.
struct Heard {
    sound: Sound,
    picture: usize,
    text: usize,
    group: Option<String>,
}

/// Searches by sounds and for sounds.
///
/// # Errors
/// A model that hears nothing, a collection without sounds, an interruption.
pub fn hearing(
    encoder: &Extractor,
    collection: &dyn Collection,
    settings: &Hearing,
    observer: &mut dyn Observer,
) -> Result<HearingReport, EvalError> {
    let mel = encoder
        .encoder()?
        .hears()
        .ok_or_else(|| EvalError::HearsNothing { name: encoder.name().to_string() })?;
    let halves = split::split(collection, &settings.data)?;
    let (half, records) = match halves.validation.is_empty() {
        true => ("all", halves.train),
        false => ("held out", halves.validation),
    };
    let all = read(collection, settings, &records)?;
    let pictures = match encoder.encoder()?.sees_pictures() {
        true => {
            let pictures: Vec<&Pictures> = all.pictures.values().collect();
            Some(encoder.pictures(&stack(pictures.iter().copied()))?)
        }
        false => None,
    };
    let texts = encoder.texts(&all.texts.keys().cloned().collect::<Vec<_>>())?;
    let places = Places { width: encoder.width()?, pictures: pictures.as_deref(), texts: texts.as_deref() };
    let ways: Vec<(String, Spoil)> = match settings.spoiled {
        true => NOISES
            .iter()
            .map(|decibels| (format!("noise {decibels} dB below"), Spoil::Noise(*decibels)))
            .chain(SPEEDS.iter().map(|times| (format!("{times} times as fast"), Spoil::Speed(*times))))
            .collect(),
        false => vec![],
    };
    let (mut done, total) = (0, all.heard.len() * (1 + ways.len()));
    let mut rows = |spoil: Spoil| -> Result<Vec<f32>, EvalError> {
        let mut rows = vec![];
        for (first, some) in (0..).step_by(AT_ONCE).zip(all.heard.chunks(AT_ONCE)) {
            let hear = |(place, heard): (usize, &Heard)| {
                spoil.of(&heard.sound, settings.seed, first + place as u64).log_mel(&mel)
            };
            let heard = some.par_iter().enumerate().map(hear).collect::<Result<Vec<_>, _>>()?;
            rows.extend(encoder.sounds(&Sounds::stack(&heard)?)?);
            done += some.len();
            if observer.step(done, total, &nothing).is_break() {
                return Err(EvalError::Model(ModelError::Interrupted));
            }
        }
        Ok(rows)
    };
    let clean = rows(Spoil::Nothing)?;
    let every: Vec<usize> = (0..all.heard.len()).collect();
    let mut groups = IndexMap::from([("all".to_string(), places.half(&all.heard, &clean, &every))]);
    let names: std::collections::BTreeSet<&String> =
        all.heard.iter().filter_map(|heard| heard.group.as_ref()).collect();
    for name in names {
        let of: Vec<usize> =
            every.iter().copied().filter(|&sound| all.heard[sound].group.as_ref() == Some(name)).collect();
        groups.insert(name.clone(), places.half(&all.heard, &clean, &of));
    }
    let mut spoiled = IndexMap::new();
    for (name, spoil) in ways {
        spoiled.insert(name, places.half(&all.heard, &rows(spoil)?, &every));
    }
    let (pictures, texts) = (all.pictures.len(), all.texts.len());
    Ok(HearingReport { column: settings.column.clone(), half, pictures, texts, groups, spoiled })
}

/// What is done to a sound before it is heard.
#[derive(Debug, Clone, Copy)]
enum Spoil {
    Nothing,
    Noise(f32),
    Speed(f32),
}

impl Spoil {
    fn of(self, sound: &Sound, seed: u64, number: u64) -> Sound {
        let mut sound = sound.clone();
        match self {
            Self::Nothing => {}
            Self::Noise(decibels) => {
                add_noise(&mut sound, decibels, &mut stream(seed, Purpose::Other, 0, number));
            }
            Self::Speed(times) => {
                sound.sample_rate = (sound.sample_rate as f32 * times / 100.0).round() as u32 * 100;
            }
        }
        sound
    }
}

/// All that differs, by what it is known by.
#[derive(Default)]
struct All {
    pictures: IndexMap<blake3::Hash, Pictures>,
    texts: IndexMap<String, ()>,
    heard: Vec<Heard>,
}

fn read(collection: &dyn Collection, settings: &Hearing, records: &[usize]) -> Result<All, EvalError> {
    let config = &settings.data;
    let column = picture_column(collection, config).unwrap_or_default();
    let fitter = Fitter::new(&DataConfig { shape: rebus_data::config::Shape::Crop, ..config.clone() })?;
    let background = parse_color(&config.background)?;
    let sounds = config.sound.clone().unwrap_or_default().column;
    let one = |&number: &usize| {
        let record = collection.whole(number).ok()?;
        let file =
            record.fields.get(&sounds).and_then(|field| field.file()).or_else(|| main_sound(&record))?;
        let sound = sound::decode(file).ok()?;
        let text = record.text(&settings.column).filter(|text| !text.is_empty())?;
        let file = record.picture(column)?;
        let image = flatten(decode(file, config.max_pixels).ok()?, config.channels, background);
        let picture = Pictures::from_images(&[fitter.fit(image, 0).ok()?]).ok()?;
        let group = settings.by.as_ref().and_then(|by| record.text(by));
        Some((sound, text, blake3::hash(&file.bytes), picture, group))
    };
    let read: Vec<_> = records.par_iter().filter_map(one).collect();
    let mut all = All::default();
    for (sound, text, hash, picture, group) in read {
        all.pictures.entry(hash).or_insert(picture);
        all.texts.entry(text.clone()).or_insert(());
        let place = (all.pictures.get_index_of(&hash), all.texts.get_index_of(&text));
        if let (Some(picture), Some(text)) = place {
            all.heard.push(Heard { sound, picture, text, group });
        }
    }
    match all.heard.is_empty() {
        true => Err(EvalError::NoSounds { name: collection.location().display().to_string() }),
        false => Ok(all),
    }
}

/// Embeddings of all pictures and all texts, a row each, of what the encoder knows.
struct Places<'a> {
    width: usize,
    pictures: Option<&'a [f32]>,
    texts: Option<&'a [f32]>,
}

impl Places<'_> {
    /// Some of all sounds.
    fn half(&self, heard: &[Heard], rows: &[f32], of: &[usize]) -> HeardHalf {
        let row = |sound: usize| &rows[sound * self.width..][..self.width];
        let all = |data: &'_ [f32]| data.len() / self.width;
        // By sounds: the one right answer. For sounds: whichever of the right ones.
        let by_sounds = |data: Option<&[f32]>, right: fn(&Heard) -> usize| {
            let data = data?;
            let ranks = of.par_iter().map(|&sound| {
                let right = right(&heard[sound]);
                let others = data.chunks_exact(self.width).enumerate();
                rank(row(sound), others.map(|(place, other)| (other, place == right)))
            });
            recall(ranks.collect())
        };
        let for_sounds = |data: Option<&[f32]>, right: fn(&Heard) -> usize| {
            let data = data?;
            let is_asked = |place: &usize| of.iter().any(|&sound| right(&heard[sound]) == *place);
            let ranks = (0..all(data)).into_par_iter().filter(is_asked).map(|place| {
                let others = of.iter().map(|&sound| (row(sound), right(&heard[sound]) == place));
                rank(&data[place * self.width..][..self.width], others)
            });
            recall(ranks.collect())
        };
        let (picture, text): (fn(&Heard) -> usize, fn(&Heard) -> usize) =
            (|heard| heard.picture, |heard| heard.text);
        let typed: std::collections::BTreeSet<(usize, usize)> =
            of.iter().map(|&sound| (heard[sound].text, heard[sound].picture)).collect();
        let typed: Vec<(usize, usize)> = typed.into_iter().collect();
        let by_text = self.pictures.zip(self.texts).and_then(|(pictures, texts)| {
            let ranks = typed.par_iter().map(|&(text, right)| {
                let others = pictures.chunks_exact(self.width).enumerate();
                let words = &texts[text * self.width..][..self.width];
                rank(words, others.map(|(place, other)| (other, place == right)))
            });
            recall(ranks.collect())
        });
        HeardHalf {
            sounds: of.len(),
            sound_to_picture: by_sounds(self.pictures, picture),
            sound_to_text: by_sounds(self.texts, text),
            picture_to_sound: for_sounds(self.pictures, picture),
            text_to_sound: for_sounds(self.texts, text),
            text_to_picture: by_text,
        }
    }
}

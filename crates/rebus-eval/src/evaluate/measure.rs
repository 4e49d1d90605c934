//! The measures of one set.

use rebus_data::random::{Purpose, shuffle, stream};

use super::{
    CaptionSet, Shown,
    bench::{Bench, Drawn},
    seen::Seen,
};
use crate::{
    DistanceSettings, Distances, EvalError, Features, Ranks, distances,
    memorisation::Nearness,
    ranks::places,
    report::{Accuracy, Agreement, Measured, SetReport},
    retrieval::search,
};

/// Drawings that are shown beside the training pictures that they are nearest to.
const NEAREST_SHOWN: usize = 16;

/// What drawings are compared with.
#[derive(Clone, Copy)]
pub(super) struct Others<'a> {
    /// Of distances.
    pub(super) reference: &'a Seen,
    /// What the model may know by heart.
    pub(super) training: &'a Seen,
    /// What it was never shown.
    pub(super) unseen: Option<&'a Seen>,
    /// Among which the true picture is ranked.
    pub(super) all: &'a Seen,
}

impl Bench<'_> {
    /// Measures a set, and takes what is to be shown of it.
    pub(super) fn measure(
        &mut self,
        set: &CaptionSet,
        drawn: &Drawn,
        others: Others<'_>,
    ) -> Result<(SetReport, Shown), EvalError> {
        let Drawn { seen, truth, pairs, .. } = drawn;
        let settings = &self.settings.distances;
        let floor = match truth {
            Some(truth) => measured(&truth.features, &others.reference.features, settings)?,
            None => {
                let (some, rest) = apart(&others.reference.features, seen.len(), settings.seed);
                measured(&some, &rest, settings)?
            }
        };
        let unseen = if others.unseen.is_some() { "held out" } else { "the other training pictures" };
        let by_features = Nearness::of(
            &seen.features,
            others.unseen.map(|unseen| &unseen.features),
            &others.training.features,
        )?;
        let by_pixels =
            Nearness::of(&seen.pixels, others.unseen.map(|unseen| &unseen.pixels), &others.training.pixels)?;
        let words = self.words(seen, truth.as_ref())?;
        let ranked = truth.as_ref().filter(|_| self.source.follows_captions());
        let ranked = ranked.map(|truth| self.places(seen, truth, others.all)).transpose()?;

        let mut nearest = vec![];
        for (drawing, training) in by_features.closest(NEAREST_SHOWN) {
            let which = (seen.records[drawing], seen.captions[drawing].as_str());
            nearest.extend(self.pair(which, others.training.records[training])?);
        }
        let report = SetReport {
            name: set.name.clone(),
            pictures: seen.len(),
            distances: measured(&seen.features, &others.reference.features, &self.settings.distances)?,
            floor,
            learned: 0,
            likelihood: None,
            lost: None,
            agreement: words.as_ref().map(|words| words.agreement),
            retrieval: words.as_ref().map(|words| words.drawn),
            retrieval_of_true: words.as_ref().and_then(|words| words.truth),
            rank_by_encoder: ranked.as_ref().map(|ranked| ranked.by_encoder.1),
            rank_by_pixels: ranked.as_ref().map(|ranked| ranked.by_pixels),
            accuracy: seen
                .accuracy()
                .map(|drawn| Accuracy { drawn, true_pictures: truth.as_ref().and_then(Seen::accuracy) }),
            memorised_by_features: by_features.memorisation(unseen),
            memorised_by_pixels: by_pixels.memorisation(unseen),
        };
        let shown = Shown {
            pairs: pairs.clone(),
            nearest,
            drawn_distances: by_features.drawn.iter().map(|(_, distance)| *distance).collect(),
            unseen_distances: by_features.unseen,
            places: ranked.map_or_else(Vec::new, |ranked| ranked.by_encoder.0),
        };
        Ok((report, shown))
    }

    /// Pictures and captions in one space, where the set has captions and the encoder knows words. What was asked for in other words
    /// is compared with the true picture's own caption: that it was understood is what counts.
    fn words(&self, seen: &Seen, truth: Option<&Seen>) -> Result<Option<Words>, EvalError> {
        let said = truth.map_or(&seen.captions, |truth| &truth.captions);
        if said.iter().any(String::is_empty) {
            return Ok(None);
        }
        let encoder = self.rulers.encoder;
        let Some(captions) = encoder.texts(said)? else { return Ok(None) };
        let captions = Features::new("captions", encoder.width()?, captions)?;
        let drawn = seen.embeddings();
        let truth = truth.map(Seen::embeddings);
        Ok(Some(Words {
            agreement: Agreement::of(drawn, truth, &captions, said),
            drawn: search(encoder, said, drawn.data())?,
            truth: truth.map(|truth| search(encoder, said, truth.data())).transpose()?,
        }))
    }

    /// The places of the true pictures, or of others with the same caption.
    fn places(&self, seen: &Seen, truth: &Seen, all: &Seen) -> Result<Ranked, EvalError> {
        let ignored = self.settings.data.ignored()?;
        // An expression that is empty, which ignores nothing, matches everywhere.
        let varies = |caption: &String| ignored.find_iter(caption).any(|found| !found.is_empty());
        let variant: Vec<bool> = truth.captions.iter().map(varies).collect();
        let is_true = |row: usize, other: usize| {
            all.records[other] == truth.records[row] || all.captions[other] == truth.captions[row]
        };
        let by_encoder = places(seen.embeddings(), all.embeddings(), is_true)?;
        let by_pixels = places(&seen.pixels, &all.pixels, is_true)?;
        let ranks = Ranks::of(&by_encoder, &variant);
        Ok(Ranked { by_pixels: Ranks::of(&by_pixels, &variant), by_encoder: (by_encoder, ranks) })
    }
}

/// What the encoder says of pictures and captions.
struct Words {
    agreement: Agreement,
    drawn: crate::RetrievalHalf,
    truth: Option<crate::RetrievalHalf>,
}

struct Ranked {
    /// The places themselves, too.
    by_encoder: (Vec<f64>, Ranks),
    by_pixels: Ranks,
}

/// The distances, or why there are none.
fn measured(
    drawn: &Features,
    real: &Features,
    settings: &DistanceSettings,
) -> Result<Measured<Distances>, EvalError> {
    match distances(drawn, real, settings) {
        Ok(found) => Ok(Measured::Found(found)),
        Err(error @ EvalError::TooFewSamples { .. }) => Ok(Measured::Missing { note: error.to_string() }),
        Err(error) => Err(error),
    }
}

/// Two parts of a set at random: as many as asked for, at most half, and the rest.
fn apart(features: &Features, count: usize, seed: u64) -> (Features, Features) {
    let mut order: Vec<usize> = (0..features.len()).collect();
    shuffle(&mut stream(seed, Purpose::Order, 1, 0), &mut order);
    let (some, rest) = order.split_at(count.min(features.len() / 2));
    (features.some(some), features.some(rest))
}

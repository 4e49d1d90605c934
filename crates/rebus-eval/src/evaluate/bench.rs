//! Reading real pictures and drawing others, batch by batch, with an eye on both.

use std::ops::ControlFlow;

use rebus_data::{Collection, MelConfig, Pictures, captions::caption_column};
use rebus_models::{Input, ModelError, Observer};

use super::{
    CaptionSet, Evaluation, Pair, Rulers, Source, cache,
    seen::{Look, Seen},
};
use crate::{
    EvalError, Judge,
    captioned::{Ask, Captioned, captioned, stack},
    report::TrueLikelihood,
    retrieval::nothing,
};

/// Pictures that are read, drawn and looked at together.
const AT_ONCE: usize = 32;
/// Pairs of a drawing and its true picture that are shown.
const SHOWN: usize = 32;

/// All that the measures share.
pub(super) struct Bench<'a> {
    pub(super) source: Source<'a>,
    pub(super) collection: &'a dyn Collection,
    pub(super) rulers: Rulers<'a>,
    pub(super) settings: &'a Evaluation,
    pub(super) column: Option<&'a str>,
    /// The column of sounds that are told instead of captions, and how the model hears them.
    pub(super) sounds: Option<(&'a str, &'a MelConfig)>,
    pub(super) observer: &'a mut dyn Observer,
    /// Pictures so far, and in all.
    pub(super) done: usize,
    pub(super) total: usize,
}

/// A set after drawing.
pub(super) struct Drawn {
    pub(super) seen: Seen,
    /// The true pictures of the same captions, in the same order.
    pub(super) truth: Option<Seen>,
    pub(super) pairs: Vec<Pair>,
    /// `[channel, height, width]`
    pub(super) shape: [usize; 3],
}

impl Bench<'_> {
    /// Looks at real pictures of the collection, or at what was kept of the last look.
    pub(super) fn look(&mut self, records: &[usize]) -> Result<Seen, EvalError> {
        let name = self.collection.location().display().to_string();
        let kept = match &self.settings.cache {
            Some(folder) => {
                cache::place(folder, self.collection, self.settings, self.column, self.rulers, records)?
            }
            None => None,
        };
        if let Some(seen) = kept.as_ref().and_then(|path| cache::read(path, &name, self.rulers)) {
            self.advance(records.len())?;
            return Ok(seen);
        }
        let mut look = Look::default();
        for chunk in records.chunks(AT_ONCE) {
            self.look_at(&mut look, &self.read(chunk)?)?;
            self.advance(chunk.len())?;
        }
        let seen = look.seen(&name, self.rulers)?;
        if let Some(path) = &kept {
            cache::write(path, &seen);
        }
        Ok(seen)
    }

    /// Draws a set, and looks at the drawings and at the true pictures of the same captions.
    pub(super) fn draw(&mut self, set: &CaptionSet) -> Result<Drawn, EvalError> {
        let (mut drawings, mut truth) = (Look::default(), Look::default());
        let mut pairs = vec![];
        let mut shape = [0; 3];
        for (number, chunk) in set.records.chunks(AT_ONCE).enumerate() {
            let own = self.own(chunk)?;
            if own.is_empty() {
                continue;
            }
            let captions: Vec<String> = match &set.captions {
                Some(said) => {
                    let said = &said[number * AT_ONCE..][..chunk.len()];
                    readable(chunk, &own).map(|place| said[place].clone()).collect()
                }
                None => own.iter().map(|record| record.caption.clone()).collect(),
            };
            let drawn: Vec<Pictures> = match self.source {
                Source::Pictures(_) => {
                    self.look_at(&mut drawings, &own)?;
                    own.iter().map(|record| record.picture.clone()).collect()
                }
                Source::Model(_) => {
                    let records: Vec<usize> = own.iter().map(|record| record.record).collect();
                    self.look_at(&mut truth, &own)?;
                    let told: Vec<Input> =
                        own.iter().zip(&captions).map(|(own, caption)| told(own, caption)).collect();
                    let (done, total) = (self.done, self.total);
                    let mut patient = Patient { observer: self.observer, done, total };
                    let drawn = self.source.draw(&records, &told, &self.settings.drawing, &mut patient)?;
                    drawings.at(self.rulers, &drawn)?;
                    for (record, caption) in own.iter().zip(&captions) {
                        drawings.are(record, caption, self.rulers);
                    }
                    (0..drawn.len()).map(|index| one(&drawn, index)).collect()
                }
            };
            for ((drawn, record), caption) in drawn.into_iter().zip(&own).zip(captions) {
                shape = [drawn.shape[1], drawn.shape[2], drawn.shape[3]];
                if pairs.len() < SHOWN {
                    let other = matches!(self.source, Source::Model(_)).then(|| record.picture.clone());
                    pairs.push(Pair { caption, drawn, other });
                }
            }
            self.advance(chunk.len())?;
        }
        let truth = match self.source {
            Source::Model(_) => Some(truth.seen(&set.name, self.rulers)?),
            Source::Pictures(_) => None,
        };
        Ok(Drawn { seen: drawings.seen(&set.name, self.rulers)?, truth, pairs, shape })
    }

    /// How likely the model takes the first true pictures of a set to be, as far as it knows.
    pub(super) fn likelihood(&mut self, set: &CaptionSet) -> Result<Option<TrueLikelihood>, EvalError> {
        let records = &set.records[..self.settings.likelihoods.min(set.records.len())];
        if records.is_empty() || matches!(self.source, Source::Pictures(_)) {
            return Ok(None);
        }
        let own = self.own(records)?;
        let captions: Vec<String> = match &set.captions {
            Some(said) => readable(records, &own).map(|place| said[place].clone()).collect(),
            None => own.iter().map(|record| record.caption.clone()).collect(),
        };
        // Where pictures have several shapes, those of the model's own.
        let fits = |record: &Captioned| self.source.knows(record.picture.shape);
        let fitting = own.iter().zip(&captions).filter(|(record, _)| fits(record));
        let (own, told): (Vec<&Captioned>, Vec<Input>) =
            fitting.map(|(record, caption)| (record, told(record, caption))).unzip();
        if own.is_empty() {
            return Ok(None);
        }
        let truth = stack(own.iter().map(|record| &record.picture));
        let (done, total) = (self.done, self.total);
        let mut patient = Patient { observer: self.observer, done, total };
        self.source.likelihood(&truth, &told, self.settings.drawing.seed, &mut patient)
    }

    /// A drawing of a set once more, and a real picture.
    pub(super) fn pair(
        &mut self,
        (record, caption): (usize, &str),
        other: usize,
    ) -> Result<Option<Pair>, EvalError> {
        let drawn = match self.source {
            Source::Pictures(_) => self.own(&[record])?.pop().map(|record| record.picture),
            Source::Model(_) => match self.own(&[record])?.first() {
                Some(own) => {
                    let (done, total) = (self.done, self.total);
                    let mut patient = Patient { observer: self.observer, done, total };
                    let told = [told(own, caption)];
                    Some(self.source.draw(&[record], &told, &self.settings.drawing, &mut patient)?)
                }
                None => None,
            },
        };
        let other = self.read(&[other])?.pop().map(|record| record.picture);
        let caption = caption.to_string();
        Ok(drawn.map(|drawn| Pair { caption, drawn, other }))
    }

    /// Records of the collection that have all that is asked for.
    fn read(&self, records: &[usize]) -> Result<Vec<Captioned>, EvalError> {
        captioned(self.collection, self.ask(self.column), records)
    }

    /// The same of what a set's numbers mean, with what is said of them: the collection, or the pictures that are measured.
    fn own(&self, records: &[usize]) -> Result<Vec<Captioned>, EvalError> {
        match self.source {
            Source::Model(_) => {
                let ask = Ask { sound: self.sounds, ..self.ask(self.column) };
                captioned(self.collection, ask, records)
            }
            Source::Pictures(drawn) => captioned(drawn, self.ask(caption_column(drawn)), records),
        }
    }

    fn ask<'b>(&'b self, caption: Option<&'b str>) -> Ask<'b> {
        let class = self.rulers.judge.map(Judge::column);
        Ask { config: &self.settings.data, caption, class, sound: None }
    }

    fn look_at(&self, look: &mut Look, records: &[Captioned]) -> Result<(), EvalError> {
        for same in records.chunk_by(|a, b| a.picture.shape == b.picture.shape) {
            look.at(self.rulers, &stack(same.iter().map(|record| &record.picture)))?;
            same.iter().for_each(|record| look.are(record, &record.caption, self.rulers));
        }
        Ok(())
    }

    /// Tells the observer of so many more pictures.
    fn advance(&mut self, pictures: usize) -> Result<(), EvalError> {
        self.done += pictures;
        match self.observer.step(self.done, self.total, &nothing) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ModelError::Interrupted.into()),
        }
    }
}

/// The places in a list of records of those that could be read, which stand in its order: a record that could not takes its caption
/// with it, and one that stands there twice has two.
fn readable<'a>(asked: &'a [usize], read: &'a [Captioned]) -> impl Iterator<Item = usize> + 'a {
    let mut next = 0;
    read.iter().filter_map(move |record| {
        let place = next + asked[next..].iter().position(|number| *number == record.record)?;
        next = place + 1;
        Some(place)
    })
}

/// What the model is told of a record: its sound, where that is asked for, or else a caption.
fn told(own: &Captioned, caption: &str) -> Input {
    own.sound.clone().map_or_else(|| Input::Text(caption.to_string()), Input::Sound)
}

/// One picture of a batch.
fn one(pictures: &Pictures, index: usize) -> Pictures {
    let [_, channels, height, width] = pictures.shape;
    let size = channels * height * width;
    Pictures {
        shape: [1, channels, height, width],
        data: pictures.data[index * size..(index + 1) * size].to_vec(),
    }
}

/// Counts pictures where a model counts its own steps, and stops when it is told to.
struct Patient<'a> {
    observer: &'a mut dyn Observer,
    done: usize,
    total: usize,
}

impl Observer for Patient<'_> {
    fn step(&mut self, _: usize, _: usize, preview: &dyn Fn() -> Pictures) -> ControlFlow<()> {
        self.observer.step(self.done, self.total, preview)
    }
}

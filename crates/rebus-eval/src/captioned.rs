//! The records that a measure looks at: those with a picture that can be read and a caption.

use rayon::prelude::*;
use rebus_data::{
    Collection, DataConfig, Pictures,
    fit::Fitter,
    picture::{decode, flatten, parse_color},
};

use crate::EvalError;

/// A record, and what was made of its picture.
pub(crate) struct Captioned<T> {
    pub(crate) record: usize,
    pub(crate) caption: String,
    /// Whether the caption has the part that the split ignores, such as a skin tone.
    pub(crate) variant: bool,
    pub(crate) seen: T,
}

/// Those of some records that have a picture and a text in `column`, on all cores; `see` makes of a picture what is kept.
pub(crate) fn captioned<T: Send>(
    collection: &dyn Collection,
    config: &DataConfig,
    column: &str,
    records: &[usize],
    see: impl Fn(&Pictures) -> T + Sync,
) -> Result<Vec<Captioned<T>>, EvalError> {
    let fitter = Fitter::new(config)?;
    let ignored = config.ignored()?;
    let background = parse_color(&config.background)?;
    let read = |&record: &usize| {
        let fields = collection.record(record).ok()?;
        let caption = fields.text(column).filter(|caption| !caption.is_empty())?;
        let image = decode(fields.picture(&config.picture_column)?, config.max_pixels).ok()?;
        let image = flatten(image, config.channels, background);
        let bucket = fitter.bucket(image.width(), image.height());
        let pictures = Pictures::from_images(&[fitter.fit(image, bucket).ok()?]).ok()?;
        Some(Captioned { record, variant: ignored.is_match(&caption), caption, seen: see(&pictures) })
    };
    Ok(records.par_iter().filter_map(read).collect())
}

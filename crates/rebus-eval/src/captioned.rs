//! The records that a measure looks at: those with a picture that can be read and, where they are asked for, a caption and a sound.

use rayon::prelude::*;
use rebus_data::{
    Collection, DataConfig, MelConfig, Pictures, Sounds,
    fit::Fitter,
    main_pictures,
    picture::{decode, flatten, parse_color},
    sound,
};

use crate::EvalError;

/// A record and its picture.
#[derive(Debug, Clone)]
pub(crate) struct Captioned {
    pub(crate) record: usize,
    /// Empty where none was asked for.
    pub(crate) caption: String,
    /// The name of its class, where one was asked for and is there.
    pub(crate) class: Option<String>,
    pub(crate) picture: Pictures,
    /// What is said of it, where that was asked for.
    pub(crate) sound: Option<Sounds>,
}

/// What is asked of records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) config: &'a DataConfig,
    /// The column of captions.
    pub(crate) caption: Option<&'a str>,
    /// The column of classes.
    pub(crate) class: Option<&'a str>,
    /// The column of sounds, and how they are heard.
    pub(crate) sound: Option<(&'a str, &'a MelConfig)>,
}

impl<'a> Ask<'a> {
    /// Pictures with a caption in `column`.
    pub(crate) fn caption(config: &'a DataConfig, column: &'a str) -> Self {
        Self { config, caption: Some(column), class: None, sound: None }
    }
}

/// Those of some records that have a picture and, where they are asked for, a caption and a sound, on all cores.
pub(crate) fn captioned(
    collection: &dyn Collection,
    ask: Ask<'_>,
    records: &[usize],
) -> Result<Vec<Captioned>, EvalError> {
    let config = ask.config;
    let pictures = picture_column(collection, config).unwrap_or_default();
    let fitter = Fitter::new(config)?;
    let background = parse_color(&config.background)?;
    let read = |&record: &usize| {
        let fields = match ask.sound {
            Some(_) => collection.whole(record).ok()?,
            None => collection.record(record).ok()?,
        };
        let caption = match ask.caption {
            Some(column) => fields.text(column).filter(|caption| !caption.is_empty())?,
            None => String::new(),
        };
        let image = decode(fields.picture(pictures)?, config.max_pixels).ok()?;
        let image = flatten(image, config.channels, background);
        let bucket = fitter.bucket(image.width(), image.height());
        let picture = Pictures::from_images(&[fitter.fit(image, bucket).ok()?]).ok()?;
        let class = ask.class.and_then(|column| fields.text(column));
        let sound = match ask.sound {
            Some((column, mel)) => {
                Some(sound::decode(fields.fields.get(column)?.file()?).ok()?.log_mel(mel).ok()?)
            }
            None => None,
        };
        Some(Captioned { record, caption, class, picture, sound })
    };
    Ok(records.par_iter().filter_map(read).collect())
}

/// The column of pictures that the configuration names, or else the collection's own main one.
pub(crate) fn picture_column<'a>(collection: &'a dyn Collection, config: &DataConfig) -> Option<&'a str> {
    let named = collection.columns().iter().find(|column| column.name == config.picture_column);
    Some(named.or_else(|| main_pictures(collection.columns()))?.name.as_str())
}

/// Pictures of one shape, one after another.
pub(crate) fn stack<'a>(pictures: impl Iterator<Item = &'a Pictures> + Clone) -> Pictures {
    let [_, channels, height, width] = pictures.clone().next().map_or([0; 4], |first| first.shape);
    let data: Vec<f32> = pictures.flat_map(|picture| picture.data.iter().copied()).collect();
    let count = data.len() / (channels * height * width).max(1);
    Pictures { shape: [count, channels, height, width], data }
}

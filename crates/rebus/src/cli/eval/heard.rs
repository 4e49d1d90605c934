//! `rebus eval` of an encoder that hears: pictures and words found by sounds, and sounds by them.

use rebus_data::{Collection, ColumnKind, DataConfig};
use rebus_eval::{Extractor, HeardHalf, Hearing, Recall, hearing};

use super::Args;
use crate::cli::{failure::Failure, progress, say::out};

/// Whether an encoder hears, and a collection has what may be heard.
pub(super) fn hears(encoder: &Extractor, collection: &dyn Collection) -> Result<bool, Failure> {
    let has_files = collection.columns().iter().any(|column| column.kind == ColumnKind::File);
    Ok(has_files && encoder.encoder()?.hears().is_some())
}

pub(super) fn heard(
    args: &Args,
    encoder: &Extractor,
    collection: &dyn Collection,
    config: DataConfig,
    column: String,
) -> Result<(), Failure> {
    let mut settings = Hearing::new(config, column);
    settings.by.clone_from(&args.by);
    settings.spoiled = args.robustness;
    settings.seed = args.seed;
    let report = hearing(encoder, collection, &settings, &mut progress::Drawing::of("listening"))?;
    if args.json {
        out!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    let (half, pictures, texts) = (report.half, report.pictures, report.texts);
    out!(
        "{half}: {pictures} pictures, {texts} texts in `{}`; first / in five / in ten, percent, and the median place",
        report.column
    );
    for (name, group) in &report.groups {
        out!("{name}: {} sounds", group.sounds);
        for (way, found) in ways(group) {
            if let Some(found) = found {
                let Recall { at_1, at_5, at_10, median_rank } = found;
                let share = |share: f64| format!("{:5.1}", 100.0 * share);
                out!("  {way:20} {} {} {}   {median_rank}", share(at_1), share(at_5), share(at_10));
            }
        }
    }
    for (name, group) in &report.spoiled {
        let ten = |found: Option<Recall>| {
            found.map_or("-".to_string(), |found| format!("{:.1}", 100.0 * found.at_10))
        };
        out!(
            "{name}: in ten, picture of a sound {}, words {}",
            ten(group.sound_to_picture),
            ten(group.sound_to_text)
        );
    }
    Ok(())
}

fn ways(group: &HeardHalf) -> [(&'static str, Option<Recall>); 5] {
    [
        ("picture of a sound", group.sound_to_picture),
        ("words of a sound", group.sound_to_text),
        ("sound of a picture", group.picture_to_sound),
        ("sound of words", group.text_to_sound),
        ("picture of the words", group.text_to_picture),
    ]
}

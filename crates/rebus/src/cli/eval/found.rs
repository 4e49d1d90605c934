//! `rebus eval` of an encoder: pictures found by captions, and captions by pictures.

use std::sync::Arc;

use rebus_data::{Collection, DataConfig, captions::caption_column};
use rebus_eval::{
    Calibration, Extractor, Recall, Retrieval, RetrievalHalf, Robustness, calibration, retrieval, robustness,
};
use rebus_models::{Model, ModelFolder};

use super::{Args, heard};
use crate::cli::{
    failure::Failure,
    progress,
    say::{out, tell},
};

pub(super) fn found(
    args: &Args,
    model: Arc<dyn Model>,
    collection: &dyn Collection,
    config: DataConfig,
) -> Result<(), Failure> {
    for (option, given) in [
        ("--samples", args.samples.is_some() && !args.robustness),
        ("--steps", args.steps.is_some()),
        ("--guidance-scale", args.guidance_scale.is_some()),
        ("--extractor", args.extractor.is_some()),
        ("--output", args.output.is_some()),
        ("--classifier", args.classifier.is_some()),
        ("--split", args.split.is_some()),
    ] {
        if given {
            tracing::warn!("{option} has no meaning for an encoder, which draws nothing, and is left aside");
        }
    }
    let column = match &args.caption {
        Some(column) => column.clone(),
        None => caption_column(collection).unwrap_or("text").to_string(),
    };
    super::has_column(collection, &column)?;
    // What it learned to hear is what is heard, where nobody says.
    let learned = super::trained_with(&*model).map(|data| data.captions).unwrap_or_default();
    let encoder = Extractor::new("the encoder", model)?;
    if args.calibrate {
        return calibrate(args, &encoder, collection, config, column);
    }
    if heard::hears(&encoder, collection)? {
        let there = |name: &String| collection.columns().iter().any(|column| column.name == *name);
        let spoken = learned.into_keys().find(there).filter(|_| args.caption.is_none());
        return heard::heard(args, &encoder, collection, config, spoken.unwrap_or(column));
    }
    if args.robustness {
        return robust(args, &encoder, collection, config, column);
    }
    let report = retrieval(
        &encoder,
        collection,
        &Retrieval::new(config, column),
        &mut progress::Drawing::of("looking"),
    )?;
    if args.json {
        out!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    out!("the right one among all of its half, captions in `{}`", report.column);
    for (name, half) in [("training", &report.training), ("held out", &report.held_out)] {
        let ways = [
            ("picture of a caption", half.text_to_picture, half.pictures),
            ("caption of a picture", half.picture_to_text, half.captions),
        ];
        for (way, found, among) in ways {
            let Some(found) = found else { continue };
            out!(
                "{name:9} {way}   first {:5.1} %   in five {:5.1} %   in ten {:5.1} %   median place {} of {}",
                100.0 * found.at_1,
                100.0 * found.at_5,
                100.0 * found.at_10,
                found.median_rank,
                among
            );
        }
    }
    Ok(())
}

/// The scale by which the encoder is as sure as it is right.
fn calibrate(
    args: &Args,
    encoder: &Extractor,
    collection: &dyn Collection,
    config: DataConfig,
    column: String,
) -> Result<(), Failure> {
    let mut settings = Calibration::new(config, column);
    settings.seed = args.seed;
    let found = calibration(encoder, collection, &settings, &mut progress::Drawing::of("looking"))?;
    if let Some(folder) = &args.subject {
        ModelFolder::note(folder, "calibration", serde_json::to_value(&found)?)?;
        tell!("noted in {}", folder.join("model.json").display());
    }
    if args.json {
        out!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(());
    }
    out!(
        "{} held-out pictures, captions in `{}`; cosines times {:.1} + {:.2} ln(labels), {:.1} before",
        found.pictures,
        found.column,
        found.scale,
        found.scale_per_log,
        found.scale_before
    );
    for among in &found.among {
        out!(
            "among {:4} labels   right {:5.1} %   certainty off by {:4.1} % ({:.1} % before)",
            among.labels,
            100.0 * among.accuracy,
            100.0 * among.error,
            100.0 * among.error_before
        );
    }
    Ok(())
}

/// What is found of spoiled pictures and by misspelt captions.
fn robust(
    args: &Args,
    encoder: &Extractor,
    collection: &dyn Collection,
    config: DataConfig,
    column: String,
) -> Result<(), Failure> {
    let mut settings = Robustness::new(config, column);
    settings.seed = args.seed;
    settings.samples = args.samples.unwrap_or(settings.samples);
    let report = robustness(encoder, collection, &settings, &mut progress::Drawing::of("looking"))?;
    if args.json {
        out!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    let ten =
        |found: Option<Recall>| found.map_or("-".to_string(), |found| format!("{:.1}", 100.0 * found.at_10));
    let both =
        |half: &RetrievalHalf| format!("{} / {}", ten(half.text_to_picture), ten(half.picture_to_text));
    out!(
        "in ten, percent, of {} pairs ({}), captions in `{}`: picture of a caption / caption of a picture",
        report.clean.pictures,
        report.half,
        report.column
    );
    out!("{:8} {:>14}", "clean", both(&report.clean));
    for spoiled in &report.spoiled {
        let cells = spoiled.strengths.iter().map(|half| format!("{:>15}", both(half)));
        out!("{:8}{}", spoiled.kind, cells.collect::<String>());
    }
    Ok(())
}

//! `rebus eval` of a model that translates: how near its pictures come to those that they should be.

use std::sync::Arc;

use rebus_data::{Collection, DataConfig};
use rebus_eval::{Likeness, Translation, translation};
use rebus_models::Model;

use super::{Args, pairs::eye};
use crate::cli::{failure::Failure, progress, say::out, writing};

/// Rows of the sheet.
const ROWS: usize = 12;
/// Triples of a row.
const COLUMNS: usize = 4;

pub(super) fn translated(
    args: &Args,
    model: &dyn Model,
    collection: Arc<dyn Collection>,
    config: DataConfig,
) -> Result<(), Failure> {
    let options = model.translate().map(|translate| translate.options()).unwrap_or_default();
    for (option, given) in [
        ("--steps", args.steps.is_some() && !options.steps),
        ("--guidance-scale", args.guidance_scale.is_some() && !options.guidance),
        ("--image-guidance-scale", args.image_guidance_scale.is_some() && !options.guidance),
        ("--extractor", args.extractor.is_some()),
        ("--output", args.output.is_some()),
        ("--classifier", args.classifier.is_some()),
        ("--split", args.split.is_some()),
        ("--robustness", args.robustness),
    ] {
        if given {
            tracing::warn!("{option} has no meaning for a model that translates, and is left aside");
        }
    }
    if let Some(sheet) = &args.sheet {
        writing::sheet_file(sheet)?;
    }
    let mut settings = Translation::new(config);
    settings.samples = args.samples.unwrap_or(settings.samples);
    settings.seed = args.seed;
    settings.num_inference_steps = args.steps;
    settings.guidance_scale = args.guidance_scale;
    settings.image_guidance_scale = args.image_guidance_scale;
    let eye = eye(args.perceptual.as_deref())?;
    let mut shown = vec![];
    let report = translation(
        model,
        eye,
        collection,
        &settings,
        &mut progress::Drawing::of("translating"),
        |triple| {
            if args.sheet.is_some() {
                shown.push([triple.source, triple.made, triple.wanted]);
            }
        },
    )?;
    if let Some(sheet) = &args.sheet {
        let count = (COLUMNS * ROWS).min(shown.len());
        let spread: Vec<_> =
            (0..count).flat_map(|place| shown[place * shown.len() / count].clone()).collect();
        writing::write_sheet(sheet, &spread, 3 * COLUMNS)?;
    }
    if args.json {
        out!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    let cell = |value: Option<f64>| value.map_or("-".to_string(), |value| format!("{value:.4}"));
    out!("{} held-out pairs      PSNR      SSIM   looks apart   Fréchet", report.pairs);
    for (name, Likeness { psnr, ssim, perceptual, frechet_distance }) in
        [("sources", report.sources), ("made", report.made)]
    {
        let (ssim, perceptual, frechet) = (cell(ssim), cell(perceptual), cell(frechet_distance));
        out!("{name:19} {psnr:6.2} dB  {ssim:>8}  {perceptual:>12}  {frechet:>8}");
    }
    Ok(())
}

//! `rebus eval distances` and `rebus eval similarity`: what lies there already, compared.

use std::{path::Path, sync::Arc};

use image::RgbImage;
use rebus_data::{DataConfig, picture};
use rebus_eval::{DistanceSettings, Features, distances, perceptual_distance, similarity};
use rebus_models::Model;

use crate::cli::{failure::Failure, picture::read_picture, say::out};

/// Distances between two files of features.
pub(super) fn distances_of(drawn: &Path, real: &Path, seed: u64, json: bool) -> Result<(), Failure> {
    let mut settings = DistanceSettings::default();
    settings.seed = seed;
    let found = distances(&Features::read_npy(drawn)?, &Features::read_npy(real)?, &settings)?;
    if json {
        out!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(());
    }
    out!("{} drawn and {} real pictures, {} features each", found.drawn, found.real, found.width);
    match (found.frechet_distance, &found.note) {
        (Some(distance), _) => out!("Fréchet distance   {distance:.6}"),
        (None, note) => out!("Fréchet distance   none: {}", note.as_deref().unwrap_or_default()),
    }
    out!(
        "kernel distance    {:.6}, standard deviation {:.6} over {} subsets",
        found.kernel_distance_mean,
        found.kernel_distance_std,
        settings.kernel_subsets
    );
    for (name, value) in [
        ("precision", found.precision),
        ("recall", found.recall),
        ("density", found.density),
        ("coverage", found.coverage),
    ] {
        out!("{name:18} {value:.4}");
    }
    Ok(())
}

/// What says how far pictures look apart: LPIPS or an encoder in this place, or else the one that ships.
pub(super) fn eye(place: Option<&Path>) -> Result<Option<Arc<dyn Model>>, Failure> {
    match rebus::looking_model(place, Default::default(), &rebus::device("cpu")?) {
        Ok(model) => Ok(Some(model)),
        // A build without models says what it can.
        Err(_) if place.is_none() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// How alike two pictures are.
pub(super) fn similarity_of(
    picture: &Path,
    reference: &Path,
    perceptual: Option<&Path>,
    json: bool,
) -> Result<(), Failure> {
    let (picture, reference) = (seen(picture)?, seen(reference)?);
    let found = similarity(&picture, &reference)?;
    let model = eye(perceptual)?;
    let apart =
        model.as_ref().map(|model| perceptual_distance(&**model, &picture, &reference)).transpose()?;
    let by = model.as_ref().map_or("nobody: this build ships no encoder", |model| &model.info().family);
    if json {
        let mut json = serde_json::to_value(found)?;
        json["perceptual_distance"] = apart.into();
        json["perceptual_by"] = model.as_ref().map(|model| model.info().family.as_str()).into();
        out!("{}", serde_json::to_string_pretty(&json)?);
        return Ok(());
    }
    let small = |least: u32| move || format!("none: a side is below {least} pixels");
    let say = |value: f64| format!("{value:.6}");
    out!(
        "PSNR       {}",
        found.psnr.map_or("infinite: they are equal".to_string(), |psnr| format!("{psnr:.4} dB"))
    );
    out!("SSIM       {}", found.ssim.map_or_else(small(11), say));
    out!("MS-SSIM    {}", found.ms_ssim.map_or_else(small(176), say));
    out!("perceptual {} (0 for equal pictures, by {by})", apart.map_or("none".to_string(), say));
    Ok(())
}

/// A picture as a person sees it: a transparent one on white.
fn seen(path: &Path) -> Result<RgbImage, Failure> {
    let white = picture::parse_color(&DataConfig::default().background)?;
    Ok(picture::flatten(read_picture(path)?, 3, white).to_rgb8())
}

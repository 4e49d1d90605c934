//! The edge of a layer drawn anew, with what is on both sides of it, so that it fits what is below.

use image::{DynamicImage, GrayImage, Luma, RgbaImage};
use imageproc::{distance_transform::Norm, morphology};
use rebus_models::Observer;

use super::{
    Composer,
    scene::{Layer, Scene},
};
use crate::{Change, EditTask, Place, Region, TaskError, edit};

/// How much is drawn anew where nothing is said: little, so that both sides stay what they are.
const STRENGTH: f64 = 0.4;
/// The part of a layer's shorter side that is drawn anew on either side of its edge.
const SEAM: f64 = 1.0 / 16.0;

/// The canvas after a layer, which is `alone` where it lies, has come to fit it.
pub(super) fn edge(
    scene: &Scene,
    layer: &Layer,
    (at, number): (usize, u64),
    (canvas, alone): (RgbaImage, &RgbaImage),
    composer: &Composer<'_>,
    observer: &mut dyn Observer,
) -> Result<RgbaImage, TaskError> {
    let model = composer
        .model
        .ok_or_else(|| scene.wrong(at, "there is no model to draw the edge of this layer anew"))?;
    let (mask, seam) = around(alone, layer.seam);
    if mask.pixels().all(|Luma([value])| *value == 0) {
        return Ok(canvas); // the layer lies elsewhere, or fills the scene
    }
    let prompt = layer.prompt.clone().unwrap_or_default();
    let mut task = EditTask::new(DynamicImage::ImageRgba8(canvas), Change::Redraw { prompt });
    task.region = Region {
        place: Some(Place::Mask(Box::new(DynamicImage::ImageLuma8(mask)))),
        feather: f32::from(seam) / 4.0,
        ..Region::default()
    };
    task.seed = scene.seed_of(layer, number);
    task.strength = Some(layer.strength.unwrap_or(STRENGTH));
    task.negative_prompt = layer.negative_prompt.clone();
    task.guidance_scale = layer.guidance_scale;
    task.num_inference_steps = layer.num_inference_steps;
    let mut edited = edit(model, &task, observer).map_err(|error| scene.at(at, error))?;
    Ok(edited.remove(0).into_rgba8())
}

/// Both sides of a layer's edge, and how many pixels of each.
fn around(alone: &RgbaImage, seam: Option<u8>) -> (GrayImage, u8) {
    let inside = GrayImage::from_fn(alone.width(), alone.height(), |x, y| {
        Luma([if alone[(x, y)][3] >= 128 { 255 } else { 0 }])
    });
    let usual = || {
        let there = inside.enumerate_pixels().filter(|(.., Luma([value]))| *value > 0);
        let bounds = there.fold([u32::MAX, u32::MAX, 0, 0], |[left, top, right, bottom], (x, y, _)| {
            [left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1)]
        });
        let shorter = bounds[2].saturating_sub(bounds[0]).min(bounds[3].saturating_sub(bounds[1]));
        (f64::from(shorter) * SEAM).round().clamp(2.0, 255.0) as u8
    };
    let seam = seam.unwrap_or_else(usual);
    let mut ring = morphology::dilate(&inside, Norm::L2, seam);
    let kept = morphology::erode(&inside, Norm::L2, seam);
    ring.pixels_mut().zip(kept.pixels()).for_each(|(ring, kept)| ring[0] -= kept[0]);
    (ring, seam)
}

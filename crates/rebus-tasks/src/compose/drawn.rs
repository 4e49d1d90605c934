//! Layers that a model draws: a thing by a prompt, or a picture of any size, of several prompts, or without an edge.

use std::hash::{DefaultHasher, Hash, Hasher};

use image::{DynamicImage, GenericImageView};
use rebus_data::Pictures;
use rebus_models::{
    Model, Observer,
    sampling::{Fused, FusedRegion, fused},
};
use toml::Spanned;

use super::{
    Composer, read,
    scene::{Layer, Region, Scene},
};
use crate::{GenerateTask, TaskError, edit::fits, generate, reconstruct::told};

/// The picture of a layer, which is the scene's with this number.
pub(super) fn drawn(
    scene: &Scene,
    layer: &Layer,
    (at, number): (usize, u64),
    prompt: &str,
    composer: &Composer<'_>,
    observer: &mut dyn Observer,
) -> Result<DynamicImage, TaskError> {
    let model = composer
        .model
        .ok_or_else(|| scene.wrong(at, "there is no model to draw the prompt of this layer"))?;
    let kept = |name, draw: &mut dyn FnMut() -> Result<DynamicImage, TaskError>| match composer.kept {
        Some(kept) => kept.or_drawn(name, draw),
        None => draw(),
    };
    if layer.is_fused() {
        let masks: Vec<Pictures> = layer
            .regions
            .iter()
            .map(|region| mask(scene, region, size(layer, model)))
            .collect::<Result<_, _>>()?;
        let name = format!("{:?} {}", layer.drawn_by(scene.seed_of(layer, number)), hash(&masks));
        return kept(name, &mut || {
            drawn_at_once(scene, layer, (at, number), prompt, (model, &masks), observer)
        });
    }
    let task = GenerateTask {
        prompts: vec![prompt.to_string()],
        count: 1,
        seed: scene.seed_of(layer, number),
        negative_prompt: layer.negative_prompt.clone(),
        guidance_scale: layer.guidance_scale,
        num_inference_steps: layer.num_inference_steps,
        ..GenerateTask::default()
    };
    kept(format!("{task:?}"), &mut || {
        let mut drawn = generate(model, &task, observer, |_| Ok(())).map_err(|error| scene.at(at, error))?;
        drawn
            .drawings
            .pop()
            .map(|drawing| drawing.picture)
            .ok_or_else(|| scene.wrong(at, "nothing was drawn"))
    })
}

/// `[width, height]` of what is drawn.
fn size(layer: &Layer, model: &dyn Model) -> [u32; 2] {
    let [_, height, width] = model.info().picture_shape;
    [layer.width.unwrap_or(width as u32), layer.height.unwrap_or(height as u32)]
}

fn hash(masks: &[Pictures]) -> u64 {
    let mut hasher = DefaultHasher::new();
    masks.iter().flat_map(|mask| &mask.data).for_each(|value| value.to_bits().hash(&mut hasher));
    hasher.finish()
}

fn drawn_at_once(
    scene: &Scene,
    layer: &Layer,
    (at, number): (usize, u64),
    prompt: &str,
    (model, masks): (&dyn Model, &[Pictures]),
    observer: &mut dyn Observer,
) -> Result<DynamicImage, TaskError> {
    let denoise = model.denoise().ok_or_else(|| {
        let family = &model.info().family;
        let reason = format!(
            "sizes, regions and tiles are drawn by models that go step by step from noise, and this one, of family `{family}`, does not"
        );
        scene.wrong(at, reason)
    })?;
    let [width, height] = size(layer, model);
    let region = |(region, mask): (&Spanned<Region>, &Pictures)| {
        Ok::<_, TaskError>(FusedRegion {
            condition: told(model, &region.get_ref().prompt, 1)?,
            mask: mask.clone(),
        })
    };
    let request = Fused {
        seed: scene.seed_of(layer, number),
        height: height as usize,
        width: width as usize,
        condition: told(model, prompt, 1)?,
        regions: layer.regions.iter().zip(masks).map(region).collect::<Result<_, _>>()?,
        negative: layer.negative_prompt.as_deref().map(|text| told(model, text, 1)).transpose()?,
        seamless: layer.tile,
        guidance_scale: layer.guidance_scale,
        num_inference_steps: layer.num_inference_steps,
    };
    let pictures = fused(denoise, &request, observer).map_err(|error| scene.at(at, error.into()))?;
    Ok(pictures.to_images()?.remove(0))
}

/// Where a region is, `[1, 1, height, width]`.
fn mask(scene: &Scene, region: &Spanned<Region>, [width, height]: [u32; 2]) -> Result<Pictures, TaskError> {
    let at = region.span().start;
    let shape = [1, 1, height as usize, width as usize];
    if let Some(file) = &region.get_ref().mask {
        let mask = read(scene, file)?;
        if mask.dimensions() != (width, height) {
            let (wide, tall) = mask.dimensions();
            let reason = format!(
                "the mask is {wide}x{tall}, and what is drawn {width}x{height}: both must be as large"
            );
            return Err(scene.wrong(file.span().start, reason));
        }
        let data = mask.to_luma8().into_raw().into_iter().map(|value| f32::from(value) / 255.0).collect();
        return Ok(Pictures { shape, data });
    }
    let rectangle @ [x, y, across, down] = region.get_ref().rectangle.unwrap_or_default();
    if !fits(rectangle, [width, height]) {
        let reason = format!("the box must lie inside of what is drawn, {width}x{height}, and have a pixel");
        return Err(scene.wrong(at, reason));
    }
    let is_in = |column: u32, row: u32| (x..x + across).contains(&column) && (y..y + down).contains(&row);
    let data =
        (0..height).flat_map(|row| (0..width).map(move |column| f32::from(is_in(column, row)))).collect();
    Ok(Pictures { shape, data })
}

//! Pictures to other pictures: edges to pictures, grey to colour, one kind of thing to another.

use image::{DynamicImage, GenericImageView};
use rebus_data::{Pictures, picture};
use rebus_models::{Model, ModelError, Observer, Translate, TranslateRequest, registry::able};

use crate::{
    TaskError,
    frame::{Frame, grown},
    reconstruct::{fit, told},
};

/// Settings of [`translate`].
#[derive(Debug, Clone)]
pub struct TranslateTask {
    /// The other way round, for models that learned both.
    pub backwards: bool,
    /// What is to become of the pictures, for models that follow words.
    pub prompt: Option<String>,
    /// Picture `i` has seed `seed + i`.
    pub seed: u64,
    /// How closely to follow the words.
    pub guidance_scale: Option<f32>,
    /// How closely to follow the picture.
    pub image_guidance_scale: Option<f32>,
    /// How many steps to take.
    pub num_inference_steps: Option<usize>,
    /// Show the model each picture at the size that it learned from, instead of at the picture's own.
    pub fit: bool,
    /// A larger picture is translated in tiles of at most this many pixels a side.
    pub tile: u32,
}

impl Default for TranslateTask {
    fn default() -> Self {
        Self {
            backwards: false,
            prompt: None,
            seed: 0,
            guidance_scale: None,
            image_guidance_scale: None,
            num_inference_steps: None,
            fit: false,
            tile: 512,
        }
    }
}

/// A picture as the model was shown it, and what it made of it.
#[derive(Debug, Clone)]
pub struct Translation {
    /// Without transparency, and in the model's channels.
    pub source: DynamicImage,
    /// Of the same size.
    pub made: DynamicImage,
}

/// The share of a tile's side that it has in common with the next.
const OVERLAP: f64 = 0.125;

/// Translates pictures of any size. What a model cannot take for its size is continued at the right and below by its last pixels,
/// which are cut off again.
///
/// # Errors
/// A model that does not translate, an option that it does not have, an interruption.
pub fn translate(
    model: &dyn Model,
    pictures: &[DynamicImage],
    task: &TranslateTask,
    observer: &mut dyn Observer,
) -> Result<Vec<Translation>, TaskError> {
    let able = able_to(model, task)?;
    let shape @ [channels, ..] = model.info().picture_shape;
    let source = |picture: &DynamicImage| match task.fit {
        true => Ok::<_, TaskError>(fit(shape, std::slice::from_ref(picture))?.to_images()?.remove(0)),
        false => Ok(picture::flatten(picture.clone(), channels as u8, [255; 4])),
    };
    let sources: Vec<DynamicImage> = pictures.iter().map(source).collect::<Result<_, _>>()?;
    let mut all = Vec::with_capacity(sources.len());
    for same in sources.chunk_by(|a, b| a.dimensions() == b.dimensions()) {
        let seed = task.seed.wrapping_add(all.len() as u64);
        let made = together(model, able, same, seed, task, observer)?;
        all.extend(same.iter().cloned().zip(made).map(|(source, made)| Translation { source, made }));
    }
    Ok(all)
}

/// The capability, if it has what is asked for.
fn able_to<'a>(model: &'a dyn Model, task: &TranslateTask) -> Result<&'a dyn Translate, TaskError> {
    let family = &model.info().family;
    let lacks = || ModelError::Lacks { family: family.clone(), verb: "translate", able: able("translate") };
    let translate = model.translate().ok_or_else(lacks)?;
    let options = translate.options();
    let refuse =
        |option, value: String, rule: String| Err(ModelError::Request { option, value, rule }.into());
    if task.backwards && !options.backwards {
        let rule = format!("a model of family `{family}` goes one way only");
        return refuse("backwards", "true".to_string(), rule);
    }
    if let Some(prompt) = task.prompt.as_ref().filter(|_| !options.prompt) {
        let rule = format!("a model of family `{family}` that translates reads no prompt");
        return refuse("prompt", prompt.clone(), rule);
    }
    let least = 2 * translate.multiple() as u32;
    if task.tile < least {
        return refuse("tile", task.tile.to_string(), format!("at least {least} for this model"));
    }
    Ok(translate)
}

/// Pictures of one size, the first of which has this seed.
fn together(
    model: &dyn Model,
    able: &dyn Translate,
    sources: &[DynamicImage],
    seed: u64,
    task: &TranslateTask,
    observer: &mut dyn Observer,
) -> Result<Vec<DynamicImage>, TaskError> {
    let Some((width, height)) = sources.first().map(GenericImageView::dimensions) else { return Ok(vec![]) };
    let multiple = able.multiple() as u32;
    let tile = task.tile / multiple * multiple;
    let (across, down) = (Along::new(width, multiple, tile), Along::new(height, multiple, tile));
    let frame = Frame { right: across.whole() - width, bottom: down.whole() - height, ..Frame::default() };
    let places: Vec<(u32, u32)> =
        down.starts.iter().flat_map(|y| across.starts.iter().map(move |x| (*x, *y))).collect();
    let tiles = |source: &DynamicImage| {
        let whole = grown(source, frame);
        let cut = |(x, y): &(u32, u32)| whole.crop_imm(*x, *y, across.length, down.length);
        places.iter().map(cut).collect::<Vec<_>>()
    };
    let tiles: Vec<DynamicImage> = sources.iter().flat_map(tiles).collect();
    let mut request = TranslateRequest::new(Pictures::from_images(&tiles)?);
    request.backwards = task.backwards;
    request.condition = task.prompt.as_deref().map(|prompt| told(model, prompt, tiles.len())).transpose()?;
    request.seeds = (0..tiles.len()).map(|tile| seed.wrapping_add((tile / places.len()) as u64)).collect();
    request.guidance_scale = task.guidance_scale;
    request.image_guidance_scale = task.image_guidance_scale;
    request.num_inference_steps = task.num_inference_steps;
    let made = able.translate(&request, observer)?;
    let made = if places.len() == 1 { made } else { joined(&made, &places, [&across, &down]) };
    Ok(made.to_images()?.into_iter().map(|made| made.crop_imm(0, 0, width, height)).collect())
}

/// One side of a picture, cut into pieces of one length that overlap.
struct Along {
    starts: Vec<u32>,
    length: u32,
}

impl Along {
    /// A side continued to a multiple, in pieces of at most `most`, which is one too.
    fn new(side: u32, multiple: u32, most: u32) -> Self {
        let side = side.max(1).next_multiple_of(multiple);
        if side <= most {
            return Self { starts: vec![0], length: side };
        }
        let step = most - ((f64::from(most) * OVERLAP) as u32).max(1);
        let pieces = (side - most).div_ceil(step);
        // Evenly spread, so that all overlap alike.
        let starts =
            (0..=pieces).map(|piece| (u64::from(side - most) * u64::from(piece) / u64::from(pieces)) as u32);
        Self { starts: starts.collect(), length: most }
    }

    /// The side as it was continued.
    fn whole(&self) -> u32 {
        self.starts.last().copied().unwrap_or_default() + self.length
    }

    /// How much a pixel of a piece counts: less towards an edge behind which another piece goes on.
    fn share(&self, start: u32, at: u32) -> f32 {
        let ramp = (f64::from(self.length) * OVERLAP) as f32;
        let from_start = if start == 0 { ramp } else { at as f32 + 0.5 };
        let from_end =
            if start + self.length == self.whole() { ramp } else { (self.length - at) as f32 - 0.5 };
        from_start.min(from_end).min(ramp) / ramp
    }
}

/// The tiles of each picture as one; where they overlap, each counts as far as it is from its edge.
fn joined(tiles: &Pictures, places: &[(u32, u32)], [across, down]: [&Along; 2]) -> Pictures {
    let [count, channels, tall, wide] = tiles.shape;
    let (width, height) = (across.whole() as usize, down.whole() as usize);
    let tile = channels * tall * wide;
    let mut data = Vec::with_capacity(count / places.len() * channels * height * width);
    for of_one in tiles.data.chunks(tile * places.len()) {
        let mut sums = vec![0.0; channels * height * width];
        let mut shares = vec![0.0; height * width];
        for ((left, top), tile) in places.iter().zip(of_one.chunks(tile)) {
            for row in 0..tall {
                let vertical = down.share(*top, row as u32);
                for column in 0..wide {
                    let share = vertical * across.share(*left, column as u32);
                    let at = (*top as usize + row) * width + *left as usize + column;
                    shares[at] += share;
                    for channel in 0..channels {
                        let value = tile[(channel * tall + row) * wide + column];
                        sums[channel * height * width + at] += share * value;
                    }
                }
            }
        }
        data.extend(sums.iter().zip(shares.iter().cycle()).map(|(sum, share)| sum / share));
    }
    Pictures { shape: [count / places.len(), channels, height, width], data }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use image::{Rgb, RgbImage, RgbaImage};
    use rebus_models::{ModelInfo, NoObserver, TranslateOptions};

    use super::*;

    /// Gives each picture back with its colours turned round, and takes sides of eights alone.
    struct Negative(ModelInfo);

    impl Model for Negative {
        fn info(&self) -> &ModelInfo {
            &self.0
        }

        fn translate(&self) -> Option<&dyn Translate> {
            Some(self)
        }
    }

    impl Translate for Negative {
        fn translate(
            &self,
            request: &TranslateRequest,
            observer: &mut dyn Observer,
        ) -> Result<Pictures, ModelError> {
            let [count, _, height, width] = request.sources.shape;
            assert!(height % 8 == 0 && width % 8 == 0, "{height}x{width}");
            assert_eq!(request.seeds.len(), count);
            if observer.step(count, count, &|| request.sources.clone()).is_break() {
                return Err(ModelError::Interrupted);
            }
            let data = request.sources.data.iter().map(|value| -value).collect();
            Ok(Pictures { data, ..request.sources.clone() })
        }

        fn multiple(&self) -> usize {
            8
        }

        fn options(&self) -> TranslateOptions {
            TranslateOptions::default()
        }
    }

    fn negative() -> Negative {
        Negative(ModelInfo {
            family: "negative".to_string(),
            parameters: 0,
            picture_shape: [3, 16, 16],
            hash: String::new(),
            provenance: serde_json::Value::Null,
        })
    }

    fn picture(width: u32, height: u32) -> DynamicImage {
        DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, y| {
            Rgb([(x * 7) as u8, (y * 5) as u8, (x + y) as u8])
        }))
    }

    fn translated(pictures: &[DynamicImage], task: &TranslateTask) -> Vec<Translation> {
        translate(&negative(), pictures, task, &mut NoObserver).unwrap()
    }

    #[test]
    fn pictures_of_any_size_keep_it_whole_or_in_tiles() {
        for (width, height) in [(16, 16), (1, 1), (33, 17), (100, 9), (97, 130)] {
            for tile in [16, 40, 512] {
                let task = TranslateTask { tile, ..TranslateTask::default() };
                let pictures = [picture(8, 8), picture(width, height), picture(width, height)];
                let found = translated(&pictures, &task).remove(2);
                assert_eq!(found.source, picture(width, height));
                let mut wanted = picture(width, height);
                wanted.invert();
                let near = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= 1;
                assert_eq!(found.made.dimensions(), (width, height));
                assert!(
                    found.made.as_bytes().iter().zip(wanted.as_bytes()).all(near),
                    "{width}x{height} {tile}"
                );
            }
        }
    }

    #[test]
    fn pieces_cover_a_side_and_overlap() {
        for (side, most) in [(16, 16), (17, 16), (100, 16), (1000, 128), (129, 128)] {
            let along = Along::new(side, 8, most);
            assert!(along.whole() >= side && along.whole() < side + 8, "{side} {most}");
            let overlap = |pair: &[u32]| pair[0] < pair[1] && pair[1] < pair[0] + along.length;
            assert!(along.starts.windows(2).all(overlap), "{:?}", along.starts);
            for at in 0..along.whole() {
                let inside = |start: &&u32| (**start..**start + along.length).contains(&at);
                let sum: f32 =
                    along.starts.iter().filter(inside).map(|start| along.share(*start, at - start)).sum();
                assert!(sum > 0.0, "{side} {most} {at}");
            }
        }
    }

    #[test]
    fn a_picture_is_shown_in_the_models_size_if_asked_for_and_without_transparency() {
        let clear = DynamicImage::ImageRgba8(RgbaImage::new(40, 20));
        let task = TranslateTask { fit: true, ..TranslateTask::default() };
        let found = translated(&[clear], &task).remove(0);
        assert_eq!((found.source.dimensions(), found.made.dimensions()), ((16, 16), (16, 16)));
        assert_eq!(found.source.to_rgb8().get_pixel(0, 0).0, [255; 3]);
        assert_eq!(found.made.to_rgb8().get_pixel(0, 0).0, [0; 3]);
    }

    #[test]
    fn what_a_model_cannot_do_is_said() {
        let refused = |task: TranslateTask| {
            translate(&negative(), &[picture(8, 8)], &task, &mut NoObserver).unwrap_err().to_string()
        };
        let usual = TranslateTask::default;
        assert!(refused(TranslateTask { backwards: true, ..usual() }).contains("one way only"));
        assert!(refused(TranslateTask { prompt: Some("red".into()), ..usual() }).contains("no prompt"));
        assert!(refused(TranslateTask { tile: 8, ..usual() }).contains("at least 16"));
        struct Stops;
        impl Observer for Stops {
            fn step(&mut self, _: usize, _: usize, _: &dyn Fn() -> Pictures) -> ControlFlow<()> {
                ControlFlow::Break(())
            }
        }
        let stopped = translate(&negative(), &[picture(8, 8)], &usual(), &mut Stops);
        assert!(matches!(stopped, Err(TaskError::Model(ModelError::Interrupted))));
    }
}

//! Pictures out of several: layers from files, drawn by a model, or of words, one over the other.

mod blend;
mod cut;
mod drawn;
mod harmonize;
mod poisson;
mod rectangle;
mod scene;
mod seam;
mod words;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use image::{DynamicImage, GenericImageView, RgbaImage};
use rebus_data::{
    DataConfig, EncodedFile,
    fit::{self, Size},
    picture,
};
use rebus_models::{Model, Observer};
use tiny_skia::{
    BlendMode, FilterQuality, IntSize, Paint, Pattern, Pixmap, PixmapPaint, Rect, SpreadMode, Transform,
};
use toml::Spanned;

pub use blend::Blend;
use scene::Shows;
pub use scene::{Align, Layer, Region as SceneRegion, Scene};
pub use seam::clone_seamlessly;
use words::{NoWords, written};

use crate::TaskError;

/// How far a channel of a drawn layer's background may be from white.
const NEAR_WHITE: u8 = 24;

/// What a scene is made with.
#[derive(Default)]
pub struct Composer<'a> {
    /// Draws the layers with a prompt, and the edges of those that are to fit what is below.
    pub model: Option<&'a dyn Model>,
    /// A font for words that name none.
    pub font: Option<&'a [u8]>,
    /// Drawings that are not made again, where the same scene is composed over and over.
    pub kept: Option<&'a Kept>,
}

/// Drawings by all that they are drawn from.
#[derive(Debug, Default)]
pub struct Kept(Mutex<HashMap<String, DynamicImage>>);

impl Kept {
    /// What is kept under this name, or else what is drawn now.
    fn or_drawn(
        &self,
        name: String,
        draw: impl FnOnce() -> Result<DynamicImage, TaskError>,
    ) -> Result<DynamicImage, TaskError> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(picture) = known().get(&name) {
            return Ok(picture.clone());
        }
        let picture = draw()?;
        known().insert(name, picture.clone());
        Ok(picture)
    }
}

/// Makes the picture of a scene.
///
/// # Errors
/// A file that is missing or broken, a prompt without a model, words without a font; each with its line in the scene.
pub fn compose(
    scene: &Scene,
    composer: &Composer<'_>,
    observer: &mut dyn Observer,
) -> Result<DynamicImage, TaskError> {
    let (background, at) = (scene.background.get_ref(), scene.background.span().start);
    let [red, green, blue, alpha] = color(scene, background, at)?;
    let mut canvas = Pixmap::new(scene.width, scene.height)
        .ok_or_else(|| scene.wrong(0, "a scene of this size does not fit into memory"))?;
    canvas.fill(tiny_skia::Color::from_rgba8(red, green, blue, alpha));
    for (number, layer) in (0..).zip(&scene.layers) {
        let (at, layer) = (layer.span().start, layer.get_ref());
        let picture = shown(scene, layer, (at, number), composer, observer)?;
        let full = || scene.wrong(at, "the layer does not fit into memory");
        place(&mut canvas, &picture, layer).ok_or_else(full)?;
        if layer.blend == Blend::Harmonize {
            let pixmap = scaled(&picture, layer).ok_or_else(full)?;
            let layer_alone = straight(&alone(&canvas, &pixmap, layer, 1.0).ok_or_else(full)?);
            let whole = harmonize::edge(
                scene,
                layer,
                (at, number),
                (straight(&canvas), &layer_alone),
                composer,
                observer,
            )?;
            canvas = premultiplied(&whole).ok_or_else(full)?;
        }
    }
    Ok(DynamicImage::ImageRgba8(straight(&canvas)))
}

/// A layer's picture, cut out and masked, at its own size.
fn shown(
    scene: &Scene,
    layer: &Layer,
    (at, number): (usize, u64),
    composer: &Composer<'_>,
    observer: &mut dyn Observer,
) -> Result<RgbaImage, TaskError> {
    let mut picture = match layer.shows() {
        Shows::File(file) => read(scene, file)?.into_rgba8(),
        Shows::Prompt(prompt) => {
            drawn::drawn(scene, layer, (at, number), prompt, composer, observer)?.into_rgba8()
        }
        Shows::Text(text) => in_words(scene, layer, at, text, composer)?,
    };
    // What is drawn to fill a place is all of it meant.
    let is_thing = layer.prompt.is_some() && !layer.is_fused();
    let usual = is_thing.then_some(([255; 3], NEAR_WHITE));
    let cut = match &layer.cut {
        None => usual,
        Some(said) if said.get_ref() == "none" => None,
        Some(said) => Some(key(scene, said)?),
    };
    if let Some((color, tolerance)) = cut {
        cut::cut_out(&mut picture, color, tolerance);
    }
    if let Some(file) = &layer.mask {
        let mask = read(scene, file)?;
        if mask.dimensions() != picture.dimensions() {
            let ((wide, tall), (width, height)) = (mask.dimensions(), picture.dimensions());
            let reason =
                format!("the mask is {wide}x{tall}, and its layer {width}x{height}: both must be as large");
            return Err(scene.wrong(file.span().start, reason));
        }
        for (pixel, share) in picture.pixels_mut().zip(mask.to_luma8().pixels()) {
            pixel[3] = ((u16::from(pixel[3]) * u16::from(share[0]) + 127) / 255) as u8;
        }
    }
    Ok(picture)
}

fn in_words(
    scene: &Scene,
    layer: &Layer,
    at: usize,
    text: &str,
    composer: &Composer<'_>,
) -> Result<RgbaImage, TaskError> {
    let fill = layer.fill.as_ref().map(|fill| color(scene, fill.get_ref(), fill.span().start)).transpose()?;
    let mut fonts = vec![];
    if let Some(font) = &layer.font {
        fonts.push(bytes(scene, font)?);
    }
    fonts.extend(composer.font.map(<[u8]>::to_vec));
    written(text, layer, fill.unwrap_or([0, 0, 0, 255]), &fonts).map_err(|reason| {
        match (reason, &layer.font) {
            (NoWords::NoFont, Some(font)) => {
                scene.wrong(font.span().start, format!("{} is no font", font.get_ref().display()))
            }
            (NoWords::NoFont, None) => {
                scene.wrong(at, "this build ships no font: name one (`font = \"FILE.ttf\"`)")
            }
            (NoWords::Missing(letters), _) => scene.wrong(
                at,
                format!("no font here has {letters:?}: name one that does (`font = \"FILE.ttf\"`)"),
            ),
        }
    })
}

/// Puts a picture onto the canvas; nothing where there is no memory for it.
fn place(canvas: &mut Pixmap, picture: &RgbaImage, layer: &Layer) -> Option<()> {
    let pixmap = scaled(picture, layer)?;
    if let Some(mode) = layer.blend.of_each_channel() {
        lay(canvas, &pixmap, layer, (mode, layer.opacity));
        return Some(());
    }
    let seamless = matches!(layer.blend, Blend::Poisson | Blend::PoissonMixed);
    let alone = alone(canvas, &pixmap, layer, if seamless { 1.0 } else { layer.opacity })?;
    if seamless {
        let mut colors = straight(canvas);
        clone_seamlessly(&mut colors, &straight(&alone), layer.blend == Blend::PoissonMixed, layer.opacity)
            .ok()?;
        *canvas = premultiplied(&colors)?;
    } else {
        layer.blend.draw(canvas, &alone);
    }
    Some(())
}

/// A layer's picture at its size in the scene.
fn scaled(picture: &RgbaImage, layer: &Layer) -> Option<Pixmap> {
    let side = |length: u32| ((f64::from(length) * layer.scale).round().max(1.0)) as u32;
    let size = Size { width: side(picture.width()), height: side(picture.height()) };
    if u64::from(size.width) * u64::from(size.height) > DataConfig::default().max_pixels {
        return None;
    }
    match layer.scale == 1.0 {
        true => premultiplied(picture),
        false => {
            premultiplied(&fit::stretch(&DynamicImage::ImageRgba8(picture.clone()), size).ok()?.into_rgba8())
        }
    }
}

/// A layer where it lies on the canvas, and nothing else.
fn alone(canvas: &Pixmap, pixmap: &Pixmap, layer: &Layer, opacity: f64) -> Option<Pixmap> {
    let mut alone = Pixmap::new(canvas.width(), canvas.height())?;
    lay(&mut alone, pixmap, layer, (BlendMode::SourceOver, opacity));
    Some(alone)
}

/// Draws a layer that has its size where it lies, over and over where it is a tile.
fn lay(canvas: &mut Pixmap, pixmap: &Pixmap, layer: &Layer, (blend_mode, opacity): (BlendMode, f64)) {
    let whole = |place: f64| place.fract() == 0.0;
    // Whole pixels at whole places stay what they are.
    let quality = match layer.rotation == 0.0 && layer.position.into_iter().all(whole) {
        true => FilterQuality::Nearest,
        false => FilterQuality::Bicubic,
    };
    let (opacity, [x, y]) = (opacity as f32, layer.position.map(|place| place as f32));
    if layer.tile {
        let place = Transform::from_translate(x, y);
        let shader = Pattern::new(pixmap.as_ref(), SpreadMode::Repeat, quality, opacity, place);
        let everywhere = Rect::from_xywh(0.0, 0.0, canvas.width() as f32, canvas.height() as f32);
        let paint = Paint { shader, blend_mode, ..Paint::default() };
        everywhere.into_iter().for_each(|all| canvas.fill_rect(all, &paint, Transform::identity(), None));
        return;
    }
    let paint = PixmapPaint { opacity, blend_mode, quality };
    let (middle_x, middle_y) = (x + pixmap.width() as f32 / 2.0, y + pixmap.height() as f32 / 2.0);
    let turned = Transform::from_rotate_at(layer.rotation as f32, middle_x, middle_y).pre_translate(x, y);
    canvas.draw_pixmap(0, 0, pixmap.as_ref(), &paint, turned, None);
}

fn premultiplied(picture: &RgbaImage) -> Option<Pixmap> {
    let colors = picture.pixels().flat_map(|pixel| {
        let [red, green, blue, alpha] = pixel.0;
        let color = tiny_skia::ColorU8::from_rgba(red, green, blue, alpha).premultiply();
        [color.red(), color.green(), color.blue(), color.alpha()]
    });
    Pixmap::from_vec(colors.collect(), IntSize::from_wh(picture.width(), picture.height())?)
}

fn straight(canvas: &Pixmap) -> RgbaImage {
    let mut picture = RgbaImage::new(canvas.width(), canvas.height());
    for (pixel, color) in picture.pixels_mut().zip(canvas.pixels()) {
        let color = color.demultiply();
        pixel.0 = [color.red(), color.green(), color.blue(), color.alpha()];
    }
    picture
}

/// The content of a file that the scene names.
fn bytes(scene: &Scene, file: &Spanned<PathBuf>) -> Result<Vec<u8>, TaskError> {
    let path = scene.path(file.get_ref());
    fs_err::read(&path).map_err(|error| scene.wrong(file.span().start, error.to_string()))
}

fn read(scene: &Scene, file: &Spanned<PathBuf>) -> Result<DynamicImage, TaskError> {
    let named = |path: &Path| path.display().to_string();
    let file_bytes = EncodedFile { name: named(file.get_ref()), bytes: bytes(scene, file)?.into() };
    let decoded = picture::decode(&file_bytes, DataConfig::default().max_pixels);
    decoded.map_err(|error| scene.wrong(file.span().start, error.to_string()))
}

fn color(scene: &Scene, said: &str, at: usize) -> Result<[u8; 4], TaskError> {
    picture::parse_color(said)
        .map_err(|_| scene.wrong(at, format!("`{said}` is no CSS colour, such as \"#ffcc00\" or \"white\"")))
}

/// `white~24`
fn key(scene: &Scene, said: &Spanned<String>) -> Result<([u8; 3], u8), TaskError> {
    picture::parse_color_key(said.get_ref())
        .map_err(|error| scene.wrong(said.span().start, error.to_string()))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_seam;

//! Bringing pictures of any size and aspect to the sizes that a model takes.

use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, GenericImageView, imageops};

use crate::{
    DataError,
    config::{DataConfig, Shape},
    picture,
};

/// Bucketed sizes are at most this many times as long as they are short.
const MAX_ASPECT: f64 = 2.0;

/// A picture's size in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
}

/// Brings pictures to one of its sizes, and to its channels.
#[derive(Debug, Clone)]
pub struct Fitter {
    shape: Shape,
    channels: u8,
    background: [u8; 4],
    sizes: Vec<Size>,
}

impl Fitter {
    /// Takes size, shape, channels and background from the configuration.
    ///
    /// # Errors
    /// The background is not a colour.
    pub fn new(config: &DataConfig) -> Result<Self, DataError> {
        let size = config.image_size.size();
        let sizes = match config.shape {
            Shape::Crop | Shape::Pad => vec![size],
            Shape::Bucket => buckets(size, config.bucket_step),
        };
        let background = picture::parse_color(&config.background)?;
        Ok(Self { shape: config.shape, channels: config.channels, background, sizes })
    }

    /// The sizes that come out; one without buckets.
    pub fn sizes(&self) -> &[Size] {
        &self.sizes
    }

    /// The number of the size nearest in aspect to a picture.
    pub fn bucket(&self, width: u32, height: u32) -> usize {
        let aspect = |width: u32, height: u32| (f64::from(width) / f64::from(height)).ln();
        let wanted = aspect(width, height);
        let distance = |size: &Size| (aspect(size.width, size.height) - wanted).abs();
        let nearest =
            self.sizes.iter().enumerate().min_by(|(_, a), (_, b)| distance(a).total_cmp(&distance(b)));
        nearest.map_or(0, |(index, _)| index)
    }

    /// The picture in 8 bits, with the channels asked for, at `sizes()[bucket]`.
    ///
    /// # Errors
    /// The picture has no pixel, or there is no such size.
    pub fn fit(&self, image: DynamicImage, bucket: usize) -> Result<DynamicImage, DataError> {
        let Some(&size) = self.sizes.get(bucket) else {
            return Err(DataError::Stack { reason: format!("there is no size number {bucket}") });
        };
        // Laid on the background first: resizing then mixes colours by their alpha.
        let image = picture::flatten(image, self.channels, self.background);
        if image.dimensions() == (size.width, size.height) {
            return Ok(image);
        }
        if self.shape != Shape::Pad {
            return resize(&image, size);
        }
        let scale = (f64::from(size.width) / f64::from(image.width()))
            .min(f64::from(size.height) / f64::from(image.height()));
        let side = |length: u32, most: u32| ((f64::from(length) * scale).round() as u32).clamp(1, most);
        let inner =
            Size { height: side(image.height(), size.height), width: side(image.width(), size.width) };
        let (left, top) = ((size.width - inner.width) / 2, (size.height - inner.height) / 2);
        Ok(self.place(&resize(&image, inner)?, size, left, top))
    }

    /// A picture on a canvas of background, with its top left corner at a point. With four channels the canvas is transparent.
    pub fn place(&self, image: &DynamicImage, size: Size, left: u32, top: u32) -> DynamicImage {
        let [red, green, blue, _] = self.background;
        let mut canvas =
            image::RgbaImage::from_pixel(size.width, size.height, image::Rgba([red, green, blue, 0]));
        if self.channels != 4 {
            canvas.pixels_mut().for_each(|pixel| pixel[3] = 255);
        }
        let mut canvas = picture::flatten(DynamicImage::ImageRgba8(canvas), self.channels, self.background);
        imageops::replace(&mut canvas, image, i64::from(left), i64::from(top));
        canvas
    }
}

/// Resizes with Lanczos3, colours weighted by their alpha; the middle part of the target's aspect is taken.
///
/// # Errors
/// The picture or the size has no pixel.
pub fn resize(image: &DynamicImage, size: Size) -> Result<DynamicImage, DataError> {
    resize_by(image, size, &lanczos().fit_into_destination(Some((0.5, 0.5))))
}

/// As [`resize`], with all of the picture, whatever becomes of its aspect.
///
/// # Errors
/// As [`resize`].
pub fn stretch(image: &DynamicImage, size: Size) -> Result<DynamicImage, DataError> {
    resize_by(image, size, &lanczos())
}

/// As [`stretch`], bicubic (Keys 1981, with a = -1/2): what other ways to make pictures larger are measured against.
///
/// # Errors
/// As [`resize`].
pub fn bicubic(image: &DynamicImage, size: Size) -> Result<DynamicImage, DataError> {
    resize_by(image, size, &by(FilterType::CatmullRom))
}

fn lanczos() -> ResizeOptions {
    by(FilterType::Lanczos3)
}

fn by(filter: FilterType) -> ResizeOptions {
    ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).use_alpha(true)
}

fn resize_by(image: &DynamicImage, size: Size, options: &ResizeOptions) -> Result<DynamicImage, DataError> {
    let mut target = DynamicImage::new(size.width, size.height, image.color());
    Resizer::new().resize(image, &mut target, options).map_err(|error| DataError::Stack {
        reason: format!(
            "a picture of {}x{} cannot be resized to {}x{}: {error}",
            image.width(),
            image.height(),
            size.width,
            size.height
        ),
    })?;
    Ok(target)
}

/// Sizes of at most the area, sides multiples of the step, aspects up to 2:1, from tall to wide.
fn buckets(size: Size, step: u32) -> Vec<Size> {
    let area = f64::from(size.height) * f64::from(size.width);
    let across = (area.sqrt() * MAX_ASPECT.sqrt() / f64::from(step)).ceil() as u32 + 1;
    let mut sizes: Vec<Size> = (1..=across)
        .map(|steps| {
            let width = steps * step;
            Size { height: (area / f64::from(width) / f64::from(step)).floor() as u32 * step, width }
        })
        .filter(|size| size.height > 0)
        .filter(|size| {
            let aspect = f64::from(size.width) / f64::from(size.height);
            (1.0 / MAX_ASPECT..=MAX_ASPECT).contains(&aspect)
        })
        .collect();
    // Of two sizes with one height the wider loses less of the area.
    sizes.reverse();
    sizes.dedup_by_key(|size| size.height);
    sizes.reverse();
    if sizes.is_empty() {
        sizes.push(Size { height: size.height / step * step, width: size.width / step * step });
    }
    sizes
}

#[cfg(test)]
#[path = "tests/fit.rs"]
mod tests;

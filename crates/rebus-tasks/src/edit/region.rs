//! Where a picture is to change: a mask of its own size, 255 where it is drawn anew and 0 where it stays to the byte.

use image::{DynamicImage, GenericImageView, GrayImage, Luma, Rgba, imageops};

use crate::{
    TaskError,
    frame::{Frame, grown},
};

/// What a person says of where a picture is to change.
#[derive(Debug, Clone, Default)]
pub struct Region {
    /// What it is told by; the whole picture if there is nothing.
    pub place: Option<Place>,
    /// Change all but that.
    pub invert: bool,
    /// Pixels over which the edge goes from nothing to all, on its inner side.
    pub feather: f32,
}

/// How a part of a picture is told.
#[derive(Debug, Clone)]
pub enum Place {
    /// White is to change; where the mask has transparent pixels, what is opaque.
    Mask(Box<DynamicImage>),
    /// A rectangle.
    Box {
        /// Of the left edge.
        x: u32,
        /// Of the upper edge.
        y: u32,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// All pixels near a colour.
    Color {
        /// Red, green and blue.
        color: [u8; 3],
        /// How far a channel may be off.
        tolerance: u8,
    },
    /// What is transparent.
    Transparent,
    /// What lies beyond the frame: pixels to add on each side.
    Expand {
        /// On the left.
        left: u32,
        /// On the right.
        right: u32,
        /// Above.
        top: u32,
        /// Below.
        bottom: u32,
    },
}

/// A picture, larger if its frame was to grow, and what of it is to change.
#[derive(Debug)]
pub(super) struct Marked {
    pub(super) picture: DynamicImage,
    pub(super) mask: GrayImage,
}

impl Region {
    /// The mask of a picture.
    ///
    /// # Errors
    /// A mask of another size, a box that is not inside, nothing to change.
    pub(super) fn of(&self, picture: DynamicImage) -> Result<Marked, TaskError> {
        let (width, height) = picture.dimensions();
        let mut picture = picture;
        let mut mask = match self.place.as_ref() {
            None => GrayImage::from_pixel(width, height, Luma([255])),
            Some(Place::Mask(mask)) => {
                if mask.dimensions() != (width, height) {
                    let found = format!("{}x{}", mask.width(), mask.height());
                    let rule = format!("it must be as large as the picture, {width}x{height}");
                    return Err(TaskError::Region { what: "mask", value: found, rule });
                }
                told(mask)
            }
            Some(&Place::Box { x, y, width: across, height: down }) => {
                if !fits([x, y, across, down], [width, height]) {
                    let rule = format!("it must lie inside the picture, {width}x{height}, and have a pixel");
                    let value = format!("{x},{y},{across},{down}");
                    return Err(TaskError::Region { what: "box", value, rule });
                }
                let is_in =
                    |column: u32, row: u32| (x..x + across).contains(&column) && (y..y + down).contains(&row);
                marked(width, height, is_in)
            }
            Some(Place::Color { color, tolerance }) => {
                let colors = picture.to_rgba8();
                marked(width, height, |column, row| {
                    let Rgba([red, green, blue, alpha]) = *colors.get_pixel(column, row);
                    let near = |(found, wanted): (u8, &u8)| found.abs_diff(*wanted) <= *tolerance;
                    alpha > 0 && [red, green, blue].into_iter().zip(color).all(near)
                })
            }
            Some(Place::Transparent) => {
                let colors = picture.to_rgba8();
                GrayImage::from_fn(width, height, |column, row| {
                    Luma([255 - colors.get_pixel(column, row)[3]])
                })
            }
            Some(&Place::Expand { left, right, top, bottom }) => {
                let (wide, tall) = (width + left + right, height + top + bottom);
                // What is drawn begins with something like the picture's own edge.
                picture = grown(&picture, Frame { left, right, top, bottom });
                marked(wide, tall, |column, row| {
                    !((left..left + width).contains(&column) && (top..top + height).contains(&row))
                })
            }
        };
        if self.invert {
            mask.pixels_mut().for_each(|Luma([value])| *value = 255 - *value);
        }
        if self.feather > 0.0 {
            feather(&mut mask, self.feather);
        }
        match mask.pixels().any(|Luma([value])| *value > 0) {
            true => Ok(Marked { picture, mask }),
            false => Err(TaskError::NothingToChange),
        }
    }
}

/// How much of each pixel a mask marks: by its alpha where it has one that says something, else by how white it is.
fn told(mask: &DynamicImage) -> GrayImage {
    let colors = mask.to_rgba8();
    match mask.color().has_alpha() && colors.pixels().any(|pixel| pixel[3] < 255) {
        true => GrayImage::from_fn(mask.width(), mask.height(), |x, y| Luma([colors.get_pixel(x, y)[3]])),
        false => mask.to_luma8(),
    }
}

/// Whether a rectangle has a pixel and lies inside a picture.
pub(crate) fn fits([x, y, across, down]: [u32; 4], [width, height]: [u32; 2]) -> bool {
    let along = |start: u32, length: u32, side: u32| {
        length > 0 && start.checked_add(length).is_some_and(|end| end <= side)
    };
    along(x, across, width) && along(y, down, height)
}

fn marked(width: u32, height: u32, is_in: impl Fn(u32, u32) -> bool) -> GrayImage {
    GrayImage::from_fn(width, height, |column, row| Luma([if is_in(column, row) { 255 } else { 0 }]))
}

/// Softens the edge on its inner side: half of a blurred edge lies outside, and that half is cut off.
fn feather(mask: &mut GrayImage, radius: f32) {
    let blurred = imageops::blur(mask, radius);
    for (Luma([value]), Luma([soft])) in mask.pixels_mut().zip(blurred.pixels()) {
        let inner = (2 * u16::from(*soft)).saturating_sub(255) as u8;
        *value = (*value).min(inner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> DynamicImage {
        DynamicImage::ImageRgba8(image::RgbaImage::from_fn(8, 6, |x, y| {
            Rgba([x as u8 * 10, y as u8 * 10, 0, if x < 2 { 0 } else { 255 }])
        }))
    }

    fn count(region: &Region) -> usize {
        region.of(picture()).unwrap().mask.pixels().filter(|Luma([value])| *value == 255).count()
    }

    fn by(place: Place) -> Region {
        Region { place: Some(place), ..Region::default() }
    }

    #[test]
    fn a_place_becomes_a_mask() {
        assert_eq!(count(&Region::default()), 48);
        let rectangle = by(Place::Box { x: 1, y: 2, width: 3, height: 4 });
        assert_eq!(count(&rectangle), 12);
        assert_eq!(count(&Region { invert: true, ..rectangle }), 36);
        assert_eq!(count(&by(Place::Transparent)), 12);
        // A mask by its alpha, and by its white where all of it is opaque.
        assert_eq!(count(&by(Place::Mask(Box::new(picture())))), 36);
        let white = DynamicImage::ImageRgba8(image::RgbaImage::from_pixel(8, 6, Rgba([255; 4])));
        assert_eq!(count(&by(Place::Mask(Box::new(white)))), 48);
        assert_eq!(count(&by(Place::Color { color: [40, 20, 0], tolerance: 10 })), 9);
        let wider = by(Place::Expand { left: 2, right: 0, top: 0, bottom: 1 }).of(picture()).unwrap();
        assert_eq!(wider.picture.dimensions(), (10, 7));
        assert_eq!(wider.picture.get_pixel(9, 6), picture().get_pixel(7, 5));
        assert_eq!(
            (wider.mask[(2, 5)], wider.mask[(1, 5)], wider.mask[(2, 6)]),
            (Luma([0]), Luma([255]), Luma([255]))
        );
    }

    #[test]
    fn a_feather_lies_inside() {
        let hard = by(Place::Box { x: 1, y: 1, width: 6, height: 4 });
        let soft = Region { feather: 1.0, ..hard.clone() }.of(picture()).unwrap().mask;
        let hard = hard.of(picture()).unwrap().mask;
        assert!(hard.pixels().zip(soft.pixels()).all(|(hard, soft)| soft[0] <= hard[0]));
        assert!(soft.pixels().any(|soft| (1..255).contains(&soft[0])));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let said = |region: &Region| region.of(picture()).unwrap_err().to_string();
        let outside = said(&by(Place::Box { x: 6, y: 0, width: 3, height: 3 }));
        assert!(outside.contains("6,0,3,3") && outside.contains("8x6"), "{outside}");
        let other = DynamicImage::new_luma8(3, 3);
        let other = said(&by(Place::Mask(Box::new(other))));
        assert!(other.contains("3x3") && other.contains("8x6"), "{other}");
        assert!(said(&by(Place::Color { color: [0, 0, 255], tolerance: 3 })).contains("nothing"));
    }
}

//! A picture with more pixels around it.

use image::{DynamicImage, GenericImage, GenericImageView, imageops};

/// Pixels to add on each side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) left: u32,
    pub(crate) right: u32,
    pub(crate) top: u32,
    pub(crate) bottom: u32,
}

/// The picture in a frame; its own outermost pixels go on outwards.
pub(crate) fn grown(picture: &DynamicImage, frame: Frame) -> DynamicImage {
    if frame == Frame::default() {
        return picture.clone();
    }
    let Frame { left, right, top, bottom } = frame;
    let (width, height) = picture.dimensions();
    let mut larger = DynamicImage::new(width + left + right, height + top + bottom, picture.color());
    for row in 0..larger.height() {
        for column in 0..larger.width() {
            let from = (column.saturating_sub(left).min(width - 1), row.saturating_sub(top).min(height - 1));
            larger.put_pixel(column, row, picture.get_pixel(from.0, from.1));
        }
    }
    imageops::replace(&mut larger, picture, i64::from(left), i64::from(top));
    larger
}

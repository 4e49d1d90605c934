//! Several pictures side by side in one, as samples and search results are shown.

use image::{GenericImage, GenericImageView, Rgba, RgbaImage};

use crate::{DataError, picture::parse_color};

/// Lays pictures out row by row on a background, with a gap of `gap` pixels between them and around them.
///
/// Cells are as large as the largest picture; a smaller one sits in the middle of its cell. Transparent pictures
/// are laid on the background; it may itself be transparent.
///
/// # Errors
/// There is no picture or no column, or the background is not a colour.
pub fn contact_sheet(
    images: &[image::DynamicImage],
    columns: usize,
    gap: u32,
    background: &str,
) -> Result<RgbaImage, DataError> {
    let largest = |side: fn(&image::DynamicImage) -> u32| images.iter().map(side).max().unwrap_or(0);
    let (width, height) = (largest(image::DynamicImage::width), largest(image::DynamicImage::height));
    let columns = columns.min(images.len());
    if columns == 0 {
        return Err(DataError::Stack { reason: "a contact sheet needs a picture and a column".into() });
    }
    let rows = images.len().div_ceil(columns);
    let side = |cells: usize, cell: u32| {
        let side = cells as u64 * (u64::from(cell) + u64::from(gap)) + u64::from(gap);
        u32::try_from(side)
            .map_err(|_| DataError::Stack { reason: format!("a contact sheet {side} pixels long") })
    };
    let color = Rgba(parse_color(background)?);
    let mut sheet = RgbaImage::from_pixel(side(columns, width)?, side(rows, height)?, color);
    for (index, image) in images.iter().enumerate() {
        let (row, column) = ((index / columns) as u32, (index % columns) as u32);
        let left = gap + column * (width + gap) + (width - image.width()) / 2;
        let top = gap + row * (height + gap) + (height - image.height()) / 2;
        if image.color().has_alpha() {
            image::imageops::overlay(&mut sheet, &image.to_rgba8(), left.into(), top.into());
        } else {
            let mut place = sheet.sub_image(left, top, image.width(), image.height());
            for (x, y, pixel) in image.pixels() {
                place.put_pixel(x, y, pixel);
            }
        }
    }
    Ok(sheet)
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, RgbImage};

    use super::*;

    fn plain(width: u32, height: u32, value: u8) -> DynamicImage {
        DynamicImage::ImageRgb8(RgbImage::from_pixel(width, height, image::Rgb([value; 3])))
    }

    #[test]
    fn pictures_stand_row_by_row_with_gaps() {
        let sheet =
            contact_sheet(&[plain(2, 2, 1), plain(2, 2, 2), plain(2, 2, 3)], 2, 1, "#0a0b0cff").unwrap();
        assert_eq!(sheet.dimensions(), (7, 7));
        let rows: Vec<Vec<u8>> = (0..7).map(|y| (0..7).map(|x| sheet.get_pixel(x, y)[0]).collect()).collect();
        assert_eq!(rows[0], [10; 7]);
        assert_eq!(rows[1], [10, 1, 1, 10, 2, 2, 10]);
        assert_eq!(rows[3], [10; 7]);
        assert_eq!(rows[4], [10, 3, 3, 10, 10, 10, 10]);
        assert_eq!(sheet.get_pixel(0, 0).0, [10, 11, 12, 255]);
    }

    #[test]
    fn a_smaller_picture_sits_in_the_middle_and_a_clear_one_shows_the_background() {
        let clear = DynamicImage::new_rgba8(1, 1);
        let sheet = contact_sheet(&[plain(3, 3, 9), plain(1, 1, 7), clear], 9, 0, "white").unwrap();
        assert_eq!(sheet.dimensions(), (9, 3));
        assert_eq!(sheet.get_pixel(4, 1).0, [7, 7, 7, 255]);
        assert_eq!(sheet.get_pixel(3, 0).0, [255; 4]);
        assert_eq!(sheet.get_pixel(7, 1).0, [255; 4]);
    }

    #[test]
    fn no_picture_no_column_or_no_colour_is_an_error() {
        assert!(contact_sheet(&[], 3, 1, "white").is_err());
        assert!(contact_sheet(&[plain(1, 1, 1)], 0, 1, "white").is_err());
        assert!(contact_sheet(&[plain(1, 1, 1)], 1, 1, "whit").is_err());
    }
}

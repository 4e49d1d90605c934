//! What stands before a background of one colour, cut out of it.

use image::{Luma, Rgba, RgbaImage};
use imageproc::region_labelling::{Connectivity, connected_components};

/// Makes the background transparent: what is near a colour and comes in from the edge. What is as near but enclosed stays, such as the
/// white of an eye; at the border what the background has mixed into a colour is taken out of it again.
pub(super) fn cut_out(picture: &mut RgbaImage, color: [u8; 3], tolerance: u8) {
    let (width, height) = picture.dimensions();
    let apart = |pixel: &Rgba<u8>| {
        let channels = pixel.0.iter().zip(&color);
        channels.map(|(found, wanted)| found.abs_diff(*wanted)).max().unwrap_or(0)
    };
    let near = image::GrayImage::from_fn(width, height, |x, y| {
        Luma([u8::from(apart(&picture[(x, y)]) <= tolerance)])
    });
    let parts = connected_components(&near, Connectivity::Four, Luma([0]));
    let along = (0..width).flat_map(|x| [(x, 0), (x, height - 1)]);
    let edge = along.chain((0..height).flat_map(|y| [(0, y), (width - 1, y)]));
    let outside: std::collections::HashSet<u32> =
        edge.map(|(x, y)| parts[(x, y)][0]).filter(|part| *part > 0).collect();
    let is_out = |x: u32, y: u32| outside.contains(&parts[(x, y)][0]);
    let borders = |x: u32, y: u32| {
        let columns = x.saturating_sub(1)..=(x + 1).min(width - 1);
        columns.into_iter().any(|x| (y.saturating_sub(1)..=(y + 1).min(height - 1)).any(|y| is_out(x, y)))
    };
    let places: Vec<(u32, u32)> = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).collect();
    for (x, y) in places {
        if is_out(x, y) {
            picture[(x, y)][3] = 0;
        } else if borders(x, y) {
            picture[(x, y)] = unmixed(picture[(x, y)], color);
        }
    }
}

/// The colour of which a pixel has most, if the rest of it is the background: `pixel = alpha * color + (1 - alpha) * background`, with
/// the least alpha with which that is a colour.
fn unmixed(Rgba([red, green, blue, alpha]): Rgba<u8>, background: [u8; 3]) -> Rgba<u8> {
    let share = [red, green, blue].into_iter().zip(background).map(|(value, behind)| {
        let (value, behind) = (f32::from(value), f32::from(behind));
        let most = if value > behind { 255.0 - behind } else { behind };
        if most > 0.0 { (value - behind).abs() / most } else { 0.0 }
    });
    let share = share.fold(0.0, f32::max).max(1.0 / 255.0);
    let color = |value: u8, behind: u8| {
        let (value, behind) = (f32::from(value), f32::from(behind));
        ((value - behind) / share + behind).round().clamp(0.0, 255.0) as u8
    };
    let [r, g, b] =
        [(red, background[0]), (green, background[1]), (blue, background[2])].map(|(v, b)| color(v, b));
    Rgba([r, g, b, (f32::from(alpha) * share).round() as u8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_background_goes_and_what_it_encloses_stays() {
        // A red ring with a white middle, and a mixed pixel beside it.
        let mut picture = RgbaImage::from_fn(9, 9, |x, y| {
            let far = x.abs_diff(4).max(y.abs_diff(4));
            if far == 2 { Rgba([200, 0, 0, 255]) } else { Rgba([254, 255, 255, 255]) }
        });
        picture[(1, 4)] = Rgba([255, 128, 128, 255]);
        cut_out(&mut picture, [255; 3], 3);
        assert_eq!(picture[(0, 0)][3], 0);
        assert_eq!(picture[(4, 4)], Rgba([254, 255, 255, 255]));
        assert_eq!(picture[(4, 2)][3], 255, "a darker red is no mixture of white");
        let Rgba([red, green, blue, alpha]) = picture[(1, 4)];
        assert!(
            red == 255 && green < 3 && blue < 3 && alpha.abs_diff(127) <= 1,
            "{red} {green} {blue} {alpha}"
        );
    }

    #[test]
    fn without_a_background_nothing_goes() {
        let mut picture = RgbaImage::from_pixel(5, 4, Rgba([10, 20, 30, 200]));
        let before = picture.clone();
        cut_out(&mut picture, [255; 3], 20);
        assert_eq!(picture, before);
    }
}

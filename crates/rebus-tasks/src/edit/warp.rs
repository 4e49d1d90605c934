//! Other shapes: pixels go where corners, control points or an outline go.

use image::{DynamicImage, GrayImage, Pixel, Rgba};
use imageproc::{
    contours::{BorderType, find_contours_with_threshold},
    geometric_transformations::{Border, Interpolation, Projection, warp_with},
};

use super::pixels;
use crate::TaskError;

/// A place, `[x, y]` in pixels.
pub type Point = [f64; 2];

/// Where pixels go.
#[derive(Debug, Clone, PartialEq)]
pub enum Warp {
    /// The corners go to these places: the upper left one, then clockwise; all else by perspective.
    Corners([Point; 4]),
    /// Each first place goes to its second; all else as they do around it, turned and scaled but not sheared (moving least squares,
    /// Schaefer et al. 2006, section 2.2).
    Points(Vec<[Point; 2]>),
    /// The outline of the first mask goes to that of the second, and the corners of the picture stay.
    Outline(Box<[GrayImage; 2]>),
}

/// Points along an outline.
const ALONG: usize = 64;

impl Warp {
    /// The warped picture, of its own size, kind and depth. What comes from beyond its edge is transparent, or, in a picture without
    /// alpha, the nearest pixel.
    ///
    /// # Errors
    /// Corners on one line, no points, a mask of another size or without an outline.
    pub(super) fn of(&self, mut picture: DynamicImage) -> Result<DynamicImage, TaskError> {
        let [right, bottom] = [picture.width(), picture.height()].map(|side| f64::from(side) - 1.0);
        let corners = [[0.0, 0.0], [right, 0.0], [right, bottom], [0.0, bottom]];
        match self {
            Self::Corners(to) => {
                let near = |points: [Point; 4]| points.map(|[x, y]| (x as f32, y as f32));
                let projection = Projection::from_control_points(near(corners), near(*to));
                let back = projection.filter(|_| turns_one_way(*to)).ok_or_else(|| {
                    let rule = "the corners must go to the corners of a quadrangle without a dent, in the same order";
                    refused(format!("{to:?}"), rule.to_string())
                })?;
                let back = back.invert();
                fetched(&mut picture, |x, y| back * (x, y));
            }
            Self::Points(pairs) if pairs.is_empty() => {
                return Err(refused("nothing".to_string(), "it takes at least one point".to_string()));
            }
            Self::Points(pairs) => moved(&mut picture, pairs),
            Self::Outline(masks) => {
                let [from, to] = &**masks;
                let size = (picture.width(), picture.height());
                let [from, to] = [outline(from, size)?, outline(to, size)?];
                let mut pairs = matched(&from, &to);
                pairs.extend(corners.map(|corner| [corner; 2]));
                moved(&mut picture, &pairs);
            }
        }
        Ok(picture)
    }
}

fn refused(value: String, rule: String) -> TaskError {
    TaskError::Region { what: "warp", value, rule }
}

/// Whether one goes round the points always turning right, as round a picture's corners.
fn turns_one_way(points: [Point; 4]) -> bool {
    (0..4).all(|at| {
        let [[ax, ay], [bx, by], [cx, cy]] = [points[at], points[(at + 1) % 4], points[(at + 2) % 4]];
        (bx - ax) * (cy - by) - (by - ay) * (cx - bx) > 1e-9
    })
}

/// Replaces each pixel by what is at the place from which it comes.
fn fetched(picture: &mut DynamicImage, from: impl Fn(f32, f32) -> (f32, f32) + Send + Sync) {
    let has_alpha = picture.color().has_alpha();
    let mut colors = picture.to_rgba32f();
    // What is not there must not colour what is.
    for Rgba([red, green, blue, alpha]) in colors.pixels_mut() {
        [red, green, blue].into_iter().for_each(|value| *value *= *alpha);
    }
    let border = if has_alpha { Border::Constant(Rgba([0.0; 4])) } else { Border::Replicate };
    let warped = warp_with(&colors, from, Interpolation::Bicubic, border);
    pixels::map(picture, |x, y, _| {
        let [colors @ .., alpha] = warped.get_pixel(x, y).channels() else { return [0.0; 4] };
        let alpha = f64::from(*alpha);
        let color = |at: usize| if alpha > 0.0 { f64::from(colors[at]) / alpha } else { 0.0 };
        [color(0), color(1), color(2), alpha]
    });
}

/// Moves control points, and all else with them.
fn moved(picture: &mut DynamicImage, pairs: &[[Point; 2]]) {
    fetched(picture, |x, y| {
        let [x, y] = back([f64::from(x), f64::from(y)], pairs);
        (x as f32, y as f32)
    });
}

/// Where a place comes from (equations 5 to 7, with the two points of each pair exchanged): the turn, scale and shift that suits the
/// pairs best, of which the near ones count most.
fn back(at: Point, pairs: &[[Point; 2]]) -> Point {
    let (mut total, mut here, mut there) = (0.0, [0.0; 2], [0.0; 2]);
    let weight = |to: Point| ((to[0] - at[0]).powi(2) + (to[1] - at[1]).powi(2)).recip();
    for [from, to] in pairs {
        let weight = weight(*to);
        if !weight.is_finite() {
            return *from;
        }
        total += weight;
        for axis in 0..2 {
            here[axis] += weight * to[axis];
            there[axis] += weight * from[axis];
        }
    }
    let [here, there] = [here, there].map(|sum| sum.map(|sum| sum / total));
    // A turn and a scale are a complex number.
    let (mut product, mut square) = ([0.0; 2], 0.0);
    for [from, to] in pairs {
        let weight = weight(*to);
        let ([px, py], [qx, qy]) =
            ([to[0] - here[0], to[1] - here[1]], [from[0] - there[0], from[1] - there[1]]);
        product[0] += weight * (qx * px + qy * py);
        product[1] += weight * (qy * px - qx * py);
        square += weight * (px * px + py * py);
    }
    let [a, b] = if square > 1e-12 { product.map(|part| part / square) } else { [1.0, 0.0] };
    let [dx, dy] = [at[0] - here[0], at[1] - here[1]];
    [there[0] + a * dx - b * dy, there[1] + b * dx + a * dy]
}

/// Points along the longest outline of a mask, evenly spread.
fn outline(mask: &GrayImage, (width, height): (u32, u32)) -> Result<Vec<Point>, TaskError> {
    if mask.dimensions() != (width, height) {
        let found = format!("{}x{}", mask.width(), mask.height());
        return Err(refused(found, format!("a mask must be as large as the picture, {width}x{height}")));
    }
    let contours = find_contours_with_threshold::<u32>(mask, 127);
    let outer = contours.iter().filter(|contour| contour.border_type == BorderType::Outer);
    let longest = outer.max_by_key(|contour| contour.points.len()).filter(|contour| contour.points.len() > 2);
    let points: Vec<Point> = longest
        .map(|contour| contour.points.iter().map(|point| [f64::from(point.x), f64::from(point.y)]).collect())
        .ok_or_else(|| {
            refused("a mask".to_string(), "it must have a white part with an outline".to_string())
        })?;
    let next = |at: usize| points[(at + 1) % points.len()];
    let step = |at: usize| (next(at)[0] - points[at][0]).hypot(next(at)[1] - points[at][1]);
    let length: f64 = (0..points.len()).map(step).sum();
    let (mut spread, mut before, mut at) = (vec![], 0.0, 0);
    for number in 0..ALONG {
        let wanted = length * number as f64 / ALONG as f64;
        while before + step(at) < wanted && at + 1 < points.len() {
            before += step(at);
            at += 1;
        }
        let share = ((wanted - before) / step(at).max(1e-9)).min(1.0);
        spread
            .push(std::array::from_fn(|axis| points[at][axis] + share * (next(at)[axis] - points[at][axis])));
    }
    Ok(spread)
}

/// Which point of one outline is which of the other: they go round the same way, and begin where they lie nearest to each other once
/// both are around the same middle.
fn matched(from: &[Point], to: &[Point]) -> Vec<[Point; 2]> {
    let middle = |points: &[Point]| -> Point {
        std::array::from_fn(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / points.len() as f64)
    };
    let (a, b) = (middle(from), middle(to));
    let apart = |turn: usize| -> f64 {
        let pairs = from.iter().zip(to.iter().cycle().skip(turn));
        pairs.map(|(p, q)| (p[0] - a[0] - q[0] + b[0]).powi(2) + (p[1] - a[1] - q[1] + b[1]).powi(2)).sum()
    };
    let turn = (0..to.len()).min_by(|x, y| apart(*x).total_cmp(&apart(*y))).unwrap_or(0);
    from.iter().zip(to.iter().cycle().skip(turn)).map(|(from, to)| [*from, *to]).collect()
}

#[cfg(test)]
mod tests {
    use image::{GenericImageView, Luma, RgbaImage};

    use super::*;

    fn disc(x: u32, y: u32, radius: f64) -> GrayImage {
        GrayImage::from_fn(48, 40, |column, row| {
            let far = (f64::from(column) - f64::from(x)).hypot(f64::from(row) - f64::from(y));
            Luma([if far <= radius { 255 } else { 0 }])
        })
    }

    fn picture() -> DynamicImage {
        let of = |x: u32, y: u32| Rgba([x as u8 * 5, y as u8 * 6, 90, 255]);
        DynamicImage::ImageRgba8(RgbaImage::from_fn(48, 40, of))
    }

    fn near(found: &DynamicImage, wanted: &DynamicImage, most: u8) -> bool {
        found.as_bytes().iter().zip(wanted.as_bytes()).all(|(a, b)| a.abs_diff(*b) <= most)
    }

    #[test]
    fn what_stays_where_it_is_changes_nothing() {
        let corners = Warp::Corners([[0.0, 0.0], [47.0, 0.0], [47.0, 39.0], [0.0, 39.0]]);
        let points = Warp::Points(vec![[[3.0, 4.0]; 2], [[30.0, 9.0]; 2], [[20.0, 33.0]; 2]]);
        let outline = Warp::Outline(Box::new([disc(20, 20, 9.0), disc(20, 20, 9.0)]));
        for warp in [corners, points, outline] {
            assert!(near(&warp.of(picture()).unwrap(), &picture(), 2), "{warp:?}");
        }
        // One point takes all with it, without alpha up to the edge.
        let plain = DynamicImage::ImageRgb8(picture().to_rgb8());
        let found = Warp::Points(vec![[[10.0, 10.0], [13.0, 8.0]]]).of(plain.clone()).unwrap();
        assert_eq!(found.get_pixel(20, 20), plain.get_pixel(17, 22));
        assert_eq!((found.color(), found.get_pixel(0, 0)), (plain.color(), plain.get_pixel(0, 2)));
        let found = Warp::Points(vec![[[10.0, 10.0], [13.0, 8.0]]]).of(picture()).unwrap();
        assert_eq!(found.get_pixel(0, 39)[3], 0);
    }

    #[test]
    fn points_go_where_they_are_sent() {
        let pairs = [[[10.0, 10.0], [12.0, 9.0]], [[30.0, 12.0], [33.0, 16.0]], [[22.0, 30.0], [20.0, 31.0]]];
        let found = Warp::Points(pairs.to_vec()).of(picture()).unwrap();
        for [from, to] in pairs.map(|pair| pair.map(|[x, y]| (x as u32, y as u32))) {
            let ([a, b, ..], [c, d, ..]) =
                (found.get_pixel(to.0, to.1).0, picture().get_pixel(from.0, from.1).0);
            assert!(a.abs_diff(c) <= 2 && b.abs_diff(d) <= 2, "{from:?} {to:?}");
        }
        // A turn and a scale alone are what they are everywhere.
        let turned = |[x, y]: Point| [20.0 - 1.5 * y, 3.0 + 1.5 * x];
        let pairs: Vec<[Point; 2]> =
            [[1.0, 2.0], [9.0, 4.0], [5.0, 8.0]].map(|from| [from, turned(from)]).to_vec();
        let [x, y] = back(turned([6.0, 1.0]), &pairs);
        assert!((x - 6.0).abs() < 1e-9 && (y - 1.0).abs() < 1e-9, "{x} {y}");
        let half = Warp::Corners([[0.0, 0.0], [23.5, 0.0], [23.5, 19.5], [0.0, 19.5]]).of(picture()).unwrap();
        assert!(half.get_pixel(10, 10)[0].abs_diff(picture().get_pixel(20, 20)[0]) <= 2);
        assert_eq!(half.get_pixel(40, 30)[3], 0);
    }

    #[test]
    fn an_outline_becomes_another() {
        // A red disc on white grows and moves.
        let before = disc(18, 20, 8.0);
        let picture = RgbaImage::from_fn(48, 40, |x, y| match before[(x, y)] {
            Luma([255]) => Rgba([200, 0, 0, 255]),
            _ => Rgba([255; 4]),
        });
        let after = disc(25, 19, 12.0);
        let warp = Warp::Outline(Box::new([before, after.clone()]));
        let found = warp.of(DynamicImage::ImageRgba8(picture)).unwrap();
        let wrong = after
            .enumerate_pixels()
            .filter(|(x, y, Luma([inside]))| (*inside > 0) != (found.get_pixel(*x, *y)[1] < 128));
        assert!(wrong.count() < 40, "of {} pixels", 48 * 40);
        assert_eq!(found.get_pixel(0, 0), Rgba([255; 4]));
    }

    #[test]
    fn what_cannot_be_is_said() {
        let said = |warp: Warp| warp.of(picture()).unwrap_err().to_string();
        assert!(said(Warp::Points(vec![])).contains("at least one point"));
        assert!(
            said(Warp::Corners([[0.0, 0.0], [9.0, 9.0], [0.0, 9.0], [9.0, 0.0]])).contains("without a dent")
        );
        let small = GrayImage::new(3, 3);
        assert!(said(Warp::Outline(Box::new([small, disc(20, 20, 5.0)]))).contains("48x40"));
        let empty = GrayImage::new(48, 40);
        assert!(said(Warp::Outline(Box::new([disc(20, 20, 5.0), empty]))).contains("outline"));
    }
}

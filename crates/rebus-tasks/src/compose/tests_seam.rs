//! Tests of `poisson` and of `seam`.

use faer::{Mat, linalg::solvers::Solve};
use image::{Rgba, RgbaImage};
use proptest::prelude::*;

use super::{
    poisson::{Place, Region},
    seam::clone_seamlessly,
};

/// The same equations, solved at once.
fn directly(width: usize, places: &[Place], b: &[f64]) -> Vec<f64> {
    let count = places.len();
    let mut matrix = Mat::<f64>::identity(count, count);
    for at in (0..count).filter(|at| places[*at] == Place::Wanted) {
        let (x, y) = (at % width, at / width);
        let around = [
            (x > 0).then(|| at - 1),
            (x + 1 < width).then(|| at + 1),
            (y > 0).then(|| at - width),
            (at + width < count).then(|| at + width),
        ];
        matrix[(at, at)] = 0.0;
        for other in around.into_iter().flatten().filter(|other| places[*other] != Place::Beyond) {
            matrix[(at, at)] += 1.0;
            if places[other] == Place::Wanted {
                matrix[(at, other)] = -1.0;
            }
        }
        assert!(y < count);
    }
    let right = Mat::from_fn(count, 1, |row, _| b[row]);
    let found = matrix.partial_piv_lu().solve(&right);
    (0..count).map(|row| found[(row, 0)]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rectangles_are_solved_as_directly(
        columns in 1usize..14,
        rows in 1usize..14,
        sides in 0u8..16,
        around in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let mut draws = rebus_data::random::stream(seed, rebus_data::random::Purpose::Other, 0, 0);
        // A border all around, of which each side is known or beyond; without it, beyond is where the grid ends.
        let known = |side: u8| sides >> side & 1 == 1;
        let [west, east, north, south] = [0, 1, 2, 3].map(|side| usize::from(around || known(side)));
        let (width, height) = (columns + west + east, rows + north + south);
        let place = |at: usize| {
            let (x, y) = (at % width, at / width);
            let side = [x < west, x >= west + columns, y < north, y >= north + rows].iter().position(|is| *is);
            match side {
                None => Place::Wanted,
                Some(side) if known(side as u8) => Place::Known,
                Some(_) => Place::Beyond,
            }
        };
        let places: Vec<Place> = (0..width * height).map(place).collect();
        let region = Region::new(width, &places);
        let solved_at_once = (known(0) && known(1)) || (known(2) && known(3));
        prop_assert_eq!(matches!(region, Region::Rectangle(_)), solved_at_once);
        // Where nothing is known, many answers are right.
        if sides > 0 {
            let draw = |place: &Place| match place {
                Place::Wanted => 2.0 * f64::from(rebus_data::random::uniform(&mut draws)) - 1.0,
                _ => 0.0,
            };
            let b: Vec<f64> = places.iter().map(draw).collect();
            let (found, wanted) = (region.solve(&b, 1e-10), directly(width, &places, &b));
            for ((found, wanted), place) in found.iter().zip(&wanted).zip(&places) {
                let wanted = if *place == Place::Wanted { *wanted } else { 0.0 };
                prop_assert!((found - wanted).abs() < 1e-6, "{} {}", found, wanted);
            }
        }
    }

    #[test]
    fn regions_of_any_shape_are_solved_as_directly(
        width in 1usize..28,
        height in 1usize..28,
        known in 0.02f64..0.7,
        beyond in 0.0f64..0.2,
        seed in any::<u64>(),
    ) {
        let mut draws = rebus_data::random::stream(seed, rebus_data::random::Purpose::Other, 0, 0);
        let mut draw = || f64::from(rebus_data::random::uniform(&mut draws));
        let mut places: Vec<Place> = (0..width * height)
            .map(|_| match draw() {
                share if share < known => Place::Known,
                share if share < known + beyond => Place::Beyond,
                _ => Place::Wanted,
            })
            .collect();
        // Each part of a region must touch something that is known, or many answers are right.
        let mut bound: Vec<bool> = places.iter().map(|place| *place == Place::Known).collect();
        for _ in 0..width * height {
            for at in 0..places.len() {
                let (x, count) = (at % width, places.len());
                let near = (x > 0 && bound[at - 1])
                    || (x + 1 < width && bound[at + 1])
                    || (at >= width && bound[at - width])
                    || (at + width < count && bound[at + width]);
                bound[at] |= places[at] == Place::Wanted && near;
            }
        }
        for (place, bound) in places.iter_mut().zip(&bound) {
            if *place == Place::Wanted && !bound {
                *place = Place::Known;
            }
        }
        let b: Vec<f64> =
            places.iter().map(|place| if *place == Place::Wanted { 2.0 * draw() - 1.0 } else { 0.0 }).collect();
        let (found, wanted) = (Region::new(width, &places).solve(&b, 1e-8), directly(width, &places, &b));
        for ((found, wanted), place) in found.iter().zip(&wanted).zip(&places) {
            if *place == Place::Wanted {
                prop_assert!((found - wanted).abs() < 1e-6, "{} {}", found, wanted);
            }
        }
    }
}

#[test]
fn a_large_region_is_solved_to_a_millionth() {
    // A smooth answer, from which the right side is made.
    let (width, height) = (300, 211);
    let answer = |at: usize| ((at % width) as f64 * 0.05).sin() + ((at / width) as f64 * 0.03).cos();
    let places: Vec<Place> = (0..width * height)
        .map(|at| match ((at % width) as f64 - 150.0).hypot((at / width) as f64 - 90.0) < 95.0 {
            true => Place::Wanted,
            false => Place::Known,
        })
        .collect();
    let is = |at: usize| places[at] == Place::Wanted;
    let pull = |at: usize| {
        let around = [at.wrapping_sub(1), at + 1, at.wrapping_sub(width), at + width];
        let there = around.into_iter().filter(|other| *other < places.len());
        there.map(|other| answer(at) - if is(other) { answer(other) } else { 0.0 }).sum::<f64>()
    };
    let b: Vec<f64> = (0..places.len()).map(|at| if is(at) { pull(at) } else { 0.0 }).collect();
    let found = Region::new(width, &places).solve(&b, 1e-8);
    let apart = |(at, found): (usize, &f64)| if is(at) { (found - answer(at)).abs() } else { found.abs() };
    let worst = found.iter().enumerate().map(apart).fold(0.0, f64::max);
    assert!(worst < 1e-6, "{worst}");
}

/// A picture with something at every scale.
fn canvas() -> RgbaImage {
    RgbaImage::from_fn(40, 30, |x, y| {
        Rgba([(60 + 2 * x) as u8, (200 - 3 * y) as u8, 90 + ((x * y) % 7) as u8, 255])
    })
}

/// A disc on nothing, in colours of its own.
fn disc(color: impl Fn(u32, u32) -> [u8; 3]) -> RgbaImage {
    RgbaImage::from_fn(40, 30, |x, y| {
        let [red, green, blue] = color(x, y);
        let there = (f64::from(x) - 20.0).hypot(f64::from(y) - 14.0) < 9.0;
        Rgba([red, green, blue, if there { 255 } else { 0 }])
    })
}

fn apart(a: &RgbaImage, b: &RgbaImage) -> u8 {
    a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

#[test]
fn a_layer_that_differs_by_a_shade_alone_disappears() {
    // Its border included, as far as one place beyond the disc.
    let mut layer = disc(|x, y| {
        let Rgba([red, green, blue, _]) = canvas()[(x, y)];
        [red + 40, green - 50, blue + 9]
    });
    layer.pixels_mut().for_each(|pixel| pixel[3] = pixel[3].max(1));
    let mut found = canvas();
    clone_seamlessly(&mut found, &layer, false, 1.0).unwrap();
    assert!(apart(&found, &canvas()) <= 1, "{}", apart(&found, &canvas()));
}

#[test]
fn what_is_outside_stays_and_what_is_inside_keeps_its_gradients() {
    let layer = disc(|x, _| [if x % 2 == 0 { 20 } else { 60 }, 0, 255]);
    let mut found = canvas();
    clone_seamlessly(&mut found, &layer, false, 1.0).unwrap();
    for (x, y, pixel) in found.enumerate_pixels() {
        assert!(layer[(x, y)][3] > 0 || *pixel == canvas()[(x, y)], "{x},{y}");
    }
    let step = i16::from(found[(21, 14)][0]) - i16::from(found[(20, 14)][0]);
    assert!((38..=43).contains(&step), "{step}");
    // Half of it is half of the way.
    let mut half = canvas();
    clone_seamlessly(&mut half, &layer, false, 0.5).unwrap();
    let (whole, before) = (f64::from(found[(20, 14)][0]), f64::from(canvas()[(20, 14)][0]));
    assert!((f64::from(half[(20, 14)][0]) - (whole + before) / 2.0).abs() <= 1.0);
}

#[test]
fn mixed_gradients_let_through_what_is_below_an_even_layer() {
    let layer = disc(|_, _| [10, 10, 10]);
    let (mut mixed, mut plain) = (canvas(), canvas());
    clone_seamlessly(&mut mixed, &layer, true, 1.0).unwrap();
    clone_seamlessly(&mut plain, &layer, false, 1.0).unwrap();
    assert!(apart(&mixed, &canvas()) <= 1, "{}", apart(&mixed, &canvas()));
    assert!(apart(&plain, &canvas()) > 2);
}

#[test]
fn without_a_border_a_layer_is_laid_on_as_it_is() {
    let layer = RgbaImage::from_fn(40, 30, |x, y| Rgba([x as u8, y as u8, 7, 255]));
    let mut found = canvas();
    clone_seamlessly(&mut found, &layer, false, 1.0).unwrap();
    assert!(apart(&found, &layer) <= 1);
    assert!(clone_seamlessly(&mut found, &RgbaImage::new(40, 31), false, 1.0).is_err());
    let mut nothing = canvas();
    clone_seamlessly(&mut nothing, &RgbaImage::new(40, 30), false, 1.0).unwrap();
    assert!(nothing == canvas());
}

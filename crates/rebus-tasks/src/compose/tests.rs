//! Tests of `compose`.

use std::path::Path;

use image::{Rgba, RgbaImage};
use rebus_models::NoObserver;

use super::*;

/// A folder with a red picture of 4x4, its left half transparent, and a mask whose upper half is white.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let red = |x, _| Rgba([200, 10, 20, if x < 2 { 0 } else { 255 }]);
    RgbaImage::from_fn(4, 4, red).save(folder.path().join("red.png")).unwrap();
    let mask = image::GrayImage::from_fn(4, 4, |_, y| image::Luma([if y < 2 { 255 } else { 0 }]));
    mask.save(folder.path().join("mask.png")).unwrap();
    folder
}

fn made(folder: &Path, text: &str) -> Result<RgbaImage, TaskError> {
    let scene = Scene::parse(text, &folder.join("scene.toml"))?;
    compose(&scene, &Composer::default(), &mut NoObserver).map(DynamicImage::into_rgba8)
}

/// A scene of 8x8 on a blue of its own, with one layer more.
fn one(folder: &Path, layer: &str) -> RgbaImage {
    made(folder, &format!("width = 8\nheight = 8\nbackground = \"#102030\"\n[[layer]]\n{layer}")).unwrap()
}

const BEHIND: Rgba<u8> = Rgba([0x10, 0x20, 0x30, 255]);
const RED: Rgba<u8> = Rgba([200, 10, 20, 255]);

#[test]
fn a_layer_stands_where_it_is_put_and_leaves_the_rest() {
    let folder = folder();
    let picture = one(folder.path(), "file = \"red.png\"\nposition = [2, 3]");
    for (x, y, found) in picture.enumerate_pixels() {
        let inside = (4..6).contains(&x) && (3..7).contains(&y);
        assert_eq!(*found, if inside { RED } else { BEHIND }, "{x},{y}");
    }
    // Beyond the edge it is cut off.
    let picture = one(folder.path(), "file = \"red.png\"\nposition = [-3, 6]");
    assert_eq!((picture[(0, 7)], picture[(1, 7)], picture[(0, 5)]), (RED, BEHIND, BEHIND));
}

#[test]
fn scale_rotation_opacity_and_mask_do_what_they_say() {
    let folder = folder();
    let picture = one(folder.path(), "file = \"red.png\"\nscale = 2");
    let near = |a: Rgba<u8>, b: Rgba<u8>, most: u8| a.0.iter().zip(b.0).all(|(a, b)| a.abs_diff(b) <= most);
    // Between transparent and opaque, what is resized goes a little beyond.
    assert!(near(picture[(6, 4)], RED, 12) && near(picture[(1, 4)], BEHIND, 2), "{:?}", picture[(6, 4)]);
    let turned = one(folder.path(), "file = \"red.png\"\nscale = 2\nrotation = 180");
    assert!(near(turned[(1, 4)], RED, 12) && near(turned[(6, 4)], BEHIND, 2));
    let quarter = one(folder.path(), "file = \"red.png\"\nscale = 2\nrotation = 90");
    assert!(near(quarter[(4, 6)], RED, 20) && near(quarter[(4, 1)], BEHIND, 4), "clockwise");
    let half = one(folder.path(), "file = \"red.png\"\nopacity = 0.5")[(3, 1)];
    assert!(near(half, Rgba([108, 21, 34, 255]), 2), "{half:?}");
    let masked = one(folder.path(), "file = \"red.png\"\nmask = \"mask.png\"");
    assert_eq!((masked[(3, 1)], masked[(3, 3)]), (RED, BEHIND));
}

/// W3C, Compositing and Blending Level 1, sections 9.1 and 9.2, on opaque colours.
#[test]
fn blends_are_those_of_the_w3c() {
    let folder = folder();
    let (layer, below) = ([200.0, 10.0, 20.0].map(|v| v / 255.0), [16.0, 32.0, 48.0].map(|v| v / 255.0));
    let multiply = |a: f64, b: f64| a * b;
    let screen = |a: f64, b: f64| a + b - a * b;
    let hard = |b: f64, s: f64| if s <= 0.5 { multiply(b, 2.0 * s) } else { screen(b, 2.0 * s - 1.0) };
    let soft = |b: f64, s: f64| {
        let root = if b <= 0.25 { ((16.0 * b - 12.0) * b + 4.0) * b } else { b.sqrt() };
        if s <= 0.5 { b - (1.0 - 2.0 * s) * b * (1.0 - b) } else { b + (2.0 * s - 1.0) * (root - b) }
    };
    let dodge = |b: f64, s: f64| {
        if b == 0.0 {
            0.0
        } else if s >= 1.0 {
            1.0
        } else {
            (b / (1.0 - s)).min(1.0)
        }
    };
    let burn = |b: f64, s: f64| {
        if b >= 1.0 {
            1.0
        } else if s <= 0.0 {
            0.0
        } else {
            1.0 - ((1.0 - b) / s).min(1.0)
        }
    };
    let luminosity = |c: [f64; 3]| 0.3 * c[0] + 0.59 * c[1] + 0.11 * c[2];
    let clipped = |c: [f64; 3]| {
        let (l, least, most) =
            (luminosity(c), c.into_iter().fold(1.0, f64::min), c.into_iter().fold(0.0, f64::max));
        let c = if least < 0.0 { c.map(|v| l + (v - l) * l / (l - least)) } else { c };
        if most > 1.0 { c.map(|v| l + (v - l) * (1.0 - l) / (most - l)) } else { c }
    };
    let with_luminosity = |c: [f64; 3], l: f64| clipped(c.map(|v| v + l - luminosity(c)));
    type Separable<'a> = &'a dyn Fn(f64, f64) -> f64;
    let separable: [(&str, Separable<'_>); 12] = [
        ("alpha", &|_, s| s),
        ("normal", &|_, s| s),
        ("multiply", &multiply),
        ("screen", &screen),
        ("overlay", &|b, s| hard(s, b)),
        ("darken", &|b, s| b.min(s)),
        ("lighten", &|b, s| b.max(s)),
        ("color-dodge", &dodge),
        ("color-burn", &burn),
        ("hard-light", &hard),
        ("soft-light", &soft),
        ("difference", &|b, s| (b - s).abs()),
    ];
    let all = separable.iter().map(|(name, of)| (*name, std::array::from_fn(|i| of(below[i], layer[i]))));
    let most = |c: [f64; 3]| c.into_iter().fold(0.0, f64::max);
    let least = |c: [f64; 3]| c.into_iter().fold(1.0, f64::min);
    let saturation = |c: [f64; 3]| most(c) - least(c);
    let with_saturation = |c: [f64; 3], s: f64| c.map(|v| (v - least(c)) * s / saturation(c));
    let whole: [(&str, [f64; 3]); 5] = [
        ("hue", with_luminosity(with_saturation(layer, saturation(below)), luminosity(below))),
        ("saturation", with_luminosity(with_saturation(below, saturation(layer)), luminosity(below))),
        ("exclusion", std::array::from_fn(|i| below[i] + layer[i] - 2.0 * below[i] * layer[i])),
        ("color", with_luminosity(layer, luminosity(below))),
        ("luminosity", with_luminosity(below, luminosity(layer))),
    ];
    for (name, wanted) in all.chain(whole) {
        let Rgba([found @ .., _]) =
            one(folder.path(), &format!("file = \"red.png\"\nblend = \"{name}\""))[(3, 1)];
        let near =
            found.iter().zip(wanted).all(|(found, wanted)| (f64::from(*found) - 255.0 * wanted).abs() < 1.6);
        assert!(near, "{name}: {found:?} and {:?}", wanted.map(|v| v * 255.0));
    }
}

#[test]
fn without_a_background_nothing_is_behind() {
    let folder = folder();
    let picture = made(folder.path(), "width = 6\nheight = 4\n[[layer]]\nfile = \"red.png\"").unwrap();
    assert_eq!((picture.dimensions(), picture[(5, 0)][3], picture[(2, 2)]), ((6, 4), 0, RED));
    let empty = made(folder.path(), "width = 3\nheight = 2\nbackground = \"white\"").unwrap();
    assert!(empty.pixels().all(|pixel| pixel.0 == [255; 4]));
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let folder = folder();
    let size = "width = 8\nheight = 8\n";
    for (text, line, words) in [
        ("width = 8\nheight = 0\n".to_string(), 1, "from 1 to 16384"),
        ("width = 8\n".to_string(), 1, "height"),
        (format!("{size}background = \"whit\"\n"), 3, "no CSS colour"),
        (format!("{size}\n[[layer]]\nfile = \"blue.png\"\n"), 5, "blue.png"),
        (
            format!("{size}[[layer]]\nfile = \"red.png\"\nblend = \"multipli\"\n"),
            5,
            "did you mean `multiply`",
        ),
        (format!("{size}[[layer]]\nfile = \"red.png\"\nopcity = 1\n"), 5, "did you mean `opacity`"),
        (
            format!("{size}[[layer]]\nfile = \"red.png\"\ntext = \"a\"\n"),
            3,
            "one of `file`, `prompt` and `text`",
        ),
        (format!("{size}[[layer]]\n"), 3, "one of `file`, `prompt` and `text`"),
        (format!("{size}[[layer]]\nfile = \"red.png\"\nopacity = 2\n"), 3, "from 0 to 1"),
        (format!("{size}[[layer]]\nfile = \"red.png\"\nscale = 0\n"), 3, "above 0"),
        (format!("{size}[[layer]]\nfile = \"red.png\"\nsize = 3\n"), 3, "layers with `text`"),
        (format!("{size}[[layer]]\nfile = \"red.png\"\nseed = 3\n"), 3, "layers with `prompt`"),
        (format!("{size}[[layer]]\nfile = \"red.png\"\ncut = \"white~x\"\n"), 5, "0 to 255"),
        (format!("{size}[[layer]]\nfile = \"red.png\"\nposition = [1, 2, 3]"), 5, "two numbers"),
        (format!("{size}[[layer]]\nfile = \"red.png\"\nmask = \"scene.png\"\n"), 5, "scene.png"),
        (format!("{size}[[layer]]\nprompt = \"sun\"\n"), 3, "no model"),
        (format!("{size}[[layer]]\ntext = \"sun\"\n"), 3, "no font"),
        (format!("{size}[[layer]]\ntext = \"sun\"\nfont = \"red.png\"\n"), 5, "no font"),
    ] {
        let message = made(folder.path(), &text).err().map(|error| error.to_string()).unwrap_or_default();
        let place = format!("scene.toml, line {line}:");
        assert!(message.contains(&place) && message.contains(words), "{text}\n{message}");
    }
    RgbaImage::new(3, 3).save(folder.path().join("small.png")).unwrap();
    let text = format!("{size}[[layer]]\nfile = \"red.png\"\nmask = \"small.png\"\n");
    let message = made(folder.path(), &text).unwrap_err().to_string();
    assert!(message.contains("3x3") && message.contains("4x4") && message.contains("line 5"), "{message}");
}

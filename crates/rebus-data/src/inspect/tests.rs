//! A collection with one of each thing that can be wrong.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

use super::*;
use crate::{
    Record,
    testing::{Memory, picture, record},
};

fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A picture with much to see, unlike those of other seeds.
fn scene(seed: u32, width: u32, height: u32) -> DynamicImage {
    DynamicImage::from(RgbImage::from_fn(width, height, |x, y| {
        let wave =
            |k: u32| ((x * (seed * 7 + k) * 40 / width + y * (seed * 3 + k * 5) * 60 / height) % 256) as u8;
        Rgb([wave(1), wave(2), wave(3)])
    }))
}

fn row(key: &str, bytes: &[u8], text: &str) -> Record {
    record(key, &[("image", picture(key, bytes)), ("text", Field::Text(text.to_string()))])
}

fn look_at(records: Vec<Record>) -> Inspection {
    inspect(&Memory::new(records), &InspectOptions { max_pixels: 10_000, listed: 2 }, &mut |_, _| {}).unwrap()
}

#[test]
fn sizes_modes_and_captions_are_counted() {
    let alpha = DynamicImage::from(RgbaImage::from_pixel(20, 10, Rgba([1, 2, 3, 0])));
    let found = look_at(vec![
        row("a.png", &encode(&scene(1, 30, 30), ImageFormat::Png), "a red apple"),
        row("b.jpg", &encode(&scene(2, 30, 30), ImageFormat::Jpeg), "苹果"),
        row("c.png", &encode(&alpha, ImageFormat::Png), " "),
        record("d.webp", &[("image", picture("d.webp", &encode(&scene(3, 10, 40), ImageFormat::WebP)))]),
    ]);
    let pictures = &found.pictures;
    assert_eq!((found.records, pictures.count), (4, 4));
    assert_eq!(pictures.formats, BTreeMap::from([("png", 2), ("jpeg", 1), ("webp", 1)]));
    assert_eq!(pictures.sizes[0], SizeCount { width: 30, height: 30, count: 2 });
    assert_eq!((pictures.sizes.len(), pictures.other_sizes), (2, 1));
    assert_eq!((pictures.landscape, pictures.square, pictures.portrait), (1, 2, 1));
    assert_eq!(pictures.aspect_ratio, Some(Spread { min: 0.25, median: 1.0, max: 2.0 }));
    assert_eq!((pictures.modes["RGB 8 bit"], pictures.modes["RGBA 8 bit"], pictures.with_alpha), (3, 1, 1));
    let text = &found.captions[0];
    assert_eq!((text.present, text.missing), (2, 2));
    assert_eq!(text.characters, Some(Spread { min: 2, median: 2, max: 11 }));
    assert_eq!(text.words.unwrap().max, 3);
    assert!(found.broken.is_empty());
}

#[test]
fn broken_and_oversized_pictures_are_named() {
    let png = encode(&scene(1, 30, 30), ImageFormat::Png);
    let jpeg = encode(&scene(1, 64, 64), ImageFormat::Jpeg);
    let found = look_at(vec![
        row("cut.png", &png[..png.len() / 2], "x"),
        row("cut.jpg", &jpeg[..jpeg.len() / 2], "x"),
        row("text.png", b"not a picture", "x"),
        row("gone.png", b"", "x"),
        row("large.png", &encode(&scene(1, 200, 100), ImageFormat::Png), "x"),
    ]);
    let keys: Vec<_> = found.broken.iter().map(|broken| broken.key.as_str()).collect();
    assert_eq!(keys, ["cut.png", "cut.jpg", "text.png", "gone.png"]);
    assert!(found.broken[3].reason.contains("missing"));
    let large = OverLimit { key: "large.png".into(), column: "image".into(), width: 200, height: 100 };
    assert_eq!(found.over_limit, [large]);
    assert_eq!((found.pictures.count, found.captions[0].present), (1, 5));
}

/// The header of a PNG may promise any size; nothing is set aside for it.
#[test]
fn a_bomb_is_refused_by_its_header() {
    let mut png = encode(&scene(1, 30, 30), ImageFormat::Png);
    png[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
    // The checksum of the header follows it.
    let mut crc = !0u32;
    for byte in &png[12..29] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    png[29..33].copy_from_slice(&(!crc).to_be_bytes());
    let found = look_at(vec![row("bomb.png", &png, "x")]);
    assert_eq!((found.over_limit[0].width, found.over_limit[0].height), (30_000, 30_000));
}

#[test]
fn turned_pictures_are_counted() {
    let jpeg = encode(&scene(1, 30, 20), ImageFormat::Jpeg);
    let mut turned = jpeg[..2].to_vec();
    turned.extend([0xff, 0xe1, 0, 34]);
    turned.extend(b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0");
    turned.extend(&jpeg[2..]);
    let found = look_at(vec![row("a.jpg", &turned, "x"), row("b.jpg", &jpeg, "y")]);
    assert_eq!((found.pictures.count, found.pictures.turned_by_exif), (2, 1));
}

#[test]
fn duplicates_are_found_by_content_and_by_looks() {
    let png = encode(&scene(1, 60, 60), ImageFormat::Png);
    let smaller = encode(
        &scene(1, 60, 60).resize_exact(50, 50, image::imageops::FilterType::Triangle),
        ImageFormat::Jpeg,
    );
    let found = look_at(vec![
        row("a.png", &png, "x"),
        row("b.png", &encode(&scene(2, 60, 60), ImageFormat::Png), "x"),
        row("c.png", &png, "y"),
        row("d.jpg", &smaller, "z"),
    ]);
    assert_eq!(found.duplicates.listed, [["a.png", "c.png"]]);
    assert_eq!(found.near_duplicates.listed, [["a.png", "d.jpg"]]);
    serde_json::to_string(&found).unwrap();
}

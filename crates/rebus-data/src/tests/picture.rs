//! Tests of `picture`.

use image::{ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use proptest::prelude::*;

use super::*;
use crate::testing::{encoded, plain};

const LIMIT: u64 = 64_000_000;

fn file(name: &str, bytes: Vec<u8>) -> EncodedFile {
    EncodedFile { name: name.into(), bytes: bytes.into() }
}

/// A JPEG with an EXIF block of one entry, the orientation, put after its first marker.
fn oriented(image: &DynamicImage, orientation: u8) -> EncodedFile {
    let jpeg = encoded("photo.jpg", image, ImageFormat::Jpeg);
    let exif =
        [b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(), &[orientation], &[0; 6]]
            .concat();
    let length = (exif.len() as u16 + 2).to_be_bytes();
    file("photo.jpg", [&jpeg.bytes[..2], &[0xff, 0xe1], &length, &exif, &jpeg.bytes[2..]].concat())
}

#[test]
fn exif_orientation_turns_the_picture_upright() {
    let image = RgbImage::from_fn(16, 8, |x, _| if x < 8 { Rgb([0; 3]) } else { Rgb([255; 3]) });
    let image = DynamicImage::ImageRgb8(image);
    // The stored left side is the upright top (6) or bottom (8).
    for (orientation, top) in [(6, 0), (8, 255)] {
        let photo = oriented(&image, orientation);
        assert_eq!(dimensions(&photo, LIMIT).unwrap(), (8, 16));
        let upright = decode(&photo, LIMIT).unwrap().into_rgb8();
        assert_eq!(upright.dimensions(), (8, 16));
        assert_eq!(upright.get_pixel(4, 0)[0], top, "orientation {orientation}");
        assert_eq!(upright.get_pixel(4, 15)[0], 255 - top, "orientation {orientation}");
    }
    assert_eq!(dimensions(&oriented(&image, 1), LIMIT).unwrap(), (16, 8));
}

#[test]
fn a_header_over_the_limit_is_refused_by_name_before_decoding() {
    let mut bytes = Vec::new();
    let mut writer = png::Encoder::new(&mut bytes, 60_000, 60_000).write_header().unwrap();
    writer.write_chunk(png::chunk::IDAT, &[]).unwrap();
    drop(writer);
    let bomb = file("bomb.png", bytes);
    for error in [decode(&bomb, LIMIT).unwrap_err(), dimensions(&bomb, LIMIT).unwrap_err()] {
        assert!(matches!(error, DataError::PictureTooLarge { width: 60_000, .. }), "{error}");
        assert!(error.to_string().contains("bomb.png"), "{error}");
    }
    assert!(decode(&plain(8, 8, 1), 64).is_ok());
    assert!(decode(&plain(8, 8, 1), 63).is_err());
}

#[test]
fn broken_files_are_errors_that_name_them() {
    let photo = encoded("photo.jpg", &DynamicImage::new_rgb8(64, 64), ImageFormat::Jpeg);
    let half = photo.bytes.len() - 20;
    let png = plain(8, 8, 1);
    let cases = [
        file("empty.png", Vec::new()),
        file("text.png", b"not a picture".to_vec()),
        file("cut.jpg", photo.bytes[..half].to_vec()),
        file("cut.png", png.bytes[..png.bytes.len() - 20].to_vec()),
    ];
    for case in cases {
        let error = decode(&case, LIMIT).unwrap_err().to_string();
        assert!(error.contains(&case.name), "{error}");
    }
}

#[test]
fn every_depth_and_kind_becomes_eight_bits() {
    let flat = |image: &DynamicImage, format| {
        let file = encoded("a", image, format);
        flatten(decode(&file, LIMIT).unwrap(), 3, [255; 4]).into_rgb8().get_pixel(0, 0).0
    };
    let deep = ImageBuffer::from_pixel(1, 1, Luma([0x8080u16]));
    assert_eq!(flat(&DynamicImage::ImageLuma16(deep), ImageFormat::Png), [128; 3]);
    let deep = ImageBuffer::from_pixel(1, 1, Rgba([65535u16, 0, 0x4040, 65535]));
    assert_eq!(flat(&DynamicImage::ImageRgba16(deep), ImageFormat::Png), [255, 0, 64]);
    let grey = DynamicImage::ImageLuma8(ImageBuffer::from_pixel(8, 8, Luma([77u8])));
    assert_eq!(flat(&grey, ImageFormat::Png), [77; 3]);
    assert_eq!(flat(&grey, ImageFormat::Jpeg), [77; 3]);
    let color = DynamicImage::ImageRgba8(RgbaImage::from_pixel(4, 4, Rgba([10, 20, 30, 255])));
    assert_eq!(flat(&color, ImageFormat::WebP), [10, 20, 30]);
    assert_eq!(flat(&color, ImageFormat::Gif), [10, 20, 30]);
}

#[test]
fn a_palette_with_transparency_is_looked_up() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(vec![1, 2, 3, 200, 100, 50]);
    encoder.set_trns(vec![0, 255]);
    encoder.write_header().unwrap().write_image_data(&[0, 1]).unwrap();
    let image = flatten(decode(&file("p.png", bytes), LIMIT).unwrap(), 3, [9, 9, 9, 255]).into_rgb8();
    assert_eq!(image.into_raw(), [9, 9, 9, 200, 100, 50]);
}

/// A CMYK JPEG of one 8x8 block, made by hand: each of four components has one code for "no difference" and one for
/// "end of block", so that every sample is 128.
#[test]
fn cmyk_becomes_rgb() {
    let mut bytes = vec![0xff, 0xd8];
    let mut segment = |marker: u8, body: &[u8]| {
        bytes.extend([0xff, marker]);
        bytes.extend((body.len() as u16 + 2).to_be_bytes());
        bytes.extend(body);
    };
    segment(0xee, b"Adobe\0\x64\0\0\0\0\0");
    segment(0xdb, &[[0].as_slice(), &[1; 64]].concat());
    segment(0xc0, &[8, 0, 8, 0, 8, 4, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x11, 0]);
    for table in [0x00, 0x10] {
        segment(0xc4, &[[table, 1].as_slice(), &[0; 15], &[0]].concat());
    }
    segment(0xda, &[4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0]);
    bytes.extend([0x00, 0xff, 0xd9]);
    let image = flatten(decode(&file("print.jpg", bytes), LIMIT).unwrap(), 3, [255; 4]).into_rgb8();
    // 128/255 of the light passes the ink, and of that 128/255 the black.
    assert_eq!(image.get_pixel(3, 3).0, [64; 3]);
}

#[test]
fn transparent_pictures_are_laid_on_the_background_to_the_nearest_value() {
    let pixels = [Rgba([255, 0, 0, 128]), Rgba([9, 9, 9, 0]), Rgba([1, 2, 3, 255]), Rgba([100, 50, 200, 51])];
    let image = RgbaImage::from_fn(4, 1, |x, _| pixels[x as usize]);
    let flat = |color: &str, channels| {
        flatten(DynamicImage::ImageRgba8(image.clone()), channels, parse_color(color).unwrap()).into_bytes()
    };
    assert_eq!(flat("#ffffff", 3), [255, 127, 127, 255, 255, 255, 1, 2, 3, 224, 214, 244]);
    assert_eq!(flat("black", 3), [128, 0, 0, 0, 0, 0, 1, 2, 3, 20, 10, 40]);
    assert_eq!(flat("white", 4), image.as_raw().clone());
    assert_eq!(flat("white", 1).len(), 4);
    assert_eq!(flat("white", 1)[1], 255);
}

proptest! {
    #[test]
    fn pictures_survive_the_floats(channels in prop::sample::select(vec![1usize, 3, 4]), count in 1usize..4, seed: u8) {
        let (width, height) = (5u32, 3u32);
        let images: Vec<DynamicImage> = (0..count)
            .map(|index| {
                let byte = |at: usize| (at * 37 + index * 101) as u8 ^ seed;
                let bytes: Vec<u8> = (0..15 * channels).map(byte).collect();
                match channels {
                    1 => image::GrayImage::from_raw(width, height, bytes).unwrap().into(),
                    3 => RgbImage::from_raw(width, height, bytes).unwrap().into(),
                    _ => DynamicImage::from(RgbaImage::from_raw(width, height, bytes).unwrap()),
                }
            })
            .collect();
        let pictures = Pictures::from_images(&images).unwrap();
        prop_assert_eq!(pictures.shape, [count, channels, 3, 5]);
        prop_assert!(pictures.data.iter().all(|value| (-1.0..=1.0).contains(value)));
        prop_assert_eq!(pictures.to_images().unwrap(), images);
    }
}

#[test]
fn every_byte_survives_and_values_outside_are_clamped() {
    for byte in 0..=255 {
        assert_eq!(to_byte(to_float(byte)), byte);
    }
    assert_eq!((to_float(0), to_float(255)), (-1.0, 1.0));
    assert_eq!([-2.0, 2.0, f32::NAN].map(to_byte), [0, 255, 0]);
}

#[test]
fn channels_come_one_after_the_other() {
    let image = DynamicImage::ImageRgb8(RgbImage::from_raw(2, 1, vec![0, 255, 0, 255, 0, 255]).unwrap());
    assert_eq!(Pictures::from_images(&[image]).unwrap().data, [-1.0, 1.0, 1.0, -1.0, -1.0, 1.0]);
}

#[test]
fn pictures_that_do_not_fit_together_are_refused() {
    let wrong = [DynamicImage::new_rgb8(2, 2), DynamicImage::new_rgb8(2, 3)];
    assert!(Pictures::from_images(&wrong).is_err());
    assert!(Pictures::from_images(&[DynamicImage::new_rgb8(2, 2), DynamicImage::new_luma8(2, 2)]).is_err());
    assert!(Pictures::from_images(&[]).is_err());
    let short = Pictures { shape: [1, 3, 2, 2], data: vec![0.0; 11] };
    assert!(short.get(0).is_none() && short.to_images().is_err());
    assert!(Pictures { shape: [1, 2, 1, 1], data: vec![0.0; 2] }.to_images().is_err());
}

//! Tests of `augment`.

use image::{Luma, Rgb, RgbImage, Rgba, RgbaImage};

use super::*;
use crate::random::{Purpose, stream};

fn ramp() -> DynamicImage {
    DynamicImage::ImageRgb8(RgbImage::from_fn(8, 8, |x, y| Rgb([100 + x as u8, 50 + y as u8, 30])))
}

fn apply(config: DataConfig, position: u64) -> DynamicImage {
    Augment::new(&config).unwrap().apply(ramp(), &mut stream(1, Purpose::Augment, position, 0))
}

fn changed(amount: ColorJitter, color: [u8; 3]) -> [u8; 3] {
    jitter(DynamicImage::ImageRgb8(RgbImage::from_pixel(1, 1, Rgb(color))), amount)
        .into_rgb8()
        .get_pixel(0, 0)
        .0
}

#[test]
fn without_augmentation_nothing_changes() {
    assert!((0..20).all(|position| apply(DataConfig::default(), position) == ramp()));
}

#[test]
fn a_flip_comes_as_often_as_asked() {
    let flipped = |probability| {
        let config = DataConfig { horizontal_flip: probability, ..Default::default() };
        (0..1000).filter(|&position| apply(config.clone(), position) == ramp().fliph()).count()
    };
    assert_eq!((flipped(0.0), flipped(1.0)), (0, 1000));
    assert!((200..300).contains(&flipped(0.25)), "{}", flipped(0.25));
}

#[test]
fn a_shifted_crop_keeps_the_size_and_reaches_every_offset() {
    let config = DataConfig { padding_crop: 2, background: "#010203".into(), ..Default::default() };
    let mut corners = std::collections::BTreeSet::new();
    for position in 0..500 {
        let image = apply(config.clone(), position).into_rgb8();
        assert_eq!(image.dimensions(), (8, 8));
        // Where the source's pixel (4, 4) went tells the offset.
        let found = image.enumerate_pixels().find(|(_, _, pixel)| **pixel == Rgb([104, 54, 30])).unwrap();
        corners.insert((found.0, found.1));
        assert!(image.pixels().all(|pixel| pixel[0] >= 100 || *pixel == Rgb([1, 2, 3])));
    }
    assert_eq!(corners.len(), 25);
}

#[test]
fn one_augmentation_does_not_change_another() {
    let crop = DataConfig { padding_crop: 2, ..Default::default() };
    let both = DataConfig { horizontal_flip: 1.0, ..crop.clone() };
    let augment = Augment::new(&both).unwrap();
    for position in 0..20 {
        let flipped_before = augment.apply(ramp().fliph(), &mut stream(1, Purpose::Augment, position, 0));
        assert_eq!(flipped_before, apply(crop.clone(), position));
    }
}

#[test]
fn colours_change_by_the_amounts() {
    let none = ColorJitter::default();
    for color in [[0, 0, 0], [255, 255, 255], [200, 100, 50], [1, 2, 3], [127, 128, 129]] {
        assert_eq!(changed(none, color), color);
    }
    assert_eq!(changed(ColorJitter { brightness: -0.5, ..none }, [200, 100, 50]), [100, 50, 25]);
    assert_eq!(changed(ColorJitter { saturation: -1.0, ..none }, [200, 100, 50]), [200; 3]);
    assert_eq!(changed(ColorJitter { hue: 1.0 / 3.0, ..none }, [200, 100, 100]), [100, 200, 100]);
    // The distance from middle grey, 127.5, is halved.
    assert_eq!(changed(ColorJitter { contrast: -0.5, ..none }, [255, 127, 0]), [191, 127, 64]);
    assert_eq!(changed(ColorJitter { contrast: -1.0, ..none }, [255, 127, 0]), [128; 3]);
}

#[test]
fn alpha_and_kind_stay() {
    let amount = ColorJitter { brightness: 0.3, contrast: 0.2, saturation: 0.1, hue: 0.2 };
    let clear = DynamicImage::ImageRgba8(RgbaImage::from_pixel(2, 2, Rgba([9, 90, 200, 77])));
    let out = jitter(clear.clone(), amount);
    assert!(out != clear && out.as_rgba8().unwrap().pixels().all(|pixel| pixel[3] == 77));
    let grey = DynamicImage::ImageLuma8(image::GrayImage::from_pixel(2, 2, Luma([90])));
    assert!(jitter(grey, amount).as_luma8().unwrap().get_pixel(0, 0)[0] > 90);
}

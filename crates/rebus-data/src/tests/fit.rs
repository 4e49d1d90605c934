//! Tests of `fit`.

use image::{Rgb, RgbImage, Rgba, RgbaImage};

use super::*;
use crate::config::ImageSize;

fn fitter(size: [u32; 2], shape: Shape, channels: u8) -> Fitter {
    let config = DataConfig {
        image_size: ImageSize::Sides(size),
        shape,
        channels,
        background: "#102030".into(),
        ..Default::default()
    };
    config.validate().unwrap();
    Fitter::new(&config).unwrap()
}

fn thirds(width: u32, height: u32) -> DynamicImage {
    let colors = [Rgb([255, 0, 0]), Rgb([0, 255, 0]), Rgb([0, 0, 255])];
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, _| colors[(x * 3 / width) as usize]))
}

#[test]
fn a_crop_keeps_the_middle() {
    let image = fitter([8, 8], Shape::Crop, 3).fit(thirds(48, 16), 0).unwrap().into_rgb8();
    assert_eq!(image.dimensions(), (8, 8));
    // The middle third is green; the filter sees its neighbours at the edges only.
    assert!((0..8).all(|x| image.get_pixel(x, 4)[1] > 230), "{image:?}");
}

#[test]
fn a_padded_picture_is_whole_and_in_the_middle() {
    let image = fitter([8, 8], Shape::Pad, 3).fit(thirds(48, 24), 0).unwrap().into_rgb8();
    let background = Rgb([0x10, 0x20, 0x30]);
    assert_eq!([*image.get_pixel(0, 1), *image.get_pixel(7, 6)], [background; 2]);
    assert!(image.get_pixel(0, 2)[0] > 200 && image.get_pixel(7, 5)[2] > 200, "{image:?}");
}

#[test]
fn padding_of_a_transparent_picture_is_transparent() {
    let source = DynamicImage::ImageRgba8(RgbaImage::from_pixel(4, 2, Rgba([1, 2, 3, 255])));
    let image = fitter([4, 4], Shape::Pad, 4).fit(source, 0).unwrap().into_rgba8();
    assert_eq!(image.get_pixel(0, 0).0, [0x10, 0x20, 0x30, 0]);
    assert_eq!(image.get_pixel(0, 1).0, [1, 2, 3, 255]);
}

#[test]
fn hidden_colours_do_not_bleed_through_resizing() {
    let source =
        RgbaImage::from_fn(16, 16, |x, _| if x < 8 { Rgba([255, 0, 0, 255]) } else { Rgba([0, 255, 0, 0]) });
    let image = fitter([6, 6], Shape::Crop, 4).fit(DynamicImage::ImageRgba8(source), 0).unwrap().into_rgba8();
    assert!(image.pixels().all(|pixel| pixel[1] == 0), "{image:?}");
    assert!(image.pixels().any(|pixel| pixel[3] > 0));
}

#[test]
fn a_picture_of_the_right_size_is_left_alone() {
    let source = thirds(8, 8);
    assert_eq!(fitter([8, 8], Shape::Crop, 3).fit(source.clone(), 0).unwrap(), source);
}

#[test]
fn buckets_have_about_one_area_and_the_nearest_aspect_is_taken() {
    let fitter = fitter([64, 64], Shape::Bucket, 3);
    let sizes: Vec<[u32; 2]> = fitter.sizes().iter().map(|size| [size.height, size.width]).collect();
    assert_eq!(sizes, [[80, 48], [72, 56], [64, 64], [56, 72], [48, 80]]);
    let chosen = |width, height| sizes[fitter.bucket(width, height)];
    assert_eq!(chosen(500, 500), [64, 64]);
    assert_eq!(chosen(1000, 10), [48, 80]);
    assert_eq!(chosen(10, 1000), [80, 48]);
    assert_eq!(chosen(720, 560), [56, 72]);
    for (bucket, size) in fitter.sizes().iter().enumerate() {
        let image = fitter.fit(thirds(30, 40), bucket).unwrap();
        assert_eq!(image.dimensions(), (size.width, size.height));
    }
}

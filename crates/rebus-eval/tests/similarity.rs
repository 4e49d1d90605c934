//! Likeness of pictures: golden values of scikit-image (`tests/golden/similarity.py`).

#![allow(clippy::unwrap_used, reason = "a helper of a test that fails is the test that fails")]

use std::path::Path;

use image::RgbImage;
use rebus_eval::{EvalError, similarity};

fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn picture(name: &str) -> RgbImage {
    image::open(golden("similarity").join(name)).unwrap().to_rgb8()
}

#[test]
fn likeness_is_that_of_scikit_image() {
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(golden("similarity.json")).unwrap()).unwrap();
    for name in ["small", "large"] {
        let found =
            similarity(&picture(&format!("{name}.png")), &picture(&format!("{name}-reference.png"))).unwrap();
        let found = [("psnr", found.psnr), ("ssim", found.ssim), ("ms_ssim", found.ms_ssim)];
        for (measure, found) in found {
            let wanted = record[name][measure].as_f64();
            let near = match (found, wanted) {
                (Some(found), Some(wanted)) => (found - wanted).abs() <= 1e-6 * wanted.abs(),
                (None, None) => true,
                _ => false,
            };
            assert!(near, "{name} {measure}: {found:?}, not {wanted:?}");
        }
    }
}

#[test]
fn equal_pictures_have_no_finite_ratio_and_other_sizes_are_refused() {
    let large = picture("large.png");
    let same = similarity(&large, &large).unwrap();
    assert_eq!(same.psnr, None);
    assert!((same.ssim.unwrap() - 1.0).abs() < 1e-12 && (same.ms_ssim.unwrap() - 1.0).abs() < 1e-12);
    let tiny = RgbImage::new(10, 30);
    let same = similarity(&tiny, &tiny).unwrap();
    assert_eq!((same.ssim, same.ms_ssim), (None, None));
    let error = similarity(&tiny, &large).unwrap_err();
    assert!(matches!(error, EvalError::SizesDiffer { picture: (10, 30), .. }), "{error}");
}

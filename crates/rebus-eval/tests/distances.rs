//! Distances between sets of features: golden values of torch-fidelity and prdc (`tests/golden/distances.py`), and
//! generators that are broken on purpose.

#![allow(clippy::unwrap_used, reason = "a helper of a test that fails is the test that fails")]

use std::path::{Path, PathBuf};

use rebus_data::random::{Purpose, fill_normal, stream};
use rebus_eval::{
    DistanceSettings, Distances, EvalError, Features, Moments, Subset, distances, frechet_distance,
    kernel_distance, neighbours,
};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn near(name: &str, found: f64, wanted: f64) {
    assert!((found - wanted).abs() <= 1e-6 * wanted.abs(), "{name}: {found}, not {wanted}");
}

#[test]
fn distances_are_those_of_torch_fidelity_and_prdc() {
    let (drawn, real) =
        (Features::read_npy(&golden("drawn.npy")).unwrap(), Features::read_npy(&golden("real.npy")).unwrap());
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(golden("distances.json")).unwrap()).unwrap();
    let wanted = |name: &str| record[name].as_f64().unwrap();
    let distance = frechet_distance(&Moments::of(&drawn), &Moments::of(&real)).unwrap();
    near("frechet_distance", distance, wanted("frechet_distance"));
    let subsets: Vec<Subset> = serde_json::from_value(record["subsets"].clone()).unwrap();
    let kernel = kernel_distance(&drawn, &real, &subsets).unwrap();
    near("kernel_distance_mean", kernel.mean, wanted("kernel_distance_mean"));
    near("kernel_distance_std", kernel.std, wanted("kernel_distance_std"));
    let shares = neighbours(&drawn, &real, (3, 5)).unwrap();
    near("precision", shares.precision, wanted("precision"));
    near("recall", shares.recall, wanted("recall"));
    near("density", shares.density, wanted("density"));
    near("coverage", shares.coverage, wanted("coverage"));
    let shares = neighbours(&drawn, &real, (5, 5)).unwrap();
    near("precision_5", shares.precision, wanted("precision_5"));
    near("recall_5", shares.recall, wanted("recall_5"));
}

#[test]
fn moments_do_not_depend_on_the_blocks() {
    let real = Features::read_npy(&golden("real.npy")).unwrap();
    let drawn = Moments::of(&Features::read_npy(&golden("drawn.npy")).unwrap());
    let mut parts = Moments::new("parts", real.width());
    for row in 0..real.len() {
        let row: Vec<f64> = real.row(row).iter().map(|value| f64::from(*value)).collect();
        parts.add(&row);
    }
    let whole = frechet_distance(&drawn, &Moments::of(&real)).unwrap();
    assert!((frechet_distance(&drawn, &parts).unwrap() - whole).abs() < 1e-9 * whole);
}

fn normal(name: &str, count: usize, sample: u64, change: impl Fn(&mut f32)) -> Features {
    let mut data = vec![0.0; count * 8];
    fill_normal(&mut stream(1, Purpose::Other, 0, sample), &mut data);
    data.iter_mut().for_each(change);
    Features::new(name, 8, data).unwrap()
}

fn measured(drawn: &Features, real: &Features) -> Distances {
    distances(drawn, real, &DistanceSettings::default()).unwrap()
}

#[test]
fn each_broken_generator_is_exposed_by_a_measure_of_its_own() {
    let real = normal("real", 1000, 0, |_| {});
    let floor = measured(&normal("more of the same", 1000, 1, |_| {}), &real);
    assert!(floor.kernel_distance_mean.abs() < 2.0 * floor.kernel_distance_std, "{floor:?}");
    assert!(floor.precision > 0.8 && floor.recall > 0.8 && floor.coverage > 0.8, "{floor:?}");

    let noise = measured(&normal("noise", 1000, 2, |value| *value *= 6.0), &real);
    assert!(noise.precision < 0.3 && noise.density < 0.2, "noise is not like pictures: {noise:?}");
    let far = |a: Option<f64>, b: Option<f64>| a.unwrap() > 20.0 * b.unwrap();
    assert!(far(noise.frechet_distance, floor.frechet_distance), "{noise:?}");

    let one = Features::new("one picture", 8, real.row(0).repeat(1000)).unwrap();
    let one = measured(&one, &real);
    assert!(one.precision == 1.0 && one.recall < 0.01 && one.coverage < 0.02, "not all is drawn: {one:?}");

    let half = measured(&normal("half of the kinds", 1000, 3, |value| *value = value.abs()), &real);
    assert!(half.recall < 0.5 * floor.recall && half.precision > 0.8, "{half:?}");
}

#[test]
fn what_cannot_be_measured_is_named() {
    let real = normal("real", 50, 0, |_| {});
    let few = Features::new("few", 8, real.row(0).repeat(7)).unwrap();
    let report = measured(&few, &real);
    assert_eq!(report.frechet_distance, None);
    assert!(report.note.as_deref().unwrap().contains("few has 7 pictures"), "{report:?}");
    let narrow = Features::new("narrow", 4, vec![0.0; 40]).unwrap();
    let error = distances(&narrow, &real, &DistanceSettings::default()).unwrap_err();
    assert!(matches!(error, EvalError::WidthsDiffer { drawn_width: 4, real_width: 8, .. }), "{error}");
    let error = Features::new("odd", 2, vec![0.0, 1.0, f32::NAN, 0.0]).unwrap_err().to_string();
    assert!(error.starts_with("odd has NaN in row 1, column 0"), "{error}");
    let two = Features::new("two", 8, real.row(0).repeat(2)).unwrap();
    let error = distances(&two, &real, &DistanceSettings::default()).unwrap_err().to_string();
    assert!(error.contains("two has 2 pictures, too few for nearest neighbours"), "{error}");
    let error = Features::read_npy(&golden("distances.json")).unwrap_err().to_string();
    assert!(error.contains("distances.json cannot be read as features"), "{error}");
}

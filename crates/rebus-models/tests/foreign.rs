//! Networks that others trained, against the packages that define them. Weights are made by a formula; the script that recorded what
//! the packages give is `tests/golden/foreign.py`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test that fails is the test that fails")]

use std::path::{Path, PathBuf};

use burn::tensor::{Device, TensorData};
use rebus_data::Pictures;
use rebus_models::{
    Encoded, ModelError, Precision,
    foreign::{self, Resizing},
    weights,
};
use rebus_nn::named::NamedTensors;
use serde_json::Value;

/// The largest difference, in parts of the largest number of what is compared.
const TOLERANCE: f64 = 1e-4;

fn golden(network: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/foreign.json");
    let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    all[network].clone()
}

/// The weights of a network in a file, without those whose names contain one of `left_out`.
fn file(folder: &Path, network: &str, left_out: &[&str]) -> PathBuf {
    let golden = golden(network);
    let tensors = golden["shapes"].as_object().unwrap().iter().map(|(name, shape)| {
        let shape: Vec<usize> =
            shape.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
        (name.clone(), formula(name, &shape))
    });
    let tensors: NamedTensors =
        tensors.filter(|(name, _)| !left_out.iter().any(|part| name.contains(part))).collect();
    let path = folder.join(format!("{network}.safetensors"));
    std::fs::write(&path, weights::serialize(&tensors, Precision::Float32).unwrap()).unwrap();
    path
}

fn formula(name: &str, shape: &[usize]) -> TensorData {
    let phase = f64::from(crc32fast::hash(name.as_bytes()) % 1009);
    let fan_in = shape[1..].iter().product::<usize>() as f64;
    let bend = |wave: f64| {
        if name.ends_with("running_var") || name.ends_with("lambda1") || name.contains("scaling_layer.scale")
        {
            1.0 + 0.3 * wave
        } else if shape.len() == 1 && name.ends_with("weight") {
            1.0 + 0.2 * wave
        } else if name.starts_with("lin") {
            0.1 + 0.1 * wave
        } else if shape.len() >= 2 && !name.starts_with("embeddings.") && !name.contains("scaling") {
            wave * (4.0 / fan_in).sqrt()
        } else {
            0.1 * wave
        }
    };
    let numbers = (0..shape.iter().product::<usize>()).map(|i| bend((0.37 * i as f64 + phase).sin()) as f32);
    TensorData::new(numbers.collect::<Vec<_>>(), shape.to_vec())
}

fn picture(height: usize, width: usize, shift: usize) -> Pictures {
    let places = (0..3).flat_map(|c| (0..height).flat_map(move |y| (0..width).map(move |x| (c, y, x))));
    let byte =
        |(c, y, x): (usize, usize, usize)| (37 * c + 5 * x * (1 + c) + 11 * y + shift * (x * y % 7)) % 256;
    let data = places.map(|place| byte(place) as f32 / 127.5 - 1.0).collect();
    Pictures { shape: [1, 3, height, width], data }
}

fn agrees(found: &[f32], expected: &Value) {
    let expected: Vec<f64> = expected.as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect();
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let difference = (f64::from(*found) - expected).abs() / largest;
        assert!(difference < TOLERANCE, "number {place}: {found} is not {expected}");
    }
}

fn encode(path: &Path, resizing: Resizing, pictures: &Pictures) -> Vec<f32> {
    let model = foreign::open(path, resizing, &Device::flex()).unwrap();
    let encoder = model.encode().unwrap();
    assert!(encoder.picture_shape().is_none() && !encoder.reads_texts());
    let found = encoder.encode(Encoded::Pictures(pictures)).unwrap();
    assert_eq!(found.width, encoder.width());
    found.data
}

#[test]
fn inception_gives_torch_fidelitys_and_clean_fids_features() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "inception", &[]);
    for (resizing, name) in [(Resizing::TorchFidelity, "fidelity"), (Resizing::CleanFid, "clean")] {
        let features = encode(&path, resizing, &picture(32, 40, 3));
        assert_eq!(features.len(), 2048);
        let some: Vec<f32> = features.into_iter().step_by(16).collect();
        agrees(&some, &golden("inception")[name]);
    }
}

#[test]
fn dinov2_gives_the_class_token_of_transformers() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "dinov2", &[]);
    agrees(&encode(&path, Resizing::default(), &picture(256, 256, 5)), &golden("dinov2")["class"]);
}

#[test]
fn lpips_gives_the_packages_distance_with_both_networks() {
    let folder = tempfile::tempdir().unwrap();
    for network in ["alex", "vgg"] {
        let model =
            foreign::open(&file(folder.path(), network, &[]), Resizing::default(), &Device::flex()).unwrap();
        let judge = model.perceive().unwrap();
        let (a, b) = (picture(40, 64, 3), picture(40, 64, 5));
        let found = judge.distances(&a, &b).unwrap();
        agrees(&found, &serde_json::json!([golden(network)["distance"]]));
        assert_eq!(judge.distances(&a, &a).unwrap(), [0.0]);
        let least = if network == "alex" { 31 } else { 16 };
        let small = picture(least, least + 1, 3);
        assert_eq!(judge.distances(&small, &small).unwrap(), [0.0]);
        let tiny = picture(least - 1, 64, 3);
        let error = judge.distances(&tiny, &tiny).unwrap_err().to_string();
        assert!(error.contains(&format!("of {least} pixels")), "{error}");
    }
}

#[test]
fn what_is_missing_is_named_and_what_is_unknown_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path| foreign::open(path, Resizing::default(), &Device::flex()).err().unwrap();
    let error = open(&file(folder.path(), "alex", &["slice3", "lin2"])).to_string();
    for name in ["net.slice3.6.weight", "net.slice3.6.bias", "lin2.model.1.weight"] {
        assert!(error.contains(name), "{error}");
    }
    // A network with registers is another one, whose names are all there.
    let path = file(folder.path(), "dinov2", &[]);
    let mut tensors = weights::parse(&std::fs::read(&path).unwrap()).unwrap();
    tensors.insert("embeddings.register_tokens".to_string(), TensorData::new(vec![0.0f32; 128], [1, 1, 128]));
    std::fs::write(&path, weights::serialize(&tensors, Precision::Float32).unwrap()).unwrap();
    let error = open(&path).to_string();
    assert!(error.contains("unexpected: embeddings.register_tokens"), "{error}");
    let other = NamedTensors::from([("a".to_string(), TensorData::new(vec![1.0f32], [1]))]);
    let path = folder.path().join("other.safetensors");
    std::fs::write(&path, weights::serialize(&other, Precision::Float32).unwrap()).unwrap();
    let error = open(&path);
    assert!(
        matches!(error, ModelError::Weights { .. }) && error.to_string().contains("Inception"),
        "{error}"
    );
    std::fs::write(&path, b"no weights").unwrap();
    assert!(open(&path).to_string().contains("other.safetensors"));

    let grey = Pictures { shape: [1, 1, 8, 8], data: vec![0.0; 64] };
    let model =
        foreign::open(&file(folder.path(), "dinov2", &[]), Resizing::default(), &Device::flex()).unwrap();
    let encoder = model.encode().unwrap();
    assert!(encoder.encode(Encoded::Pictures(&grey)).unwrap_err().to_string().contains("3 channels"));
    let texts = ["sun".to_string()];
    assert!(encoder.encode(Encoded::Texts(&texts)).unwrap_err().to_string().contains("encode texts"));
}

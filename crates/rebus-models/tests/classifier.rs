//! The classifier: learning, pictures of unknown classes, checkpoints and model folders.

#![allow(clippy::unwrap_used, reason = "a helper of a test that fails is the test that fails")]

use burn::tensor::Device;
use indexmap::IndexMap;
use rebus_data::{Batch, Column, Pictures};
use rebus_models::{Objective, ObjectiveSpec, Precision, Step, Which, family, open};
use serde_json::json;

const SIDE: usize = 8;

/// Pictures of one brightness each, and a name for it.
fn batch(names: &[(&str, f32)]) -> Batch {
    let data = names.iter().flat_map(|(_, value)| std::iter::repeat_n(*value, 3 * SIDE * SIDE)).collect();
    let pictures = Pictures { shape: [names.len(), 3, SIDE, SIDE], data };
    Batch {
        keys: names.iter().map(|(name, _)| name.to_string()).collect(),
        columns: IndexMap::from([
            ("text".to_string(), Column::Texts(names.iter().map(|(name, _)| name.to_string()).collect())),
            ("image".to_string(), Column::Pictures(pictures)),
        ]),
    }
}

fn objective(classes: &[&str]) -> Result<Box<dyn Objective>, rebus_models::ModelError> {
    let mut spec = ObjectiveSpec::new([3, SIDE, SIDE], Device::flex().autodiff(), 5);
    spec.model = json!({ "classes": classes, "picture": { "widths": [8, 16], "groups": 4 } });
    spec.average.gamma = 1.0;
    (family("classifier").unwrap().objective)(&spec)
}

#[test]
fn it_learns_to_tell_and_remembers_in_a_folder() {
    let mut learner = objective(&["dark", "bright"]).unwrap();
    let examples = batch(&[("dark", -0.8), ("bright", 0.8), ("dark", -0.5), ("bright", 0.4)]);
    let step = |number| Step { number, seed: 1, learning_rate: 5e-3 };
    let first = learner.step(std::slice::from_ref(&examples), &step(0)).unwrap()["cross_entropy"];
    for number in 1..60 {
        learner.step(std::slice::from_ref(&examples), &step(number)).unwrap();
    }
    let held_out = learner.evaluate(&examples, &step(60)).unwrap();
    assert!(held_out["cross_entropy"] < 0.5 * first, "{first} to {held_out:?}");
    assert_eq!(held_out["wrong"], 0.0);

    // A picture whose class nobody knows counts for nothing.
    let more = batch(&[("dark", -0.8), ("bright", 0.8), ("dark", -0.5), ("bright", 0.4), ("grey", 0.0)]);
    let same = learner.evaluate(&more, &step(60)).unwrap();
    assert!((same["cross_entropy"] - held_out["cross_entropy"]).abs() < 1e-5);

    let folder = tempfile::tempdir().unwrap();
    learner.package(Which::Average).write(folder.path(), Precision::Float32).unwrap();
    let model = open(folder.path(), &Device::flex()).unwrap();
    let classifier = model.classify().unwrap();
    assert_eq!(classifier.classes(), ["dark", "bright"]);
    let pictures = examples.pictures("image").unwrap();
    let logits = classifier.classify(pictures).unwrap();
    assert!(logits[0] > logits[1] && logits[2] < logits[3], "{logits:?}");
    // One alone is as it is among others.
    let alone = Pictures { shape: [1, 3, SIDE, SIDE], data: pictures.data[..3 * SIDE * SIDE].to_vec() };
    assert_eq!(classifier.classify(&alone).unwrap(), logits[..2]);
    let grey = Pictures { shape: [1, 1, SIDE, SIDE], data: vec![0.0; SIDE * SIDE] };
    assert!(classifier.classify(&grey).unwrap_err().to_string().contains("data.channels"));
    assert!(model.generate().is_none() && model.encode().is_none());
}

#[test]
fn halves_of_a_batch_give_the_same_loss_as_the_whole() {
    let (mut whole, mut parts) =
        (objective(&["dark", "bright"]).unwrap(), objective(&["dark", "bright"]).unwrap());
    let (one, two) = (batch(&[("dark", -0.8), ("bright", 0.8)]), batch(&[("dark", -0.5), ("bright", 0.4)]));
    let all = batch(&[("dark", -0.8), ("bright", 0.8), ("dark", -0.5), ("bright", 0.4)]);
    let step = Step { number: 0, seed: 1, learning_rate: 5e-3 };
    let (a, b) = (whole.step(&[all], &step).unwrap(), parts.step(&[one, two], &step).unwrap());
    assert!((a["cross_entropy"] - b["cross_entropy"]).abs() < 1e-6, "{a:?} {b:?}");
}

#[test]
fn one_class_is_nothing_to_tell_apart() {
    let error = objective(&["sun"]).err().unwrap().to_string();
    assert!(error.contains("model.classes") && error.contains("at least two"), "{error}");
}

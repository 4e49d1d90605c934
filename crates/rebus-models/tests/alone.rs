//! A picture depends on its own seed and prompt alone, to the bit, whatever is drawn beside it. Every family is here.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test that fails is the test that fails")]

use std::sync::Arc;

use burn::tensor::{Device, TensorData};
use rebus_data::{
    Pictures,
    random::{Purpose, fill_normal, stream},
    tokenizer::{Tokenizer, TokenizerConfig},
};
use rebus_models::{
    GenerateRequest, Input, Model, NoObserver, ObjectiveSpec, Precision, Which, families, family, open,
};
use serde_json::{Value, json};

const PROMPTS: [&str; 5] = ["a red heart", "", "pizza", "a very blue dog in the sun", "a dog"];

/// A model at its full widths with random weights everywhere: at its start, a branch would be silent.
fn model(name: &str, settings: Value) -> Arc<dyn Model> {
    let mut spec = ObjectiveSpec::new([3, 16, 16], Device::flex().autodiff(), 5);
    spec.model = settings;
    let captions = PROMPTS.map(String::from).into_iter();
    let tokenizer = Tokenizer::train(&TokenizerConfig::default(), captions).unwrap();
    let family = family(name).unwrap();
    spec.tokenizer = (family.reads_captions)(&spec).then(|| Arc::new(tokenizer));
    let mut package = (family.objective)(&spec).unwrap().package(Which::Average);
    for (number, (name, data)) in package.weights.iter_mut().enumerate() {
        let shape = data.shape().to_vec();
        let mut values = vec![0.0; shape.iter().product()];
        fill_normal(&mut stream(6, Purpose::Other, 0, number as u64), &mut values);
        // A linear layer's weight is [in, out], a convolution's [out, in, kernel, kernel].
        let fan_in =
            if shape.len() == 2 { shape[0] } else { shape.iter().product::<usize>() / shape[0].max(1) };
        let scale = (fan_in.max(16) as f32).powf(-0.5);
        let around = if name.ends_with("scale") || name.ends_with("variance") { 1.0 } else { 0.0 };
        values.iter_mut().for_each(|value| *value = *value * scale + around);
        if name.ends_with("variance") {
            values.iter_mut().for_each(|value| *value = value.abs() + 0.1);
        }
        *data = TensorData::new(values, shape);
    }
    let folder = tempfile::tempdir().unwrap();
    package.write(folder.path(), Precision::Float32).unwrap();
    open(folder.path(), &Device::flex()).unwrap()
}

fn draw(model: &dyn Model, prompts: &[&str], seeds: &[u64]) -> Pictures {
    let mut request = GenerateRequest::default();
    request.seeds = seeds.to_vec();
    request.num_inference_steps = Some(2);
    let inputs: Vec<_> = prompts.iter().map(|prompt| Input::Text(prompt.to_string())).collect();
    request.condition = model.conditioner().map(|conditioner| conditioner.condition(&inputs).unwrap());
    model.generate().unwrap().generate(&request, &mut NoObserver).unwrap()
}

fn check(name: &str, settings: Value) {
    let model = model(name, settings);
    let seeds = [7, 8, 9, 10, 11];
    let together = draw(model.as_ref(), &PROMPTS, &seeds);
    let pixels = together.data.len() / seeds.len();
    for (i, picture) in together.data.chunks(pixels).enumerate() {
        let inside = picture.iter().filter(|value| value.abs() < 1.0).count();
        assert!(inside > pixels / 10, "picture {i} is almost all clamped and says nothing");
        let alone = draw(model.as_ref(), &PROMPTS[i..=i], &seeds[i..=i]);
        assert_eq!(alone.data, picture, "picture {i}");
        let pair = draw(model.as_ref(), &[PROMPTS[i], "beside"], &[seeds[i], 99]);
        assert_eq!(&pair.data[..pixels], picture, "picture {i} of a pair");
    }
    assert_ne!(together.data[..pixels], together.data[pixels..2 * pixels]);
}

#[test]
fn the_flow() {
    check("flow", json!({}));
    check("flow", json!({ "transformer": {} }));
}

#[test]
fn the_variational_autoencoder() {
    check("vae", json!({}));
}

#[test]
fn the_classic_gan() {
    // One row of 1024 numbers is where a matrix product begins to add in another order.
    check("gan-classic", json!({ "hidden": [64, 1024], "channels": 32 }));
}

#[test]
fn the_modern_gan() {
    check("gan-modern", json!({}));
}

#[test]
fn no_family_is_forgotten_here() {
    // Those that encode are in `dual.rs`.
    let draws = families().iter().filter(|family| family.verbs.contains(&"generate"));
    let names: Vec<_> = draws.map(|family| family.name).collect();
    assert_eq!(names, ["flow", "vae", "gan-modern", "gan-classic"]);
}

//! The autoencoder: its latents in use, learning, checkpoints, model folders; and a flow that draws in them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test that fails is the test that fails")]

use std::{path::Path, sync::Arc};

use burn::tensor::Device;
use indexmap::IndexMap;
use rebus_data::{
    Batch, Column, Pictures,
    tokenizer::{Tokenizer, TokenizerConfig},
};
use rebus_models::{
    GenerateRequest, Input, ModelFolder, NoObserver, Objective, ObjectiveSpec, Precision, Step, Which,
    autoencoder::Latents, family, open,
};
use serde_json::json;

/// Squares of one colour each on another.
fn batch(number: u64) -> Batch {
    let shape = [8, 3, 16, 16];
    let value = |i: usize| {
        let (picture, channel, row, column) = (i / 768, i / 256 % 3, i / 16 % 16, i % 16);
        let inside = (4..12).contains(&row) && (4..12).contains(&column);
        let shade = (picture * 7 + channel * 3 + usize::from(inside) * 5 + number as usize) % 9;
        shade as f32 / 4.0 - 1.0
    };
    let data = (0..shape.iter().product()).map(value).collect();
    let texts = (0..8).map(|picture| format!("square {picture}")).collect();
    Batch {
        keys: (0..8).map(|key| key.to_string()).collect(),
        columns: IndexMap::from([
            ("image".to_string(), Column::Pictures(Pictures { shape, data })),
            ("text".to_string(), Column::Texts(texts)),
        ]),
    }
}

fn pictures(batch: &Batch) -> Pictures {
    batch.pictures("image").unwrap().clone()
}

fn spec() -> ObjectiveSpec {
    let mut spec = ObjectiveSpec::new([3, 16, 16], Device::flex().autodiff(), 1);
    spec.model = json!({ "widths": [16, 16], "blocks": 1, "latent_channels": 3 });
    spec.objective = json!({ "adversarial_start": 20, "discriminator_widths": [8, 16] });
    spec
}

fn learn(objective: &mut dyn Objective, steps: std::ops::Range<u64>) -> Vec<f64> {
    let step = |number| {
        let step = Step { number, seed: 3, learning_rate: 3e-3 };
        let losses = objective.step(&[batch(number % 5)], &step).unwrap();
        assert!(losses.values().all(|loss| loss.is_finite()), "{losses:?}");
        losses["absolute"]
    };
    steps.map(step).collect()
}

fn objective(family_name: &str, spec: &ObjectiveSpec) -> Box<dyn Objective> {
    (family(family_name).unwrap().objective)(spec).unwrap()
}

/// The folder of an autoencoder that has learned a little.
fn autoencoder(folder: &Path) -> ModelFolder {
    let mut objective = objective("autoencoder", &spec());
    learn(&mut *objective, 0..30);
    objective.package(Which::Raw).write(folder, Precision::Float32).unwrap();
    ModelFolder::read(folder).unwrap()
}

#[test]
fn it_learns_and_goes_on_from_a_checkpoint_as_if_it_had_not_stopped() {
    let mut whole = objective("autoencoder", &spec());
    let losses = learn(&mut *whole, 0..40);
    let (first, last) = (losses[..5].iter().sum::<f64>(), losses[35..].iter().sum::<f64>());
    assert!(last < 0.6 * first, "{losses:?}");

    let mut half = objective("autoencoder", &spec());
    learn(&mut *half, 0..25);
    let mut rest = objective("autoencoder", &spec());
    rest.restore(&half.snapshot(), &half.state()).unwrap();
    learn(&mut *rest, 25..40);
    assert_eq!(rest.snapshot().weights, whole.snapshot().weights);
}

#[test]
fn latents_in_use_have_mean_zero_and_variance_one_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut objective = objective("autoencoder", &spec());
    learn(&mut *objective, 0..300);
    objective.package(Which::Raw).write(folder.path(), Precision::Float32).unwrap();
    let model = open(folder.path(), &Device::flex()).unwrap();
    let model = model.reconstruct().unwrap();
    let mut all = vec![];
    for number in 0..5 {
        let shown = pictures(&batch(number));
        let latents = model.latents(&shown, None, &mut NoObserver).unwrap();
        assert_eq!((latents.width, latents.len()), (3 * 4 * 4, 8));
        let back = model.decode(&latents, None).unwrap();
        let apart = back.data.iter().zip(&shown.data).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>();
        assert!(apart / (shown.data.len() as f64) < 0.15, "{}", apart / shown.data.len() as f64);
        // One is the same alone.
        let alone = Pictures { shape: [1, 3, 16, 16], data: shown.data[768..2 * 768].to_vec() };
        assert_eq!(model.latents(&alone, None, &mut NoObserver).unwrap().row(0), latents.row(1));
        all.extend(latents.data);
    }
    for channel in 0..3 {
        let values =
            || all.iter().enumerate().filter(|(i, _)| i / 16 % 3 == channel).map(|(_, v)| f64::from(*v));
        let count = values().count() as f64;
        let mean = values().sum::<f64>() / count;
        let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        assert!(mean.abs() < 0.25 && (0.5..1.6).contains(&variance), "channel {channel}: {mean}, {variance}");
    }
    let large = Pictures { shape: [1, 3, 18, 16], data: vec![0.0; 864] };
    let message = model.latents(&large, None, &mut NoObserver).unwrap_err().to_string();
    assert!(message.contains("picture = 16x18 with 3 channels"), "{message}");
}

#[test]
fn latents_are_kept_and_damaged_files_are_left_aside() {
    let folder = tempfile::tempdir().unwrap();
    let model = autoencoder(&folder.path().join("model"));
    let cache = folder.path().join("cache");
    let latents = || Latents::new(&model, 3, Some(cache.clone()), &Device::flex()).unwrap();
    let shown = pictures(&batch(0));
    let first = latents();
    let fresh = first.of(&shown).unwrap();
    assert_eq!(fresh.shape, [8, 3, 4, 4]);
    drop(first);
    let file = std::fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(&file).unwrap();

    // Numbers that no encoder gives come out of the file, so it is read.
    let mut other = bytes.clone();
    let length = other.len();
    other[length - 4 * 8 * 48..].chunks_exact_mut(4).for_each(|n| n.copy_from_slice(&9.0f32.to_le_bytes()));
    std::fs::write(&file, other).unwrap();
    assert!(latents().of(&shown).unwrap().data.iter().all(|number| *number == 9.0));
    // Pictures that are not in it are encoded beside those that are.
    let new: Vec<f32> = shown.data[..768].iter().map(|number| number * 0.5).collect();
    let mixed = Pictures { shape: [2, 3, 16, 16], data: [&shown.data[..768], &new].concat() };
    let mixed = latents().of(&mixed).unwrap();
    let alone = Latents::new(&model, 3, None, &Device::flex()).unwrap();
    let alone = alone.of(&Pictures { shape: [1, 3, 16, 16], data: new }).unwrap();
    assert!(mixed.data[..48].iter().all(|number| *number == 9.0));
    assert_eq!(mixed.data[48..], alone.data);

    for damaged in [&bytes[..bytes.len() - 9], &b"not at all"[..], &[]] {
        std::fs::write(&file, damaged).unwrap();
        assert_eq!(latents().of(&shown).unwrap(), fresh);
    }
}

#[test]
fn a_flow_draws_in_latents_and_its_folder_has_all_that_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let model = Arc::new(autoencoder(&folder.path().join("autoencoder")));
    let mut spec = ObjectiveSpec::new([3, 16, 16], Device::flex().autodiff(), 1);
    spec.model = json!({
        "patch": 1, "widths": [16], "blocks": 1, "groups": 4, "head_width": 8, "attention_from": 0,
        "text": { "width": 16, "layers": 1, "heads": 2, "context": 8 },
    });
    let tokenizer =
        Tokenizer::train(&TokenizerConfig::default(), ["a square".to_string()].into_iter()).unwrap();
    spec.tokenizer = Some(Arc::new(tokenizer));
    spec.needs.insert("autoencoder".to_string(), model);
    let mut objective = objective("flow", &spec);
    for number in 0..3 {
        let step = Step { number, seed: 3, learning_rate: 1e-3 };
        assert!(objective.step(&[batch(number)], &step).unwrap()["velocity"].is_finite());
    }
    objective.package(Which::Average).write(&folder.path().join("flow"), Precision::Float32).unwrap();
    let flow = open(&folder.path().join("flow"), &Device::flex()).unwrap();
    let draw = |seeds: &[u64], side: usize| {
        let mut request = GenerateRequest::default();
        request.seeds = seeds.to_vec();
        request.num_inference_steps = Some(2);
        (request.height, request.width) = (Some(side), Some(side));
        let inputs = vec![Input::Text("a square".to_string()); seeds.len()];
        request.condition = Some(flow.conditioner().unwrap().condition(&inputs).unwrap());
        flow.generate().unwrap().generate(&request, &mut NoObserver)
    };
    let drawn = draw(&[4, 5, 6], 16).unwrap();
    assert_eq!(drawn.shape, [3, 3, 16, 16]);
    assert_eq!(draw(&[5], 16).unwrap().data, drawn.data[768..2 * 768]);
    assert_eq!(draw(&[4], 32).unwrap().shape, [1, 3, 32, 32]);
    // What the objective draws in memory is what its folder draws.
    let inputs = vec![Input::Text("a square".to_string())];
    let memory = objective.model(Which::Average);
    let mut request = GenerateRequest::default();
    request.seeds = vec![4];
    request.num_inference_steps = Some(2);
    request.condition = Some(memory.conditioner().unwrap().condition(&inputs).unwrap());
    let same = memory.generate().unwrap().generate(&request, &mut NoObserver).unwrap();
    assert_eq!(same.data, drawn.data[..768]);
    let message = draw(&[4], 18).unwrap_err().to_string();
    assert!(message.contains("multiples of 4"), "{message}");
}

#[test]
fn what_is_missing_or_of_another_kind_is_named() {
    let build = |name: &str, spec: &ObjectiveSpec| {
        let built = (family(name).unwrap().objective)(spec);
        built.err().map_or_else(String::new, |error| error.to_string())
    };
    let mut needy = spec();
    needy.objective = json!({ "perceptual_weight": 1.0 });
    let message = build("autoencoder", &needy);
    assert!(
        message.contains("[needs.encoder]") && message.contains("--set needs.encoder.model=PATH"),
        "{message}"
    );
    let folder = tempfile::tempdir().unwrap();
    let model = Arc::new(autoencoder(&folder.path().join("model")));
    needy.needs.insert("encoder".to_string(), model.clone());
    let message = build("autoencoder", &needy);
    assert!(message.contains("family `autoencoder`, cannot encode") && message.contains("dual"), "{message}");
    for (model, said) in [
        (json!({ "widths": [] }), "model.widths = []: it must have 1 to 6 levels"),
        (
            json!({ "widths": [12], "groups": 8 }),
            "model.groups = 8: it must divide every one of model.widths",
        ),
        (json!({ "patch": 0 }), "model.patch = 0: it must be from 1 to 256"),
        (json!({ "patch": 3 }), "size = 16x16: both sides must be multiples of 6"),
    ] {
        let mut wrong = spec();
        wrong.model = model;
        let message = build("autoencoder", &wrong);
        assert!(message.starts_with(said), "{message}");
    }
    let mut grey = ObjectiveSpec::new([1, 16, 16], Device::flex().autodiff(), 1);
    let tokenizer = Tokenizer::train(&TokenizerConfig::default(), ["a".to_string()].into_iter()).unwrap();
    grey.tokenizer = Some(Arc::new(tokenizer));
    grey.needs.insert("autoencoder".to_string(), model);
    let message = build("flow", &grey);
    assert!(message.starts_with("needs.autoencoder") && message.contains("1 channels"), "{message}");
}

//! What saves memory changes no number, and what multiplies in fewer bits stays near. Every family is here.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test that fails is the test that fails")]

use std::sync::Arc;

use burn::tensor::{DType, Device};
use indexmap::IndexMap;
use rebus_data::{
    Batch, Column, Pictures, SOURCE,
    tokenizer::{Tokenizer, TokenizerConfig},
};
use rebus_models::{Losses, ModelFolder, Objective, ObjectiveSpec, Precision, Step, Which, families, family};
use rebus_nn::{ComputePrecision, optim::Snapshot};
use serde_json::{Value, json};

/// Squares of one colour each on another.
fn batch(first: usize, count: usize) -> Batch {
    let value = |i: usize| {
        let (picture, channel, row, column) = (first + i / 768, i / 256 % 3, i / 16 % 16, i % 16);
        let inside = (4..12).contains(&row) && (4..12).contains(&column);
        ((picture * 7 + channel * 3 + usize::from(inside) * 5) % 9) as f32 / 4.0 - 1.0
    };
    let pictures = Pictures { shape: [count, 3, 16, 16], data: (0..count * 768).map(value).collect() };
    let lighter = |value: &f32| value / 2.0 + 0.5;
    let sources = Pictures { shape: pictures.shape, data: pictures.data.iter().map(lighter).collect() };
    let texts = (first..first + count).map(|picture| format!("square {picture}")).collect();
    Batch {
        keys: (first..first + count).map(|key| key.to_string()).collect(),
        columns: IndexMap::from([
            ("image".to_string(), Column::Pictures(pictures)),
            ("text".to_string(), Column::Texts(texts)),
            (SOURCE.to_string(), Column::Pictures(sources)),
        ]),
    }
}

/// A small network of each family, and of its kinds.
fn small() -> Vec<(&'static str, Value)> {
    let text = json!({ "width": 16, "layers": 1, "heads": 2, "context": 8 });
    let flow = json!({
        "patch": 2, "widths": [16, 16], "blocks": 1, "groups": 4, "head_width": 8, "condition_width": 32, "text": text,
        "attention_from": 0,
    });
    let transformer = json!({
        "patch": 2, "condition_width": 32, "text": text, "transformer": { "width": 32, "blocks": 2, "head_width": 16 },
    });
    let classes: Vec<String> = (0..8).map(|class| format!("square {class}")).collect();
    vec![
        ("flow", flow.clone()),
        ("flow", transformer.clone()),
        ("flow", shown_a_source(flow)),
        ("flow", shown_a_source(transformer)),
        ("vae", json!({ "text": text })),
        ("autoencoder", json!({ "widths": [16, 16], "blocks": 1, "latent_channels": 3 })),
        ("gan-modern", json!({ "text": text })),
        ("gan-classic", json!({ "hidden": [32], "channels": 16 })),
        ("pix2pix", json!({ "widths": [16, 16], "full_width": 16 })),
        ("cyclegan", json!({ "width": 8, "blocks": 1 })),
        ("dual", json!({ "text": text })),
        ("classifier", json!({ "classes": classes })),
    ]
}

/// A flow that makes a picture of another one.
fn shown_a_source(mut flow: Value) -> Value {
    flow["from_source"] = Value::Bool(true);
    flow
}

fn objective(name: &str, spec: &ObjectiveSpec) -> Box<dyn Objective> {
    (family(name).unwrap().objective)(spec).unwrap()
}

fn spec(name: &str, settings: Value, device: Device) -> ObjectiveSpec {
    let mut spec = ObjectiveSpec::new([3, 16, 16], device, 5);
    spec.pairs = name != "flow" || settings["from_source"] == Value::Bool(true);
    spec.model = settings;
    if name == "pix2pix" || name == "cyclegan" {
        spec.objective = json!({ "discriminator_widths": [8, 16] });
    }
    if name == "autoencoder" {
        spec.objective =
            json!({ "perceptual_weight": 0.0, "adversarial_start": 0, "discriminator_widths": [8, 16] });
    }
    let captions = (0..8).map(|square| format!("square {square}"));
    let tokenizer = Arc::new(Tokenizer::train(&TokenizerConfig::default(), captions).unwrap());
    spec.tokenizer = (family(name).unwrap().reads_captions)(&spec).then_some(tokenizer);
    spec
}

/// Some steps over two micro-batches, and what came of them.
fn learn(name: &str, spec: &ObjectiveSpec, steps: u64) -> (Vec<Losses>, Snapshot) {
    let mut objective = objective(name, spec);
    let batches = [batch(0, 4), batch(4, 4)];
    let step = |number| objective.step(&batches, &Step { number, seed: 3, learning_rate: 1e-3 }).unwrap();
    ((0..steps).map(step).collect(), objective.snapshot())
}

fn checkpointed() -> Device {
    Device::flex().autodiff().gradient_checkpointing()
}

#[test]
fn gradient_checkpointing_changes_no_number() {
    for (name, settings) in small() {
        let kept = learn(name, &spec(name, settings.clone(), Device::flex().autodiff()), 3);
        let again = learn(name, &spec(name, settings, checkpointed()), 3);
        assert_eq!(kept.0, again.0, "{name}");
        assert_eq!(kept.1.weights, again.1.weights, "{name}");
    }
}

/// A student sees its teacher, and an autoencoder an encoder, on devices that do not differentiate.
#[test]
fn nor_where_other_models_take_part() {
    let of = |family: &str| small().into_iter().find(|(name, _)| *name == family).unwrap().1;
    let (flow, dual, autoencoder) = (of("flow"), of("dual"), of("autoencoder"));
    for (need, (of, settings), name, model) in [
        ("teacher", ("flow", flow), "flow", json!({})),
        ("encoder", ("dual", dual), "autoencoder", autoencoder),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let of_need = spec(of, settings, Device::flex().autodiff());
        let package = objective(of, &of_need).package(Which::Raw);
        package.write(folder.path(), Precision::Float32).unwrap();
        let found = Arc::new(ModelFolder::read(folder.path()).unwrap());
        let [kept, again] = [Device::flex().autodiff(), checkpointed()].map(|device| {
            let mut spec = spec(name, model.clone(), device);
            spec.objective = json!({});
            spec.tokenizer = of_need.tokenizer.clone();
            spec.needs.insert(need.to_string(), found.clone());
            learn(name, &spec, 3)
        });
        assert_eq!(kept.0, again.0, "{name}");
        assert_eq!(kept.1.weights, again.1.weights, "{name}");
    }
}

#[test]
fn a_family_learns_in_bf16_much_what_it_learns_in_32_bits() {
    for (name, settings) in small() {
        let mut spec = spec(name, settings, Device::flex().autodiff());
        let (whole, as_whole) = learn(name, &spec, 8);
        spec.precision = ComputePrecision::Bfloat16;
        let (half, as_half) = learn(name, &spec, 8);
        assert_ne!(as_whole.weights, as_half.weights, "{name} multiplies in 32 bits all the same");
        for (name_of_weight, data) in &as_half.weights {
            assert_eq!(data.dtype(), DType::F32, "{name} {name_of_weight}");
        }
        for (loss, value) in &whole[7] {
            let (found, first) = (half[7][loss], whole[0][loss]);
            let apart = (found - value).abs() / value.abs().max(first.abs()).max(0.1);
            assert!(apart < 0.1, "{name} {loss}: {value} in 32 bits, {found} in bf16");
        }
    }
}

#[test]
fn no_family_is_forgotten_here() {
    let mut here: Vec<&str> = small().iter().map(|(name, _)| *name).collect();
    here.dedup();
    let names: Vec<_> = families().iter().map(|family| family.name).collect();
    assert_eq!(names, here);
}

//! How likely a model takes pictures to be: those that it learned more than others, each the same whatever stands beside it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test that fails is the test that fails")]

use std::{ops::ControlFlow, sync::Arc};

use burn::tensor::Device;
use indexmap::IndexMap;
use rebus_data::{
    Batch, Column, Pictures,
    random::{Purpose, stream, uniform},
    tokenizer::{Tokenizer, TokenizerConfig},
};
use rebus_models::{
    Input, Model, NoObserver, ObjectiveSpec, Observer, Step, Which, capability::bits_per_dimension, family,
};
use serde_json::{Value, json};

const SHAPE: [usize; 3] = [1, 8, 8];

fn captions() -> Vec<String> {
    (0..8).map(|shade| format!("shade {shade}")).collect()
}

/// Eight grey pictures, each of its own shade with a little grain, as 8 bits hold them.
fn pictures(seed: u64) -> Pictures {
    let mut generator = stream(seed, Purpose::Other, 0, 0);
    let value = |i: usize| {
        let grain = (uniform(&mut generator) * 8.0).floor();
        ((i / 64 * 32) as f32 + grain) * 2.0 / 255.0 - 1.0
    };
    Pictures { shape: [8, 1, 8, 8], data: (0..512).map(value).collect() }
}

fn batch(seed: u64) -> Batch {
    Batch {
        keys: captions(),
        columns: IndexMap::from([
            ("image".to_string(), Column::Pictures(pictures(seed))),
            ("text".to_string(), Column::Texts(captions())),
        ]),
    }
}

fn learned(name: &str, model: Value, steps: u64) -> Arc<dyn Model> {
    let mut spec = ObjectiveSpec::new(SHAPE, Device::flex().autodiff(), 1);
    let tokenizer = Tokenizer::train(&TokenizerConfig::default(), captions().into_iter()).unwrap();
    spec.tokenizer = Some(Arc::new(tokenizer));
    spec.model = model;
    let mut objective = (family(name).unwrap().objective)(&spec).unwrap();
    for number in 0..steps {
        objective.step(&[batch(number)], &Step { number, seed: 3, learning_rate: 2e-3 }).unwrap();
    }
    objective.model(Which::Raw)
}

fn bits(model: &dyn Model, pictures: &Pictures, captions: &[String], seed: u64) -> Vec<f64> {
    let inputs: Vec<Input> = captions.iter().cloned().map(Input::Text).collect();
    let condition = model.conditioner().unwrap().condition(&inputs).unwrap();
    let likelihood = model.likelihood().unwrap();
    let found = likelihood.log_probability(pictures, Some(&condition), seed, &mut NoObserver).unwrap();
    found.into_iter().map(|nats| bits_per_dimension(-nats, SHAPE)).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn check(model: &dyn Model) {
    let (fresh, said) = (pictures(1000), captions());
    let found = bits(model, &fresh, &said, 5);
    // The grain alone is three bits, which nothing can foretell.
    assert!(found.iter().all(|bits| *bits > 2.9), "{found:?}");
    assert!(mean(&found) < 7.0, "eight bits are what a picture is without a model: {found:?}");
    let others: Vec<String> = said.iter().cycle().skip(3).take(8).cloned().collect();
    let mistaken = bits(model, &fresh, &others, 5);
    assert!(
        mean(&mistaken) > mean(&found) + 0.3,
        "{mistaken:?} with others' captions, {found:?} with their own"
    );

    let alone = Pictures { shape: [1, 1, 8, 8], data: fresh.data[..64].to_vec() };
    assert_eq!(bits(model, &alone, &said[..1], 5), found[..1]);
    assert_ne!(bits(model, &alone, &said[..1], 6), found[..1]);
}

#[test]
fn a_flow_finds_learned_pictures_likely() {
    let text = json!({ "width": 16, "layers": 1, "heads": 2, "context": 8 });
    let model = json!({
        "patch": 2, "widths": [16], "blocks": 1, "groups": 4, "head_width": 8, "condition_width": 32, "text": text,
    });
    check(&*learned("flow", model, 400));
}

#[test]
fn so_does_an_autoencoder() {
    let text = json!({ "width": 16, "layers": 1, "heads": 2, "context": 8 });
    check(&*learned("vae", json!({ "text": text, "likelihood": "gaussian-learned" }), 150));
}

#[test]
fn what_it_cannot_measure_it_refuses_and_it_stops_when_it_is_told_to() {
    struct Stops(usize);
    impl Observer for Stops {
        fn step(&mut self, done: usize, _: usize, _: &dyn Fn() -> Pictures) -> ControlFlow<()> {
            self.0 = done;
            ControlFlow::Break(())
        }
    }
    let model = learned("vae", json!({}), 0);
    let knows = model.likelihood().unwrap();
    let small = Pictures { shape: [1, 1, 4, 4], data: vec![0.0; 16] };
    let said = knows.log_probability(&small, None, 0, &mut NoObserver).unwrap_err().to_string();
    assert!(said.contains("4x4") && said.contains("8x8"), "{said}");
    let mut stops = Stops(0);
    assert!(knows.log_probability(&pictures(0), None, 0, &mut stops).is_err());
    assert_eq!(stops.0, 1);
    assert!(learned("gan-modern", json!({}), 0).likelihood().is_none());
}

//! The adversarial families: learning, checkpoints and model folders.

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
    GenerateRequest, Input, Losses, Model, ModelError, NoObserver, Objective, ObjectiveSpec, Observer,
    Precision, Step, Which, family, open,
};
use serde_json::{Value, json};

const CAPTIONS: [&str; 6] = ["a red heart", "a blue car", "pizza", "a dog", "the sun", "a red car"];

fn tokenizer() -> Arc<Tokenizer> {
    let captions = CAPTIONS.map(String::from).into_iter();
    Arc::new(Tokenizer::train(&TokenizerConfig::default(), captions).unwrap())
}

fn batch(side: usize, first: usize, count: usize) -> Batch {
    let shape = [count, 3, side, side];
    let mut data = vec![];
    for sample in first..first + count {
        let mut generator = stream(9, Purpose::Other, 0, sample as u64);
        let colours = [0; 3].map(|_| uniform(&mut generator) * 1.6 - 0.8);
        data.extend(colours.iter().flat_map(|colour| vec![*colour; side * side]));
    }
    let texts = (first..first + count).map(|sample| CAPTIONS[sample % CAPTIONS.len()].to_string()).collect();
    Batch {
        keys: (first..first + count).map(|sample| sample.to_string()).collect(),
        columns: IndexMap::from([
            ("image".to_string(), Column::Pictures(Pictures { shape, data })),
            ("text".to_string(), Column::Texts(texts)),
        ]),
    }
}

fn objective(name: &str, side: usize, model: Value, objective: Value) -> Box<dyn Objective> {
    let mut spec = ObjectiveSpec::new([3, side, side], Device::flex().autodiff(), 5);
    spec.model = model;
    spec.objective = objective;
    spec.optimizer.beta_1 = 0.0;
    spec.optimizer.weight_decay = 0.0;
    spec.average.gamma = 1.0;
    let family = family(name).unwrap();
    spec.tokenizer = (family.reads_captions)(&spec).then(tokenizer);
    (family.objective)(&spec).unwrap()
}

fn classic() -> Box<dyn Objective> {
    objective(
        "gan-classic",
        8,
        json!({ "hidden": [16, 32], "channels": 16 }),
        json!({ "loss": "non-saturating" }),
    )
}

fn modern() -> Box<dyn Objective> {
    let model = json!({
        "widths": [24, 16], "style_width": 16, "noise_width": 8, "text": { "width": 16, "layers": 1, "heads": 2 },
    });
    objective("gan-modern", 8, model, json!({ "pair_weight": 1.0 }))
}

fn steps(objective: &mut dyn Objective, numbers: std::ops::Range<u64>) -> Vec<Losses> {
    let step = |number| Step { number, seed: 3, learning_rate: 2e-3 };
    let losses: Vec<_> = numbers
        .map(|number| objective.step(&[batch(8, 0, 4), batch(8, 4, 2)], &step(number)).unwrap())
        .collect();
    for (name, value) in losses.iter().flatten() {
        assert!(value.is_finite(), "{name} = {value}");
    }
    losses
}

fn mean(losses: &[Losses], name: &str) -> f64 {
    losses.iter().map(|losses| losses[name]).sum::<f64>() / losses.len() as f64
}

fn draw(model: &dyn Model, prompts: &[&str], seeds: &[u64]) -> Pictures {
    let mut request = GenerateRequest::default();
    request.seeds = seeds.to_vec();
    let inputs: Vec<_> = prompts.iter().map(|prompt| Input::Text(prompt.to_string())).collect();
    request.condition = model.conditioner().map(|conditioner| conditioner.condition(&inputs).unwrap());
    model.generate().unwrap().generate(&request, &mut NoObserver).unwrap()
}

#[test]
fn the_classic_discriminator_learns_within_some_steps() {
    let losses = steps(classic().as_mut(), 0..20);
    let (before, after) = (mean(&losses[..3], "discriminator"), mean(&losses[10..], "discriminator"));
    assert!(after < before, "{before} to {after}");
}

#[test]
fn the_modern_generator_comes_nearer_to_the_pictures_within_some_steps() {
    let losses = steps(modern().as_mut(), 0..40);
    let (before, after) = (mean(&losses[..4], "pair"), mean(&losses[32..], "pair"));
    assert!(after < 0.8 * before, "{before} to {after}");
}

/// One caption, whose pictures are dark or bright: the drawings are too, not all of them grey.
#[test]
fn a_modern_generator_varies_as_the_pictures_of_a_caption_do() {
    let mut objective = modern();
    let mut batch = batch(8, 0, 8);
    let dark_and_bright = (0..8).flat_map(|sample| [if sample % 2 == 0 { -0.8 } else { 0.8 }; 3 * 64]);
    let pictures = Pictures { shape: [8, 3, 8, 8], data: dark_and_bright.collect() };
    batch.columns.insert("image".to_string(), Column::Pictures(pictures));
    batch.columns.insert("text".to_string(), Column::Texts(vec!["pizza".to_string(); 8]));
    for number in 0..150 {
        objective.step(&[batch.clone()], &Step { number, seed: 3, learning_rate: 2e-3 }).unwrap();
    }
    let seeds: Vec<u64> = (0..16).collect();
    let drawn = draw(objective.model(Which::Average).as_ref(), &["pizza"; 16], &seeds);
    let brightness = drawn.data.chunks(3 * 64).map(|picture| picture.iter().sum::<f32>() / (3.0 * 64.0));
    let brightness: Vec<f32> = brightness.collect();
    let far = brightness.iter().filter(|value| value.abs() > 0.4).count();
    let bright = brightness.iter().filter(|value| **value > 0.0).count();
    assert!(far >= 8 && (4..=12).contains(&bright), "{brightness:?}");
}

#[test]
fn evaluation_has_the_same_losses_as_a_step() {
    for mut objective in [classic(), modern()] {
        let learned = steps(objective.as_mut(), 0..1).remove(0);
        let step = Step { number: 0, seed: 3, learning_rate: 0.0 };
        let evaluated = objective.evaluate(&batch(8, 0, 4), &step).unwrap();
        assert!(evaluated.values().all(|value| value.is_finite()), "{evaluated:?}");
        assert_eq!(evaluated.keys().collect::<Vec<_>>(), learned.keys().collect::<Vec<_>>());
        assert_eq!(evaluated, objective.evaluate(&batch(8, 0, 4), &step).unwrap());
    }
}

#[test]
fn half_the_steps_then_the_rest_from_a_checkpoint_are_all_the_steps() {
    for make in [classic, modern] {
        let mut whole = make();
        steps(whole.as_mut(), 0..6);
        let mut first = make();
        steps(first.as_mut(), 0..3);
        let mut second = make();
        second.restore(&first.snapshot(), &first.state()).unwrap();
        steps(second.as_mut(), 3..6);
        let (whole, second) = (whole.snapshot(), second.snapshot());
        assert_eq!(whole.weights, second.weights);
        assert_eq!(whole.average, second.average);
        assert_eq!(whole.optimizer, second.optimizer);
    }
}

#[test]
fn a_model_folder_holds_the_generator_alone_and_draws_the_same() {
    for mut objective in [classic(), modern()] {
        steps(objective.as_mut(), 0..2);
        let folder = tempfile::tempdir().unwrap();
        let package = objective.package(Which::Average);
        assert!(package.weights.keys().all(|name| name.starts_with("generator.")));
        package.write(folder.path(), Precision::Float32).unwrap();
        let model = open(folder.path(), &Device::flex()).unwrap();
        let expected = draw(objective.model(Which::Average).as_ref(), &["pizza", ""], &[4, 5]);
        assert_eq!(draw(model.as_ref(), &["pizza", ""], &[4, 5]), expected);
    }
}

#[test]
fn a_modern_generator_finds_what_draws_a_picture() {
    let mut objective = modern();
    steps(objective.as_mut(), 0..60);
    let model = objective.model(Which::Average);
    let network = model.reconstruct().unwrap();
    let told = |prompts: &[&str]| {
        let inputs: Vec<_> = prompts.iter().map(|prompt| Input::Text(prompt.to_string())).collect();
        model.conditioner().unwrap().condition(&inputs).unwrap()
    };
    let off = |a: &Pictures, b: &Pictures| {
        a.data.iter().zip(&b.data).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / a.data.len() as f32
    };
    // Of what it drew itself, and of what it has never seen.
    let drawn = draw(model.as_ref(), &["pizza"], &[77]);
    let ramp = (0..3 * 64).map(|at| (at % 8) as f32 / 10.0 - 0.4).collect();
    let strange = Pictures { shape: [1, 3, 8, 8], data: ramp };
    let pizza = told(&["pizza"]);
    for (picture, share) in [(&drawn, 0.02), (&strange, 0.5)] {
        let latents = network.latents(picture, Some(&pizza), &mut NoObserver).unwrap();
        assert_eq!(latents.width, network.latent_width());
        let again = network.decode(&latents, Some(&pizza)).unwrap();
        let any = draw(model.as_ref(), &["pizza"], &[5]);
        let (found, any) = (off(&again, picture), off(&any, picture));
        assert!(found < share * any, "{found}, {any} of any drawing");
        // Other words move it.
        assert!(network.decode(&latents, Some(&told(&["the sun"]))).unwrap() != again);
    }
    // The same alone and beside another.
    let both = Pictures { shape: [2, 3, 8, 8], data: [drawn.data.clone(), strange.data].concat() };
    let [alone, both] = [(&drawn, told(&["pizza"])), (&both, told(&["pizza", "pizza"]))]
        .map(|(pictures, condition)| network.latents(pictures, Some(&condition), &mut NoObserver).unwrap());
    assert_eq!(alone.data, both.data[..alone.data.len()]);

    // Who watches sees how far it is, and may stop it.
    struct Stops(Vec<(usize, usize)>);
    impl Observer for Stops {
        fn step(&mut self, done: usize, total: usize, _: &dyn Fn() -> Pictures) -> ControlFlow<()> {
            self.0.push((done, total));
            if done == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    let mut stops = Stops(vec![]);
    let stopped = network.latents(&drawn, Some(&pizza), &mut stops);
    assert!(matches!(stopped, Err(ModelError::Interrupted)));
    assert_eq!(stops.0, [(1, 300), (2, 300), (3, 300)]);
}

#[test]
fn the_modern_generator_stays_small() {
    let objective = objective("gan-modern", 32, json!({}), json!({}));
    let tokens = objective.model(Which::Raw).info().parameters;
    // The test's tokenizer has some hundred entries; a real one has 4096 of 128 numbers.
    assert!(tokens + 4096 * 128 < 4_500_000, "{tokens}");
    println!("parameters of the generator without a large vocabulary: {tokens}");
}

#[test]
fn settings_that_cannot_work_are_errors_that_name_the_field() {
    let refuse = |name: &str, side: usize, model: Value, settings: Value| {
        let mut spec = ObjectiveSpec::new([3, side, side], Device::flex().autodiff(), 5);
        (spec.model, spec.objective, spec.tokenizer) = (model, settings, Some(tokenizer()));
        (family(name).unwrap().objective)(&spec).err().unwrap().to_string()
    };
    let message = refuse("gan-classic", 32, json!({ "preset": "article" }), json!({}));
    assert!(message.contains("article-upsampled"), "{message}");
    let message = refuse("gan-classic", 24, json!({}), json!({}));
    assert!(message.contains("24x24"), "{message}");
    let message = refuse("gan-modern", 30, json!({}), json!({}));
    assert!(message.contains("multiples of 8"), "{message}");
    let message = refuse("gan-modern", 32, json!({}), json!({ "penalty_every": 0 }));
    assert!(message.contains("penalty_every"), "{message}");
    let message = refuse("gan-modern", 32, json!({}), json!({ "augment": { "cutout": 1.5 } }));
    assert!(message.contains("cutout"), "{message}");
    let message = refuse("gan-modern", 32, json!({}), json!({ "caption_dropout": 1.5 }));
    assert!(message.contains("objective.caption_dropout = 1.5"), "{message}");
    let message = refuse("gan-modern", 32, json!({ "wdths": [8] }), json!({}));
    assert!(message.contains("wdths"), "{message}");
}

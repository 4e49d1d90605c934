//! A family that is told by a frozen encoder of words and pictures: its folder has the encoder in it, and it can be shown pictures.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test that fails is the test that fails")]

use std::{path::Path, sync::Arc};

use burn::tensor::Device;
use indexmap::IndexMap;
use rebus_data::{
    Batch, Column, Pictures,
    tokenizer::{Tokenizer, TokenizerConfig},
};
use rebus_models::{
    GenerateRequest, Input, Model, ModelFolder, NoObserver, Objective, ObjectiveSpec, Precision, Step, Which,
    family, open,
};
use serde_json::{Value, json};

/// Eight grey pictures, each of its own shade.
fn pictures(side: usize) -> Pictures {
    let shape = [8, 1, side, side];
    let data = (0..8 * side * side).map(|i| (i / (side * side)) as f32 / 3.5 - 1.0).collect();
    Pictures { shape, data }
}

fn batch(side: usize) -> Batch {
    Batch {
        keys: (0..8).map(|key| key.to_string()).collect(),
        columns: IndexMap::from([
            ("image".to_string(), Column::Pictures(pictures(side))),
            ("text".to_string(), Column::Texts((0..8).map(|shade| format!("shade {shade}")).collect())),
        ]),
    }
}

fn spec(model: Value, side: usize) -> ObjectiveSpec {
    let mut spec = ObjectiveSpec::new([1, side, side], Device::flex().autodiff(), 1);
    let captions = (0..8).map(|shade| format!("shade {shade}"));
    spec.tokenizer = Some(Arc::new(Tokenizer::train(&TokenizerConfig::default(), captions).unwrap()));
    spec.model = model;
    spec
}

fn learn(objective: &mut dyn Objective, side: usize, steps: u64) -> Vec<f64> {
    let step = |number| {
        let step = Step { number, seed: 3, learning_rate: 3e-3 };
        objective.step(&[batch(side)], &step).unwrap().values().sum()
    };
    (0..steps).map(step).collect()
}

/// An encoder of pictures of 8x8 that has learned a little.
fn encoder(folder: &Path) -> Arc<ModelFolder> {
    let spec = spec(
        json!({
            "width": 12, "picture": { "widths": [8, 8], "groups": 4 },
            "text": { "width": 16, "layers": 1, "heads": 2, "context": 8 },
        }),
        8,
    );
    let mut objective = (family("dual").unwrap().objective)(&spec).unwrap();
    learn(&mut *objective, 8, 30);
    objective.package(Which::Raw).write(folder, Precision::Float32).unwrap();
    Arc::new(ModelFolder::read(folder).unwrap())
}

const UNET: &str = r#"{ "patch": 2, "widths": [16], "blocks": 1, "groups": 4, "head_width": 8, "attention_from": 0,
    "condition_width": 32 }"#;
const TRANSFORMER: &str =
    r#"{ "patch": 2, "condition_width": 32, "transformer": { "width": 16, "blocks": 1, "head_width": 8 } }"#;

fn told(name: &str, encoder: &Arc<ModelFolder>, sizes: &str, side: usize) -> Box<dyn Objective> {
    let mut spec = spec(serde_json::from_str(sizes).unwrap(), side);
    spec.tokenizer = encoder.tokenizer.clone();
    spec.needs.insert("condition".to_string(), encoder.clone());
    spec.shown_pictures = 0.5;
    (family(name).unwrap().objective)(&spec).unwrap()
}

fn flow(encoder: &Arc<ModelFolder>, sizes: &str, side: usize) -> Box<dyn Objective> {
    told("flow", encoder, sizes, side)
}

fn draw(model: &dyn Model, inputs: &[Input]) -> Vec<f32> {
    let mut request = GenerateRequest::default();
    request.seeds = vec![5; inputs.len()];
    request.num_inference_steps = Some(8);
    request.guidance_scale = Some(1.0);
    request.condition = Some(model.conditioner().unwrap().condition(inputs).unwrap());
    model.generate().unwrap().generate(&request, &mut NoObserver).unwrap().data
}

fn picture(all: &Pictures, number: usize) -> Input {
    let [_, channels, height, width] = all.shape;
    let data = all.data[number * height * width..][..height * width].to_vec();
    Input::Picture(Pictures { shape: [1, channels, height, width], data })
}

#[test]
fn it_is_told_by_words_and_by_pictures_and_needs_its_folder_alone() {
    let folder = tempfile::tempdir().unwrap();
    let encoder = encoder(&folder.path().join("encoder"));
    for sizes in [UNET, TRANSFORMER] {
        // Its own pictures have twice the side of the encoder's.
        let mut objective = flow(&encoder, sizes, 16);
        let losses = learn(&mut *objective, 16, 400);
        let (first, last) = (losses[..20].iter().sum::<f64>(), losses[380..].iter().sum::<f64>());
        assert!(last < 0.8 * first, "{first} to {last}");
        let place = folder.path().join("flow");
        objective.package(Which::Raw).write(&place, Precision::Float32).unwrap();
        std::fs::rename(folder.path().join("encoder"), folder.path().join("gone")).unwrap();
        let model = open(&place, &Device::flex()).unwrap();
        std::fs::rename(folder.path().join("gone"), folder.path().join("encoder")).unwrap();

        let conditioner = model.conditioner().unwrap();
        assert_eq!(conditioner.picture_shape(), Some([1, 8, 8]));
        let shown = pictures(8);
        let inputs = [
            Input::Text("shade 0".to_string()),
            picture(&shown, 0),
            picture(&shown, 7),
            Input::Text("shade 7".into()),
        ];
        let drawn = draw(&*model, &inputs);
        assert_eq!(drawn, draw(&*objective.model(Which::Raw), &inputs));
        // Each is the same alone.
        for (number, input) in inputs.iter().enumerate() {
            let alone = draw(&*model, std::slice::from_ref(input));
            assert_eq!(alone, drawn[number * 256..][..256], "{number}");
        }
        let mean = |number: usize| drawn[number * 256..][..256].iter().sum::<f32>() / 256.0;
        let means = [0, 1, 2, 3].map(mean);
        assert!(means[1] < means[2] - 0.3, "shown dark and bright: {means:?}");
    }
}

#[test]
fn other_families_are_told_by_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let encoder = encoder(&folder.path().join("encoder"));
    let vae = r#"{ "widths": [8, 8], "latent_channels": 2, "condition_width": 12, "prior_blocks": 1, "prior_heads": 2 }"#;
    let gan = r#"{ "noise_width": 8, "style_width": 16, "widths": [16, 8] }"#;
    for (name, sizes) in [("vae", vae), ("gan-modern", gan)] {
        let mut objective = told(name, &encoder, sizes, 8);
        assert!(learn(&mut *objective, 8, 5).iter().all(|loss| loss.is_finite()), "{name}");
        let step = Step { number: 5, seed: 3, learning_rate: 0.0 };
        assert!(
            objective.evaluate(&batch(8), &step).unwrap().values().all(|loss| loss.is_finite()),
            "{name}"
        );
        let place = folder.path().join(name);
        objective.package(Which::Raw).write(&place, Precision::Float32).unwrap();
        let model = open(&place, &Device::flex()).unwrap();
        let inputs = [Input::Text("shade 3".to_string()), picture(&pictures(8), 6)];
        let drawn = draw(&*model, &inputs);
        assert_eq!(drawn, draw(&*objective.model(Which::Raw), &inputs), "{name}");
        assert_ne!(drawn[..64], drawn[64..], "{name}: one seed, told otherwise");
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("encoder");
    let encoder = encoder(&place);
    let objective = flow(&encoder, UNET, 8);
    let model = objective.model(Which::Raw);
    let large = picture(&pictures(16), 0);
    let message = model.conditioner().unwrap().condition(&[large]).unwrap_err().to_string();
    assert!(
        message.starts_with("image = 16x16 with 1 channels: this model looks at pictures of 8x8"),
        "{message}"
    );

    // One that reads by itself is shown no pictures, and is told in another width.
    let own = spec(json!({ "patch": 2, "widths": [16], "groups": 4, "head_width": 8 }), 8);
    let own = (family("flow").unwrap().objective)(&own).unwrap().model(Which::Raw);
    assert_eq!(own.conditioner().unwrap().picture_shape(), None);
    let message = own.conditioner().unwrap().condition(&[picture(&pictures(8), 0)]).unwrap_err().to_string();
    assert!(message.contains("[condition] encoder"), "{message}");
    let mut request = GenerateRequest::default();
    request.seeds = vec![1];
    request.condition =
        Some(model.conditioner().unwrap().condition(&[Input::Text("shade 1".into())]).unwrap());
    let message = own.generate().unwrap().generate(&request, &mut NoObserver).unwrap_err().to_string();
    assert!(
        message.starts_with("condition = 12 numbers a word and 12 in all: this model is told 128 and 128"),
        "{message}"
    );

    let build = |spec: &ObjectiveSpec| {
        let built = (family("flow").unwrap().objective)(spec);
        built.err().map_or_else(String::new, |error| error.to_string())
    };
    // A source beside the encoder is fine; the encoder shown the very picture to draw is not.
    let mut paired = spec(json!({ "patch": 2, "widths": [16], "groups": 4, "head_width": 8 }), 8);
    paired.needs.insert("condition".to_string(), Arc::clone(&encoder));
    (paired.pairs, paired.shown_pictures) = (true, 0.5);
    assert!(build(&paired).contains("the very picture that is to be drawn"), "{}", build(&paired));
    paired.shown_pictures = 0.0;
    assert_eq!(build(&paired), "");
    paired.objective = json!({ "source_dropout": 1.5 });
    assert!(build(&paired).contains("objective.source_dropout = 1.5"), "{}", build(&paired));
    let mut coloured = ObjectiveSpec::new([3, 8, 8], Device::flex().autodiff(), 1);
    coloured.needs.insert("condition".to_string(), encoder);
    assert!(
        build(&coloured).starts_with("data.channels = 3: the encoder of [condition]"),
        "{}",
        build(&coloured)
    );
    objective.package(Which::Raw).write(&place, Precision::Float32).unwrap();
    coloured.needs.insert("condition".to_string(), Arc::new(ModelFolder::read(&place).unwrap()));
    assert!(build(&coloured).contains("family `flow`, cannot encode"), "{}", build(&coloured));
}

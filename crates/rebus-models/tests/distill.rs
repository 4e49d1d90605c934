//! A student of a flow: it begins as its teacher, learns long steps, and its folder draws.

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
use serde_json::json;

/// Eight grey pictures, each of its own shade.
fn batch() -> Batch {
    let shape = [8, 1, 8, 8];
    let data = (0..512).map(|i| (i / 64) as f32 / 3.5 - 1.0).collect();
    Batch {
        keys: (0..8).map(|key| key.to_string()).collect(),
        columns: IndexMap::from([
            ("image".to_string(), Column::Pictures(Pictures { shape, data })),
            ("text".to_string(), Column::Texts((0..8).map(|shade| format!("shade {shade}")).collect())),
        ]),
    }
}

fn spec(model: serde_json::Value) -> ObjectiveSpec {
    let mut spec = ObjectiveSpec::new([1, 8, 8], Device::flex().autodiff(), 1);
    let captions = (0..8).map(|shade| format!("shade {shade}"));
    spec.tokenizer = Some(Arc::new(Tokenizer::train(&TokenizerConfig::default(), captions).unwrap()));
    spec.model = model;
    spec
}

fn objective(spec: &ObjectiveSpec) -> Box<dyn Objective> {
    (family("flow").unwrap().objective)(spec).unwrap()
}

fn learn(objective: &mut dyn Objective, steps: std::ops::Range<u64>, loss: &str) -> Vec<f64> {
    let step = |number| {
        let step = Step { number, seed: 3, learning_rate: if loss == "velocity" { 2e-3 } else { 5e-4 } };
        objective.step(&[batch()], &step).unwrap()[loss]
    };
    steps.map(step).collect()
}

/// A flow that has learned its eight shades a little.
fn teacher(folder: &Path) -> Arc<ModelFolder> {
    let mut objective = objective(&spec(json!({
        "patch": 2, "widths": [16], "blocks": 1, "groups": 4, "head_width": 8, "condition_width": 32,
        "text": { "width": 16, "layers": 1, "heads": 2, "context": 8 },
    })));
    learn(&mut *objective, 0..300, "velocity");
    objective.package(Which::Raw).write(folder, Precision::Float32).unwrap();
    Arc::new(ModelFolder::read(folder).unwrap())
}

fn student(teacher: &Arc<ModelFolder>, settings: serde_json::Value) -> Box<dyn Objective> {
    let mut spec = spec(json!({}));
    spec.tokenizer = teacher.tokenizer.clone();
    spec.objective = settings;
    spec.needs.insert("teacher".to_string(), teacher.clone());
    objective(&spec)
}

fn draw(model: &dyn Model, steps: usize, scale: f32) -> Vec<f32> {
    let mut request = GenerateRequest::default();
    request.seeds = (0..8).collect();
    request.num_inference_steps = Some(steps);
    request.guidance_scale = Some(scale);
    let inputs: Vec<_> = (0..8).map(|shade| Input::Text(format!("shade {shade}"))).collect();
    request.condition = Some(model.conditioner().unwrap().condition(&inputs).unwrap());
    model.generate().unwrap().generate(&request, &mut NoObserver).unwrap().data
}

fn apart(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from((a - b).powi(2))).sum::<f64>() / a.len() as f64
}

#[test]
fn a_student_begins_as_its_teacher_and_comes_nearer_in_one_step() {
    let folder = tempfile::tempdir().unwrap();
    let teacher = teacher(&folder.path().join("teacher"));
    let of_teacher = open(&folder.path().join("teacher"), &Device::flex()).unwrap();
    // The shade of each picture, guided twice as far, in many steps.
    let shades = |drawn: Vec<f32>| drawn.chunks(64).map(|p| p.iter().sum::<f32>() / 64.0).collect::<Vec<_>>();
    let long = shades(draw(&*of_teacher, 64, 2.0));
    let mut student = student(&teacher, json!({ "guidance_scale": 2.0 }));
    // Without having learned, its steps are the teacher's, guidance left aside.
    let before = draw(&*student.model(Which::Raw), 1, 5.0);
    assert!(apart(&before, &draw(&*of_teacher, 1, 1.0)) < 1e-10);
    learn(&mut *student, 0..600, "longer");
    for steps in [1, 2, 4, 8] {
        let before = apart(&shades(draw(&*of_teacher, steps, 1.0)), &long);
        let after = apart(&shades(draw(&*student.model(Which::Average), steps, 1.0)), &long);
        assert!(after < 0.5 * before, "{steps}: {before} to {after}");
    }
}

#[test]
fn a_student_goes_on_from_a_checkpoint_and_draws_from_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let teacher = teacher(&folder.path().join("teacher"));
    let mut whole = student(&teacher, json!({}));
    learn(&mut *whole, 0..6, "taught");
    let mut half = student(&teacher, json!({}));
    learn(&mut *half, 0..3, "taught");
    let mut rest = student(&teacher, json!({}));
    rest.restore(&half.snapshot(), &half.state()).unwrap();
    learn(&mut *rest, 3..6, "taught");
    assert_eq!(rest.snapshot().weights, whole.snapshot().weights);

    let place = folder.path().join("student");
    whole.package(Which::Average).write(&place, Precision::Float32).unwrap();
    let opened = open(&place, &Device::flex()).unwrap();
    let options = opened.generate().unwrap().options();
    assert!(options.steps && options.prompt && !options.guidance);
    assert_eq!(draw(&*opened, 4, 1.0), draw(&*whole.model(Which::Average), 4, 1.0));
    assert_ne!(draw(&*opened, 4, 1.0), draw(&*opened, 2, 1.0));
    let mut request = GenerateRequest::default();
    request.seeds = vec![1];
    request.num_inference_steps = Some(3);
    let message = opened.generate().unwrap().generate(&request, &mut NoObserver).unwrap_err().to_string();
    assert_eq!(message, "num_inference_steps = 3: this model takes 1, 2, 4 or 8 steps");

    // It teaches nobody, and neither does another family; its sizes are not to be chosen.
    let build = |spec: &ObjectiveSpec| {
        let built = (family("flow").unwrap().objective)(spec);
        built.err().map_or_else(String::new, |error| error.to_string())
    };
    let mut spec = spec(json!({}));
    spec.needs.insert("teacher".to_string(), Arc::new(ModelFolder::read(&place).unwrap()));
    assert!(build(&spec).contains("it is a student already"), "{}", build(&spec));
    spec.needs.insert("teacher".to_string(), teacher);
    for (settings, said) in [
        (json!({ "guidance_scale": -1.0 }), "objective.guidance_scale = -1: it must be a number from 0 up"),
        (json!({ "teacher_share": 0.0 }), "objective.teacher_share = 0: it must be above 0, and at most 1"),
    ] {
        spec.objective = settings;
        assert!(build(&spec).starts_with(said), "{}", build(&spec));
    }
    spec.objective = json!({});
    spec.model = json!({ "patch": 4 });
    assert!(build(&spec).contains("a student has the sizes of its teacher"), "{}", build(&spec));
    spec.model = json!({});
    spec.picture_shape = [1, 16, 16];
    let message = build(&spec);
    assert!(
        message.starts_with("data.image_size = 16x16 with 1 channels: the teacher draws 8x8"),
        "{message}"
    );
}

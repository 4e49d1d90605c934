//! The two towers: learning, gradients kept at the embeddings, checkpoints, model folders, and encoding.

#![allow(clippy::unwrap_used, reason = "a helper of a test that fails is the test that fails")]

use std::sync::Arc;

use burn::tensor::Device;
use indexmap::IndexMap;
use rebus_data::{
    Batch, Column, MelConfig, Pictures, Sounds,
    tokenizer::{Tokenizer, TokenizerConfig},
};
use rebus_models::{
    Encoded, ModelFolder, Objective, ObjectiveSpec, Precision, Step, Vectors, Which, family, open,
};
use serde_json::{Value, json};

const CAPTIONS: [&str; 6] =
    ["a red field", "a green field", "a blue field", "all dark", "all bright", "\u{7ea2}\u{82b1}"];
const COLOURS: [[f32; 3]; 6] =
    [[0.8, -0.8, -0.8], [-0.8, 0.8, -0.8], [-0.8, -0.8, 0.8], [-0.9; 3], [0.9; 3], [0.8, -0.8, 0.8]];
const SIDE: usize = 8;

fn pictures(range: std::ops::Range<usize>) -> Pictures {
    let data = range.clone().flat_map(|sample| {
        COLOURS[sample % 6].into_iter().flat_map(|value| std::iter::repeat_n(value, SIDE * SIDE))
    });
    Pictures { shape: [range.len(), 3, SIDE, SIDE], data: data.collect() }
}

fn batch(range: std::ops::Range<usize>) -> Batch {
    Batch {
        keys: range.clone().map(|sample| sample.to_string()).collect(),
        columns: IndexMap::from([
            (
                "text".to_string(),
                Column::Texts(range.clone().map(|at| CAPTIONS[at % 6].to_string()).collect()),
            ),
            ("image".to_string(), Column::Pictures(pictures(range))),
        ]),
    }
}

fn objective(settings: Value) -> Box<dyn Objective> {
    (family("dual").unwrap().objective)(&spec(settings)).unwrap()
}

fn spec(settings: Value) -> ObjectiveSpec {
    let mut spec = ObjectiveSpec::new([3, SIDE, SIDE], Device::flex().autodiff(), 5);
    spec.model = json!({
        "width": 8, "picture": { "widths": [8, 16], "groups": 4 }, "text": { "width": 16, "layers": 1, "heads": 2 },
    });
    spec.objective = settings;
    spec.optimizer.weight_decay = 0.0;
    spec.average.gamma = 1.0;
    let captions = CAPTIONS.map(String::from).into_iter();
    spec.tokenizer = Some(Arc::new(Tokenizer::train(&TokenizerConfig::default(), captions).unwrap()));
    spec
}

fn steps(objective: &mut dyn Objective, batches: &[Batch], numbers: std::ops::Range<u64>) {
    for number in numbers {
        step(objective, batches, number);
    }
}

fn step(objective: &mut dyn Objective, batches: &[Batch], number: u64) -> f64 {
    objective.step(batches, &Step { number, seed: 3, learning_rate: 3e-3 }).unwrap()["contrastive"]
}

fn encode(objective: &dyn Objective) -> (Vectors, Vectors) {
    let model = objective.model(Which::Raw);
    let encoder = model.encode().unwrap();
    let texts = encoder.encode(Encoded::Texts(&CAPTIONS.map(String::from))).unwrap();
    (texts, encoder.encode(Encoded::Pictures(&pictures(0..6))).unwrap())
}

#[test]
fn both_losses_bring_pairs_together() {
    for loss in ["sigmoid", "softmax"] {
        let mut objective = objective(json!({ "loss": loss, "word_dropout": 0.0 }));
        let losses: Vec<f64> =
            (0..80).map(|number| step(objective.as_mut(), &[batch(0..6)], number)).collect();
        assert!(losses[79] < 0.5 * losses[0], "{loss}: {} to {}", losses[0], losses[79]);
        let (texts, pictures) = encode(objective.as_ref());
        for (row, caption) in CAPTIONS.iter().enumerate() {
            let cosine = |picture: usize| -> f32 {
                texts.row(row).iter().zip(pictures.row(picture)).map(|(a, b)| a * b).sum()
            };
            let nearest = (0..6).max_by(|a, b| cosine(*a).total_cmp(&cosine(*b))).unwrap();
            assert_eq!(nearest, row, "{loss}: {caption}");
            let length: f32 = texts.row(row).iter().map(|value| value * value).sum();
            assert!((length - 1.0).abs() < 1e-5);
        }
    }
}

/// A tone for each caption: a band of its own that is loud.
fn sounds(range: std::ops::Range<usize>) -> Sounds {
    let mel = MEL;
    let (mels, frames) = (mel.n_mels, mel.frames());
    let data = range.clone().flat_map(|sample| {
        (0..mels * frames).map(move |at| if at / frames == sample % 6 + 1 { 2.0 } else { -9.0 })
    });
    Sounds {
        shape: [range.len(), mels, frames],
        data: data.collect(),
        lengths: vec![frames - 3; range.len()],
    }
}

const MEL: MelConfig = MelConfig { sample_rate: 1000, n_fft: 32, hop_length: 32, n_mels: 8, seconds: 0.5 };

fn heard(range: std::ops::Range<usize>) -> Batch {
    let mut batch = batch(range.clone());
    batch.columns.insert("audio".to_string(), Column::Sounds(sounds(range)));
    batch
}

#[test]
fn sounds_are_bound_to_towers_that_do_not_move() {
    let folder = tempfile::tempdir().unwrap();
    let mut towers = objective(json!({ "word_dropout": 0.0 }));
    steps(towers.as_mut(), &[batch(0..6)], 0..80);
    towers.package(Which::Raw).write(&folder.path().join("towers"), Precision::Float32).unwrap();
    let need = Arc::new(ModelFolder::read(&folder.path().join("towers")).unwrap());
    let spec = || {
        let mut spec = ObjectiveSpec::new([3, SIDE, SIDE], Device::flex().autodiff(), 5);
        spec.model = json!({ "sound": { "width": 16, "layers": 1, "heads": 2 } });
        spec.objective = json!({ "memory": 4 });
        spec.average.gamma = 1.0;
        spec.sound = Some(("audio".to_string(), MEL));
        spec.needs.insert("towers".to_string(), need.clone());
        spec
    };
    let build = |spec: &ObjectiveSpec| (family("dual").unwrap().objective)(spec);
    let mut hearing = build(&spec()).unwrap();
    steps(hearing.as_mut(), &[heard(0..6)], 0..30);
    // Half the steps, a checkpoint and the other half are all the steps at once.
    let mut resumed = build(&spec()).unwrap();
    resumed.restore(&hearing.snapshot(), &hearing.state()).unwrap();
    steps(hearing.as_mut(), &[heard(0..6)], 30..60);
    steps(resumed.as_mut(), &[heard(0..6)], 30..60);
    assert_eq!(hearing.snapshot().weights, resumed.snapshot().weights);

    hearing.package(Which::Raw).write(&folder.path().join("hearing"), Precision::Float32).unwrap();
    let model = open(&folder.path().join("hearing"), &Device::flex()).unwrap();
    let encoder = model.encode().unwrap();
    assert_eq!(encoder.hears(), Some(MEL));
    let rows = encoder.encode(Encoded::Sounds(&sounds(0..6))).unwrap();
    let (texts, pictures) = encode(towers.as_ref());
    let all = CAPTIONS.map(String::from);
    assert_eq!(encoder.encode(Encoded::Texts(&all)).unwrap(), texts, "words stay where they were");
    for others in [&texts, &pictures] {
        for sound in 0..6 {
            let cosine = |other: usize| -> f32 {
                rows.row(sound).iter().zip(others.row(other)).map(|(a, b)| a * b).sum()
            };
            let nearest = (0..6).max_by(|a, b| cosine(*a).total_cmp(&cosine(*b))).unwrap();
            assert_eq!(nearest, sound);
        }
    }
    // The same to the bit, whatever is heard beside it; silence behind a sound's end does not count.
    let alone = encoder.encode(Encoded::Sounds(&sounds(4..5))).unwrap();
    assert_eq!(alone.row(0), rows.row(4));

    // One sound a step is told from nothing, but for what is remembered.
    let right = |memory: usize| {
        let mut alone = spec();
        alone.objective = json!({ "memory": memory, "loss": "softmax", "pairs": { "sound+text": 1.0 } });
        let mut alone = build(&alone).unwrap();
        for number in 0..180 {
            let at = number as usize % 6;
            step(alone.as_mut(), &[heard(at..at + 1)], number);
        }
        let rows = alone.model(Which::Raw).encode().unwrap().encode(Encoded::Sounds(&sounds(0..6))).unwrap();
        let cosine = |sound: usize, text: usize| -> f32 {
            rows.row(sound).iter().zip(texts.row(text)).map(|(a, b)| a * b).sum()
        };
        let nearest = |sound: &usize| (0..6).max_by(|a, b| cosine(*sound, *a).total_cmp(&cosine(*sound, *b)));
        (0..6).filter(|sound| nearest(sound) == Some(*sound)).count()
    };
    assert_eq!(right(6), 6);
    assert!(right(0) < 4);

    // What cannot work says so.
    let mut deaf = spec();
    deaf.sound = None;
    let said = build(&deaf).err().unwrap().to_string();
    assert!(said.contains("data.sound") && said.contains("audio"), "{said}");
    let mut wrong = spec();
    wrong.model = json!({ "sound": { "heads": 3 } });
    assert!(build(&wrong).err().unwrap().to_string().contains("model.sound.heads"));
    wrong.model = json!({ "width": 3 });
    assert!(build(&wrong).is_err());
    let said = hearing.step(&[batch(0..6)], &Step { number: 0, seed: 3, learning_rate: 1e-3 }).unwrap_err();
    assert!(said.to_string().contains("no sounds in a column named `audio`"), "{said}");
    let other = Sounds { shape: [1, 2, 3], data: vec![0.0; 6], lengths: vec![3] };
    let said = encoder.encode(Encoded::Sounds(&other)).unwrap_err().to_string();
    assert!(said.contains("8 bands of 16 frames"), "{said}");
    let towers = open(&folder.path().join("towers"), &Device::flex()).unwrap();
    let said = towers.encode().unwrap().encode(Encoded::Sounds(&sounds(0..1))).unwrap_err().to_string();
    assert!(said.contains("hears nothing") && said.contains("emoji-dual-sound"), "{said}");
}

/// The same recipe with sounds.
fn with_sounds(pairs: Value) -> ObjectiveSpec {
    let settings = json!({ "word_dropout": 0.0, "hard_negatives": 0.0, "pairs": pairs });
    let mut spec = spec(settings);
    spec.model["sound"] = json!({ "width": 16, "layers": 1, "heads": 2 });
    spec.sound = Some(("audio".to_string(), MEL));
    spec
}

/// Whether each of some rows has its own counterpart nearest.
fn belong_together(some: &Vectors, others: &Vectors) -> bool {
    (0..some.len()).all(|row| {
        let cosine =
            |other: usize| -> f32 { some.row(row).iter().zip(others.row(other)).map(|(a, b)| a * b).sum() };
        (0..others.len()).max_by(|a, b| cosine(*a).total_cmp(&cosine(*b))) == Some(row)
    })
}

#[test]
fn any_pair_of_modalities_learns_together_and_all_three_do() {
    let texts = CAPTIONS.map(String::from);
    let (pictures, sounds) = (pictures(0..6), sounds(0..6));
    for (pairs, knows) in [
        (json!({ "sound+text": 1.0 }), [false, true, true]),
        (json!({ "picture+sound": 1.0 }), [true, false, true]),
        (json!({ "picture+text": 1.0 }), [true, true, false]),
        (json!({}), [true, true, true]),
    ] {
        let mut objective = (family("dual").unwrap().objective)(&with_sounds(pairs.clone())).unwrap();
        steps(objective.as_mut(), &[heard(0..6)], 0..100);
        let folder = tempfile::tempdir().unwrap();
        objective.package(Which::Raw).write(folder.path(), Precision::Float32).unwrap();
        let model = open(folder.path(), &Device::flex()).unwrap();
        let encoder = model.encode().unwrap();
        assert_eq!(
            [encoder.sees_pictures(), encoder.reads_texts(), encoder.hears().is_some()],
            knows,
            "{pairs}"
        );
        assert_eq!(model.perceive().is_some(), knows[0]);
        let inputs = [Encoded::Pictures(&pictures), Encoded::Texts(&texts), Encoded::Sounds(&sounds)];
        let rows: Vec<_> = inputs.into_iter().map(|inputs| encoder.encode(inputs)).collect();
        for (one, rows_of_one) in rows.iter().enumerate() {
            match (rows_of_one, knows[one]) {
                (Ok(some), true) => {
                    for others in rows.iter().flatten() {
                        assert!(belong_together(some, others), "{pairs}: {one}");
                    }
                }
                (Err(said), false) => {
                    let said = said.to_string();
                    assert!(said.contains("was trained without") || said.contains("hears nothing"), "{said}");
                }
                _ => panic!("{pairs}: {one} is {:?}", rows_of_one.as_ref().map(Vectors::len)),
            }
        }
    }
}

#[test]
fn pairs_that_cannot_be_are_refused() {
    let build = |spec: &ObjectiveSpec| (family("dual").unwrap().objective)(spec).err().unwrap().to_string();
    let mut deaf = with_sounds(json!({ "sound+text": 1.0 }));
    deaf.sound = None;
    assert!(build(&deaf).contains("data.sound"));
    let said = build(&with_sounds(json!({ "sound+text": 0.0 })));
    assert!(said.contains("objective.pairs") && said.contains("at least"), "{said}");
    let said = build(&with_sounds(json!({ "sound+text": -1.0 })));
    assert!(said.contains("objective.pairs") && said.contains("-1"), "{said}");
    let said = build(&with_sounds(json!({ "text+sound": 1.0 })));
    assert!(said.contains("text+sound") && said.contains("sound+text"), "{said}");
}

#[test]
fn micro_batches_of_all_three_are_one_batch() {
    let build = || (family("dual").unwrap().objective)(&with_sounds(json!({}))).unwrap();
    let (mut whole, mut parts) = (build(), build());
    let one = step(whole.as_mut(), &[heard(0..6)], 0);
    let other = step(parts.as_mut(), &[heard(0..2), heard(2..5), heard(5..6)], 0);
    assert!((one - other).abs() < 1e-4 * one, "{one} and {other}");
    assert_alike(&*whole, &*parts);
}

/// Without word dropout and hard negatives, whose streams begin anew in each micro-batch's samples all the same.
#[test]
fn micro_batches_are_one_batch() {
    let settings = json!({ "word_dropout": 0.0, "hard_negatives": 0.0 });
    let (mut whole, mut parts) = (objective(settings.clone()), objective(settings));
    let one = step(whole.as_mut(), &[batch(0..6)], 0);
    let other = step(parts.as_mut(), &[batch(0..2), batch(2..5), batch(5..6)], 0);
    assert!((one - other).abs() < 1e-4 * one, "{one} and {other}");
    assert_alike(&*whole, &*parts);
}

/// What the optimiser has seen is the same but for rounding.
fn assert_alike(whole: &dyn Objective, parts: &dyn Objective) {
    let (whole, parts) = (whole.snapshot(), parts.snapshot());
    for (name, wanted) in &whole.optimizer {
        let wanted: Vec<f32> = wanted.iter().collect();
        let found: Vec<f32> = parts.optimizer[name].iter().collect();
        let scale = wanted.iter().fold(1e-6_f32, |most, value| most.max(value.abs()));
        for (wanted, found) in wanted.iter().zip(&found) {
            assert!((wanted - found).abs() <= 1e-3 * scale, "{name}: {found}, not {wanted}");
        }
    }
}

#[test]
fn equal_captions_are_neither_right_nor_wrong() {
    let settings = json!({ "word_dropout": 0.0, "hard_negatives": 0.0, "loss": "softmax" });
    let mut same = batch(0..4);
    same.columns.insert("text".to_string(), Column::Texts(vec!["a field".to_string(); 4]));
    let loss = step(objective(settings.clone()).as_mut(), &[same], 0);
    assert!(loss.abs() < 1e-6, "there is nothing to tell apart: {loss}");
    assert!(step(objective(settings).as_mut(), &[batch(0..4)], 0) > 0.1);
}

#[test]
fn a_model_folder_encodes_the_same_whatever_is_beside() {
    let mut objective = objective(json!({}));
    steps(objective.as_mut(), &[batch(0..4), batch(4..6)], 0..3);
    let folder = tempfile::tempdir().unwrap();
    objective.package(Which::Raw).write(folder.path(), Precision::Float32).unwrap();
    let model = open(folder.path(), &Device::flex()).unwrap();
    assert!(model.generate().is_none());
    let encoder = model.encode().unwrap();
    let (texts, all) = encode(objective.as_ref());
    let alone = encoder.encode(Encoded::Texts(&[CAPTIONS[3].to_string()])).unwrap();
    assert_eq!(alone.row(0), texts.row(3));
    assert_eq!(encoder.encode(Encoded::Pictures(&pictures(4..5))).unwrap().row(0), all.row(4));
    assert_eq!((texts.len(), encoder.width(), all.is_empty()), (6, 8, false));
    let odd = Pictures { shape: [1, 3, 7, 8], data: vec![0.0; 168] };
    let error = encoder.encode(Encoded::Pictures(&odd)).unwrap_err().to_string();
    assert!(error.contains("8x7") && error.contains("multiples of 2"), "{error}");
}

#[test]
fn half_the_steps_then_the_rest_from_a_checkpoint_are_all_the_steps() {
    let batches = [batch(0..4), batch(3..6)];
    let (mut whole, mut first) = (objective(json!({})), objective(json!({})));
    steps(whole.as_mut(), &batches, 0..4);
    steps(first.as_mut(), &batches, 0..2);
    let mut second = objective(json!({}));
    second.restore(&first.snapshot(), &first.state()).unwrap();
    steps(second.as_mut(), &batches, 2..4);
    let (whole, second) = (whole.snapshot(), second.snapshot());
    assert_eq!(
        (whole.weights, whole.average, whole.optimizer),
        (second.weights, second.average, second.optimizer)
    );
}

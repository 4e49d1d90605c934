//! The variational autoencoder: its likelihoods and its bound against what is known exactly, learning, checkpoints, model folders.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test that fails is the test that fails")]

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use indexmap::IndexMap;
use rebus_data::{
    Batch, Column, Pictures,
    tokenizer::{Tokenizer, TokenizerConfig},
};
use rebus_models::{
    GenerateRequest, Input, NoObserver, Objective, ObjectiveSpec, Precision, Step, Which, family, open,
    vae::{Gaussian, Likelihood, LikelihoodKind, VaeConfig, importance_bound},
};
use rebus_nn::Init;
use serde_json::{Value, json};

fn tensor<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f32>().map(f64::from).collect()
}

#[test]
fn the_probabilities_of_all_256_values_are_one() {
    let config = VaeConfig { likelihood: LikelihoodKind::DiscretizedLogistic, ..VaeConfig::default() };
    let likelihood = Likelihood::new(&config, &mut Init::new(&Device::flex(), 0));
    let values: Vec<f32> = (0..256).map(|value| value as f32 / 127.5 - 1.0).collect();
    for (mean, log_scale) in [(0.0, -3.0), (0.9, -1.0), (-1.2, -6.5), (0.3, 2.0)] {
        let said: Vec<f32> = values.iter().flat_map(|_| [mean, log_scale]).collect();
        let said = tensor(&said, [256, 2, 1, 1]);
        let logs = numbers(likelihood.log_probability(tensor(&values, [256, 1, 1, 1]), said));
        assert!(logs.iter().all(|log| log.is_finite()), "{mean} {log_scale}");
        let sum: f64 = logs.iter().map(|log| log.exp()).sum();
        assert!((sum - 1.0).abs() < 2e-3, "mean {mean}, scale e^{log_scale}: {sum}");
    }
}

#[test]
fn gaussian_and_bernoulli_likelihoods_are_their_formulas() {
    let of = |kind, deviation| {
        let config = VaeConfig { likelihood: kind, deviation, ..VaeConfig::default() };
        Likelihood::new(&config, &mut Init::new(&Device::flex(), 0))
    };
    let picture = tensor(&[0.5, -0.5], [1, 2, 1, 1]);
    let said = tensor(&[0.4, 0.1], [1, 2, 1, 1]);
    let normal = |x: f64, mean: f64, s: f64| {
        -((x - mean) / s).powi(2) / 2.0 - (s * (2.0 * std::f64::consts::PI).sqrt()).ln()
            + (2.0f64 / 255.0).ln()
    };
    for kind in [LikelihoodKind::GaussianFixed, LikelihoodKind::GaussianLearned] {
        let found = numbers(of(kind, 0.2).log_probability(picture.clone(), said.clone()))[0];
        let expected = normal(0.5, 0.4, 0.2) + normal(-0.5, 0.1, 0.2);
        assert!((found - expected).abs() < 1e-4, "{found} is not {expected}");
    }
    let found = numbers(of(LikelihoodKind::Bernoulli, 0.1).log_probability(picture, said))[0];
    let share = |logit: f64| 1.0 / (1.0 + (-logit).exp());
    let one = |x: f64, logit: f64| x * share(logit).ln() + (1.0 - x) * (1.0 - share(logit)).ln();
    let expected = one(0.75, 0.4) + one(0.25, 0.1);
    assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
}

/// A linear decoder with Gaussian noise is probabilistic principal component analysis (Tipping and Bishop 1999), whose likelihood and
/// posterior are known.
#[test]
fn the_bound_of_a_linear_model_is_its_likelihood_at_the_true_posterior_and_less_elsewhere() {
    // Orthogonal columns, so that the posterior's covariance is diagonal.
    let columns = [[1.0f64, 2.0, 0.0, 1.0], [2.0, -1.0, 1.0, 0.0]];
    let (noise_variance, x) = (0.3f64, [0.4f64, -0.7, 0.2, 1.1]);
    let scaled: Vec<f64> = columns.iter().map(|w| w.iter().map(|v| v * v).sum::<f64>()).collect();
    let along: Vec<f64> = columns.iter().map(|w| w.iter().zip(&x).map(|(w, x)| w * x).sum()).collect();
    // By the matrix determinant and inversion lemmas for W W' + s I with orthogonal columns.
    let mut log_likelihood = -(4.0 * (2.0 * std::f64::consts::PI).ln() + 2.0 * noise_variance.ln()) / 2.0;
    log_likelihood -= x.iter().map(|x| x * x).sum::<f64>() / noise_variance / 2.0;
    for (length, along) in scaled.iter().zip(&along) {
        log_likelihood -= (length + noise_variance).ln() / 2.0;
        log_likelihood += along * along / (noise_variance * (length + noise_variance)) / 2.0;
    }
    let mean: Vec<f32> = (0..2).map(|i| (along[i] / (scaled[i] + noise_variance)) as f32).collect();
    let log_variance: Vec<f32> =
        (0..2).map(|i| (noise_variance / (scaled[i] + noise_variance)).ln() as f32).collect();
    let latent = [1, 2, 1, 1];
    let prior = Gaussian { mean: tensor(&[0.0; 2], latent), log_variance: tensor(&[0.0; 2], latent) };
    let posterior = Gaussian { mean: tensor(&mean, latent), log_variance: tensor(&log_variance, latent) };
    let log_probability = |latents: Tensor<4>| {
        let z = numbers(latents);
        let said: Vec<f32> = (0..4).map(|d| (columns[0][d] * z[0] + columns[1][d] * z[1]) as f32).collect();
        let shown: Vec<f32> = x.iter().map(|x| *x as f32).collect();
        let shape = [1, 4, 1, 1];
        let spread = tensor(&[noise_variance.ln() as f32; 4], shape);
        Gaussian { mean: tensor(&said, shape), log_variance: spread }.log_density(tensor(&shown, shape))
    };
    let noise = |seed: u64| {
        let key = rebus_nn::random::Key { seed, step: 0, first: 0 };
        rebus_nn::random::normal(latent, key, rebus_nn::random::Purpose::Noise, &Device::flex())
    };
    // At the true posterior each sample weighs the same: no sample can miss.
    for seed in 0..8 {
        let found = numbers(importance_bound(&prior, &posterior, &[noise(seed)], log_probability))[0];
        assert!((found - log_likelihood).abs() < 1e-4, "{found} is not {log_likelihood}");
    }
    // Elsewhere the mean over noise is less, and rises with the number of samples.
    let wrong =
        Gaussian { log_variance: posterior.log_variance.clone() + 1.0, mean: posterior.mean.clone() + 0.1 };
    let bound = |samples: u64| {
        let each = (0..200).map(|run| {
            let noise: Vec<_> = (0..samples).map(|sample| noise(1000 + run * samples + sample)).collect();
            numbers(importance_bound(&prior, &wrong, &noise, log_probability))[0]
        });
        each.sum::<f64>() / 200.0
    };
    let (one, ten) = (bound(1), bound(10));
    assert!(
        one < ten && ten < log_likelihood + 0.01 && one < log_likelihood - 0.1,
        "{one} {ten} {log_likelihood}"
    );
    // The closed form of the divergence is what the samples say.
    let exact = numbers(wrong.divergence(&posterior)).iter().sum::<f64>();
    let sampled = (0..2000).map(|run| {
        let place = wrong.sample(noise(9000 + run));
        numbers(wrong.log_density(place.clone()) - posterior.log_density(place))[0]
    });
    let sampled = sampled.sum::<f64>() / 2000.0;
    assert!((exact - sampled).abs() < 0.1 && exact > 0.3, "{exact} {sampled}");
    assert!(numbers(posterior.divergence(&posterior)).iter().all(|value| value.abs() < 1e-6));
}

const NAMES: [&str; 4] = ["red", "green", "dark", "bright"];
const COLOURS: [[f32; 3]; 4] = [[0.8, -0.8, -0.8], [-0.8, 0.8, -0.8], [-0.9; 3], [0.9; 3]];

/// Fields of one colour each, brighter on the left or on the right.
fn batch(range: std::ops::Range<usize>) -> Batch {
    let pixels = |sample: usize| {
        let tilt = if sample % 8 < 4 { 0.1 } else { -0.1 };
        let row = move |colour: f32| (0..8).map(move |x| colour + tilt * (x as f32 - 3.5) / 3.5);
        COLOURS[sample % 4].into_iter().flat_map(move |colour| (0..8).flat_map(move |_| row(colour)))
    };
    let pictures = Pictures { shape: [range.len(), 3, 8, 8], data: range.clone().flat_map(pixels).collect() };
    let names = range.clone().map(|sample| NAMES[sample % 4].to_string());
    Batch {
        keys: range.map(|sample| sample.to_string()).collect(),
        columns: IndexMap::from([
            ("text".to_string(), Column::Texts(names.collect())),
            ("image".to_string(), Column::Pictures(pictures)),
        ]),
    }
}

fn objective(model: Value, settings: Value) -> Result<Box<dyn Objective>, rebus_models::ModelError> {
    let mut spec = ObjectiveSpec::new([3, 8, 8], Device::flex().autodiff(), 5);
    let sizes = json!({
        "widths": [16, 32], "groups": 4, "latent_channels": 4, "condition_width": 16, "prior_heads": 2,
        "text": { "width": 16, "layers": 1, "heads": 2 },
    });
    spec.model = sizes;
    for (key, value) in model.as_object().unwrap() {
        spec.model[key] = value.clone();
    }
    spec.objective = settings;
    spec.average.gamma = 1.0;
    let captions = NAMES.map(String::from).into_iter();
    spec.tokenizer = Some(Arc::new(Tokenizer::train(&TokenizerConfig::default(), captions).unwrap()));
    (family("vae").unwrap().objective)(&spec)
}

fn settings() -> Value {
    json!({ "kl_warmup_steps": 20, "free_bits": 0.1, "caption_dropout": 0.0, "word_dropout": 0.0 })
}

fn steps(objective: &mut dyn Objective, numbers: std::ops::Range<u64>) -> f64 {
    let mut last = 0.0;
    for number in numbers {
        let step = Step { number, seed: 3, learning_rate: 4e-3 };
        last = objective.step(&[batch(0..8), batch(8..16)], &step).unwrap()["bits_per_dim"];
    }
    last
}

#[test]
fn every_likelihood_learns_and_its_latents_are_in_use() {
    for kind in ["discretized-logistic", "gaussian-learned", "gaussian-fixed", "bernoulli"] {
        let mut objective = objective(json!({ "likelihood": kind }), settings()).unwrap();
        let first = steps(objective.as_mut(), 0..1);
        let last = steps(objective.as_mut(), 1..80);
        assert!(last < 0.9 * first, "{kind}: {first} to {last}");
        let step = Step { number: 0, seed: 3, learning_rate: 0.0 };
        let found = objective.evaluate(&batch(0..16), &step).unwrap();
        assert!(found.values().all(|value| value.is_finite()), "{kind}: {found:?}");
        assert!(found["importance_bits_per_dim"] <= found["bits_per_dim"] + 0.02, "{kind}: {found:?}");
        assert!(found["active_units"] >= 1.0 && found["kl_nats"] > 0.1, "{kind}: {found:?}");
    }
}

#[test]
fn it_draws_what_it_is_told_and_gives_back_what_it_is_shown() {
    let mut objective = objective(json!({}), settings()).unwrap();
    steps(objective.as_mut(), 0..400);
    let folder = tempfile::tempdir().unwrap();
    objective.package(Which::Average).write(folder.path(), Precision::Float32).unwrap();
    let model = open(folder.path(), &Device::flex()).unwrap();
    let reads = model.conditioner().unwrap();
    let mut request = GenerateRequest::default();
    request.seeds = vec![1; 4];
    request.condition = Some(reads.condition(&NAMES.map(|name| Input::Text(name.to_string()))).unwrap());
    let drawn = model.generate().unwrap().generate(&request, &mut NoObserver).unwrap();
    for (picture, colour) in drawn.data.chunks(3 * 64).zip(COLOURS) {
        for (channel, wanted) in picture.chunks(64).zip(colour) {
            let mean = channel.iter().sum::<f32>() / 64.0;
            assert!((mean - wanted).abs() < 0.3, "{mean} is not {wanted}");
        }
    }

    let able = model.reconstruct().unwrap();
    let examples = batch(0..8);
    let shown = examples.pictures("image").unwrap();
    let condition =
        reads.condition(&NAMES.repeat(2).iter().map(|n| Input::Text(n.to_string())).collect::<Vec<_>>());
    let condition = condition.unwrap();
    let latents = able.latents(shown, Some(&condition), &mut NoObserver).unwrap();
    assert_eq!((latents.width, latents.len()), (able.latent_width(), 8));
    let back = able.decode(&latents, Some(&condition)).unwrap();
    let apart: f32 = back.data.iter().zip(&shown.data).map(|(a, b)| (a - b).abs()).sum();
    assert!(apart / (back.data.len() as f32) < 0.1, "{}", apart / back.data.len() as f32);
    // One alone is as it is among others.
    let one = Pictures { shape: [1, 3, 8, 8], data: shown.data[..3 * 64].to_vec() };
    let alone = able.latents(&one, Some(&condition.narrow(0, 1)), &mut NoObserver).unwrap();
    assert_eq!(alone.data, latents.row(0));

    let other = Pictures { shape: [1, 3, 16, 16], data: vec![0.0; 3 * 256] };
    assert!(able.latents(&other, None, &mut NoObserver).unwrap_err().to_string().contains("8x8"));
    let wrong = rebus_models::Vectors { width: 3, data: vec![0.0; 3] };
    assert!(able.decode(&wrong, None).unwrap_err().to_string().contains("3 numbers"));
}

#[test]
fn half_the_steps_then_the_rest_from_a_checkpoint_are_all_the_steps() {
    let mut whole = objective(json!({}), settings()).unwrap();
    steps(whole.as_mut(), 0..4);
    let mut first = objective(json!({}), settings()).unwrap();
    steps(first.as_mut(), 0..2);
    let mut second = objective(json!({}), settings()).unwrap();
    second.restore(&first.snapshot(), &first.state()).unwrap();
    steps(second.as_mut(), 2..4);
    assert_eq!(whole.snapshot().weights, second.snapshot().weights);
}

#[test]
fn free_nats_cost_nothing() {
    let with = |free: f64| {
        let mut settings = settings();
        settings["free_bits"] = json!(free);
        let mut objective = objective(json!({}), settings).unwrap();
        steps(objective.as_mut(), 0..120);
        let step = Step { number: 0, seed: 3, learning_rate: 0.0 };
        objective.evaluate(&batch(0..16), &step).unwrap()["kl_nats"]
    };
    let (few, many) = (with(0.0), with(4.0));
    assert!(many > few + 1.0, "{few} {many}");
}

#[test]
fn settings_that_cannot_work_are_errors_that_name_the_field() {
    let refuse = |model: Value, settings: Value| objective(model, settings).err().unwrap().to_string();
    assert!(refuse(json!({ "latent_channels": 0 }), json!({})).contains("model.latent_channels"));
    assert!(refuse(json!({ "groups": 5 }), json!({})).contains("model.groups"));
    assert!(refuse(json!({ "deviation": -1.0 }), json!({})).contains("model.deviation"));
    assert!(refuse(json!({ "widths": [16, 16, 16, 16, 16] }), json!({})).contains("multiples of 16"));
    assert!(refuse(json!({ "likelihood": "poisson" }), json!({})).contains("discretized-logistic"));
    assert!(refuse(json!({}), json!({ "kl_weight": -1.0 })).contains("objective.kl_weight"));
    assert!(refuse(json!({}), json!({ "importance_samples": 0 })).contains("importance_samples"));
    assert!(refuse(json!({}), json!({ "word_dropout": -0.1 })).contains("objective.word_dropout = -0.1"));
}

//! The rows of `benches/side_by_side.py`: each runs one piece of work once and tells how long it took.
//!
//! `cargo bench -p rebus --bench rows` prints all rows; with `-- --serve` it reads names of rows from standard input and
//! answers each with milliseconds, so that the script can take turns with PyTorch.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench fails by panicking")]

use std::{
    hint::black_box,
    io::{BufRead, Write},
    path::Path,
    sync::Arc,
    time::Instant,
};

use image::{Rgba, RgbaImage};
use rebus::{
    data::{
        self, DataConfig, Loader, LoaderPlan, SourceConfig, Subset, Tokenizer, TokenizerConfig,
        config::ImageSize,
    },
    models::{
        GenerateRequest, Input, NoObserver, Objective, ObjectiveSpec, Step, Which,
        modality::TextTokens,
        registry,
        text::{TextConfig, TextEncoder},
    },
    nn::{
        Init,
        burn::tensor::{Device, Int, Tensor},
        kernels::{self, Activation, AdamWStep, Convolution},
        optim::{AdamWConfig, AverageConfig, Learner},
        random::{self, Key, Purpose},
    },
    tasks::clone_seamlessly,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One run of a row: milliseconds.
type Row = Box<dyn FnMut() -> f64>;

fn rows() -> Vec<(String, fn(&str) -> Row)> {
    let mut rows: Vec<(String, fn(&str) -> Row)> = vec![];
    for name in CONVOLUTIONS {
        rows.push((name.to_string(), |name| convolution(name)));
    }
    for name in OPERATIONS {
        rows.push((name.to_string(), operation));
    }
    rows.push(("transformer step".to_string(), |_| transformer()));
    for family in FAMILIES {
        rows.push((format!("{family} step"), training));
    }
    for family in DRAWING {
        rows.push((format!("{family} drawing"), drawing));
    }
    rows.push(("decode".to_string(), |_| decoding()));
    for shape in SEAMLESS {
        rows.push((shape.to_string(), cloning));
    }
    rows
}

const FAMILIES: [&str; 8] =
    ["flow", "flow-transformer", "vae", "autoencoder", "gan-modern", "gan-classic", "pix2pix", "cyclegan"];
/// Layers that go into a picture without a seam.
const SEAMLESS: [&str; 2] = ["seamless square@1024", "seamless disc@1024"];
/// Those that learn from pairs.
const PAIRED: [&str; 2] = ["pix2pix", "cyclegan"];
/// Those that draw.
const DRAWING: [&str; 5] = ["flow", "flow-transformer", "vae", "gan-modern", "gan-classic"];

const OPERATIONS: [&str; 14] = [
    "upsampled conv3x3 16x64->64@16",
    "transposed conv4x4/2 16x64->64@16",
    "silu",
    "gelu",
    "softmax",
    "group norm + silu",
    "layer norm",
    "modulated norm 16x64x384",
    "rms norm",
    "rotary 16x64x384",
    "linear 2048x384->1536",
    "attention 16x64x384",
    "add",
    "adamw",
];

/// Kernel, stride after a slash, `batch x channels_in -> channels_out @ side`.
const CONVOLUTIONS: [&str; 10] = [
    "conv3x3 16x128->128@32",
    "conv3x3 64x64->64@32",
    "conv3x3 8x512->512@8",
    "conv3x3 7x48->96@17",
    "conv3x3 2x3->64@64",
    "conv3x3 32x512->512@4",
    "conv3x3/2 16x128->256@32",
    "conv4x4/2 16x64->128@32",
    "conv1x1 64x128->160@16",
    "conv1x1 64x64->128@16",
];

fn main() {
    kernels::keep_freed_memory();
    kernels::on_threads(run);
}

fn run() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.iter().any(|argument| argument == "--list") {
        rows().into_iter().for_each(|(name, _)| println!("{name}"));
    } else if arguments.iter().any(|argument| argument == "--serve") {
        serve();
    } else {
        for (name, build) in rows() {
            if arguments.iter().all(|argument| name.contains(argument.as_str())) {
                let mut row = build(&name);
                let mut times: Vec<f64> = (0..7).map(|_| row()).collect();
                times.sort_by(f64::total_cmp);
                println!("{name:<28} {:9.2} ms", times[times.len() / 2]);
            }
        }
    }
}

/// A line with a row's name in, a line with milliseconds out. `forget NAME` frees what a row holds.
fn serve() {
    let known = rows();
    let mut built: Vec<(String, Row)> = vec![];
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("standard input");
        if let Some(name) = line.strip_prefix("forget ") {
            built.retain(|(known, _)| known != name);
            continue;
        }
        if !built.iter().any(|(name, _)| *name == line) {
            let (_, build) = known.iter().find(|(name, _)| *name == line).expect("a row of --list");
            built.push((line.clone(), build(&line)));
        }
        let (_, row) = built.iter_mut().find(|(name, _)| *name == line).expect("just built");
        println!("{}", row());
        std::io::stdout().flush().expect("standard output");
    }
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e3
}

fn noise<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    random::normal(shape, Key { seed, step: 0, first: 0 }, Purpose::Other, &Device::flex().autodiff())
}

/// Forward, and the gradients of input and kernel.
fn convolution(name: &str) -> Row {
    let numbers: Vec<usize> =
        name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
    let (kernel, stride, rest) = match &numbers[..] {
        [kernel, _, stride, rest @ ..] if name.contains('/') => (*kernel, *stride, rest),
        [kernel, _, rest @ ..] => (*kernel, 1, rest),
        _ => unreachable!("a convolution has a kernel"),
    };
    let [batch, channels_in, channels_out, side] = *rest else { unreachable!("and four sizes") };
    let padding = ((kernel - 1) / 2, (kernel - 1) / 2);
    let input = noise([batch, channels_in, side, side], 1).require_grad();
    let weight = noise([channels_out, channels_in, kernel, kernel], 2).require_grad();
    let bias = noise([channels_out], 3).require_grad();
    Box::new(move || {
        timed(|| {
            let output = kernels::conv2d(
                input.clone(),
                weight.clone(),
                Some(bias.clone()),
                Convolution::new(stride, padding),
            );
            let gradients = kernels::sum(output).backward();
            black_box((input.grad(&gradients), weight.grad(&gradients), bias.grad(&gradients)));
        })
    })
}

/// Forward and backward of one operation.
fn operation(name: &str) -> Row {
    let (rows, width) = (16 * 64, 384);
    let flat = noise([rows, 4 * width], 1).require_grad();
    let input = noise([rows, width], 1).require_grad();
    let (scale, shift) = (noise([width], 2).require_grad(), noise([width], 3).require_grad());
    match name {
        "upsampled conv3x3 16x64->64@16" => {
            let input = noise([16, 64, 16, 16], 1).require_grad();
            let (weight, bias) = (noise([64, 64, 3, 3], 2).require_grad(), noise([64], 3).require_grad());
            Box::new(move || {
                timed(|| {
                    let (weight, bias) = (weight.clone(), Some(bias.clone()));
                    let output = kernels::conv2d_upsampled(input.clone(), weight, bias);
                    drop(black_box(kernels::sum(output).backward()));
                })
            })
        }
        "transposed conv4x4/2 16x64->64@16" => {
            let input = noise([16, 64, 16, 16], 1).require_grad();
            let (weight, bias) = (noise([64, 64, 4, 4], 2).require_grad(), noise([64], 3).require_grad());
            Box::new(move || {
                timed(|| {
                    let (weight, bias) = (weight.clone(), Some(bias.clone()));
                    let output = kernels::conv_transpose2d(input.clone(), weight, bias, 2, (1, 1));
                    drop(black_box(kernels::sum(output).backward()));
                })
            })
        }
        // Forward alone: 4 million numbers.
        "add" => {
            let [a, b] = [1, 2].map(|seed| noise([64, 64, 32, 32], seed).inner());
            Box::new(move || timed(|| drop(black_box(kernels::add(a.clone(), b.clone())))))
        }
        // A step over 4 million weights, without the norm.
        "adamw" => {
            let [weight, gradient, first, second] = [1, 2, 3, 4].map(|seed| noise([1 << 22], seed).inner());
            let mut moving = Some([weight, first, second.square()]);
            let step = AdamWStep {
                learning_rate: 1e-4,
                beta_1: 0.9,
                beta_2: 0.99,
                epsilon: 1e-8,
                weight_decay: 0.01,
                gradient_scale: 1.0,
                time: 3,
                average: 0.0,
            };
            Box::new(move || {
                timed(|| {
                    moving = moving.take().map(|[weight, first, second]| {
                        kernels::adamw([weight, gradient.clone(), first, second], None, step).0
                    });
                })
            })
        }
        "silu" => {
            Box::new(move || timed(|| drop(black_box(kernels::sum(kernels::silu(flat.clone())).backward()))))
        }
        "gelu" => {
            Box::new(move || timed(|| drop(black_box(kernels::sum(kernels::gelu(flat.clone())).backward()))))
        }
        // Weighed, for the shares of a row add up to one.
        "softmax" => {
            let weights = noise([rows, 4 * width], 2).inner();
            let weights = Tensor::from_inner(weights);
            Box::new(move || {
                timed(|| {
                    let output = kernels::softmax(flat.clone()) * weights.clone();
                    drop(black_box(kernels::sum(output).backward()));
                })
            })
        }
        "rms norm" => Box::new(move || {
            timed(|| {
                let output = kernels::rms_norm(input.clone(), scale.clone());
                drop(black_box(kernels::sum(output).backward()));
            })
        }),
        "layer norm" => Box::new(move || {
            timed(|| {
                let output = kernels::layer_norm(input.clone(), scale.clone(), shift.clone());
                drop(black_box(kernels::sum(output).backward()));
            })
        }),
        "modulated norm 16x64x384" => {
            let input = noise([16, 64, width], 1).require_grad();
            let [scale, shift] = [2, 3].map(|seed| noise([16, width], seed).require_grad());
            Box::new(move || {
                timed(|| {
                    let (scale, shift) = (scale.clone(), shift.clone());
                    let output = kernels::modulated_layer_norm(input.clone(), scale, shift);
                    drop(black_box(kernels::sum(output).backward()));
                })
            })
        }
        "rotary 16x64x384" => {
            let input = noise([16, 64, width], 1).require_grad();
            let angles = Tensor::from_inner(noise([64, 32], 2).inner());
            Box::new(move || {
                timed(|| {
                    let output = kernels::rotate(input.clone(), angles.clone());
                    drop(black_box(kernels::sum(output).backward()));
                })
            })
        }
        "group norm + silu" => {
            let input = noise([32, 64, 16, 16], 1).require_grad();
            let (scale, shift) = (noise([32, 64], 2).require_grad(), noise([32, 64], 3).require_grad());
            Box::new(move || {
                timed(|| {
                    let (scale, shift) = (scale.clone(), shift.clone());
                    let output = kernels::group_norm(input.clone(), scale, shift, 16, Some(Activation::Silu));
                    drop(black_box(kernels::sum(output).backward()));
                })
            })
        }
        "linear 2048x384->1536" => {
            let input = noise([2048, width], 1).require_grad();
            let (weight, bias) = (noise([width, 1536], 2).require_grad(), noise([1536], 3).require_grad());
            Box::new(move || {
                timed(|| {
                    let output = kernels::linear(input.clone(), weight.clone(), Some(bias.clone()));
                    drop(black_box(kernels::sum(output).backward()));
                })
            })
        }
        _ => {
            let query = noise([16, 64, width], 1).require_grad();
            let key_value = noise([16, 64, 2 * width], 2).require_grad();
            let bias = Tensor::zeros([16, 64], &Device::flex().autodiff());
            Box::new(move || {
                timed(|| {
                    let output = kernels::attention(query.clone(), key_value.clone(), bias.clone(), 6);
                    drop(black_box(kernels::sum(output).backward()));
                })
            })
        }
    }
}

/// A whole step of a transformer: the text encoder, six blocks of six heads, 384 wide, on 16 texts of 64 tokens.
fn transformer() -> Row {
    let device = Device::flex().autodiff();
    let config = TextConfig { width: 384, layers: 6, heads: 6, context: 64, vocabulary: 2048 };
    let network = TextEncoder::new(&config, &mut Init::new(&device, 0));
    let mut learner =
        Learner::new("network", network, AdamWConfig::default(), AverageConfig { decay: 0.999, gamma: 16.0 });
    let ids = Tensor::<1, Int>::arange(0..16 * 64, &device).reshape([16, 64]);
    let mask = Tensor::<2>::ones([16, 64], &device).bool();
    Box::new(move || {
        timed(|| {
            let text = TextTokens { ids: ids.clone(), mask: mask.clone() };
            let loss = learner.module.forward(text).sequence.square().mean();
            learner.backward(&loss);
            learner.update(1e-4);
        })
    })
}

/// The 200 emoji of the repository.
fn emoji() -> Arc<dyn data::Collection> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/emoji200");
    data::open(&folder, &Default::default()).unwrap()
}

fn loader(batch_size: usize, source: Option<SourceConfig>) -> Loader {
    let config = DataConfig { image_size: ImageSize::Square(32), source, ..DataConfig::default() };
    let plan = LoaderPlan { batch_size, seed: 0, start: 0, subset: Subset::Train, strict: true };
    Loader::new(emoji(), &config, plan).unwrap()
}

/// A family at its default sizes for pictures of 32x32.
fn objective(name: &str) -> Box<dyn Objective> {
    let mut spec = ObjectiveSpec::new([3, 32, 32], Device::flex().autodiff(), 0);
    let collection = emoji();
    let captions = data::captions(&*collection, &DataConfig::default()).unwrap();
    let tokenizer =
        Tokenizer::train(&TokenizerConfig { vocab_size: 2048, ..Default::default() }, captions).unwrap();
    spec.tokenizer = Some(Arc::new(tokenizer));
    let (family, model) = match name {
        "gan-classic" => ("gan-classic", serde_json::json!({ "preset": "article-upsampled" })),
        "flow-transformer" => ("flow", serde_json::json!({ "transformer": {} })),
        family => (family, serde_json::json!({})),
    };
    spec.model = model;
    spec.pairs = PAIRED.contains(&family);
    if family == "autoencoder" {
        spec.objective = serde_json::json!({ "adversarial_start": 0 });
    }
    (registry::family(family).unwrap().objective)(&spec).unwrap()
}

/// A whole step of a family: batch 64 at 32x32, forward, backward, optimiser and moving average.
fn training(name: &str) -> Row {
    let family = name.strip_suffix(" step").unwrap();
    // Who learns from pairs makes pictures of outlines.
    let source = PAIRED.contains(&family).then(|| SourceConfig::Transform("edges".parse().unwrap()));
    let batch = loader(64, source).next().unwrap().unwrap();
    let mut objective = objective(family);
    // One step in four of gan-modern has penalties.
    let at_once = if family == "gan-modern" { 4 } else { 1 };
    let mut number = 0;
    Box::new(move || {
        let together = timed(|| {
            for _ in 0..at_once {
                number += 1;
                let step = Step { number, seed: 0, learning_rate: 1e-4 };
                drop(black_box(objective.step(std::slice::from_ref(&batch), &step).unwrap()));
            }
        });
        together / f64::from(at_once)
    })
}

/// Eight pictures by one step of a family that draws; of a flow it has guidance.
fn drawing(name: &str) -> Row {
    let model = objective(name.strip_suffix(" drawing").unwrap()).model(Which::Raw);
    let inputs = vec![Input::Text("a red apple".to_string()); 8];
    let mut request = GenerateRequest::default();
    request.seeds = (0..8).collect();
    request.condition = model.conditioner().map(|reads| reads.condition(&inputs).unwrap());
    request.num_inference_steps = Some(1);
    Box::new(move || {
        timed(|| {
            let drawn = model.generate().unwrap().generate(&request, &mut NoObserver);
            drop(black_box(drawn.unwrap()));
        })
    })
}

/// 1,024 pictures read, decoded, scaled to 32x32 and stacked.
fn decoding() -> Row {
    let mut loader = loader(64, None);
    Box::new(move || {
        timed(|| {
            for _ in 0..16 {
                black_box(loader.next().unwrap().unwrap());
            }
        })
    })
}

/// A layer of 1024x1024 with a shade of its own, put into the middle of a larger picture; what is on both is in `side_by_side.py` too.
fn cloning(name: &str) -> Row {
    let wave = |value: f64| (127.5 + 127.5 * value.sin()) as u8;
    let canvas = RgbaImage::from_fn(1100, 1100, |x, y| {
        let (x, y) = (f64::from(x), f64::from(y));
        Rgba([wave(x / 90.0), wave(y / 70.0), wave((x + y) / 50.0), 255])
    });
    let disc = name.contains("disc");
    let layer = RgbaImage::from_fn(1100, 1100, |x, y| {
        let (x, y) = (f64::from(x) - 549.5, f64::from(y) - 549.5);
        let inside = if disc { x.hypot(y) < 512.0 } else { x.abs() < 512.0 && y.abs() < 512.0 };
        Rgba([wave(x / 9.0), wave(y / 11.0), wave((x - y) / 40.0), if inside { 255 } else { 0 }])
    });
    Box::new(move || {
        let mut canvas = canvas.clone();
        timed(|| clone_seamlessly(&mut canvas, &layer, false, 1.0).unwrap())
    })
}

//! `rebus doctor`: what this machine and this build can do, and where things are kept.

use std::time::Instant;

use indicatif::DecimalBytes;
use rebus_nn::{
    burn::tensor::{Device, Tensor},
    device::built,
    random::{Purpose, normal_per_seed},
};

use super::{cache, failure::Failure, say::out, store};

/// Arguments of `rebus doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The device to measure.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let device = rebus::device(&args.device)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (speed, seconds) = measure(&device);
    let model = rebus::default_model(&device);
    let drawing = match &model {
        Ok(model) => format!("{} ({} parameters)", model.info().family, model.info().parameters),
        Err(error) => error.to_string(),
    };
    let (store, cache) = (store::usual(), cache::place());
    let mut missing = vec![];
    if !instructions().contains(&"avx2") && cfg!(target_arch = "x86_64") {
        missing.push("this processor has no AVX2: expect a quarter of the usual speed");
    }
    if built() == ["cpu"] {
        missing.push("no GPU in this build; `--features vulkan` adds one where the machine has it");
    }
    if args.json {
        let shown = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"), "devices": built(), "cores": cores,
            "instructions": instructions(), "gflops_per_s": speed, "draw_8_s": seconds, "default_model": drawing,
            "store": store, "cache": cache, "cache_bytes": cache::bytes(), "missing": missing,
        });
        out!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(());
    }
    out!("rebus         {}", env!("CARGO_PKG_VERSION"));
    out!("devices       {}", built().join(", "));
    out!("cores         {cores}");
    out!("instructions  {}", instructions().join(", "));
    out!("products      {speed:.0} GFLOP/s on {}", args.device);
    out!("default model {drawing}");
    if let Some(seconds) = seconds {
        out!("8 pictures    {seconds:.1} s");
    }
    if let Some(store) = store {
        out!("store         {}", store.display());
    }
    if let Some(cache) = cache {
        let bytes = DecimalBytes(cache::bytes());
        out!("cache         {}, {bytes}: what is deleted there is made again", cache.display());
    }
    for missing in missing {
        out!("missing       {missing}");
    }
    Ok(())
}

/// Instruction sets that the fast paths ask for.
fn instructions() -> Vec<&'static str> {
    let mut found = vec![];
    #[cfg(target_arch = "x86_64")]
    {
        if std::is_x86_feature_detected!("avx2") {
            found.push("avx2");
        }
        if std::is_x86_feature_detected!("fma") {
            found.push("fma");
        }
        if std::is_x86_feature_detected!("avx512f") {
            found.push("avx512f");
        }
        if std::is_x86_feature_detected!("avx512bf16") {
            found.push("avx512bf16");
        }
    }
    #[cfg(target_arch = "aarch64")]
    found.push("neon");
    found
}

/// GFLOP/s of a matrix product, and seconds for 8 pictures of the default model.
fn measure(device: &Device) -> (f64, Option<f64>) {
    const SIDE: usize = 1024;
    let matrix: Tensor<2> =
        normal_per_seed([0, SIDE * SIDE], &[1], Purpose::Other, 0, device).reshape([SIDE, SIDE]);
    let product = || matrix.clone().matmul(matrix.clone()).sum().into_scalar::<f32>();
    product();
    let start = Instant::now();
    for _ in 0..5 {
        product();
    }
    let speed = 5.0 * 2.0 * (SIDE as f64).powi(3) / start.elapsed().as_secs_f64() / 1e9;
    let start = Instant::now();
    let task = rebus_tasks::GenerateTask { prompts: vec!["sun".into()], count: 8, ..Default::default() };
    let drawn = rebus::default_model(device).ok().and_then(|model| {
        rebus_tasks::generate(&*model, &task, &mut rebus_models::NoObserver, |_| Ok(())).ok()
    });
    (speed, drawn.map(|_| start.elapsed().as_secs_f64()))
}

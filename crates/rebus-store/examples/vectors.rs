//! How fast the index of nearest vectors is made and asked: what `benches/vectors.py` runs beside the Python packages.
//!
//!     vectors BASE QUERIES TRUTH WIDTH THREADS QUANTIZATION
//!
//! BASE and QUERIES are float32 numbers in the machine's order, TRUTH the numbers (int32) of the ten nearest of each query. Prints a line
//! of JSON.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a measurement that fails should stop")]

use std::time::Instant;

use rayon::prelude::*;
use rebus_store::{Quantization, VectorIndex, VectorIndexConfig};

/// Neighbours that are asked for.
const K: usize = 10;
/// The share of true neighbours that must be found.
const RECALL: f64 = 0.95;
/// Vectors that are added at a time.
const AT_ONCE: usize = 8_192;

fn floats(path: &str) -> Vec<f32> {
    let bytes = fs_err::read(path).unwrap();
    bytes.chunks_exact(4).map(|four| f32::from_ne_bytes(four.try_into().unwrap())).collect()
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [base, queries, truth, width, threads, quantization] = args.as_slice() else {
        panic!("vectors BASE QUERIES TRUTH WIDTH THREADS QUANTIZATION")
    };
    let (width, threads): (usize, usize) = (width.parse().unwrap(), threads.parse().unwrap());
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().unwrap();
    let quantization = match quantization.as_str() {
        "f32" => Quantization::F32,
        "int8" => Quantization::Int8,
        _ => Quantization::F16,
    };
    let config = VectorIndexConfig { quantization, ..Default::default() };
    let (base, queries) = (floats(base), floats(queries));
    let truth: Vec<i32> = fs_err::read(truth)
        .unwrap()
        .chunks_exact(4)
        .map(|four| i32::from_ne_bytes(four.try_into().unwrap()))
        .collect();

    let index = VectorIndex::new(width, config).unwrap();
    let start = Instant::now();
    for (first, rows) in (0u64..).step_by(AT_ONCE).zip(base.chunks(AT_ONCE * width)) {
        let numbers: Vec<u64> = (first..first + (rows.len() / width) as u64).collect();
        index.add(&numbers, rows).unwrap();
    }
    let build = start.elapsed().as_secs_f64();

    for expansion in [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024] {
        index.set_expansion_search(expansion);
        let start = Instant::now();
        let found: Vec<Vec<u64>> =
            queries.par_chunks_exact(width).map(|query| index.search(query, K, None).unwrap()).collect();
        let seconds = start.elapsed().as_secs_f64();
        let right: usize = found
            .iter()
            .zip(truth.chunks_exact(K))
            .map(|(found, truth)| found.iter().filter(|number| truth.contains(&(**number as i32))).count())
            .sum();
        let recall = right as f64 / truth.len() as f64;
        if recall >= RECALL || expansion == 1024 {
            println!(
                "{{\"build_s\": {build:.2}, \"memory_mb\": {:.0}, \"expansion\": {expansion}, \"recall\": {recall:.4}, \
                 \"queries_per_s\": {:.0}}}",
                index.memory() as f64 / 1e6,
                found.len() as f64 / seconds
            );
            return;
        }
    }
}

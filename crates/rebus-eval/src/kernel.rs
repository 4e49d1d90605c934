//! The kernel distance between two sets of features (Bińkowski et al. 2018): the squared maximum mean discrepancy under
//! the kernel `(x·y / width + 1)³`, without bias, over many small subsets.

use faer::{Accum, Mat, MatRef, Par, linalg::matmul::matmul};
use rayon::prelude::*;
use rebus_data::random::{Purpose, shuffle, stream};

use crate::{EvalError, Features};

/// The mean over subsets, and its spread.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct KernelDistance {
    /// The distance; about 0 and as often below it where both sets are of one source.
    pub mean: f64,
    /// The standard deviation over the subsets.
    pub std: f64,
}

/// The numbers of drawn and of real pictures that are compared together, as many of each.
pub type Subset = (Vec<usize>, Vec<usize>);

/// Subsets without repetition inside one, which follow from the seed alone.
pub fn subsets(drawn: usize, real: usize, size: usize, count: usize, seed: u64) -> Vec<Subset> {
    let draw = |of: usize, subset: usize, side: u64| {
        let mut generator = stream(seed, Purpose::Other, subset as u64, side);
        let mut all: Vec<usize> = (0..of).collect();
        shuffle(&mut generator, &mut all);
        all.truncate(size);
        all
    };
    (0..count).map(|subset| (draw(drawn, subset, 0), draw(real, subset, 1))).collect()
}

/// The distance over given subsets.
///
/// # Errors
/// The sets have other features; a subset has fewer than two pictures of a set.
pub fn kernel_distance(
    drawn: &Features,
    real: &Features,
    subsets: &[Subset],
) -> Result<KernelDistance, EvalError> {
    drawn.check_width(real)?;
    for features in [drawn, real] {
        features.check_samples(2, "a kernel distance")?;
    }
    let width = drawn.width();
    let values: Vec<f64> = subsets
        .par_iter()
        .map(|(ours, theirs)| discrepancy(&drawn.picked(ours), &real.picked(theirs), width))
        .collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
    Ok(KernelDistance { mean, std: variance.sqrt() })
}

/// The unbiased estimate (Gretton et al. 2012, equation 3) of one subset.
fn discrepancy(ours: &[f64], theirs: &[f64], width: usize) -> f64 {
    let mean = |a: &[f64], b: &[f64], same: bool| {
        let (rows, columns) = (a.len() / width, b.len() / width);
        let mut products = Mat::zeros(rows, columns);
        let (a, b) =
            (MatRef::from_row_major_slice(a, rows, width), MatRef::from_row_major_slice(b, columns, width));
        matmul(products.as_mut(), Accum::Replace, a, b.transpose(), 1.0 / width as f64, Par::Seq);
        let mut sum = 0.0;
        for column in 0..columns {
            for row in (0..rows).filter(|row| !same || *row != column) {
                sum += (products[(row, column)] + 1.0).powi(3);
            }
        }
        sum / (rows * if same { columns - 1 } else { columns }) as f64
    };
    mean(ours, ours, true) + mean(theirs, theirs, true) - 2.0 * mean(ours, theirs, false)
}

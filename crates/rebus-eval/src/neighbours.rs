//! Measures over nearest neighbours: a set of pictures is taken for the balls around each that reach to its k-th
//! neighbour. Precision and recall (Kynkäänniemi et al. 2019, equation 1), density and coverage (Naeem et al. 2020,
//! equations 4 and 5).

use std::ops::Range;

use faer::{Accum, Mat, MatRef, Par, linalg::matmul::matmul};
use rayon::prelude::*;

use crate::{EvalError, Features};

/// Pictures on either side that are compared together: memory does not grow with the number of pictures.
const BLOCK: usize = 512;

/// The four shares.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Neighbours {
    /// The share of drawn pictures inside the real ones' balls: are they like real ones?
    pub precision: f64,
    /// The share of real pictures inside the drawn ones' balls: is everything drawn that there is?
    pub recall: f64,
    /// In how many real balls a drawn picture is, over their k; above 1 where drawings crowd the midst.
    pub density: f64,
    /// The share of real balls with a drawn picture in them.
    pub coverage: f64,
}

/// Compares two sets: precision and recall by the k-th neighbour of `neighbours.0`, density and coverage by `neighbours.1`
/// (the papers take 3 and 5).
///
/// # Errors
/// The sets have other features, or one has no k-th neighbour.
pub fn neighbours(
    drawn: &Features,
    real: &Features,
    neighbours: (usize, usize),
) -> Result<Neighbours, EvalError> {
    drawn.check_width(real)?;
    let most = neighbours.0.max(neighbours.1).max(1);
    for features in [drawn, real] {
        features.check_samples(most + 1, "nearest neighbours")?;
    }
    let (k_inside, k_dense) = (neighbours.0.max(1), neighbours.1.max(1));
    // Squared radii; the nearest of all is the picture itself.
    let nearest = |features: &Features| {
        let start = || vec![f64::INFINITY; most + 1];
        compare(features, features, start, |_, nearest, _, distances| {
            distances.iter().for_each(|distance| insert(nearest, *distance));
        })
    };
    let (around_drawn, around_real) = (nearest(drawn), nearest(real));

    let of_drawn = compare(
        drawn,
        real,
        || (false, 0_usize),
        |_, (inside, dense), range, distances| {
            for (distance, around) in distances.iter().zip(&around_real[range]) {
                *inside |= *distance <= around[k_inside];
                *dense += usize::from(*distance < around[k_dense]);
            }
        },
    );
    let of_real = compare(
        real,
        drawn,
        || (false, f64::INFINITY),
        |_, (inside, nearest), range, distances| {
            for (distance, around) in distances.iter().zip(&around_drawn[range]) {
                *inside |= *distance <= around[k_inside];
                *nearest = nearest.min(*distance);
            }
        },
    );
    let share = |count: usize, all: usize| count as f64 / all as f64;
    let covered =
        of_real.iter().zip(&around_real).filter(|((_, nearest), around)| *nearest < around[k_dense]);
    Ok(Neighbours {
        precision: share(of_drawn.iter().filter(|(inside, _)| *inside).count(), drawn.len()),
        recall: share(of_real.iter().filter(|(inside, _)| *inside).count(), real.len()),
        density: share(of_drawn.iter().map(|(_, dense)| dense).sum(), drawn.len() * k_dense),
        coverage: share(covered.count(), real.len()),
    })
}

/// Keeps the smallest, in order.
fn insert(smallest: &mut [f64], value: f64) {
    let place = smallest.partition_point(|known| *known <= value);
    if place < smallest.len() {
        smallest[place..].rotate_right(1);
        smallest[place] = value;
    }
}

/// The nearest of another set to each row among those that count, and its squared distance.
pub(crate) fn nearest(
    rows: &Features,
    others: &Features,
    counts: impl Fn(usize, usize) -> bool + Sync,
) -> Vec<(usize, f64)> {
    compare(
        rows,
        others,
        || (0, f64::INFINITY),
        |row, nearest, range, distances| {
            for (other, distance) in range.zip(distances) {
                if *distance < nearest.1 && counts(row, other) {
                    *nearest = (other, *distance);
                }
            }
        },
    )
}

/// Shows each row's number and squared distances to all rows of another set, a block after another, to what the row gathers.
pub(crate) fn compare<T: Send>(
    rows: &Features,
    others: &Features,
    start: impl Fn() -> T + Sync,
    take: impl Fn(usize, &mut T, Range<usize>, &[f64]) + Sync,
) -> Vec<T> {
    let width = rows.width();
    let blocks: Vec<usize> = (0..rows.len()).step_by(BLOCK).collect();
    let gathered = blocks.into_par_iter().flat_map_iter(|first| {
        let count = BLOCK.min(rows.len() - first);
        let ours = rows.rows(first..first + count);
        let our_lengths = lengths(&ours, width);
        let mut gathered: Vec<T> = (0..count).map(|_| start()).collect();
        for begin in (0..others.len()).step_by(BLOCK) {
            let range = begin..(begin + BLOCK).min(others.len());
            let theirs = others.rows(range.clone());
            let their_lengths = lengths(&theirs, width);
            let mut products = Mat::zeros(range.len(), count);
            matmul(
                products.as_mut(),
                Accum::Replace,
                MatRef::from_row_major_slice(&theirs, range.len(), width),
                MatRef::from_row_major_slice(&ours, count, width).transpose(),
                1.0,
                Par::Seq,
            );
            for (row, gathered) in gathered.iter_mut().enumerate() {
                let products = products.col(row).iter().zip(&their_lengths);
                let distances: Vec<f64> = products
                    .map(|(product, length)| (our_lengths[row] + length - 2.0 * product).max(0.0))
                    .collect();
                take(first + row, gathered, range.clone(), &distances);
            }
        }
        gathered
    });
    gathered.collect()
}

fn lengths(rows: &[f64], width: usize) -> Vec<f64> {
    rows.chunks(width).map(|row| row.iter().map(|value| value * value).sum()).collect()
}

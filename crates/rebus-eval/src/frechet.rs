//! The Fréchet distance between two sets of features, each taken for a normal distribution (Heusel et al. 2017,
//! equation 6): `|m - n|² + trace(C + D - 2 (C D)^½)` for means m, n and covariances C, D.

use faer::{Accum, Mat, MatRef, Par, Side, linalg::matmul::matmul};

use crate::{EvalError, Features};

/// Rows that are summed together.
const BLOCK: usize = 1024;

/// The mean and covariance of features, gathered block by block: memory does not grow with the number of pictures.
#[derive(Debug, Clone)]
pub struct Moments {
    name: String,
    count: usize,
    mean: Vec<f64>,
    /// The sum of `(x - mean) (x - mean)ᵀ`.
    scatter: Mat<f64>,
}

impl Moments {
    /// Of no pictures yet; `name` is what errors call them.
    pub fn new(name: impl Into<String>, width: usize) -> Self {
        Self { name: name.into(), count: 0, mean: vec![0.0; width], scatter: Mat::zeros(width, width) }
    }

    /// Of all features of a set.
    pub fn of(features: &Features) -> Self {
        let mut moments = Self::new(features.name(), features.width());
        for start in (0..features.len()).step_by(BLOCK) {
            moments.add(&features.rows(start..(start + BLOCK).min(features.len())));
        }
        moments
    }

    /// Adds pictures, a row each (Chan et al. 1983, equation 2.1).
    ///
    /// # Panics
    /// The data are no whole number of rows.
    pub fn add(&mut self, rows: &[f64]) {
        let width = self.mean.len();
        assert!(rows.len().is_multiple_of(width), "{} numbers in rows of {width}", rows.len());
        let count = rows.len() / width;
        if count == 0 {
            return;
        }
        let mean: Vec<f64> = (0..width)
            .map(|column| rows.iter().skip(column).step_by(width).sum::<f64>() / count as f64)
            .collect();
        let centred: Vec<f64> = rows
            .chunks(width)
            .flat_map(|row| row.iter().zip(&mean).map(|(value, mean)| value - mean))
            .collect();
        let block = MatRef::from_row_major_slice(&centred, count, width);
        matmul(self.scatter.as_mut(), Accum::Add, block.transpose(), block, 1.0, Par::rayon(0));
        let (before, all) = (self.count as f64, (self.count + count) as f64);
        let apart: Vec<f64> = mean.iter().zip(&self.mean).map(|(new, old)| new - old).collect();
        let weight = before * count as f64 / all;
        for column in 0..width {
            for row in 0..width {
                self.scatter[(row, column)] += apart[row] * apart[column] * weight;
            }
        }
        for (mean, apart) in self.mean.iter_mut().zip(&apart) {
            *mean += apart * count as f64 / all;
        }
        self.count += count;
    }

    /// How many pictures.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The unbiased covariance, `[feature, feature]`.
    fn covariance(&self) -> Mat<f64> {
        &self.scatter * faer::Scale(1.0 / (self.count as f64 - 1.0))
    }
}

/// The distance, 0 or more; it falls with the number of pictures even where both sets are of one source.
///
/// # Errors
/// A set has no more pictures than features, so that its covariance is not known; the sets have other features.
pub fn frechet_distance(drawn: &Moments, real: &Moments) -> Result<f64, EvalError> {
    let width = real.mean.len();
    if drawn.mean.len() != width {
        return Err(EvalError::WidthsDiffer {
            drawn: drawn.name.clone(),
            drawn_width: drawn.mean.len(),
            real: real.name.clone(),
            real_width: width,
        });
    }
    for set in [drawn, real] {
        if set.count <= width {
            return Err(EvalError::TooFewSamples {
                name: set.name.clone(),
                samples: set.count,
                measure: "a Fréchet distance over as many features as these",
                needed: width + 1,
            });
        }
    }
    let (drawn_covariance, real_covariance) = (drawn.covariance(), real.covariance());
    let fail = |set: &Moments| EvalError::NoEigenvalues { name: set.name.clone() };
    // (C D)^½ has the trace of (C^½ D C^½)^½, which is symmetric.
    let eigen = drawn_covariance.self_adjoint_eigen(Side::Lower).map_err(|_| fail(drawn))?;
    let roots = Mat::from_fn(width, width, |row, column| {
        eigen.U()[(row, column)] * eigen.S()[column].max(0.0).sqrt()
    });
    let root = &roots * eigen.U().transpose();
    let product = &root * &real_covariance * &root;
    let values = product.self_adjoint_eigenvalues(Side::Lower).map_err(|_| fail(real))?;
    let cross: f64 = values.iter().map(|value| value.max(0.0).sqrt()).sum();
    let trace = |matrix: &Mat<f64>| (0..width).map(|at| matrix[(at, at)]).sum::<f64>();
    let apart: f64 = drawn.mean.iter().zip(&real.mean).map(|(a, b)| (a - b).powi(2)).sum();
    Ok((apart + trace(&drawn_covariance) + trace(&real_covariance) - 2.0 * cross).max(0.0))
}

//! All distances between drawn and real pictures over the same features, in one report.

use crate::{
    EvalError, Features, Moments, frechet_distance,
    kernel::{kernel_distance, subsets},
    neighbours::neighbours,
};

/// How the distances are measured.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DistanceSettings {
    /// Subsets of the kernel distance.
    pub kernel_subsets: usize,
    /// The most pictures of a subset; half of the smaller set where that is fewer.
    pub kernel_subset_size: usize,
    /// The seed of the subsets.
    pub seed: u64,
    /// The neighbour that gives a ball its radius, for precision and recall.
    pub precision_neighbour: usize,
    /// The same for density and coverage.
    pub density_neighbour: usize,
}

impl Default for DistanceSettings {
    fn default() -> Self {
        Self {
            kernel_subsets: 100,
            kernel_subset_size: 1000,
            seed: 0,
            precision_neighbour: 3,
            density_neighbour: 5,
        }
    }
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Distances {
    /// Drawn pictures.
    pub drawn: usize,
    /// Real pictures.
    pub real: usize,
    /// Features of each.
    pub width: usize,
    /// The Fréchet distance; `None` where there are too few pictures for so many features, as `note` says.
    pub frechet_distance: Option<f64>,
    /// The kernel distance's mean over subsets.
    pub kernel_distance_mean: f64,
    /// Its standard deviation over subsets.
    pub kernel_distance_std: f64,
    /// Are drawings like real pictures?
    pub precision: f64,
    /// Is everything drawn that there is?
    pub recall: f64,
    /// How thick real pictures lie around drawings.
    pub density: f64,
    /// The share of real pictures with a drawing near.
    pub coverage: f64,
    /// Why something is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Measures all distances.
///
/// # Errors
/// The sets have other features, or too few pictures for any measure.
pub fn distances(
    drawn: &Features,
    real: &Features,
    settings: &DistanceSettings,
) -> Result<Distances, EvalError> {
    drawn.check_width(real)?;
    let balls = (settings.precision_neighbour, settings.density_neighbour);
    let shares = neighbours(drawn, real, balls)?;
    let size = settings.kernel_subset_size.min(drawn.len().min(real.len()) / 2).max(2);
    let subsets = subsets(drawn.len(), real.len(), size, settings.kernel_subsets.max(1), settings.seed);
    let kernel = kernel_distance(drawn, real, &subsets)?;
    let (frechet_distance, note) = match frechet_distance(&Moments::of(drawn), &Moments::of(real)) {
        Ok(distance) => (Some(distance), None),
        Err(error @ EvalError::TooFewSamples { .. }) => (None, Some(error.to_string())),
        Err(error) => return Err(error),
    };
    Ok(Distances {
        drawn: drawn.len(),
        real: real.len(),
        width: real.width(),
        frechet_distance,
        kernel_distance_mean: kernel.mean,
        kernel_distance_std: kernel.std,
        precision: shares.precision,
        recall: shares.recall,
        density: shares.density,
        coverage: shares.coverage,
        note,
    })
}

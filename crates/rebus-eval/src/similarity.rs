//! How alike two pictures of one size are: the peak signal-to-noise ratio, structural similarity (Wang et al. 2004,
//! equation 13) and the same over five scales (Wang et al. 2003, equation 7), on 8-bit sRGB, mean over the channels.

use image::RgbImage;

use crate::EvalError;

/// Sides of the window, and the spread of its weights (Wang et al. 2004, section III.C).
const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
/// Weights of the scales, the finest first (Wang et al. 2003, section 3.2).
const SCALES: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

/// The three measures.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Similarity {
    /// The peak signal-to-noise ratio in decibels; `None` for equal pictures, whose ratio is infinite.
    pub psnr: Option<f64>,
    /// Structural similarity, -1 to 1; `None` where a side is below 11 pixels.
    pub ssim: Option<f64>,
    /// The same over five scales; `None` where a side is below 176 pixels.
    pub ms_ssim: Option<f64>,
}

/// Compares a picture with the one that it should be.
///
/// # Errors
/// They have other sizes.
pub fn similarity(picture: &RgbImage, reference: &RgbImage) -> Result<Similarity, EvalError> {
    if picture.dimensions() != reference.dimensions() {
        return Err(EvalError::SizesDiffer {
            picture: picture.dimensions(),
            reference: reference.dimensions(),
        });
    }
    let pairs = picture.as_raw().iter().zip(reference.as_raw());
    let squares: f64 = pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    let error = squares / picture.as_raw().len().max(1) as f64;
    let channels: Vec<[Plane; 2]> =
        (0..3).map(|channel| [Plane::of(picture, channel), Plane::of(reference, channel)]).collect();
    let least = picture.width().min(picture.height()) as usize;
    let mean = |measure: fn(&[Plane; 2]) -> f64| channels.iter().map(measure).sum::<f64>() / 3.0;
    Ok(Similarity {
        psnr: (error > 0.0).then(|| 10.0 * (255.0_f64.powi(2) / error).log10()),
        ssim: (least >= WINDOW).then(|| mean(|[a, b]| structure(a, b).0)),
        ms_ssim: (least >= WINDOW << (SCALES.len() - 1)).then(|| mean(over_scales)),
    })
}

/// One channel in float64, rows one after another.
#[derive(Debug, Clone)]
struct Plane {
    width: usize,
    values: Vec<f64>,
}

impl Plane {
    fn of(picture: &RgbImage, channel: usize) -> Self {
        let values = picture.as_raw().iter().skip(channel).step_by(3).map(|value| f64::from(*value));
        Self { width: picture.width() as usize, values: values.collect() }
    }

    /// Two planes combined, pixel by pixel.
    fn with(&self, other: &Self, combine: impl Fn(f64, f64) -> f64) -> Self {
        let values = self.values.iter().zip(&other.values).map(|(a, b)| combine(*a, *b));
        Self { width: self.width, values: values.collect() }
    }

    fn height(&self) -> usize {
        self.values.len() / self.width
    }

    /// The weighted mean around each pixel whose window lies inside.
    fn blurred(&self, weights: &[f64; WINDOW]) -> Self {
        let width = self.width + 1 - WINDOW;
        let rows = self.values.chunks(self.width).flat_map(|row| {
            row.windows(WINDOW).map(|window| window.iter().zip(weights).map(|(a, b)| a * b).sum::<f64>())
        });
        let rows: Vec<f64> = rows.collect();
        let height = self.height() + 1 - WINDOW;
        let pixel = |at: usize| (0..WINDOW).map(|row| rows[at + row * width] * weights[row]).sum::<f64>();
        Self { width, values: (0..height * width).map(pixel).collect() }
    }

    /// Half as large: the mean of each two by two pixels; an odd last row or column is left out.
    fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height() / 2);
        let at = |row: usize, column: usize| self.values[row * self.width + column];
        let values = (0..height * width).map(|pixel| {
            let (row, column) = (2 * (pixel / width), 2 * (pixel % width));
            (at(row, column) + at(row, column + 1) + at(row + 1, column) + at(row + 1, column + 1)) / 4.0
        });
        Self { width, values: values.collect() }
    }

    fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }
}

/// The mean structural similarity, and the same without its comparison of brightness.
fn structure(a: &Plane, b: &Plane) -> (f64, f64) {
    let (dark, flat) = ((0.01_f64 * 255.0).powi(2), (0.03_f64 * 255.0).powi(2));
    let weights = window();
    let blurred = |plane: Plane| plane.blurred(&weights);
    let product = |a: &Plane, b: &Plane| a.with(b, |a, b| a * b);
    let (mean_a, mean_b) = (blurred(a.clone()), blurred(b.clone()));
    let deviation = |x: &Plane, y: &Plane, mean_x: &Plane, mean_y: &Plane| {
        blurred(product(x, y)).with(&product(mean_x, mean_y), |square, mean| square - mean)
    };
    let (of_a, of_b) = (deviation(a, a, &mean_a, &mean_a), deviation(b, b, &mean_b, &mean_b));
    let both = deviation(a, b, &mean_a, &mean_b);
    let contrast = both.with(&of_a.with(&of_b, |a, b| a + b), |both, sum| (2.0 * both + flat) / (sum + flat));
    let brightness = mean_a.with(&mean_b, |a, b| (2.0 * a * b + dark) / (a * a + b * b + dark));
    (product(&brightness, &contrast).mean(), contrast.mean())
}

/// Contrast at every scale, and brightness at the last; what points the other way counts as nothing in common.
fn over_scales([a, b]: &[Plane; 2]) -> f64 {
    let (mut a, mut b) = (a.clone(), b.clone());
    let mut result = 1.0;
    for (scale, weight) in SCALES.iter().enumerate() {
        let (whole, contrast) = structure(&a, &b);
        let last = scale + 1 == SCALES.len();
        result *= (if last { whole } else { contrast }).max(0.0).powf(*weight);
        (a, b) = (a.halved(), b.halved());
    }
    result
}

/// The window's weights along one side.
fn window() -> [f64; WINDOW] {
    let weight = |at: usize| (-(at as f64 - (WINDOW / 2) as f64).powi(2) / (2.0 * SIGMA * SIGMA)).exp();
    let weights: [f64; WINDOW] = std::array::from_fn(weight);
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}

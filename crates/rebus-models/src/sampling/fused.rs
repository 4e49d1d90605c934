//! One drawing of several wishes, of any size, or without an edge: the ways of overlapping windows fused at each step (MultiDiffusion,
//! Bar-Tal et al. 2023).

use burn::tensor::{Device, Tensor};
use rebus_data::Pictures;
use rebus_nn::{
    random::{Purpose, normal_per_seed},
    resample,
};

use super::{CHUNK, Guidance, checked_steps, guided, time};
use crate::{
    Condition, Denoise, ModelError, Observer,
    capability::{Parameterization, reconstruct::check_shape},
    modality,
};

/// Windows that go through the network at once; more only takes memory.
const AT_ONCE: usize = 16;
/// The part of the way on which what is drawn in a region sees nothing around it but white, so that it begins inside (section 4.2).
const ALONE: f64 = 0.2;
/// Numbers by which a latent without an edge is continued before it is decoded.
const AROUND: usize = 8;

/// What to draw.
#[derive(Debug, Clone)]
pub struct Fused {
    /// Of the noise.
    pub seed: u64,
    /// Pixels.
    pub height: usize,
    /// Pixels.
    pub width: usize,
    /// What is to be seen where no region is, one entry.
    pub condition: Condition,
    /// Parts with wishes of their own.
    pub regions: Vec<FusedRegion>,
    /// What to keep away from, one entry; nothing by default.
    pub negative: Option<Condition>,
    /// Its right edge goes on at its left one, and its lower at its upper one.
    pub seamless: bool,
    /// How closely to follow the wishes; the model's own choice by default.
    pub guidance_scale: Option<f32>,
    /// How many steps to take; the model's own choice by default.
    pub num_inference_steps: Option<usize>,
}

/// A part of a drawing.
#[derive(Debug, Clone)]
pub struct FusedRegion {
    /// What is to be seen there, one entry.
    pub condition: Condition,
    /// Where, `[1, 1, height, width]` in 0..1.
    pub mask: Pictures,
}

/// One picture of a request: each window of the model's size goes the way that its wish has it go, and where several lie over each
/// other, the mean of them, weighted by the masks and by how far they are from their edges, is what all of them go on from (equation 5).
///
/// # Errors
/// A size that the network cannot take, a mask of another one, an option out of range, or [`ModelError::Interrupted`].
pub fn fused<D: Denoise + ?Sized>(
    model: &D,
    request: &Fused,
    observer: &mut dyn Observer,
) -> Result<Pictures, ModelError> {
    let steps = checked_steps(request.num_inference_steps.unwrap_or(model.default_steps()))?;
    let fusion = Fusion::new(model, request)?;
    let mut x = fusion.noise.clone();
    for step in 0..steps {
        fusion.step(&mut x, [time(step, steps), time(step + 1, steps)])?;
        let preview = || decoded(model, &x, request.seamless);
        if observer.step(step + 1, steps, &preview).is_break() {
            return Err(ModelError::Interrupted);
        }
    }
    Ok(decoded(model, &x, request.seamless))
}

/// All that a drawing has settled before its first step.
struct Fusion<'a, D: ?Sized> {
    model: &'a D,
    canvas: Canvas,
    parts: Vec<Part>,
    /// `[1, channel, rows, columns]`
    noise: Pictures,
    /// A window of white.
    white: Vec<f32>,
    negative: Condition,
    guidance: Guidance,
}

impl<'a, D: Denoise + ?Sized> Fusion<'a, D> {
    fn new(model: &'a D, request: &Fused) -> Result<Self, ModelError> {
        let shape @ [_, height, width] = model.picture_shape();
        let [_, tall, wide] = model.latent_shape(height, width)?;
        let [channels, rows, columns] = model.latent_shape(request.height, request.width)?;
        let device = model.device();
        let canvas = Canvas {
            size: [rows, columns],
            window: [tall.min(rows), wide.min(columns)],
            seamless: request.seamless,
        };
        let noise =
            normal_per_seed([1, channels, rows, columns], &[request.seed], Purpose::Noise, 0, &device);
        let white = Tensor::ones([1, shape[0], height, width], &device);
        Ok(Self {
            parts: parts(request, &canvas, &device)?,
            noise: modality::values_of(noise),
            white: canvas.corner(&modality::values_of(model.encode(white))),
            negative: request.negative.clone().map_or_else(|| model.unconditional(1), Ok)?,
            guidance: Guidance::always(request.guidance_scale.unwrap_or(model.default_guidance())).check()?,
            model,
            canvas,
        })
    }

    fn step(&self, x: &mut Pictures, [from, to]: [f64; 2]) -> Result<(), ModelError> {
        let [_, channels, rows, columns] = x.shape;
        let mut sums = Sums { values: vec![0.0; x.data.len()], shares: vec![0.0; rows * columns] };
        let all: Vec<(&Part, [usize; 2])> =
            self.parts.iter().flat_map(|part| part.windows.iter().map(move |at| (part, *at))).collect();
        for some in all.chunks(AT_ONCE) {
            let velocities = self.velocities(x, some, [from, to])?;
            let [_, _, tall, wide] = velocities.shape;
            for ((part, at), velocity) in some.iter().zip(velocities.data.chunks(channels * tall * wide)) {
                self.canvas.add(&mut sums, velocity, &part.shares, *at);
            }
        }
        for (place, value) in x.data.iter_mut().enumerate() {
            *value += sums.values[place] / sums.shares[place % (rows * columns)] * (to - from) as f32;
        }
        Ok(())
    }

    /// Which way each window goes; there may be more at the end than were asked for.
    fn velocities(
        &self,
        x: &Pictures,
        windows: &[(&Part, [usize; 2])],
        [from, to]: [f64; 2],
    ) -> Result<Pictures, ModelError> {
        let device = self.model.device();
        // One window alone might be summed otherwise than among others.
        let count = windows.len().max(CHUNK);
        let windows: Vec<_> = windows.iter().cycle().take(count).collect();
        let [tall, wide] = self.canvas.window;
        let shown = Pictures {
            shape: [count, x.shape[1], tall, wide],
            data: windows.iter().flat_map(|(part, at)| self.seen(x, part, *at, from)).collect(),
        };
        let x_t = modality::to_tensor(&shown, &device);
        let said = joined(windows.iter().map(|(part, _)| part.condition.clone()));
        let velocity = match self.model.parameterization() {
            Parameterization::Velocity => {
                let negative = joined(windows.iter().map(|_| self.negative.clone()));
                guided(self.model, x_t, from, [&said, &negative], self.guidance)?
            }
            Parameterization::MeanVelocity => {
                let all = |value: f64| Tensor::<1>::full([count], value, &device);
                self.model.predict_over(x_t, all(from), all(from - to), &said)?
            }
        };
        Ok(modality::values_of(velocity))
    }

    /// What a part sees through a window.
    fn seen(&self, x: &Pictures, part: &Part, at: [usize; 2], time: f64) -> Vec<f32> {
        let cut = |values: &[f32], channels| self.canvas.cut(values, channels, at);
        let mut seen = cut(&x.data, x.shape[1]);
        if !part.alone || time <= 1.0 - ALONE {
            return seen;
        }
        let (noise, share) = (cut(&self.noise.data, x.shape[1]), cut(&part.shares, 1));
        for (place, value) in seen.iter_mut().enumerate() {
            let outside = self.white[place] * (1.0 - time as f32) + noise[place] * time as f32;
            *value = outside + (*value - outside) * share[place % share.len()];
        }
        seen
    }
}

/// A wish and where it counts.
struct Part {
    condition: Condition,
    /// How much it counts at each place of the canvas.
    shares: Vec<f32>,
    /// The upper left corners of its windows.
    windows: Vec<[usize; 2]>,
    /// Whether it begins without what is around it.
    alone: bool,
}

/// What is everywhere, and the regions; a region is drawn in windows of its own around it.
fn parts(request: &Fused, canvas: &Canvas, device: &Device) -> Result<Vec<Part>, ModelError> {
    let [rows, columns] = canvas.size;
    let mut left = vec![1.0f32; rows * columns];
    let mut regions = vec![];
    for region in &request.regions {
        check_shape(&region.mask, [1, request.height, request.width], "a region's mask here has")?;
        let mask = modality::to_tensor(&region.mask, device);
        let small = resample::downsample_mean(mask, request.height / rows);
        let shares = modality::values_of(small).data;
        left.iter_mut().zip(&shares).for_each(|(left, share)| *left = (*left - share).max(0.0));
        let inside = |place: &usize| shares[*place] > 0.0;
        let places: Vec<usize> = (0..shares.len()).filter(inside).collect();
        let bounds = |of: &dyn Fn(usize) -> usize| {
            let along = places.iter().map(|place| of(*place));
            along.clone().min().zip(along.max()).map(|(first, last)| [first, last + 1])
        };
        let (Some(down), Some(across)) = (bounds(&|place| place / columns), bounds(&|place| place % columns))
        else {
            continue;
        };
        let windows = canvas.windows(down, across, false);
        regions.push(Part { condition: region.condition.clone(), shares, windows, alone: true });
    }
    // No place is without a wish, and where regions cover all, what is said of the rest counts next to nothing.
    left.iter_mut().for_each(|share| *share = share.max(1e-6));
    let windows = canvas.windows([0, rows], [0, columns], canvas.seamless);
    regions.push(Part { condition: request.condition.clone(), shares: left, windows, alone: false });
    Ok(regions)
}

/// Conditions one after the other.
fn joined(each: impl Iterator<Item = Condition>) -> Condition {
    each.reduce(|all, next| all.then(&next)).unwrap_or_default()
}

/// The picture of a latent; of one without an edge, decoded with what goes on around it.
fn decoded<D: Denoise + ?Sized>(model: &D, x: &Pictures, seamless: bool) -> Pictures {
    let latent = |x: &Pictures| modality::from_tensor(model.decode(modality::to_tensor(x, &model.device())));
    if !seamless {
        return latent(x);
    }
    let [_, channels, rows, columns] = x.shape;
    let around =
        Canvas { size: [rows, columns], window: [rows + 2 * AROUND, columns + 2 * AROUND], seamless };
    let corner = [rows - AROUND % rows, columns - AROUND % columns];
    let data = around.cut(&x.data, channels, corner);
    let whole = latent(&Pictures { shape: [1, channels, around.window[0], around.window[1]], data });
    let factor = whole.shape[2] / around.window[0];
    let inside = Canvas {
        size: [whole.shape[2], whole.shape[3]],
        window: [rows * factor, columns * factor],
        seamless,
    };
    let shape = [1, whole.shape[1], rows * factor, columns * factor];
    Pictures { shape, data: inside.cut(&whole.data, shape[1], [AROUND * factor; 2]) }
}

/// Velocities added up, and by how much each counted.
struct Sums {
    values: Vec<f32>,
    shares: Vec<f32>,
}

/// A drawing and the windows on it.
struct Canvas {
    size: [usize; 2],
    window: [usize; 2],
    seamless: bool,
}

impl Canvas {
    /// What is seen through a window, channel by channel; beyond an edge goes on what is at the other.
    fn cut(&self, values: &[f32], channels: usize, at: [usize; 2]) -> Vec<f32> {
        let places = self.size[0] * self.size[1];
        let of = |channel: usize| self.places(at).map(move |place| values[channel * places + place]);
        (0..channels).flat_map(of).collect()
    }

    /// The values of pictures that are at least as large as a window, in their upper left corner.
    fn corner(&self, picture: &Pictures) -> Vec<f32> {
        let [_, channels, rows, columns] = picture.shape;
        Self { size: [rows, columns], window: self.window, seamless: false }.cut(
            &picture.data,
            channels,
            [0, 0],
        )
    }

    /// Adds what a window says, as much as it counts: towards its edge less, where it sees less of what is around.
    fn add(&self, sums: &mut Sums, values: &[f32], shares: &[f32], at: [usize; 2]) {
        let places = self.size[0] * self.size[1];
        let [tall, wide] = self.window;
        let from_edge = |at: usize, length: usize| (at.min(length - 1 - at) as f32 + 0.5) / length as f32;
        for (number, place) in self.places(at).enumerate() {
            let share = shares[place] * from_edge(number / wide, tall) * from_edge(number % wide, wide);
            sums.shares[place] += share;
            let channels = values.iter().skip(number).step_by(tall * wide);
            for (channel, value) in channels.enumerate() {
                sums.values[channel * places + place] += value * share;
            }
        }
    }

    /// The places of a window, row by row.
    fn places(&self, [top, left]: [usize; 2]) -> impl Iterator<Item = usize> + use<> {
        let ([rows, columns], [tall, wide]) = (self.size, self.window);
        (0..tall).flat_map(move |y| (0..wide).map(move |x| (top + y) % rows * columns + (left + x) % columns))
    }

    /// Corners of windows that cover a part: around it where it is smaller than one, else half a window from one to the next. Without
    /// an edge they go on around it.
    fn windows(&self, down: [usize; 2], across: [usize; 2], around: bool) -> Vec<[usize; 2]> {
        let along = |[first, last]: [usize; 2], side: usize, length: usize| -> Vec<usize> {
            let step = (length / 2).max(1);
            if around {
                return (0..side).step_by(step).collect();
            }
            let span = last - first;
            if span <= length {
                let middle = (first + last) / 2;
                let most = side - length;
                return vec![match self.seamless {
                    true => (middle + side - length / 2) % side,
                    false => middle.saturating_sub(length / 2).min(most),
                }];
            }
            let pieces = (span - length).div_ceil(step);
            (0..=pieces).map(|piece| first + (span - length) * piece / pieces).collect()
        };
        let columns = along(across, self.size[1], self.window[1]);
        let rows = along(down, self.size[0], self.window[0]);
        rows.iter().flat_map(|top| columns.iter().map(move |left| [*top, *left])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::toy::{Toy, number, towards},
        *,
    };
    use crate::NoObserver;

    /// Of 8x8, and of others.
    const PLAIN: Toy = Toy { picture_shape: [1, 8, 8], velocity: towards };

    fn said(value: f32) -> Condition {
        number(value, 1)
    }

    fn wish(height: usize, width: usize, seamless: bool) -> Fused {
        Fused {
            seed: 3,
            height,
            width,
            condition: said(-0.5),
            regions: vec![],
            negative: None,
            seamless,
            guidance_scale: Some(1.0),
            num_inference_steps: Some(4),
        }
    }

    fn mask(height: usize, width: usize, is_in: impl Fn(usize, usize) -> bool) -> Pictures {
        let data = (0..height * width).map(|place| f32::from(is_in(place / width, place % width)));
        Pictures { shape: [1, 1, height, width], data: data.collect() }
    }

    #[test]
    fn every_place_goes_where_its_wish_says_whatever_the_size() {
        for (height, width, seamless) in [(8, 8, false), (8, 8, true), (4, 30, false), (19, 12, true)] {
            let mut request = wish(height, width, seamless);
            let right = |_: usize, x: usize| x >= width / 2;
            request.regions = vec![FusedRegion { condition: said(0.75), mask: mask(height, width, right) }];
            let found = fused(&PLAIN, &request, &mut NoObserver).unwrap();
            assert_eq!(found.shape, [1, 1, height, width]);
            for (place, value) in found.data.iter().enumerate() {
                let wanted = if right(0, place % width) { 0.75 } else { -0.5 };
                assert!((value - wanted).abs() < 2e-3, "{height}x{width} {place}: {value}");
            }
        }
    }

    #[test]
    fn windows_cover_what_they_should() {
        let canvas = |seamless| Canvas { size: [20, 33], window: [8, 8], seamless };
        for (seamless, around) in [(false, false), (true, false), (true, true)] {
            let canvas = canvas(seamless);
            for (down, across) in [([0, 20], [0, 33]), ([3, 5], [30, 33]), ([1, 15], [7, 16])] {
                let windows = canvas.windows(down, across, around);
                let seen: std::collections::HashSet<usize> =
                    windows.iter().flat_map(|at| canvas.places(*at)).collect();
                for y in down[0]..down[1] {
                    assert!(
                        (across[0]..across[1]).all(|x| seen.contains(&(y * 33 + x))),
                        "{down:?} {across:?}"
                    );
                }
                let fits = |at: &[usize; 2]| at[0] + 8 <= 20 && at[1] + 8 <= 33;
                assert!(seamless || windows.iter().all(fits), "{windows:?}");
            }
        }
    }

    #[test]
    fn without_an_edge_one_side_goes_on_at_the_other() {
        let picture = Pictures { shape: [1, 1, 3, 4], data: (0..12).map(|value| value as f32).collect() };
        let canvas = Canvas { size: [3, 4], window: [2, 3], seamless: true };
        assert_eq!(canvas.cut(&picture.data, 1, [2, 3]), [11.0, 8.0, 9.0, 3.0, 0.0, 1.0]);
        assert_eq!(decoded(&PLAIN, &Pictures { data: vec![0.25; 12], ..picture }, true).data, vec![0.25; 12]);
    }

    #[test]
    fn a_mask_of_another_size_and_a_wrong_scale_are_said() {
        let mut request = wish(8, 8, false);
        request.regions = vec![FusedRegion { condition: said(0.0), mask: mask(8, 9, |_, _| true) }];
        assert!(fused(&PLAIN, &request, &mut NoObserver).unwrap_err().to_string().contains("8"));
        let request = Fused { guidance_scale: Some(f32::NAN), ..wish(8, 8, false) };
        assert!(fused(&PLAIN, &request, &mut NoObserver).unwrap_err().to_string().contains("NaN"));
    }
}

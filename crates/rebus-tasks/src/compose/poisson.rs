//! Poisson's equation on a region of any shape: on most rectangles [at once](Rectangle), else by conjugate gradients (Hestenes and
//! Stiefel 1952), each step of which is made better by a cycle over coarser and coarser grids (Tatebe 1993). The way between grids is
//! bilinear. On a coarser grid a value is wanted where any of its four is; it is bound to its neighbours, and to values that are known,
//! as strongly as what it stands for.

use rayon::prelude::*;

use super::rectangle::Rectangle;

/// What a place is to the equation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Beyond the picture: nothing flows there.
    Beyond,
    /// Its value is known.
    Known,
    /// Its value is wanted.
    Wanted,
}

/// Weights of the two steps of a smoother that damps what is too fine for the next grid, eigenvalues from 1/2 to 2, the most:
/// one over Chebyshev's points there.
const SMOOTH: [f32; 2] = [0.561_8, 1.389_4];
/// Steps of it on the coarsest grid, as good as exact; even.
const COARSEST: usize = 32;
/// Fewer numbers than this are not worth a thread.
const SPLIT: usize = 1 << 14;
/// Residuals are made this much smaller before they are measured again in 64 bits.
const INNER: f64 = 1e-6;
/// Steps after which what has been reached must do.
const MOST: usize = 200;

/// What is wanted of a grid: made once, and solved for each channel.
pub(super) enum Region {
    /// Solved at once.
    Rectangle(Rectangle),
    /// The grid and coarser ones, the finest first.
    Grids { width: usize, grids: Vec<Grid> },
}

impl Region {
    /// Of a grid of `width` columns.
    pub(super) fn new(width: usize, places: &[Place]) -> Self {
        if let Some(rectangle) = Rectangle::of(width, places) {
            return Self::Rectangle(rectangle);
        }
        let mut grids = vec![Grid::new(width, places)];
        while let Some(next) = grids.last_mut().and_then(Grid::coarser) {
            grids.push(next);
        }
        Self::Grids { width, grids }
    }

    /// Solves `n x_p - (the sum of x over wanted neighbours) = b_p` at every wanted place, n its neighbours that are not beyond; `b` is
    /// 0 where nothing is wanted, and so is the answer, which is off by about `tolerance` at most.
    pub(super) fn solve(&self, b: &[f64], tolerance: f64) -> Vec<f64> {
        match self {
            Self::Rectangle(rectangle) => rectangle.solve(b),
            Self::Grids { width, grids } => by_gradients(*width, grids, b, tolerance),
        }
    }
}

fn by_gradients(width: usize, grids: &[Grid], b: &[f64], tolerance: f64) -> Vec<f64> {
    let mut cycle = Cycle::new(grids);
    let (stride, size) = (grids[0].stride, grids[0].sum.len());
    let in_margin = |from: &[f64]| {
        let mut with = vec![0.0; size];
        for (row, from) in from.chunks(width).enumerate() {
            with[(row + 1) * stride + 1..][..width].copy_from_slice(from);
        }
        with
    };
    let rows = b.len() / width;
    let (b, mut x) = (in_margin(b), vec![0.0; size]);
    let (mut residual, mut steps, mut done) = (b.clone(), 0, false);
    // What 32 bits call near enough counts once a cycle says so of the residual in 64.
    while !done && steps < MOST {
        let largest = residual.par_iter().map(|value| value.abs()).reduce(|| 0.0, f64::max);
        if largest == 0.0 {
            break;
        }
        let scaled: Vec<f32> = residual.par_iter().map(|value| (value / largest) as f32).collect();
        let found = cycle.gradients(scaled, tolerance / largest, MOST - steps);
        steps += found.steps;
        done = found.done;
        x.par_iter_mut().zip(&found.x).for_each(|(x, better)| *x += f64::from(*better) * largest);
        if !done {
            grids[0].residual_in_64(&x, &b, &mut residual);
        }
    }
    x.chunks(stride).skip(1).take(rows).flat_map(|row| &row[1..=width]).copied().collect()
}

/// Places bound by springs, with a margin of one, so that each has four neighbours: `(A x)_p` is the sum of `spring * (x_p - x_q)`
/// over neighbours q, known ones at 0.
pub(super) struct Grid {
    /// Places of a row, with the margin.
    stride: usize,
    rows: usize,
    /// The springs between wanted places; none on the finest grid, where each is 1.
    springs: Option<Springs>,
    /// Of a place's springs, those to known places too; 0 where nothing is wanted.
    sum: Vec<f32>,
    /// 1 / sum, or 0.
    inverse: Vec<f32>,
    /// The springs to known places, as one.
    known: Vec<f32>,
    /// Whether a value is known or wanted.
    there: Vec<bool>,
    /// By which what comes from the coarser grid is multiplied: more where a part of it would come from beyond.
    share: Vec<f32>,
}

struct Springs {
    /// To the next place of the row.
    east: Vec<f32>,
    /// To the place below.
    south: Vec<f32>,
}

impl Grid {
    fn new(width: usize, places: &[Place]) -> Self {
        let (stride, rows) = (width + 2, places.len() / width + 2);
        let mut kinds = vec![Place::Beyond; stride * rows];
        for (row, from) in places.chunks(width).enumerate() {
            kinds[(row + 1) * stride + 1..][..width].copy_from_slice(from);
        }
        let around = |at: usize, kind: Place| match kinds[at] {
            Place::Wanted => {
                [at - 1, at + 1, at - stride, at + stride].iter().filter(|at| kinds[**at] == kind).count()
                    as f32
            }
            _ => 0.0,
        };
        let known: Vec<f32> = (0..kinds.len()).map(|at| around(at, Place::Known)).collect();
        let sum = (0..kinds.len()).map(|at| known[at] + around(at, Place::Wanted)).collect();
        let there = kinds.iter().map(|kind| *kind != Place::Beyond).collect();
        Self::finished([stride, rows], None, sum, known, there)
    }

    fn finished(
        [stride, rows]: [usize; 2],
        springs: Option<Springs>,
        sum: Vec<f32>,
        known: Vec<f32>,
        there: Vec<bool>,
    ) -> Self {
        let inverse = sum.iter().map(|sum| if *sum > 0.0 { 1.0 / sum } else { 0.0 }).collect();
        let share = sum.iter().map(|sum| f32::from(u8::from(*sum > 0.0))).collect();
        Self { stride, rows, springs, sum, inverse, known, there, share }
    }

    /// The grid of half the sides, and what comes from it; none where this one is small enough.
    fn coarser(&mut self) -> Option<Self> {
        let (width, height) = (self.stride - 2, self.rows - 2);
        if width.min(height) < 4 {
            return None;
        }
        let (stride, rows) = (width.div_ceil(2) + 2, height.div_ceil(2) + 2);
        let empty = || vec![0.0f32; stride * rows];
        let (mut east, mut south, mut known, mut there) =
            (empty(), empty(), empty(), vec![false; stride * rows]);
        for (at, to, [column, row]) in self.within().map(|[column, row]| {
            (row * self.stride + column, row.div_ceil(2) * stride + column.div_ceil(2), [column, row])
        }) {
            there[to] |= self.there[at];
            // Half a place further away, in places of its own grid.
            known[to] += self.known[at] / (1.0 + self.known[at] / 2.0);
            // Two side by side, twice as long.
            if column % 2 == 0 {
                east[to] += self.spring(at, 1) / 2.0;
            }
            if row % 2 == 0 {
                south[to] += self.spring(at, self.stride) / 2.0;
            }
        }
        let before =
            |springs: &[f32], at: usize, step: usize| at.checked_sub(step).map_or(0.0, |at| springs[at]);
        let sum = (0..known.len())
            .map(|at| known[at] + east[at] + south[at] + before(&east, at, 1) + before(&south, at, stride))
            .collect();
        let shares: Vec<(usize, f32)> = self
            .within()
            .map(|[column, row]| {
                let [(x, beside), (y, next)] = [column, row].map(coarse);
                let part = |row: usize, column: usize, weight: f32| {
                    f32::from(u8::from(there[row * stride + column])) * weight
                };
                let near = OWN * part(y, x, OWN) + OWN * part(y, beside, NEXT);
                let sum = near + NEXT * part(next, x, OWN) + NEXT * part(next, beside, NEXT);
                (row * self.stride + column, if sum > 0.0 { 1.0 / sum } else { 0.0 })
            })
            .collect();
        for (at, share) in shares {
            self.share[at] *= share;
        }
        Some(Self::finished([stride, rows], Some(Springs { east, south }), sum, known, there))
    }

    /// The places without the margin, `[column, row]`, from 1.
    fn within(&self) -> impl Iterator<Item = [usize; 2]> + use<> {
        let (stride, rows) = (self.stride, self.rows);
        (1..rows - 1).flat_map(move |row| (1..stride - 1).map(move |column| [column, row]))
    }

    /// From a place to the one that many places later: the next, or the one below.
    fn spring(&self, at: usize, step: usize) -> f32 {
        match &self.springs {
            Some(Springs { east, south }) => {
                if step == 1 {
                    east[at]
                } else {
                    south[at]
                }
            }
            None => f32::from(u8::from(self.sum[at] > 0.0 && self.sum[at + step] > 0.0)),
        }
    }

    /// Rows of `out` but for the margin, each with its number, in bands on threads where it is worth it.
    fn each_row(&self, out: &mut [f32], make: impl Fn(usize, &mut [f32]) + Sync) {
        let inner = &mut out[self.stride..self.stride * (self.rows - 1)];
        let bands = if inner.len() < SPLIT { 1 } else { 2 * rayon::current_num_threads() };
        let band = (self.rows - 2).div_ceil(bands).max(1);
        let rows = |(number, rows): (usize, &mut [f32])| {
            for (row, out) in rows.chunks_mut(self.stride).enumerate() {
                make(number * band + row + 1, out);
            }
        };
        match bands {
            1 => rows((0, inner)),
            _ => inner.par_chunks_mut(self.stride * band).enumerate().for_each(rows),
        }
    }

    /// For each place what its springs' other ends pull it to, where it is now, and two numbers of its own.
    fn pulled(
        &self,
        x: &[f32],
        numbers: [&[f32]; 2],
        out: &mut [f32],
        make: impl Fn(f32, f32, f32, f32) -> f32 + Sync,
    ) {
        let stride = self.stride;
        self.each_row(out, |row, out| {
            let at = row * stride;
            let (above, own, below) =
                (&x[at - stride..at], &x[at..at + stride], &x[at + stride..at + 2 * stride]);
            let (first, second) = (&numbers[0][at..at + stride], &numbers[1][at..at + stride]);
            let out = &mut out[..stride];
            match &self.springs {
                None => {
                    let sum = &self.sum[at..at + stride];
                    for i in 1..stride - 1 {
                        let around = own[i - 1] + own[i + 1] + above[i] + below[i];
                        let around = if sum[i] > 0.0 { around } else { 0.0 };
                        out[i] = make(around, own[i], first[i], second[i]);
                    }
                }
                Some(Springs { east, south }) => {
                    let (east, north) = (&east[at..at + stride], &south[at - stride..at]);
                    let south = &south[at..at + stride];
                    for i in 1..stride - 1 {
                        let across = east[i - 1] * own[i - 1] + east[i] * own[i + 1];
                        let along = north[i] * above[i] + south[i] * below[i];
                        out[i] = make(across + along, own[i], first[i], second[i]);
                    }
                }
            }
        });
    }

    /// `b - A x`
    fn residual(&self, x: &[f32], b: &[f32], out: &mut [f32]) {
        self.pulled(x, [b, &self.sum], out, |around, own, b, sum| b + around - sum * own);
    }

    /// `A x`
    fn applied(&self, x: &[f32], out: &mut [f32]) {
        self.pulled(x, [&self.sum; 2], out, |around, own, sum, _| sum * own - around);
    }

    /// A step of Jacobi's, weighted: `x + weight (b - A x) / sum`.
    fn smoothed(&self, x: &[f32], b: &[f32], weight: f32, out: &mut [f32]) {
        self.pulled(x, [b, &self.inverse], out, |around, own, b, inverse| {
            (1.0 - weight) * own + weight * inverse * (b + around)
        });
    }

    /// The same from nothing.
    fn begun(&self, b: &[f32], weight: f32, out: &mut [f32]) {
        let stride = self.stride;
        self.each_row(out, |row, out| {
            let own = row * stride..(row + 1) * stride;
            for ((out, b), inverse) in out.iter_mut().zip(&b[own.clone()]).zip(&self.inverse[own]) {
                *out = weight * inverse * b;
            }
        });
    }

    /// `b - A x` of the finest grid.
    fn residual_in_64(&self, x: &[f64], b: &[f64], out: &mut [f64]) {
        let (stride, end) = (self.stride, x.len() - self.stride);
        out[stride..end].par_chunks_mut(stride).enumerate().for_each(|(row, out)| {
            for (at, out) in ((row + 1) * stride..).zip(out).filter(|(at, _)| self.sum[*at] > 0.0) {
                let around = x[at - 1] + x[at + 1] + x[at - stride] + x[at + stride];
                *out = b[at] + around - f64::from(self.sum[at]) * x[at];
            }
        });
    }
}

/// What a place takes of the coarser one that it is a part of, along a side, and of the next one.
const OWN: f32 = 0.75;
const NEXT: f32 = 0.25;

/// The coarser place that a place is a part of, along a side, and the next one on its own side of that.
fn coarse(at: usize) -> (usize, usize) {
    let own = at.div_ceil(2);
    (own, if at % 2 == 1 { own - 1 } else { own + 1 })
}

/// Adds what lies between the places of a coarser grid.
fn prolonged(coarser: &Grid, from: &[f32], fine: &Grid, to: &mut [f32]) {
    let stride = coarser.stride;
    fine.each_row(to, |row, out| {
        let (own, next) = coarse(row);
        let (own, next) = (&from[own * stride..][..stride], &from[next * stride..][..stride]);
        let mixed: Vec<f32> = own.iter().zip(next).map(|(own, next)| OWN * own + NEXT * next).collect();
        let share = &fine.share[row * fine.stride..][..fine.stride];
        // A place of the coarser grid is of two places here: the next one of the first lies before it, that of the second behind it.
        let last = fine.stride - 1;
        let pairs = out[1..last].chunks_mut(2).zip(share[1..last].chunks(2)).zip(mixed.windows(3));
        for ((out, share), mixed) in pairs {
            let own = OWN * mixed[1];
            out[0] += (own + NEXT * mixed[0]) * share[0];
            if let ([_, out], [_, share]) = (out, share) {
                *out += (own + NEXT * mixed[2]) * share;
            }
        }
    });
}

/// The transposed of [`prolonged`].
fn restricted(fine: &Grid, from: &[f32], coarser: &Grid, to: &mut [f32]) {
    let (stride, last) = (fine.stride, fine.rows - 1);
    coarser.each_row(to, |row, out| {
        // Those that take a part of this row's places; a row in the margin gives nothing.
        let mut mixed = vec![0.0f32; 2 * out.len()];
        for (row, weight) in [(2 * row - 2, NEXT), (2 * row - 1, OWN), (2 * row, OWN), (2 * row + 1, NEXT)] {
            let at = row.min(last) * stride;
            let (from, share) = (&from[at..at + stride], &fine.share[at..at + stride]);
            for ((mixed, from), share) in mixed.iter_mut().zip(from).zip(share) {
                *mixed += weight * from * share;
            }
        }
        let inverse = &coarser.inverse[row * coarser.stride..][..coarser.stride];
        let columns = out.len() - 1;
        let fours = mixed.windows(4).step_by(2);
        for ((out, inverse), of) in out[1..columns].iter_mut().zip(&inverse[1..columns]).zip(fours) {
            let sum = OWN * (of[1] + of[2]) + NEXT * (of[0] + of[3]);
            *out = if *inverse > 0.0 { sum } else { 0.0 };
        }
    });
}

/// What conjugate gradients have found.
struct Found {
    x: Vec<f32>,
    steps: usize,
    /// Whether it is near enough, or as near as can be.
    done: bool,
}

/// What a cycle needs of a grid.
struct Level {
    b: Vec<f32>,
    x: Vec<f32>,
    other: Vec<f32>,
}

/// Over the grids of a region, the finest first.
struct Cycle<'a> {
    grids: &'a [Grid],
    levels: Vec<Level>,
}

impl<'a> Cycle<'a> {
    fn new(grids: &'a [Grid]) -> Self {
        let level = |grid: &Grid| {
            let empty = || vec![0.0; grid.sum.len()];
            Level { b: empty(), x: empty(), other: empty() }
        };
        Self { grids, levels: grids.iter().map(level).collect() }
    }

    /// Conjugate gradients for `A x = residual`, until the answer is off by `tolerance`, as far as a cycle can tell, the residual is
    /// too small for 32 bits to tell more, or after `most` steps.
    fn gradients(&mut self, mut residual: Vec<f32>, tolerance: f64, most: usize) -> Found {
        let empty = || vec![0.0; residual.len()];
        let (mut x, mut along, mut pulled) = (empty(), empty(), empty());
        let enough = dot(&residual, &residual) * INNER * INNER;
        let mut before = 0.0;
        for steps in 0..most {
            let better = self.run(&residual);
            if f64::from(largest(better)) <= tolerance {
                add(&mut x, 1.0, better);
                return Found { x, steps: steps + 1, done: steps == 0 };
            }
            let now = dot(&residual, better);
            scale_add(&mut along, if steps == 0 { 0.0 } else { now / before }, better);
            before = now;
            self.grids[0].applied(&along, &mut pulled);
            let length = now / dot(&along, &pulled);
            if !length.is_finite() {
                return Found { x, steps: steps + 1, done: true };
            }
            add(&mut x, length, &along);
            add(&mut residual, -length, &pulled);
            if dot(&residual, &residual) <= enough {
                return Found { x, steps: steps + 1, done: false };
            }
        }
        Found { x, steps: most, done: false }
    }

    /// About what solves `A x = b`.
    fn run(&mut self, b: &[f32]) -> &[f32] {
        let last = self.levels.len() - 1;
        self.levels[0].b.copy_from_slice(b);
        for number in 0..last {
            let (fine, coarser) = self.levels.split_at_mut(number + 1);
            let (Level { b, x, other }, grid) = (&mut fine[number], &self.grids[number]);
            grid.begun(b, SMOOTH[0], other);
            grid.smoothed(other, b, SMOOTH[1], x);
            grid.residual(x, b, other);
            restricted(grid, other, &self.grids[number + 1], &mut coarser[0].b);
        }
        let (Level { b, x, other }, grid) = (&mut self.levels[last], &self.grids[last]);
        x.fill(0.0);
        for step in 0..COARSEST {
            // As often in the one order as in the other, or the cycle would not be symmetric.
            let weight = SMOOTH[if step < COARSEST / 2 { step % 2 } else { (step + 1) % 2 }];
            grid.smoothed(x, b, weight, other);
            std::mem::swap(x, other);
        }
        for number in (0..last).rev() {
            let (fine, coarser) = self.levels.split_at_mut(number + 1);
            let (Level { b, x, other }, grid) = (&mut fine[number], &self.grids[number]);
            prolonged(&self.grids[number + 1], &coarser[0].x, grid, x);
            grid.smoothed(x, b, SMOOTH[1], other);
            grid.smoothed(other, b, SMOOTH[0], x);
        }
        &self.levels[0].x
    }
}

/// Added up in an order that depends on the length alone.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let piece = |(a, b): (&[f32], &[f32])| {
        let mut sums = [0.0f32; 16];
        for (a, b) in a.chunks(16).zip(b.chunks(16)) {
            sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
        }
        f64::from(sums.iter().sum::<f32>())
    };
    let pieces: Vec<f64> = a.par_chunks(SPLIT).zip(b.par_chunks(SPLIT)).map(piece).collect();
    pieces.iter().sum()
}

/// The largest number, whatever its sign.
fn largest(values: &[f32]) -> f32 {
    let of = |values: &[f32]| values.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    values.par_chunks(SPLIT).map(of).reduce(|| 0.0, f32::max)
}

/// `to + scale * from`
fn add(to: &mut [f32], scale: f64, from: &[f32]) {
    to.par_chunks_mut(SPLIT).zip(from.par_chunks(SPLIT)).for_each(|(to, from)| {
        to.iter_mut().zip(from).for_each(|(to, from)| *to += scale as f32 * from);
    });
}

/// `scale * to + from`
fn scale_add(to: &mut [f32], scale: f64, from: &[f32]) {
    to.par_chunks_mut(SPLIT).zip(from.par_chunks(SPLIT)).for_each(|(to, from)| {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = scale as f32 * *to + from);
    });
}

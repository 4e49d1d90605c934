//! Formulas over rows of numbers, and sums in an order that depends on nothing but the row's length.
//!
//! A formula is a closure marked `#[inline(always)]`: only what is compiled into its kernel has the kernel's instructions.
//! For the same reason nothing here goes through `map` of arrays or options.

use pulp::Simd;

use super::lanes::Lanes;

/// Rows of one length, as vectors and the numbers that are left.
type Split<'a, S, const N: usize> = ([&'a [<S as Simd>::f32s]; N], [&'a [f32]; N]);

#[inline(always)]
fn split<S: Simd, const N: usize>(rows: [&[f32]; N]) -> Split<'_, S, N> {
    let (mut bodies, mut tails): Split<'_, S, N> = ([&[]; N], [&[]; N]);
    for index in 0..N {
        (bodies[index], tails[index]) = S::as_simd_f32s(rows[index]);
    }
    (bodies, tails)
}

/// The vectors of all rows at a place.
#[inline(always)]
fn at<S: Simd, const N: usize>(simd: S, bodies: &[&[S::f32s]; N], place: usize) -> [Lanes<S>; N] {
    let mut values = [Lanes::splat(simd, 0.0); N];
    for (value, body) in values.iter_mut().zip(bodies) {
        value.1 = body[place];
    }
    values
}

/// The sum of `term` over the places of `N` rows of the same length.
#[inline(always)]
pub(super) fn sum<S: Simd, const N: usize>(
    simd: S,
    rows: [&[f32]; N],
    term: impl Fn([Lanes<S>; N]) -> Lanes<S>,
) -> f32 {
    let (bodies, tails) = split::<S, N>(rows);
    let length = bodies[0].len();
    // Four sums at once, since an addition takes four times as long as starting one.
    let mut sums = [Lanes::splat(simd, 0.0); 4];
    for start in 0..length / 4 {
        for (offset, sum) in sums.iter_mut().enumerate() {
            *sum = *sum + term(at(simd, &bodies, start * 4 + offset));
        }
    }
    for place in length / 4 * 4..length {
        sums[0] = sums[0] + term(at(simd, &bodies, place));
    }
    let mut total = ((sums[0] + sums[1]) + (sums[2] + sums[3])).sum();
    for place in 0..tails[0].len() {
        // One number in all lanes, so that no lane is made up.
        let mut values = [Lanes::splat(simd, 0.0); N];
        for (value, tail) in values.iter_mut().zip(tails) {
            *value = Lanes::splat(simd, tail[place]);
        }
        total += term(values).first();
    }
    total
}

/// `formula` at each place of `N` rows into `output`, all of one length.
#[inline(always)]
pub(super) fn fill<S: Simd, const N: usize>(
    simd: S,
    output: &mut [f32],
    rows: [&[f32]; N],
    formula: impl Fn([Lanes<S>; N]) -> Lanes<S>,
) {
    update(
        simd,
        output,
        rows,
        #[inline(always)]
        |_, values| formula(values),
    );
}

/// As [`fill`], with what stands in `output` as the formula's first argument.
#[inline(always)]
pub(super) fn update<S: Simd, const N: usize>(
    simd: S,
    output: &mut [f32],
    rows: [&[f32]; N],
    formula: impl Fn(Lanes<S>, [Lanes<S>; N]) -> Lanes<S>,
) {
    let (mut bodies, tails) = split::<S, N>(rows);
    let (body, tail) = S::as_mut_simd_f32s(output);
    for row in &mut bodies {
        *row = &row[..body.len()];
    }
    for (place, output) in body.iter_mut().enumerate() {
        *output = formula(Lanes(simd, *output), at(simd, &bodies, place)).1;
    }
    if !tail.is_empty() {
        let mut values = [Lanes::splat(simd, 0.0); N];
        for (value, tail) in values.iter_mut().zip(tails) {
            *value = Lanes::load(simd, tail);
        }
        formula(Lanes::load(simd, tail), values).store(tail);
    }
}

/// The largest number of a row.
#[inline(always)]
pub(super) fn largest<S: Simd>(simd: S, row: &[f32]) -> f32 {
    let (body, tail) = S::as_simd_f32s(row);
    let mut most = Lanes::splat(simd, f32::NEG_INFINITY);
    for values in body {
        most = most.max(Lanes(simd, *values));
    }
    let mut most = most.largest();
    for value in tail {
        most = most.max(*value);
    }
    most
}

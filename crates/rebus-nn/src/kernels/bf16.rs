//! Matrix products of bf16 numbers whose sums have 32 bits: twice as fast as in 32 bits where the processor has the
//! instruction for it (AVX512-BF16), which adds two products to a sum at once.
//!
//! Both sides are held in pairs, two numbers one behind the other in the inner dimension; an odd one is filled up with a
//! zero. A number of the result is summed pair by pair, so that neither rows nor threads beside it change a bit.
#![allow(unsafe_code, reason = "instructions that `pulp` does not know")]

use std::{ops::Range, sync::LazyLock};

use half::bf16;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::run;

/// Two bf16 numbers, the first in the low bits.
type Pair = u32;
/// Numbers in a vector of the instruction.
const LANES: usize = 16;
/// Vectors in a row of a panel, and rows at once: as many as leave registers for a number of each side.
const VECTORS: usize = 3;
const ROWS: usize = 8;
/// Columns of a panel.
const PANEL: usize = VECTORS * LANES;
/// Rows that are worth a thread.
const BLOCK: usize = 4 * ROWS;

/// Whether this processor has the instruction, and nobody asked for fewer.
pub(super) fn is_fast() -> bool {
    static FAST: LazyLock<bool> = LazyLock::new(|| {
        #[cfg(target_arch = "x86_64")]
        return std::is_x86_feature_detected!("avx512bf16") && run::lanes() == LANES;
        #[cfg(not(target_arch = "x86_64"))]
        false
    });
    *FAST
}

/// A number that can be made a bf16.
pub(super) trait Rounds: Copy + Sync {
    /// The bits of the nearest bf16.
    fn bits(self) -> u32;
}

impl Rounds for bf16 {
    #[inline(always)]
    fn bits(self) -> u32 {
        u32::from(self.to_bits())
    }
}

impl Rounds for f32 {
    /// To the nearest, of two as near the even one.
    #[inline(always)]
    fn bits(self) -> u32 {
        let bits = self.to_bits();
        let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
        if self.is_nan() { 0x7fc0 } else { rounded }
    }
}

#[inline(always)]
fn pair<T: Rounds>(first: T, second: T) -> Pair {
    first.bits() | second.bits() << 16
}

/// The left side of a product, row by row.
#[derive(Debug)]
pub(super) struct Left {
    pairs: Vec<Pair>,
    /// Pairs of a row.
    depth: usize,
}

impl Left {
    /// Rows of `inner` numbers.
    pub fn new<T: Rounds>(numbers: &[T], inner: usize) -> Self {
        let depth = inner.div_ceil(2);
        let mut pairs = vec![0; numbers.len() / inner.max(1) * depth];
        let rows = run::pieces_a_task(inner);
        pairs
            .par_chunks_mut(rows * depth.max(1))
            .zip(numbers.par_chunks(rows * inner.max(1)))
            .for_each(|(pairs, numbers)| run::dispatch(PairRows { numbers, inner, pairs }));
        Self { pairs, depth }
    }

    fn rows(&self) -> usize {
        self.pairs.len() / self.depth.max(1)
    }
}

struct PairRows<'a, T> {
    numbers: &'a [T],
    inner: usize,
    pairs: &'a mut [Pair],
}

impl<T: Rounds> WithSimd for PairRows<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let rows = self.pairs.chunks_exact_mut(self.inner.div_ceil(2));
        for (pairs, numbers) in rows.zip(self.numbers.chunks_exact(self.inner)) {
            let (twos, odd) = numbers.as_chunks::<2>();
            for (pair_of, [first, second]) in pairs.iter_mut().zip(twos) {
                *pair_of = pair(*first, *second);
            }
            if let ([.., last], [odd]) = (pairs, odd) {
                *last = odd.bits();
            }
        }
    }
}

/// The right side of a product, in panels of [`PANEL`] columns: `[panel][pair][column]`. The columns of the last are
/// filled up to a whole vector.
#[derive(Debug)]
pub(super) struct Right {
    pairs: Vec<Pair>,
    columns: usize,
    /// Pairs of a column.
    depth: usize,
}

impl Right {
    /// Rows of `columns` numbers, as many as the inner dimension has.
    pub fn new<T: Rounds>(numbers: &[T], columns: usize) -> Self {
        let inner = numbers.len() / columns.max(1);
        let depth = inner.div_ceil(2);
        let mut pairs = vec![0; columns.next_multiple_of(LANES) * depth];
        let panels = pairs.par_chunks_mut((PANEL * depth).max(1)).enumerate();
        panels.with_min_len(run::pieces_a_task(PANEL * inner)).for_each(|(index, pairs)| {
            run::dispatch(PairColumns { numbers, columns, first: index * PANEL, depth, pairs });
        });
        Self { pairs, columns, depth }
    }

    fn panels(&self) -> usize {
        self.columns.div_ceil(PANEL)
    }

    /// The pairs of a panel, and its columns.
    fn panel(&self, index: usize) -> (&[Pair], Range<usize>) {
        let columns = index * PANEL..(index * PANEL + PANEL).min(self.columns);
        let width = columns.len().next_multiple_of(LANES);
        (&self.pairs[columns.start * self.depth..][..width * self.depth], columns)
    }
}

struct PairColumns<'a, T> {
    numbers: &'a [T],
    columns: usize,
    /// The first column of the panel.
    first: usize,
    depth: usize,
    pairs: &'a mut [Pair],
}

impl<T: Rounds> WithSimd for PairColumns<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let width = self.pairs.len() / self.depth;
        let here = self.first..(self.first + width).min(self.columns);
        let twos = self.numbers.chunks(2 * self.columns);
        for (pairs, two) in self.pairs.chunks_exact_mut(width).zip(twos) {
            let (first, second) = two.split_at(self.columns);
            if second.is_empty() {
                for (pair, first) in pairs.iter_mut().zip(&first[here.clone()]) {
                    *pair = first.bits();
                }
            } else {
                let both = first[here.clone()].iter().zip(&second[here.clone()]);
                for (pair_of, (first, second)) in pairs.iter_mut().zip(both) {
                    *pair_of = pair(*first, *second);
                }
            }
        }
    }
}

/// `left right`, on this thread, into room for it.
///
/// # Panics
/// The shapes do not fit.
pub(super) fn multiply(left: &Left, right: &Right, output: &mut [f32]) {
    check(left, right, output.len());
    for index in 0..right.panels() {
        let (panel, columns) = right.panel(index);
        multiply_panel(left, 0..left.rows(), panel, output, (right.columns, columns));
    }
}

/// `left right`, on all threads.
///
/// # Panics
/// The shapes do not fit.
pub(super) fn multiply_large(left: &Left, right: &Right) -> Vec<f32> {
    let (rows, columns) = (left.rows(), right.columns);
    let count = rows * columns;
    check(left, right, count);
    if rows > BLOCK {
        return run::filled(count, |output| {
            output.par_chunks_mut(BLOCK * columns.max(1)).enumerate().for_each(|(index, output)| {
                let rows = index * BLOCK..(index * BLOCK + BLOCK).min(rows);
                for index in 0..right.panels() {
                    let (panel, here) = right.panel(index);
                    multiply_panel(left, rows.clone(), panel, output, (columns, here));
                }
            });
        });
    }
    // With few rows, threads share out the columns.
    let panels = (0..right.panels()).into_par_iter().with_min_len(run::pieces_a_task(PANEL * right.depth));
    let panels: Vec<Vec<f32>> = panels
        .map(|index| {
            let (panel, here) = right.panel(index);
            let width = here.len();
            run::filled(rows * width, |output| {
                multiply_panel(left, 0..rows, panel, output, (width, 0..width));
            })
        })
        .collect();
    run::filled(count, |output| {
        for (index, numbers) in panels.iter().enumerate() {
            let (_, here) = right.panel(index);
            for (row, line) in output.chunks_exact_mut(columns).zip(numbers.chunks_exact(here.len())) {
                row[here.clone()].copy_from_slice(line);
            }
        }
    })
}

fn check(left: &Left, right: &Right, room: usize) {
    let (rows, columns) = (left.rows(), right.columns);
    let (left, right) = (left.depth, right.depth);
    assert!(
        left == right && room == rows * columns,
        "{rows} rows of {left} pairs times {right} pairs of {columns} columns, into {room} numbers"
    );
}

/// Some rows of the left times a panel, into the columns `here` of an output whose rows are `stride` apart.
fn multiply_panel(
    left: &Left,
    rows: Range<usize>,
    panel: &[Pair],
    output: &mut [f32],
    (stride, here): (usize, Range<usize>),
) {
    let mut sums = [[[0.0; LANES]; VECTORS]; ROWS];
    let all = left.pairs[rows.start * left.depth..rows.end * left.depth].chunks(ROWS * left.depth.max(1));
    for (left_rows, output) in all.zip(output.chunks_mut(ROWS * stride)) {
        match here.len().div_ceil(LANES) {
            1 => tile::<1>(left_rows, left.depth, panel, &mut sums),
            2 => tile::<2>(left_rows, left.depth, panel, &mut sums),
            _ => tile::<VECTORS>(left_rows, left.depth, panel, &mut sums),
        }
        for (row, sums) in output.chunks_exact_mut(stride).zip(&sums) {
            row[here.clone()].copy_from_slice(&sums.as_flattened()[..here.len()]);
        }
    }
}

/// Sums of up to [`ROWS`] rows, in `NV` vectors each.
#[inline]
fn tile<const NV: usize>(
    left: &[Pair],
    depth: usize,
    panel: &[Pair],
    sums: &mut [[[f32; LANES]; VECTORS]; ROWS],
) {
    #[cfg(target_arch = "x86_64")]
    if is_fast() {
        // As many rows as there are; what others left in the sums of the rest is not looked at.
        let rows = left.len() / depth.max(1);
        // SAFETY: the processor has the instructions.
        return unsafe {
            match rows {
                ROWS => fast::tile::<ROWS, NV>(left, depth, panel, sums),
                4..ROWS => {
                    let (four, rest) = left.split_at(4 * depth);
                    fast::tile::<4, NV>(four, depth, panel, sums);
                    for (row, left) in rest.chunks_exact(depth).enumerate() {
                        fast::tile::<1, NV>(left, depth, panel, &mut sums[4 + row..]);
                    }
                }
                _ => {
                    for (row, left) in left.chunks_exact(depth.max(1)).enumerate() {
                        fast::tile::<1, NV>(left, depth, panel, &mut sums[row..]);
                    }
                }
            }
        };
    }
    let wide = |bits: Pair| f32::from_bits(bits << 16);
    for (sums, left) in sums.iter_mut().zip(left.chunks_exact(depth.max(1))) {
        let mut totals = [[0.0; LANES]; NV];
        for (left, right) in left.iter().zip(panel.chunks_exact(NV * LANES)) {
            for (total, right) in totals.as_flattened_mut().iter_mut().zip(right) {
                *total += wide(*left) * wide(*right);
                *total += wide(left >> 16) * wide(right >> 16);
            }
        }
        sums[..NV].copy_from_slice(&totals);
    }
}

#[cfg(target_arch = "x86_64")]
mod fast {
    use std::arch::x86_64::{
        __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_ps,
        _mm512_storeu_ps,
    };

    use super::{LANES, Pair, VECTORS};

    /// `MR` rows of `depth` pairs times `NV` vectors a pair.
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub(super) fn tile<const MR: usize, const NV: usize>(
        left: &[Pair],
        depth: usize,
        panel: &[Pair],
        output: &mut [[[f32; LANES]; VECTORS]],
    ) {
        let mut rows = [&left[..0]; MR];
        for (row, left) in rows.iter_mut().zip(left.chunks_exact(depth.max(1))) {
            *row = left;
        }
        let mut sums = [[_mm512_setzero_ps(); NV]; MR];
        for (place, right) in panel.as_chunks::<LANES>().0.as_chunks::<NV>().0.iter().enumerate() {
            let mut vectors = [pairs(_mm512_set1_epi32(0)); NV];
            for (vector, right) in vectors.iter_mut().zip(right) {
                // SAFETY: sixteen pairs of 32 bits, at any address.
                *vector = pairs(unsafe { _mm512_loadu_si512(right.as_ptr().cast()) });
            }
            for (sums, row) in sums.iter_mut().zip(&rows) {
                let left = pairs(_mm512_set1_epi32(row[place].cast_signed()));
                for (sum, right) in sums.iter_mut().zip(&vectors) {
                    *sum = _mm512_dpbf16_ps(*sum, left, *right);
                }
            }
        }
        for (output, sums) in output.iter_mut().zip(&sums) {
            for (output, sum) in output.iter_mut().zip(sums) {
                // SAFETY: room for sixteen numbers of 32 bits, at any address.
                unsafe { _mm512_storeu_ps(output.as_mut_ptr(), *sum) };
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    fn pairs(bits: __m512i) -> __m512bh {
        // SAFETY: both are 512 bits of which any are allowed.
        unsafe { std::mem::transmute(bits) }
    }
}

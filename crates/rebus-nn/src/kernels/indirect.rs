//! Products whose sides are not laid out: a step says how far from the start of a row its number on the left lies, and
//! where its columns on the right (Dukhan 2019). So a convolution is a product of pictures as they are.
//!
//! A number of the result is summed step by step, in blocks of steps, whatever stands beside it.
#![allow(unsafe_code, reason = "a check at each number, which could fail, keeps the sums out of registers")]

use pulp::{Simd, WithSimd};

/// Steps that are summed before the sum is added to the result: few enough that a panel of the right stays near the
/// processor, and that small numbers are not lost in large sums.
const DEPTH: usize = 256;

/// Vectors in a panel of the right side.
const VECTORS: usize = 2;

/// Columns of a panel.
pub(super) fn panel(lanes: usize) -> usize {
    VECTORS * lanes
}

/// `output[row][column] = sum over steps of left[rows[row] + steps[step][0]] * right[steps[step][1] + column]`, or added to it.
pub(super) struct Product<'a> {
    pub left: &'a [f32],
    /// Where each row begins.
    pub rows: &'a [usize],
    /// How far from there the number of each step lies, and where the columns of the step begin.
    pub steps: &'a [[usize; 2]],
    pub right: &'a [f32],
    /// Columns to be made, whole vectors of them.
    pub columns: usize,
    /// Rows `pitch` numbers apart.
    pub output: &'a mut [f32],
    pub pitch: usize,
    /// Whether it is added to what stands there.
    pub add: bool,
}

impl WithSimd for Product<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Two vectors and a number of each row are loaded ahead of the products: with 32 registers there is room for
        // those of eight rows beside the sums, with 16 for those of four.
        match S::F32_LANES {
            16 if self.rows.len() > 4 => self.by_panels::<S, 8>(simd),
            _ => self.by_panels::<S, 4>(simd),
        }
    }
}

impl Product<'_> {
    /// `MR` rows at once.
    #[inline(always)]
    fn by_panels<S: Simd, const MR: usize>(mut self, simd: S) {
        let lanes = S::F32_LANES;
        assert!(self.columns.is_multiple_of(lanes), "{} columns are no whole vectors", self.columns);
        let (mut left, mut right) = (0, 0);
        for [of_left, of_right] in self.steps {
            (left, right) = (left.max(*of_left), right.max(*of_right));
        }
        left = left.saturating_add(self.rows.iter().max().copied().unwrap_or(0));
        let (lefts, rights) = (self.left.len(), self.right.len());
        assert!(left < lefts, "number {left} of {lefts} on the left");
        let end = right.saturating_add(self.columns);
        assert!(end <= rights, "{} columns from {right} on of {rights}", self.columns);
        let (rows, room) = (self.rows.len(), self.output.len());
        assert!(rows > 0 && !self.steps.is_empty(), "{rows} rows of {} steps", self.steps.len());
        assert!(self.columns <= self.pitch, "rows of {} overlap, {} apart", self.columns, self.pitch);
        assert!((rows - 1) * self.pitch + self.columns <= room, "{rows} rows in room for {room} numbers");
        for first in (0..self.steps.len()).step_by(DEPTH) {
            for column in (0..self.columns).step_by(VECTORS * lanes) {
                if self.columns - column == lanes {
                    self.panel::<S, MR, 1>(simd, first, column);
                } else {
                    self.panel::<S, MR, VECTORS>(simd, first, column);
                }
            }
        }
    }

    /// All rows of some columns, over the block of steps from `first` on.
    #[inline(always)]
    fn panel<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, first: usize, column: usize) {
        let wide = NV * S::F32_LANES;
        let steps = &self.steps[first..self.steps.len().min(first + DEPTH)];
        let right = &self.right[column..];
        let add = self.add || first > 0;
        for (rows, output) in self.rows.chunks(MR).zip(self.output.chunks_mut(MR * self.pitch)) {
            // Rows that are missing are the last one again.
            let mut starts = [0; MR];
            for (index, start) in starts.iter_mut().enumerate() {
                *start = rows[index.min(rows.len() - 1)];
            }
            let mut sums = [[simd.splat_f32s(0.0); NV]; MR];
            for [step, columns] in steps {
                // SAFETY: `by_panels` has checked that so many columns are there behind the last step's.
                let right = unsafe { right.get_unchecked(*columns..*columns + wide) };
                let right = S::as_simd_f32s(right).0;
                for (sums, start) in sums.iter_mut().zip(&starts) {
                    // SAFETY: `by_panels` has checked that the furthest row and the furthest step meet inside.
                    let left = simd.splat_f32s(unsafe { *self.left.get_unchecked(start + step) });
                    for (sum, right) in sums.iter_mut().zip(right) {
                        *sum = simd.mul_add_e_f32s(left, *right, *sum);
                    }
                }
            }
            // As many as there are sums, so that these stay in registers.
            for (index, sums) in sums.iter().enumerate() {
                if index >= rows.len() {
                    break;
                }
                let output = &mut output[index * self.pitch + column..][..wide];
                let Some(output) = S::as_mut_simd_f32s(output).0.first_chunk_mut::<NV>() else { break };
                for (output, sum) in output.iter_mut().zip(sums) {
                    *output = if add { simd.add_f32s(*output, *sum) } else { *sum };
                }
            }
        }
    }
}

//! Matrix products: of any strides through the `gemm` crate, and small ones out of registers for matrices that a kernel
//! has laid out itself.
#![allow(unsafe_code, reason = "`gemm` takes pointers")]

use std::ops::Range;

use pulp::{Simd, WithSimd};

/// Numbers as a matrix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<'a> {
    numbers: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Rows `row_stride` apart.
    ///
    /// # Panics
    /// There are fewer numbers.
    pub fn new(numbers: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        check(numbers.len(), rows, columns, row_stride);
        Self { numbers, rows, columns, row_stride, column_stride: 1 }
    }

    /// Rows for columns.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// Room for a matrix.
#[derive(Debug)]
pub(super) struct MatrixMut<'a> {
    numbers: &'a mut [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// Rows `row_stride` apart.
    ///
    /// # Panics
    /// There are fewer numbers, or rows overlap.
    pub fn new(numbers: &'a mut [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        check(numbers.len(), rows, columns, row_stride);
        Self { numbers, rows, columns, row_stride }
    }
}

fn check(numbers: usize, rows: usize, columns: usize, row_stride: usize) {
    assert!(columns <= row_stride || rows <= 1, "rows of {columns} numbers overlap, {row_stride} apart");
    let reach = if rows == 0 || columns == 0 { 0 } else { (rows - 1) * row_stride + columns };
    assert!(
        reach <= numbers,
        "{rows} rows of {columns}, {row_stride} apart, do not fit in {numbers} numbers"
    );
}

/// `output = scale * left right`, on this thread.
///
/// # Panics
/// The shapes do not fit.
pub(super) fn multiply(left: Matrix<'_>, right: Matrix<'_>, output: MatrixMut<'_>, scale: f32) {
    multiply_on(gemm::Parallelism::None, left, right, output, scale);
}

/// `output = left right`, on all threads where it is large enough.
///
/// # Panics
/// The shapes do not fit.
pub(super) fn multiply_large(left: Matrix<'_>, right: Matrix<'_>, output: MatrixMut<'_>) {
    let large = left.rows * left.columns * right.columns >= 64 * 64 * 64;
    let threads = if large { gemm::Parallelism::Rayon(0) } else { gemm::Parallelism::None };
    multiply_on(threads, left, right, output, 1.0);
}

fn multiply_on(
    threads: gemm::Parallelism,
    left: Matrix<'_>,
    right: Matrix<'_>,
    output: MatrixMut<'_>,
    scale: f32,
) {
    let fits = (left.rows, right.columns, left.columns) == (output.rows, output.columns, right.rows);
    let [m, k, l, n] = [left.rows, left.columns, right.rows, right.columns];
    assert!(fits, "{m} x {k} times {l} x {n} does not give {} x {}", output.rows, output.columns);
    // SAFETY: the constructors have checked that every element of the three matrices lies inside its slice and that
    // no two of the output are the same; `transposed` only swaps sides with their strides; the shapes fit.
    unsafe {
        gemm::gemm(
            left.rows,
            right.columns,
            left.columns,
            output.numbers.as_mut_ptr(),
            1,
            output.row_stride as isize,
            false,
            left.numbers.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.numbers.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            1.0_f32,
            scale,
            false,
            false,
            false,
            threads,
        );
    }
}

/// Vectors that a row of [`product`] has room for: as many as leave registers for the sums of some rows.
pub(super) const VECTORS: usize = 3;

/// `output = leftᵀ right`, with `left [k][lanes]`, `right [k][VECTORS]` and `output [lanes][VECTORS]`, of which only the
/// first `vectors` count.
#[inline(always)]
pub(super) fn product<S: Simd>(simd: S, vectors: usize, left: &[f32], right: &[f32], output: &mut [f32]) {
    let row = VECTORS * S::F32_LANES;
    // Rows at once: as many as leave a register for a number of each side. With 16 registers a fourth row would not.
    match S::F32_LANES {
        16 => {
            by_vectors::<S, 8>(simd, vectors, left, right, output);
            by_vectors::<S, 8>(simd, vectors, &left[8..], right, &mut output[8 * row..]);
        }
        8 => {
            by_vectors::<S, 3>(simd, vectors, left, right, output);
            by_vectors::<S, 3>(simd, vectors, &left[3..], right, &mut output[3 * row..]);
            by_vectors::<S, 2>(simd, vectors, &left[6..], right, &mut output[6 * row..]);
        }
        4 => by_vectors::<S, 4>(simd, vectors, left, right, output),
        _ => by_vectors::<S, 1>(simd, vectors, left, right, output),
    }
}

/// `MR` rows of the output, of the first numbers of each row of the left.
#[inline(always)]
fn by_vectors<S: Simd, const MR: usize>(
    simd: S,
    vectors: usize,
    left: &[f32],
    right: &[f32],
    output: &mut [f32],
) {
    match vectors {
        1 => by_rows::<S, MR, 1>(simd, left, right, output),
        2 => by_rows::<S, MR, 2>(simd, left, right, output),
        _ => by_rows::<S, MR, VECTORS>(simd, left, right, output),
    }
}

#[inline(always)]
fn by_rows<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    left: &[f32],
    right: &[f32],
    output: &mut [f32],
) {
    let lanes = S::F32_LANES;
    let (right, _) = S::as_simd_f32s(right);
    let (right, _) = right.as_chunks::<VECTORS>();
    let mut sums = [[simd.splat_f32s(0.0); NV]; MR];
    // The last row of the left may lack what stands before its first.
    for (left, right) in left.chunks(lanes).zip(right) {
        for (sums, left) in sums.iter_mut().zip(&left[..MR]) {
            let left = simd.splat_f32s(*left);
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = simd.mul_add_e_f32s(left, *right, *sum);
            }
        }
    }
    for (output, sums) in output.chunks_exact_mut(VECTORS * lanes).zip(&sums) {
        S::as_mut_simd_f32s(output).0[..NV].copy_from_slice(sums);
    }
}

/// `sums [rows][columns] += leftᵀ right` for each part, with `left [k][stride]`, of which these rows count, and
/// `right [k][columns]`; rows and columns are multiples of the lanes.
pub(super) struct AddOuter<'a> {
    pub parts: &'a [(&'a [f32], &'a [f32])],
    pub sums: &'a mut [f32],
    pub rows: Range<usize>,
    pub stride: usize,
    pub columns: usize,
}

impl WithSimd for AddOuter<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for row in (0..self.rows.len()).step_by(S::F32_LANES) {
            // As in `product`.
            match S::F32_LANES {
                16 => {
                    self.add_rows::<S, 8>(simd, row);
                    self.add_rows::<S, 8>(simd, row + 8);
                }
                8 => {
                    self.add_rows::<S, 3>(simd, row);
                    self.add_rows::<S, 3>(simd, row + 3);
                    self.add_rows::<S, 2>(simd, row + 6);
                }
                4 => self.add_rows::<S, 4>(simd, row),
                _ => self.add_rows::<S, 1>(simd, row),
            }
        }
    }
}

impl AddOuter<'_> {
    /// `MR` rows.
    #[inline(always)]
    fn add_rows<S: Simd, const MR: usize>(&mut self, simd: S, row: usize) {
        let wide = 3 * S::F32_LANES;
        let whole = self.columns / wide * wide;
        for column in (0..whole).step_by(wide) {
            self.add::<S, MR, 3>(simd, row, column);
        }
        match (self.columns - whole) / S::F32_LANES {
            2 => self.add::<S, MR, 2>(simd, row, whole),
            1 => self.add::<S, MR, 1>(simd, row, whole),
            _ => {}
        }
    }

    /// `MR` rows and `NV` vectors of columns.
    #[inline(always)]
    fn add<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, row: usize, column: usize) {
        let wide = NV * S::F32_LANES;
        let sums = &mut self.sums[row * self.columns..][..MR * self.columns];
        let mut totals = [[simd.splat_f32s(0.0); NV]; MR];
        for (totals, sums) in totals.iter_mut().zip(sums.chunks_exact(self.columns)) {
            totals.copy_from_slice(S::as_simd_f32s(&sums[column..column + wide]).0);
        }
        for (left, right) in self.parts {
            for (left, right) in left.chunks_exact(self.stride).zip(right.chunks_exact(self.columns)) {
                let left = &left[self.rows.start + row..][..MR];
                let (right, _) = S::as_simd_f32s(&right[column..column + wide]);
                for (totals, left) in totals.iter_mut().zip(left) {
                    let left = simd.splat_f32s(*left);
                    for (total, right) in totals.iter_mut().zip(right) {
                        *total = simd.mul_add_e_f32s(left, *right, *total);
                    }
                }
            }
        }
        for (totals, sums) in totals.iter().zip(sums.chunks_exact_mut(self.columns)) {
            S::as_mut_simd_f32s(&mut sums[column..column + wide]).0.copy_from_slice(totals);
        }
    }
}

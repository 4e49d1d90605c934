//! Kernels on numbers that end where memory ends: whoever reads or writes one past them does not live to tell.
#![cfg(all(test, unix))]
#![allow(unsafe_code, reason = "the system's pages are asked for by C functions")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{ops::Range, ptr};

use pulp::{Simd, WithSimd};

use super::{
    indirect,
    lanes::Lanes,
    matrix::{Matrix, MatrixMut, multiply, multiply_large},
    rows::{fill, largest, sum, update},
    run,
};

/// Numbers whose last stands at the end of a page, with a page behind it that nobody may touch.
struct Guarded {
    pages: *mut libc::c_void,
    /// The bytes of all pages.
    length: usize,
    /// The bytes of the numbers' place in them.
    place: Range<usize>,
}

impl Guarded {
    fn new(values: impl ExactSizeIterator<Item = f32>) -> Self {
        // SAFETY: a number of the system.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
        let bytes = values.len() * size_of::<f32>();
        let end = bytes.next_multiple_of(page).max(page);
        let length = end + page;
        let (read_write, private) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANON);
        // SAFETY: fresh pages at a place of the system's choice.
        let pages = unsafe { libc::mmap(ptr::null_mut(), length, read_write, private, -1, 0) };
        assert_ne!(pages, libc::MAP_FAILED);
        // SAFETY: the last of the pages that have just been made.
        let guarded = unsafe { libc::mprotect(pages.byte_add(end), page, libc::PROT_NONE) };
        assert_eq!(guarded, 0);
        let mut numbers = Self { pages, length, place: end - bytes..end };
        numbers.numbers_mut().iter_mut().zip(values).for_each(|(number, value)| *number = value);
        numbers
    }

    /// Numbers from -1 to 1 that depend on how many there are.
    fn noise(count: usize) -> Self {
        Self::new((0..count).map(|index| ((index * 37 + count * 11) % 101) as f32 / 50.0 - 1.0))
    }

    fn count(&self) -> usize {
        self.place.len() / size_of::<f32>()
    }

    fn numbers(&self) -> &[f32] {
        // SAFETY: `place` lies in our pages before the guard, is aligned as their end is, and zeros at least are there.
        unsafe { std::slice::from_raw_parts(self.pages.byte_add(self.place.start).cast(), self.count()) }
    }

    fn numbers_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and nobody else has them.
        unsafe { std::slice::from_raw_parts_mut(self.pages.byte_add(self.place.start).cast(), self.count()) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the pages that `new` has made, of which nothing is left in use.
        unsafe { libc::munmap(self.pages, self.length) };
    }
}

#[test]
fn products_of_matrices() {
    type Product = fn(Matrix<'_>, Matrix<'_>, MatrixMut<'_>);
    let products: [Product; 2] = [|a, b, c| multiply(a, b, c, 1.0), multiply_large];
    for [rows, inner, columns] in
        [[1, 1, 1], [3, 5, 7], [16, 16, 16], [17, 33, 15], [64, 9, 31], [5, 200, 130], [70, 70, 70]]
    {
        for gap in [0, 3] {
            let reach = |rows: usize, columns: usize| (rows - 1) * (columns + gap) + columns;
            let left = Guarded::noise(reach(rows, inner));
            let right = Guarded::noise(reach(inner, columns));
            let turned = Guarded::noise(reach(columns, inner));
            for product in products {
                for transposed in [false, true] {
                    let a = Matrix::new(left.numbers(), rows, inner, inner + gap);
                    let b = if transposed {
                        Matrix::new(turned.numbers(), columns, inner, inner + gap).transposed()
                    } else {
                        Matrix::new(right.numbers(), inner, columns, columns + gap)
                    };
                    let mut output = Guarded::new((0..reach(rows, columns)).map(|_| 1.0));
                    product(a, b, MatrixMut::new(output.numbers_mut(), rows, columns, columns + gap));
                    for row in 0..rows {
                        for column in 0..columns {
                            let exact: f32 = (0..inner)
                                .map(|k| {
                                    let b = if transposed {
                                        turned.numbers()[column * (inner + gap) + k]
                                    } else {
                                        right.numbers()[k * (columns + gap) + column]
                                    };
                                    left.numbers()[row * (inner + gap) + k] * b
                                })
                                .sum();
                            let found = output.numbers()[row * (columns + gap) + column];
                            assert!((found - exact).abs() < 1e-4, "{rows}x{inner}x{columns}, gap {gap}");
                        }
                    }
                    // What lies between the rows is nobody's.
                    let between = output.numbers().chunks(columns + gap).filter_map(|row| row.get(columns..));
                    assert!(between.flatten().all(|number| *number == 1.0));
                }
            }
        }
    }
}

#[test]
fn products_that_read_where_numbers_lie() {
    let lanes = run::lanes();
    for [rows, steps, vectors] in [[1, 1, 1], [3, 5, 2], [4, 300, 3], [8, 16, 1], [13, 40, 5], [33, 600, 2]] {
        let columns = vectors * lanes;
        // Rows and steps out of order, and columns that overlap.
        let starts: Vec<usize> = (0..rows).map(|row| (row * 7) % rows).collect();
        let places: Vec<_> = (0..steps).map(|step| [(step * 11) % steps, (steps - step - 1) * 3]).collect();
        let left = Guarded::noise(rows + steps - 1);
        let right = Guarded::noise((steps - 1) * 3 + columns);
        for add in [false, true] {
            let pitch = columns + 3;
            let mut output = Guarded::new((0..(rows - 1) * pitch + columns).map(|_| 1.0));
            run::dispatch(indirect::Product {
                left: left.numbers(),
                rows: &starts,
                steps: &places,
                right: right.numbers(),
                columns,
                output: output.numbers_mut(),
                pitch,
                add,
            });
            for (start, output) in starts.iter().zip(output.numbers().chunks(pitch)) {
                for (column, found) in output.iter().enumerate() {
                    let products =
                        places.iter().map(|[l, r]| left.numbers()[start + l] * right.numbers()[r + column]);
                    let exact =
                        if column < columns { products.sum::<f32>() + f32::from(u8::from(add)) } else { 1.0 };
                    assert!((found - exact).abs() < 1e-3, "{rows} rows, {steps} steps, {columns} columns");
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "number 4 of 4 on the left")]
fn products_read_nothing_past_the_end() {
    let (left, right) = ([1.0; 4], vec![1.0; run::lanes()]);
    run::dispatch(indirect::Product {
        left: &left,
        rows: &[0, 2],
        steps: &[[0, 0], [2, 0]],
        right: &right,
        columns: run::lanes(),
        output: &mut vec![0.0; 2 * run::lanes()],
        pitch: run::lanes(),
        add: false,
    });
}

/// All that goes over rows, with a tail of each length.
struct Rows<'a> {
    input: &'a [f32],
    output: &'a mut [f32],
}

impl WithSimd for Rows<'_> {
    /// The sum and the largest number of the input.
    type Output = [f32; 2];
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f32; 2] {
        fill(
            simd,
            self.output,
            [self.input],
            #[inline(always)]
            |[x]| x * 2.0,
        );
        update(
            simd,
            self.output,
            [self.input],
            #[inline(always)]
            |output, [x]| output + x,
        );
        let all = sum(
            simd,
            [self.input],
            #[inline(always)]
            |[x]| x,
        );
        let lanes = S::F32_LANES.min(self.input.len());
        let last = &mut self.output[self.input.len() - lanes..];
        Lanes::load(simd, last).store(last);
        [all, largest(simd, self.input)]
    }
}

#[test]
fn rows_of_any_length() {
    for count in 1..80 {
        let input = Guarded::noise(count);
        let mut output = Guarded::new((0..count).map(|_| f32::NAN));
        let [all, top] = run::dispatch(Rows { input: input.numbers(), output: output.numbers_mut() });
        assert!((all - input.numbers().iter().sum::<f32>()).abs() < 1e-4, "{count} numbers");
        assert_eq!(top, input.numbers().iter().copied().fold(f32::MIN, f32::max));
        for (output, input) in output.numbers().iter().zip(input.numbers()) {
            assert!((output - 3.0 * input).abs() < 1e-6, "{count} numbers");
        }
    }
}

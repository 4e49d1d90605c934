//! The nearest of vectors by looking at each: exact, and fast enough for some thousands.

use rayon::prelude::*;

/// Up to so many vectors are searched one by one, and beyond by an index.
pub(crate) const EXACT_UP_TO: usize = 8_192;

/// Numbers that are summed side by side, so that the processor's vectors are used; the order of a sum depends on the width
/// alone.
const LANES: usize = 16;

/// The product of two vectors of the same width: the cosine, where both have length 1.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (left, right) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = left.remainder().iter().zip(right.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in left.zip(right) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// Places of the rows of `data` that lie nearest to a query, with their products, the nearest first. All that are as near as
/// the last of `count` are there too.
pub(crate) fn nearest(query: &[f32], data: &[f32], count: usize) -> Vec<(usize, f32)> {
    if count == 0 || query.is_empty() {
        return vec![];
    }
    let rows = data.par_chunks_exact(query.len()).with_min_len(256);
    let mut all: Vec<(usize, f32)> = rows.map(|row| dot(query, row)).enumerate().collect();
    if count < all.len() {
        all.select_nth_unstable_by(count - 1, |a, b| b.1.total_cmp(&a.1));
        let last = all[count - 1].1;
        let mut kept: Vec<(usize, f32)> = all.drain(..count).collect();
        kept.extend(all.into_iter().filter(|(_, product)| *product == last));
        all = kept;
    }
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first_and_equal_ones_are_not_cut_off() {
        let data = [1.0, 0.0, 0.6, 0.8, 0.6, 0.8, 0.0, 1.0];
        assert_eq!(nearest(&[1.0, 0.0], &data, 2), [(0, 1.0), (1, 0.6), (2, 0.6)]);
        assert_eq!(nearest(&[1.0, 0.0], &data, 9).len(), 4);
        assert!(nearest(&[1.0, 0.0], &[], 3).is_empty() && nearest(&[1.0, 0.0], &data, 0).is_empty());
    }

    #[test]
    fn products_are_of_all_numbers() {
        let row: Vec<f32> = (0..37).map(|number| number as f32).collect();
        assert_eq!(dot(&row, &row), (0..37).map(|number| (number * number) as f32).sum::<f32>());
    }
}

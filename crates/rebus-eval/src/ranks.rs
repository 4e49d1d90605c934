//! The place of the true picture among all, for pictures that were drawn from its caption.

use serde::Serialize;

use crate::{
    EvalError, Features,
    neighbours::{compare, nearest},
};

/// Places in percent of all pictures: 0 is the true picture itself, 50 is chance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ranks {
    /// The median place of captions without the part that the split ignores (a skin tone).
    pub median_plain: Option<f64>,
    /// The median place of captions with it, which have siblings on their side of the split.
    pub median_variants: Option<f64>,
    /// The share of plain captions whose true picture is among the nearest tenth of all.
    pub within_tenth: Option<f64>,
}

/// The place of the nearest true picture among `all`, for each of some drawn ones: how many others are nearer, in percent.
///
/// # Errors
/// The sets have other features.
pub(crate) fn places(
    drawn: &Features,
    all: &Features,
    is_true: impl Fn(usize, usize) -> bool + Sync,
) -> Result<Vec<f64>, EvalError> {
    drawn.check_width(all)?;
    let nearest = nearest(drawn, all, &is_true);
    let nearer = compare(
        drawn,
        all,
        || 0_usize,
        |row, nearer, range, distances| {
            let others = range.zip(distances);
            *nearer += others
                .filter(|(other, distance)| **distance < nearest[row].1 && !is_true(row, *other))
                .count();
        },
    );
    Ok(nearer.into_iter().map(|nearer| 100.0 * nearer as f64 / all.len() as f64).collect())
}

impl Ranks {
    /// Of places in percent; `variant` tells which captions have the ignored part.
    pub(crate) fn of(places: &[f64], variant: &[bool]) -> Self {
        let those = |wanted: bool| {
            let both = places.iter().zip(variant);
            both.filter(|(_, variant)| **variant == wanted).map(|(place, _)| *place).collect::<Vec<_>>()
        };
        let plain = those(false);
        let near = plain.iter().filter(|place| **place < 10.0).count();
        let within_tenth = (!plain.is_empty()).then(|| near as f64 / plain.len() as f64);
        Self { median_plain: median(plain), median_variants: median(those(true)), within_tenth }
    }
}

/// The middle, or the mean of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len().checked_sub(1)? / 2;
    Some((values[middle] + values[values.len() / 2]) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_both() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn nearer_others_are_counted_and_any_true_picture_will_do() {
        let all = Features::new("all", 1, vec![0.0, 1.0, 2.0, 3.0]).unwrap();
        let drawn = Features::new("drawn", 1, vec![0.1, 0.1, 2.9]).unwrap();
        let truth = [[0, 0], [2, 2], [0, 3]];
        let places = places(&drawn, &all, |row, other| truth[row].contains(&other)).unwrap();
        assert_eq!(places, [0.0, 50.0, 0.0]);
        let ranks = Ranks::of(&places, &[false, false, true]);
        let expected =
            Ranks { median_plain: Some(25.0), median_variants: Some(0.0), within_tenth: Some(0.5) };
        assert_eq!(ranks, expected);
    }
}

//! Are drawings copies? How near each is to its nearest training picture, beside how near pictures are that the model was
//! never shown (after Carlini et al. 2023, section 4, who compare with distances that are usual).

use serde::Serialize;

use crate::{EvalError, Features, neighbours::nearest, ranks::median};

/// A drawing is a near-copy where it is nearer to training than all but this share of unseen pictures.
pub const USUAL: f64 = 0.05;

/// At less than this share of the usual distance two pictures are one.
const EXACT: f64 = 0.01;

/// How near drawings are to training pictures by one kind of features.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Memorisation {
    /// The share of drawings nearer than all but a twentieth of unseen pictures are; 0.05 where nothing is memorised.
    pub near_copies: f64,
    /// The distance below which a drawing counts as near.
    pub threshold: f64,
    /// Which pictures tell what is usual: `held out`, or `the other training pictures` where too few are held out.
    pub unseen: &'static str,
    /// The median distance of drawings to their nearest training picture.
    pub median_drawn: f64,
    /// The same of unseen pictures.
    pub median_unseen: f64,
}

/// Distances to the nearest training picture.
#[derive(Debug, Clone)]
pub(crate) struct Nearness {
    /// Of each drawing: the training picture's number and the distance.
    pub(crate) drawn: Vec<(usize, f64)>,
    /// Of each unseen picture, or of each training picture to the nearest other one.
    pub(crate) unseen: Vec<f64>,
}

impl Nearness {
    /// Of drawings and unseen pictures to training pictures. Where no picture is unseen, each training picture is, for the
    /// others.
    ///
    /// # Errors
    /// The sets have other features, or one is empty.
    pub(crate) fn of(
        drawn: &Features,
        unseen: Option<&Features>,
        training: &Features,
    ) -> Result<Self, EvalError> {
        for set in unseen.into_iter().chain([drawn]) {
            set.check_width(training)?;
            set.check_samples(1, "nearest training pictures")?;
        }
        training.check_samples(2, "nearest training pictures")?;
        let of_unseen = match unseen {
            Some(unseen) => nearest(unseen, training, |_, _| true),
            None => nearest(training, training, |picture, other| picture != other),
        };
        let unseen = of_unseen.into_iter().map(|(_, squared)| squared.sqrt()).collect();
        let drawn =
            nearest(drawn, training, |_, _| true).into_iter().map(|(which, squared)| (which, squared.sqrt()));
        Ok(Self { drawn: drawn.collect(), unseen })
    }

    /// The summary.
    pub(crate) fn memorisation(&self, unseen_are: &'static str) -> Memorisation {
        let mut unseen = self.unseen.clone();
        unseen.sort_by(f64::total_cmp);
        let usual = median(unseen.clone()).unwrap_or_default();
        let threshold = unseen[((unseen.len() as f64 * USUAL) as usize).min(unseen.len() - 1)];
        // A copy is a copy, also where the data have so many doubles that one is usual.
        let threshold = threshold.max(EXACT * usual);
        let near = self.drawn.iter().filter(|(_, distance)| *distance < threshold).count();
        let drawn = self.drawn.iter().map(|(_, distance)| *distance).collect();
        Memorisation {
            near_copies: near as f64 / self.drawn.len() as f64,
            threshold,
            unseen: unseen_are,
            median_drawn: median(drawn).unwrap_or_default(),
            median_unseen: usual,
        }
    }

    /// The drawings nearest to a training picture, with that picture's number, the nearest first.
    pub(crate) fn closest(&self, count: usize) -> Vec<(usize, usize)> {
        let mut order: Vec<usize> = (0..self.drawn.len()).collect();
        order.sort_by(|a, b| self.drawn[*a].1.total_cmp(&self.drawn[*b].1));
        order.into_iter().take(count).map(|drawing| (drawing, self.drawn[drawing].0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_nearer_than_unseen_pictures_and_are_named() {
        let training = Features::new("training", 1, (0..50).map(|i| i as f32).collect()).unwrap();
        let unseen = Features::new("unseen", 1, (0..50).map(|i| i as f32 + 0.4).collect()).unwrap();
        let copies = Features::new("drawn", 1, vec![7.0, 3.01, 20.45, 9.5]).unwrap();
        let nearness = Nearness::of(&copies, Some(&unseen), &training).unwrap();
        assert_eq!(nearness.closest(2), [(0, 7), (1, 3)]);
        let found = nearness.memorisation("held out");
        assert_eq!(found.near_copies, 0.5);
        assert!((found.threshold - 0.4).abs() < 1e-5 && (found.median_unseen - 0.4).abs() < 1e-5);
        let fresh = Nearness::of(&unseen, Some(&unseen), &training).unwrap().memorisation("held out");
        assert!(fresh.near_copies <= USUAL, "{}", fresh.near_copies);
        let none_unseen = Nearness::of(&copies, None, &training).unwrap().memorisation("others");
        assert_eq!((none_unseen.threshold, none_unseen.near_copies), (1.0, 1.0));
        // Where a tenth of what was not shown stands in training all the same, copies are copies.
        let mut doubles: Vec<f32> = (0..45).map(|i| i as f32 + 0.4).collect();
        doubles.extend((0..5).map(|i| i as f32));
        let doubles = Features::new("doubles", 1, doubles).unwrap();
        let copied = Nearness::of(&training, Some(&doubles), &training).unwrap().memorisation("held out");
        assert_eq!(copied.near_copies, 1.0, "{copied:?}");
    }
}

//! Are drawings copies? How near each is to its nearest training picture, beside how near pictures are that the model was
//! never shown (after Carlini et al. 2023, section 4, who compare with distances that are usual).

use serde::Serialize;

use crate::{EvalError, Features, neighbours::nearest, ranks::median};

/// A drawing is a near-copy where it is nearer to training than all but this share of unseen pictures.
pub const USUAL: f64 = 0.05;

/// How near drawings are to training pictures by one kind of features.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Memorisation {
    /// The share of drawings nearer than all but a twentieth of unseen pictures are; 0.05 where nothing is memorised.
    pub near_copies: f64,
    /// The distance below which a drawing counts as near.
    pub threshold: f64,
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
    pub(crate) fn memorisation(&self) -> Memorisation {
        let mut unseen = self.unseen.clone();
        unseen.sort_by(f64::total_cmp);
        let threshold = unseen[((unseen.len() as f64 * USUAL) as usize).min(unseen.len() - 1)];
        let near = self.drawn.iter().filter(|(_, distance)| *distance < threshold).count();
        let drawn = self.drawn.iter().map(|(_, distance)| *distance).collect();
        Memorisation {
            near_copies: near as f64 / self.drawn.len() as f64,
            threshold,
            median_drawn: median(drawn).unwrap_or_default(),
            median_unseen: median(unseen).unwrap_or_default(),
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
        let found = nearness.memorisation();
        assert_eq!(found.near_copies, 0.5);
        assert!((found.threshold - 0.4).abs() < 1e-5 && (found.median_unseen - 0.4).abs() < 1e-5);
        let fresh = Nearness::of(&unseen, Some(&unseen), &training).unwrap().memorisation();
        assert!(fresh.near_copies <= USUAL, "{}", fresh.near_copies);
        let none_unseen = Nearness::of(&copies, None, &training).unwrap().memorisation();
        assert_eq!((none_unseen.threshold, none_unseen.near_copies), (1.0, 1.0));
    }
}

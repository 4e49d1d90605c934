//! How long each sample's own gradient is, which differentially private training must know (Abadi et al. 2016, algorithm 1)
//! and the batch's gradient no longer tells: linear layers and convolutions add up, on their way back, the squares of what
//! each sample alone would have given.

use std::cell::RefCell;

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::{run, sum::by_chunks};

thread_local! {
    /// The squares so far, a number a sample, and how many layers added to them; while somebody watches.
    static WATCH: RefCell<Option<(Vec<f64>, usize)>> = const { RefCell::new(None) };
}

/// Runs `work` on this thread and gives what layers added meanwhile: a number a sample, or none where no layer did.
pub(super) fn watch<T>(samples: usize, work: impl FnOnce() -> T) -> (T, Option<Vec<f64>>) {
    /// Puts back whoever watched before, also where `work` panics.
    struct Before(Option<(Vec<f64>, usize)>);
    impl Drop for Before {
        fn drop(&mut self) {
            WATCH.replace(self.0.take());
        }
    }
    let before = Before(WATCH.replace(Some((vec![0.0; samples], 0))));
    let result = work();
    let found = WATCH.take().filter(|(_, layers)| *layers > 0).map(|(squares, _)| squares);
    drop(before);
    (result, found)
}

/// While somebody watches, adds for each sample the squares of all numbers that `gradients` gives for its part of `input`
/// and `gradient`. Samples are equal shares of their first sides.
pub(super) fn add(
    input: &FlexTensor,
    gradient: &FlexTensor,
    gradients: impl Fn(&FlexTensor, &FlexTensor) -> Vec<FlexTensor> + Sync,
) {
    let Some(samples) = WATCH.with_borrow(|watch| watch.as_ref().map(|(squares, _)| squares.len())) else {
        return;
    };
    let squares: Vec<f64> = (0..samples)
        .into_par_iter()
        .map(|sample| {
            let gradients = gradients(&share(input, sample, samples), &share(gradient, sample, samples));
            let squares = gradients.iter().flat_map(|gradient| by_chunks(run::numbers(gradient), true));
            squares.map(f64::from).sum()
        })
        .collect();
    WATCH.with_borrow_mut(|watch| {
        if let Some((totals, layers)) = watch {
            *layers += 1;
            totals.iter_mut().zip(squares).for_each(|(total, squares)| *total += squares);
        }
    });
}

/// The part of one sample.
fn share(tensor: &FlexTensor, sample: usize, samples: usize) -> FlexTensor {
    let mut sides = tensor.layout().shape().to_vec();
    assert!(sides[0].is_multiple_of(samples), "{sides:?} cannot be shared out to {samples} samples");
    sides[0] /= samples;
    let numbers = run::numbers(tensor);
    let length = numbers.len() / samples;
    run::tensor(numbers[sample * length..][..length].to_vec(), &sides)
}

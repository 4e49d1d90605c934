//! The learning rate of a step: a pure function of its number, so that a resumed run needs no memory of it.

use crate::TrainConfig;

/// The learning rate at a step counted from 0: linear from near 0 over the warm-up, then constant, then along half a
/// cosine from `decay_start` over `decay_steps` down to `final_factor` (Loshchilov and Hutter 2017, equation 5).
///
/// It does not depend on `steps`, so a run may be made longer afterwards.
pub fn learning_rate(config: &TrainConfig, step: u64) -> f64 {
    let warm = match config.warmup_steps {
        0 => 1.0,
        warmup => ((step + 1) as f64 / warmup as f64).min(1.0),
    };
    let decay = match config.decay_steps {
        0 => 1.0,
        horizon => {
            let done = (step.saturating_sub(config.decay_start) as f64 / horizon as f64).min(1.0);
            let falling = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
            config.final_factor + (1.0 - config.final_factor) * falling
        }
    };
    config.learning_rate * warm * decay
}

/// What to say of a run that ends before its rate has fallen: the fall is set apart from `steps`, so one that is made
/// shorter misses it.
pub(crate) fn cut_short(config: &TrainConfig) -> Option<String> {
    let TrainConfig { steps, warmup_steps, decay_start, decay_steps, .. } = *config;
    let end = decay_start.saturating_add(decay_steps);
    if steps < warmup_steps {
        let rule = format!("the learning rate rises until step {warmup_steps}, and the last step is {steps}");
        return Some(format!("{rule}: it learns little. --set train.warmup_steps={} suits it", steps / 10));
    }
    (decay_steps > 0 && steps > warmup_steps && end > steps).then(|| {
        let start = steps * 2 / 5;
        format!(
            "the learning rate falls from step {decay_start} to step {end}, but the last step is {steps}: a run of this \
             length draws better with --set train.decay_start={start} --set train.decay_steps={}",
            steps - start
        )
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn config() -> TrainConfig {
        TrainConfig {
            learning_rate: 2.0,
            warmup_steps: 4,
            decay_start: 10,
            decay_steps: 100,
            final_factor: 0.1,
            ..TrainConfig::default()
        }
    }

    #[test]
    fn it_warms_up_stays_and_falls_to_the_final_factor() {
        let rate = |step| learning_rate(&config(), step);
        assert_eq!([rate(0), rate(1), rate(3), rate(10)], [0.5, 1.0, 2.0, 2.0]);
        assert!((rate(60) - 1.1).abs() < 1e-12, "half way is the mean of both ends");
        assert!((rate(110) - 0.2).abs() < 1e-12);
        assert_eq!(rate(110), rate(1_000_000));
    }

    #[test]
    fn without_a_horizon_it_is_constant_after_the_warm_up() {
        let config = TrainConfig { decay_steps: 0, ..config() };
        assert_eq!(learning_rate(&config, 1_000_000), 2.0);
    }

    #[test]
    fn a_run_that_ends_before_its_rate_has_fallen_is_warned_with_keys_that_fit() {
        let run = |steps| TrainConfig { steps, ..config() };
        let warning = cut_short(&run(50)).unwrap();
        assert!(warning.contains("train.decay_start=20 --set train.decay_steps=30"), "{warning}");
        assert_eq!(cut_short(&TrainConfig { decay_start: 20, decay_steps: 30, ..run(50) }), None);
        assert_eq!(cut_short(&run(110)), None);
        assert_eq!(cut_short(&run(4)), None, "nothing but a warm-up");
        assert_eq!(cut_short(&TrainConfig { decay_steps: 0, ..run(50) }), None);
    }

    proptest! {
        #[test]
        fn it_never_leaves_its_bounds_and_never_rises_after_the_warm_up(
            warmup_steps in 0u64..100, decay_start in 0u64..200, decay_steps in 0u64..500,
            final_factor in 0.0f64..=1.0, step in 0u64..1000, steps in 1u64..1000,
        ) {
            let config = TrainConfig { warmup_steps, decay_start, decay_steps, final_factor, ..config() };
            let rate = learning_rate(&config, step);
            prop_assert!(rate > -1e-12 && rate <= config.learning_rate);
            if step >= warmup_steps {
                prop_assert!(learning_rate(&config, step + 1) <= rate + 1e-12);
                prop_assert!(rate >= config.learning_rate * final_factor - 1e-12);
            }
            let longer = TrainConfig { steps, ..config };
            prop_assert_eq!(rate, learning_rate(&longer, step));
        }
    }
}

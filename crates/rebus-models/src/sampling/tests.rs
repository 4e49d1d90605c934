//! Samplers, the way back and the likelihood on a field whose solutions are known.

use std::{f64::consts::TAU, ops::ControlFlow};

use burn::tensor::{Device, Tensor};

use rebus_data::Pictures;

use super::{
    Divergence, FlowEdit, Guidance, Inversion, Sampler, Slider, Start, Words, flow_edit, guided, invert,
    log_density, slide, time,
    toy::{Toy, number, towards},
};
use crate::{Condition, Generate, GenerateRequest, ModelError, NoObserver};

const DEVIATION: f64 = 0.4;

/// The flow from normal noise to pictures whose numbers are normal with this deviation, each by itself: what begins at `x` ends
/// at `deviation * x`.
const GAUSSIAN: Toy = Toy {
    picture_shape: [1, 2, 3],
    velocity: |x_t, times, _| {
        let t = f64::from(times.into_data().iter::<f32>().next().unwrap());
        let square = DEVIATION * DEVIATION;
        x_t * ((t - (1.0 - t) * square) / ((1.0 - t) * (1.0 - t) * square + t * t))
    },
};

fn numbers(x: Tensor<4>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

fn noise() -> Tensor<4> {
    let values: Vec<f32> = (0..12).map(|place| (place as f32 * 1.7).sin() * 1.5).collect();
    Tensor::<1>::from_floats(values.as_slice(), &Device::flex()).reshape([2, 1, 2, 3])
}

/// From noise to the picture.
fn walk(sampler: Sampler, steps: usize) -> Tensor<4> {
    let (model, nothing) = (GAUSSIAN, number(0.0, 2));
    let velocity = |x: Tensor<4>, t: f64| guided(&model, x, t, [&nothing, &nothing], Guidance::always(1.0));
    let mut walk = sampler.start();
    (0..steps)
        .fold(noise(), |x, step| walk.step(&velocity, x, time(step, steps), time(step + 1, steps)).unwrap())
}

fn error(found: Tensor<4>, wanted: Tensor<4>) -> f64 {
    f64::from((found - wanted).abs().max().into_scalar::<f32>())
}

#[test]
fn the_error_shrinks_with_the_order_that_each_method_promises() {
    // dx/dt = x (1/2 + t²) from t = 1 to 0. The field above is so even that the midpoint gains an order more than it promises.
    let exact = noise() * (-0.5f64 - 1.0 / 3.0).exp();
    let velocity = |x: Tensor<4>, t: f64| Ok::<_, ()>(x * (0.5 + t * t));
    for sampler in Sampler::ALL {
        let error = |steps: usize| {
            let mut walk = sampler.start();
            let found = (0..steps).fold(noise(), |x, step| {
                walk.step(&velocity, x, time(step, steps), time(step + 1, steps)).unwrap()
            });
            error(found, exact.clone())
        };
        let order = if sampler == Sampler::Euler { 1.0 } else { 2.0 };
        let measured = (error(32) / error(64)).log2();
        assert!((measured - order).abs() < 0.25, "{sampler:?}: order {measured}");
    }
}

#[test]
fn each_sampler_ends_where_the_field_leads() {
    for sampler in Sampler::ALL {
        let found = error(walk(sampler, 40), noise() * DEVIATION);
        assert!(found < if sampler == Sampler::Euler { 0.05 } else { 0.004 }, "{sampler:?}: {found}");
    }
}

#[test]
fn what_was_taken_back_comes_again() {
    let (model, nothing) = (GAUSSIAN, number(0.0, 2));
    for sampler in [Sampler::Euler, Sampler::Heun, Sampler::Midpoint] {
        let back = |corrections: usize| {
            let settings = Inversion { num_inference_steps: 10, sampler, corrections, ..Default::default() };
            let picture = walk(sampler, 10);
            let go_on = &mut |_: usize, _: &Tensor<4>| ControlFlow::Continue(());
            error(invert(&model, picture, [&nothing, &nothing], settings, go_on).unwrap(), noise())
        };
        let (plain, corrected) = (back(0), back(8));
        assert!(corrected < 2e-5 && plain > 20.0 * corrected, "{sampler:?}: {plain}, then {corrected}");
    }
}

#[test]
fn a_way_back_can_be_stopped_and_refuses_what_it_cannot_do() {
    let (model, nothing) = (GAUSSIAN, number(0.0, 2));
    let invert = |settings: Inversion, last: usize| {
        let mut seen = vec![];
        let answer = invert(&model, noise(), [&nothing, &nothing], settings, &mut |done, _| {
            seen.push(done);
            if done == last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        (answer.map(drop), seen)
    };
    let (stopped, seen) = invert(Inversion::default(), 3);
    assert!(matches!(stopped, Err(ModelError::Interrupted)) && seen == [1, 2, 3]);
    let multistep = Inversion { sampler: Sampler::Multistep, ..Default::default() };
    let none = Inversion { num_inference_steps: 0, ..Default::default() };
    let nan = Inversion { guidance: Guidance::always(f32::NAN), ..Default::default() };
    let backwards = Guidance { scale: 2.0, interval: [0.8, 0.2] };
    let interval = Inversion { guidance: backwards, ..Default::default() };
    for (settings, named) in [
        (multistep, "sampler multistep"),
        (none, "num_inference_steps 0"),
        (nan, "guidance_scale NaN"),
        (interval, "guidance_interval 0.8 0.2"),
    ] {
        let said = invert(settings, 0).0.unwrap_err().to_string();
        let (option, value) = named.split_once(' ').unwrap();
        assert!(said.contains(option) && said.contains(value), "{said}");
    }
}

#[test]
fn guidance_is_where_it_is_asked_for() {
    let guidance = Guidance { scale: 4.0, interval: [0.25, 0.75] };
    assert_eq!([0.0, 0.25, 0.5, 0.75, 1.0].map(|time| guidance.at(time)), [1.0, 4.0, 4.0, 4.0, 1.0]);
    // A step that stands at the edge is inside, whatever its time was rounded to.
    let edges = Guidance { scale: 4.0, interval: [0.2, 0.8] };
    for steps in [5, 10, 20, 50] {
        let inside = (0..=steps).filter(|step| edges.at(time(*step, steps)) == 4.0).count();
        assert_eq!(inside, steps * 3 / 5 + 1, "{steps} steps");
    }
}

#[test]
fn a_likelihood_is_that_of_the_closed_form() {
    let (model, nothing) = (GAUSSIAN, number(0.0, 2));
    let picture = noise() * DEVIATION;
    let exact: Vec<f64> = numbers(picture.clone())
        .chunks(6)
        .map(|entry| {
            entry.iter().map(|x| {
                let x = f64::from(*x) / DEVIATION;
                -0.5 * (x * x + TAU.ln()) - DEVIATION.ln()
            })
        })
        .map(Iterator::sum)
        .collect();
    // Of a field that is the same in all directions, any signs tell the divergence.
    for divergence in [Divergence::Exact, Divergence::Estimated { probes: 1, seed: 5 }] {
        let found = log_density(&model, picture.clone(), &nothing, 200, divergence).unwrap();
        for (found, exact) in found.iter().zip(&exact) {
            assert!((found - exact).abs() < 2e-3, "{divergence:?}: {found}, not {exact}");
        }
    }
    let none = Divergence::Estimated { probes: 0, seed: 5 };
    let said = log_density(&model, picture, &nothing, 20, none).unwrap_err().to_string();
    assert!(said.contains("probes"), "{said}");
}

fn pictures() -> Pictures {
    Pictures { shape: [2, 1, 2, 3], data: (0..12).map(|place| (place as f32 * 2.3).cos() * 0.8).collect() }
}

fn drawn(start: Option<Start>) -> Result<Vec<f32>, ModelError> {
    let request =
        GenerateRequest { seeds: vec![4, 5], start, guidance_scale: Some(1.0), ..GenerateRequest::default() };
    GAUSSIAN.generate(&request, &mut NoObserver).map(|pictures| pictures.data)
}

#[test]
fn the_more_strength_the_less_is_left_of_a_picture() {
    let plain = drawn(None).unwrap();
    assert_eq!(drawn(Some(Start::new(pictures(), 1.0))).unwrap(), plain);
    let apart = |strength: f64| -> f32 {
        let found = drawn(Some(Start::new(pictures(), strength))).unwrap();
        found.iter().zip(&pictures().data).map(|(found, picture)| (found - picture).abs()).sum()
    };
    let (little, half, all) = (apart(0.05), apart(0.5), apart(1.0));
    assert!(little < 0.2 * all && little < half && half < all, "{little} {half} {all}");
}

#[test]
fn what_a_mask_keeps_stays_and_the_rest_is_drawn() {
    let mask =
        Pictures { shape: [2, 1, 2, 3], data: (0..12).map(|place| f32::from(place % 3 == 0)).collect() };
    for resamplings in [1, 3] {
        let start = Start { mask: Some(mask.clone()), resamplings, ..Start::new(pictures(), 1.0) };
        let found = drawn(Some(start)).unwrap();
        for (place, (found, picture)) in found.iter().zip(&pictures().data).enumerate() {
            assert_eq!(found == picture, place % 3 != 0, "{place} {found} {picture}");
        }
    }
    // What is taken back by noise and walked again is as far from the middle as what is walked once.
    let spread = |resamplings: usize| -> f64 {
        let noises = (0..200u64).map(|seed| {
            let all = Pictures { shape: [2, 1, 2, 3], data: vec![1.0; 12] };
            let request = GenerateRequest {
                seeds: vec![seed, seed + 1000],
                guidance_scale: Some(1.0),
                num_inference_steps: Some(10),
                start: Some(Start { mask: Some(all), resamplings, ..Start::new(pictures(), 1.0) }),
                ..GenerateRequest::default()
            };
            let found = GAUSSIAN.generate(&request, &mut NoObserver).unwrap().data;
            found.iter().map(|value| f64::from(value * value)).sum::<f64>() / 12.0
        });
        (noises.sum::<f64>() / 200.0).sqrt()
    };
    let (once, thrice) = (spread(1), spread(3));
    assert!((once - thrice).abs() < 0.04, "{once} {thrice}");
}

#[test]
fn a_start_that_cannot_be_is_refused() {
    let said = |start: Start| drawn(Some(start)).unwrap_err().to_string();
    for strength in [0.0, -1.0, 1.5, f64::NAN] {
        assert!(said(Start::new(pictures(), strength)).contains("strength"), "{strength}");
    }
    assert!(said(Start::new(pictures(), 0.01)).contains("at least 50"));
    let small = Pictures { shape: [2, 1, 1, 3], data: vec![0.0; 6] };
    assert!(said(Start::new(small.clone(), 0.5)).contains("3x1"));
    assert!(said(Start { mask: Some(small), ..Start::new(pictures(), 0.5) }).contains("mask"));
}

/// Towards pictures of one number, which the condition says.
const TOWARDS: Toy = Toy { picture_shape: [1, 2, 3], velocity: towards };

#[test]
fn words_change_what_they_change_and_nothing_else() {
    let (nothing, near, far) = (number(0.0, 2), number(0.1, 2), number(0.4, 2));
    let edited = |source: &Condition, target: &Condition, scale: f32| {
        let words = Words { source, target, negative: &nothing };
        let settings =
            FlowEdit { source_guidance: scale, target_guidance: scale, strength: 1.0, ..FlowEdit::default() };
        flow_edit(&TOWARDS, &pictures(), &[1, 2], words, settings, &mut NoObserver).unwrap().data
    };
    assert_eq!(edited(&near, &near, 3.0), pictures().data);
    // From pictures of 0.1 to pictures of 0.4, each number moves by the difference, whatever it was.
    for (found, picture) in edited(&near, &far, 1.0).iter().zip(&pictures().data) {
        assert!((found - (picture + 0.3).min(1.0)).abs() < 1e-3, "{picture} became {found}");
    }
    let words = Words { source: &near, target: &far, negative: &nothing };
    for wrong in [
        FlowEdit { strength: 0.0, ..FlowEdit::default() },
        FlowEdit { num_inference_steps: 0, ..FlowEdit::default() },
        FlowEdit { target_guidance: f32::NAN, ..FlowEdit::default() },
        FlowEdit { averages: 0, ..FlowEdit::default() },
    ] {
        assert!(flow_edit(&TOWARDS, &pictures(), &[1, 2], words, wrong, &mut NoObserver).is_err());
    }
}

#[test]
fn a_slider_moves_pictures_along_its_contrasts_by_its_amount() {
    let slider = |from: f32, to: f32, amount: f64| Slider {
        contrasts: vec![[number(from, 2), number(to, 2)], [number(from + 0.2, 2), number(to + 0.2, 2)]],
        amount,
    };
    let moved = |sliders: &[Slider]| {
        let settings = FlowEdit { target_guidance: 0.05, strength: 0.5, ..FlowEdit::default() };
        slide(&TOWARDS, &pictures(), &[1, 2], sliders, settings, &mut NoObserver).unwrap().data
    };
    let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<f32>>();
    let before = pictures().data;
    let one = apart(&moved(&[slider(0.1, 0.2, 1.0)]), &before);
    // All numbers by the same, in the direction of the contrast.
    assert!(one.iter().all(|by| *by > 1e-3 && (by - one[0]).abs() < 1e-4), "{one:?}");
    for (sliders, factor) in [
        (vec![slider(0.1, 0.2, 2.0)], 2.0),
        (vec![slider(0.1, 0.2, -1.0)], -1.0),
        (vec![slider(0.2, 0.1, 1.0)], -1.0),
        (vec![slider(0.1, 0.2, 1.0), slider(0.1, 0.3, 0.5)], 2.0),
        (vec![slider(0.1, 0.2, 0.0)], 0.0),
    ] {
        let by = apart(&moved(&sliders), &before);
        assert!(by.iter().zip(&one).all(|(by, one)| (by - factor * one).abs() < 1e-4), "{factor}: {by:?}");
    }
    let empty = [Slider { contrasts: vec![], amount: 1.0 }];
    let found = slide(&TOWARDS, &pictures(), &[1, 2], &empty, FlowEdit::default(), &mut NoObserver);
    assert!(found.unwrap_err().to_string().contains("contrast"));
}

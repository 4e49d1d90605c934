//! A picture drawn anew as words say and as another picture is, each followed as closely as its own guidance scale says
//! (InstructPix2Pix, Brooks et al. 2023).

use burn::tensor::Tensor;
use rebus_data::Pictures;
use rebus_nn::random::{Purpose, normal_per_seed};

use super::{CHUNK, Guidance, Sampler, checked_steps, time};
use crate::{Condition, Denoise, ModelError, Observer, TranslateRequest, modality};

/// The picture, or its latent, that a condition has for a model that draws it anew.
pub const SOURCE: &str = "source";

/// How closely to follow the source where nobody says.
const IMAGE_GUIDANCE: f32 = 1.5;

/// Draws each source of a request anew, from noise on. All are drawn together, so that the observer sees them become clear.
///
/// # Errors
/// An option out of range, or [`ModelError::Interrupted`].
pub fn redraw<D: Denoise>(
    model: &D,
    request: &TranslateRequest,
    observer: &mut dyn Observer,
) -> Result<Pictures, ModelError> {
    let scales = Scales {
        words: Guidance::always(request.guidance_scale.unwrap_or(model.default_guidance())).check()?.scale,
        source: checked_scale(request.image_guidance_scale.unwrap_or(IMAGE_GUIDANCE))?,
    };
    let steps = checked_steps(request.num_inference_steps.unwrap_or(model.default_steps()))?;
    let source = model.encode(modality::to_tensor(&request.sources, &model.device()));
    let count = request.sources.len();
    if request.seeds.len() != count {
        return Err(ModelError::Request {
            option: "seeds",
            value: request.seeds.len().to_string(),
            rule: format!("there must be one for each of {count} sources"),
        });
    }
    let nothing = model.unconditional(count)?;
    let said = request.condition.clone().unwrap_or_else(|| nothing.clone());
    if let (Some(said), Some(nothing)) = (said.main(), nothing.main())
        && said.widths() != nothing.widths()
    {
        return Err(ModelError::told_otherwise(said.widths(), nothing.widths()));
    }
    let with = |mut condition: Condition, source: Tensor<4>| {
        condition.spatial.insert(SOURCE.to_string(), source);
        condition
    };
    let conditions = Conditions {
        both: with(said, source.clone()),
        source: with(nothing.clone(), source.clone()),
        neither: with(nothing, source.zeros_like()),
    };
    let velocity = |x: Tensor<4>, t: f64| guided(model, x, t, &conditions, scales);
    let mut walk = Sampler::default().start();
    let mut x = normal_per_seed(source.dims(), &request.seeds, Purpose::Noise, 0, &model.device());
    for step in 0..steps {
        x = walk.step(&velocity, x, time(step, steps), time(step + 1, steps))?;
        let preview = || modality::from_tensor(model.decode(x.clone()));
        if observer.step(step + 1, steps, &preview).is_break() {
            return Err(ModelError::Interrupted);
        }
    }
    Ok(modality::from_tensor(model.decode(x)))
}

/// What is said and shown, the source alone, and neither.
struct Conditions {
    both: Condition,
    source: Condition,
    neither: Condition,
}

/// How closely each is followed; 1 is no guidance.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scales {
    words: f32,
    source: f32,
}

fn checked_scale(scale: f32) -> Result<f32, ModelError> {
    if scale.is_finite() && scale >= 0.0 {
        return Ok(scale);
    }
    Err(ModelError::Request {
        option: "image_guidance_scale",
        value: scale.to_string(),
        rule: "it must be a number from 0 up; 1 is no guidance, 1.5 is a good choice".to_string(),
    })
}

/// `v(neither) + source * (v(source) - v(neither)) + words * (v(both) - v(source))` (equation 3), all from one evaluation over as many
/// batches as the scales need.
fn guided<D: Denoise>(
    model: &D,
    x: Tensor<4>,
    time: f64,
    conditions: &Conditions,
    scales: Scales,
) -> Result<Tensor<4>, ModelError> {
    let Conditions { both, source, neither } = conditions;
    let weighed =
        [(both, scales.words), (source, scales.source - scales.words), (neither, 1.0 - scales.source)];
    let batch = x.dims()[0];
    let used = weighed.into_iter().filter(|(_, weight)| *weight != 0.0).collect::<Vec<_>>();
    // One entry alone might be summed otherwise than among others.
    let used = if batch * used.len() < CHUNK { weighed.to_vec() } else { used };
    let times = Tensor::<1>::full([batch * used.len()], time, &x.device());
    let conditions = used.iter().map(|(condition, _)| (*condition).clone());
    let condition = conditions.reduce(|all, next| all.then(&next)).unwrap_or_default();
    let predicted = model.predict(Tensor::cat(vec![x; used.len()], 0), times, &condition)?;
    let of = |(place, (_, weight)): (usize, &(&Condition, f32))| {
        predicted.clone().narrow(0, place * batch, batch) * *weight
    };
    Ok(used.iter().enumerate().map(of).reduce(|sum, next| sum + next).unwrap_or(predicted))
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::{
        super::toy::{Toy, number, numbers_of},
        *,
    };
    use crate::NoObserver;

    /// Its velocity is the source, and the number that is said.
    const FOLLOWS: Toy = Toy {
        picture_shape: [1, 2, 2],
        velocity: |_, _, condition| condition.spatial[SOURCE].clone() + numbers_of(condition),
    };

    fn conditions(words: f32, source: f32, count: usize) -> Conditions {
        let shown = |value: f32| Tensor::<4>::full([count, 1, 2, 2], value, &Device::flex());
        let with = |said: f32, shown: Tensor<4>| {
            let mut condition = number(said, count);
            condition.spatial.insert(SOURCE.to_string(), shown);
            condition
        };
        Conditions {
            both: with(words, shown(source)),
            source: with(0.0, shown(source)),
            neither: with(0.0, shown(0.0)),
        }
    }

    #[test]
    fn each_scale_goes_as_far_as_it_says() {
        for count in [1, 3] {
            for (words, source) in [(1.0, 1.0), (3.0, 1.0), (1.0, 2.0), (3.0, 1.5), (0.0, 0.0), (0.0, 1.0)] {
                let x = Tensor::<4>::zeros([count, 1, 2, 2], &Device::flex());
                let scales = Scales { words, source };
                let found = guided(&FOLLOWS, x, 0.5, &conditions(0.25, 0.5, count), scales).unwrap();
                let wanted = 0.5 * source + 0.25 * words;
                let values: Vec<f32> = found.into_data().iter::<f32>().collect();
                assert_eq!(values.len(), count * 4);
                assert!(values.iter().all(|value| (value - wanted).abs() < 1e-6), "{scales:?} {values:?}");
            }
        }
    }

    #[test]
    fn a_picture_is_the_same_whatever_is_drawn_beside_it_and_follows_the_words() {
        let sources = |values: &[f32]| Pictures {
            shape: [values.len(), 1, 2, 2],
            data: values.iter().flat_map(|value| [*value; 4]).collect(),
        };
        let drawn = |values: &[f32], word: Option<f32>| {
            let mut request = TranslateRequest::new(sources(values));
            request.condition = word.map(|word| number(word, values.len()));
            redraw(&FOLLOWS, &request, &mut NoObserver).unwrap().data
        };
        let (alone, among) = (drawn(&[0.1], Some(0.2)), drawn(&[0.1, -0.3], Some(0.2)));
        assert_eq!(alone, among[..4]);
        assert_ne!(alone, drawn(&[0.1], None));
    }

    #[test]
    fn what_cannot_be_is_said() {
        let mut request = TranslateRequest::new(Pictures { shape: [1, 1, 2, 2], data: vec![0.0; 4] });
        request.image_guidance_scale = Some(f32::NAN);
        let said = redraw(&FOLLOWS, &request, &mut NoObserver).unwrap_err().to_string();
        assert!(said.contains("image_guidance_scale = NaN"), "{said}");
        let mut request = TranslateRequest::new(Pictures { shape: [1, 1, 2, 2], data: vec![0.0; 4] });
        request.seeds = vec![1, 2];
        let said = redraw(&FOLLOWS, &request, &mut NoObserver).unwrap_err().to_string();
        assert!(said.contains("seeds = 2"), "{said}");
    }
}

//! The way from one picture to another through latents, or from one prompt to another through conditions.

use image::DynamicImage;
use rebus_models::{GenerateRequest, Input, Model, ModelError, Observer, Vectors, registry::able};

use crate::{
    TaskError,
    reconstruct::{reconstructs, shown},
};

/// Between vectors that point the same way to within this, the straight line is as good.
const PARALLEL: f32 = 1e-4;

/// From where to where.
#[derive(Debug, Clone)]
pub enum Ends {
    /// Pictures of any size, for a model that reconstructs.
    Pictures(Box<[DynamicImage; 2]>),
    /// Prompts, for a model that draws what it is told.
    Prompts([String; 2]),
}

/// What to draw on the way.
#[derive(Debug, Clone)]
pub struct InterpolateTask {
    /// From where to where.
    pub ends: Ends,
    /// How many pictures, both ends among them.
    pub count: usize,
    /// The seed of all pictures between prompts.
    pub seed: u64,
    /// How closely to follow prompts; the model's own choice by default.
    pub guidance_scale: Option<f32>,
    /// How many steps to take; the model's own choice by default.
    pub num_inference_steps: Option<usize>,
}

/// The pictures on the way, both ends first and last.
///
/// # Errors
/// Fewer than two pictures, a model that cannot do it, an interruption.
pub fn interpolate(
    model: &dyn Model,
    task: &InterpolateTask,
    observer: &mut dyn Observer,
) -> Result<Vec<DynamicImage>, TaskError> {
    if task.count < 2 {
        return Err(TaskError::TooFew { count: task.count });
    }
    let shares: Vec<f32> = (0..task.count).map(|step| step as f32 / (task.count - 1) as f32).collect();
    let pictures = match &task.ends {
        Ends::Pictures(ends) => {
            let able = reconstructs(model)?;
            let latents = able.latents(&shown(model, &ends[..])?, None, observer)?;
            let rows = shares.iter().flat_map(|share| spherical(latents.row(0), latents.row(1), *share));
            able.decode(&Vectors { width: latents.width, data: rows.collect() }, None)?
        }
        Ends::Prompts(ends) => {
            let lacks = |verb, able| ModelError::Lacks { family: model.info().family.clone(), verb, able };
            let generator = model.generate().ok_or_else(|| lacks("generate", able("generate")))?;
            let reads = model.conditioner().ok_or_else(|| ModelError::Request {
                option: "prompt",
                value: ends[0].clone(),
                rule: format!("a model of family `{}` reads no prompt", model.info().family),
            })?;
            let condition = reads.condition(&ends.clone().map(Input::Text))?;
            let mut request = GenerateRequest::default();
            request.seeds = vec![task.seed; task.count];
            request.condition = Some(condition.narrow(0, 1).between(&condition.narrow(1, 1), &shares));
            request.guidance_scale = task.guidance_scale;
            request.num_inference_steps = task.num_inference_steps;
            generator.generate(&request, observer)?
        }
    };
    Ok(pictures.to_images()?)
}

/// A share of the way from one vector to another along the arc between them (Shoemake 1985, section 3.3).
fn spherical(from: &[f32], to: &[f32], share: f32) -> Vec<f32> {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let lengths = (product(from, from) * product(to, to)).sqrt();
    // From nowhere there is no arc.
    let cosine = if lengths > 0.0 { product(from, to) / lengths } else { 1.0 };
    let angle = cosine.clamp(-1.0, 1.0).acos();
    let (first, second) = match angle.sin() {
        sine if sine > PARALLEL => (((1.0 - share) * angle).sin() / sine, (share * angle).sin() / sine),
        _ => (1.0 - share, share),
    };
    from.iter().zip(to).map(|(from, to)| first * from + second * to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arc_keeps_its_radius_and_ends_at_its_ends() {
        let (a, b) = ([2.0, 0.0], [0.0, 2.0]);
        assert_eq!(spherical(&a, &b, 0.0), a);
        assert!(spherical(&a, &b, 1.0).iter().zip(&b).all(|(x, y)| (x - y).abs() < 1e-6));
        let middle = spherical(&a, &b, 0.5);
        assert!((middle[0] - 2.0f32.sqrt()).abs() < 1e-6 && (middle[1] - 2.0f32.sqrt()).abs() < 1e-6);
        // Along a line, and from nowhere.
        assert_eq!(spherical(&[1.0, 1.0], &[3.0, 3.0], 0.5), [2.0, 2.0]);
        assert_eq!(spherical(&[0.0, 0.0], &[2.0, 0.0], 0.5), [1.0, 0.0]);
    }
}

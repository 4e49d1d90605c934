//! A layer of which the gradients come over what is below instead of the colours, so that no seam is to be seen (Pérez et al. 2003).

use image::{Rgba, RgbaImage};
use rayon::prelude::*;

use super::poisson::{Place, Region};
use crate::TaskError;

/// Of values from 0 to 1: by how much an answer may be off.
const TOLERANCE: f64 = 1e-6;

/// Puts a layer that lies where it belongs, and has the size of the canvas, into it. `mixed` takes the stronger of both gradients at
/// each place (equation 12), else the layer's (equation 11). Where the layer is more than half there, the canvas becomes opaque; all
/// else stays. `opacity` is from 0 to 1.
///
/// # Errors
/// A layer of another size than the canvas.
pub fn clone_seamlessly(
    canvas: &mut RgbaImage,
    layer: &RgbaImage,
    mixed: bool,
    opacity: f64,
) -> Result<(), TaskError> {
    if layer.dimensions() != canvas.dimensions() {
        let (width, height) = canvas.dimensions();
        return Err(TaskError::Region {
            what: "layer",
            value: format!("of {}x{}", layer.width(), layer.height()),
            rule: format!("it must have the size of the canvas, {width}x{height}"),
        });
    }
    let Some(part) = Part::of(layer) else { return Ok(()) };
    let places = part.places(layer);
    let region = Region::new(part.width as usize, &places);
    // One after the other: each takes all threads, and as much of the caches as there is.
    let answers: Vec<Vec<f64>> = (0..3usize)
        .map(|channel| {
            let value = |picture: &RgbaImage, at: usize| f32::from(part.pixel(picture, at)[channel]) / 255.0;
            let below: Vec<f32> = (0..places.len()).map(|at| value(canvas, at)).collect();
            let layer: Vec<f32> = (0..places.len())
                // Where a layer is not there at all, it has no colour, and goes on as the canvas does.
                .map(|at| if part.pixel(layer, at)[3] > 0 { value(layer, at) } else { f32::NAN })
                .collect();
            let b = part.pulls(&places, &below, &layer, mixed);
            let mut answer = region.solve(&b, TOLERANCE);
            answer.iter_mut().zip(layer).for_each(|(apart, layer)| *apart += f64::from(layer));
            answer
        })
        .collect();
    let (across, columns) = (canvas.width() as usize, part.width as usize);
    let rows = canvas.par_chunks_mut(4 * across).skip(part.y as usize).zip(places.par_chunks(columns));
    rows.enumerate().for_each(|(row, (pixels, places))| {
        let (pixels, _) = pixels[4 * part.x as usize..].as_chunks_mut::<4>();
        for (column, pixel) in (0..columns).zip(pixels).filter(|(column, _)| places[*column] == Place::Wanted)
        {
            let [red, green, blue, alpha] = *pixel;
            let mix = |channel: usize, below: u8| {
                let (below, answer) = (f64::from(below), answers[channel][row * columns + column] * 255.0);
                // What is transparent below shows nothing through.
                let share = if alpha == 0 { 1.0 } else { opacity };
                (below + (answer - below) * share).round().clamp(0.0, 255.0) as u8
            };
            let alpha = f64::from(alpha) + (255.0 - f64::from(alpha)) * opacity;
            *pixel = [mix(0, red), mix(1, green), mix(2, blue), alpha.round() as u8];
        }
    });
    Ok(())
}

/// The part of a canvas in which a layer is, with one place around it where the canvas has that.
struct Part {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

impl Part {
    /// None where the layer is nowhere.
    fn of(layer: &RgbaImage) -> Option<Self> {
        let inside = layer.enumerate_pixels().filter(|(.., pixel)| is_there(pixel));
        let bounds = inside.fold(None, |bounds: Option<[u32; 4]>, (x, y, _)| {
            let [left, top, right, bottom] = bounds.unwrap_or([x, y, x, y]);
            Some([left.min(x), top.min(y), right.max(x), bottom.max(y)])
        });
        let [left, top, right, bottom] = bounds?;
        let (x, y) = (left.saturating_sub(1), top.saturating_sub(1));
        let (end_x, end_y) = ((right + 2).min(layer.width()), (bottom + 2).min(layer.height()));
        Some(Self { x, y, width: end_x - x, height: end_y - y })
    }

    fn pixel<'a>(&self, picture: &'a RgbaImage, at: usize) -> &'a Rgba<u8> {
        picture.get_pixel(self.x + at as u32 % self.width, self.y + at as u32 / self.width)
    }

    fn places(&self, layer: &RgbaImage) -> Vec<Place> {
        let place = |at| if is_there(self.pixel(layer, at)) { Place::Wanted } else { Place::Known };
        (0..(self.width * self.height) as usize).map(place).collect()
    }

    /// The right side of the equation for how far the answer is from the layer: over the neighbours of each place, by how much the
    /// gradient that is wanted differs from the layer's, and what the canvas is beyond the region.
    fn pulls(&self, places: &[Place], below: &[f32], layer: &[f32], mixed: bool) -> Vec<f64> {
        let (width, height) = (self.width as usize, self.height as usize);
        let pull = |at: usize| {
            if places[at] != Place::Wanted {
                return 0.0;
            }
            let (x, y) = (at % width, at / width);
            let neighbours = [
                (x > 0).then(|| at - 1),
                (x + 1 < width).then(|| at + 1),
                (y > 0).then(|| at - width),
                (y + 1 < height).then(|| at + width),
            ];
            let of = |other: usize| {
                let apart = |of: &[f32]| f64::from(of[at]) - f64::from(of[other]);
                let (under, over) = (apart(below), apart(layer));
                let over = if over.is_nan() { 0.0 } else { over };
                let wanted = if mixed && under.abs() > over.abs() { under } else { over };
                match places[other] {
                    Place::Wanted => wanted - over,
                    _ => wanted - f64::from(layer[at]) + f64::from(below[other]),
                }
            };
            neighbours.into_iter().flatten().map(of).sum()
        };
        (0..places.len()).into_par_iter().map(pull).collect()
    }
}

/// Whether a layer is more than half there.
fn is_there(pixel: &Rgba<u8>) -> bool {
    pixel[3] >= 128
}

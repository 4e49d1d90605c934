//! Poisson's equation on a rectangle of which two opposite sides are known, at once (Hockney 1965): between those sides waves of sines
//! do not mix, and each wave's heights along the other way are bound to their neighbours alone, which elimination solves (Thomas 1949).

use std::sync::Arc;

use rayon::prelude::*;
use rustdct::{DctPlanner, Dst1};

use super::poisson::Place;

/// A rectangle in a grid, and the waves in which its equation falls apart.
pub(super) struct Rectangle {
    /// Places of a row of the grid.
    width: usize,
    /// The first place of the rectangle.
    first: usize,
    /// Places from one line of it to the next, and along a line, whose ends are known.
    next: usize,
    along: usize,
    lines: usize,
    waves: Arc<dyn Dst1<f64>>,
    /// Of each wave on each line, what the next line weighs once the ones before are gone.
    weights: Vec<f64>,
}

impl Rectangle {
    /// None where what is wanted is no such rectangle.
    pub(super) fn of(width: usize, places: &[Place]) -> Option<Self> {
        let height = places.len() / width;
        let wanted = |at: usize| places[at] == Place::Wanted;
        let first = places.iter().position(|place| *place == Place::Wanted)?;
        let (left, top) = (first % width, first / width);
        let columns = (left..width).take_while(|x| wanted(top * width + x)).count();
        let rows = (top..height).take_while(|y| wanted(y * width + left)).count();
        let full = (top..top + rows).all(|y| (left..left + columns).all(|x| wanted(y * width + x)));
        if !full || places.iter().filter(|place| **place == Place::Wanted).count() != columns * rows {
            return None;
        }
        // Whether the places of a side are all known, or all beyond; no other side will do.
        let side = |inside: bool, from: usize, step: usize, count: usize| {
            if !inside {
                return Some(false);
            }
            let kind = places[from];
            (0..count).all(|at| places[from + at * step] == kind).then_some(kind == Place::Known)
        };
        let at = |x: usize, y: usize| y * width + x;
        let west = side(left > 0, at(left.saturating_sub(1), top), width, rows)?;
        let east = side(left + columns < width, at(left, top) + columns, width, rows)?;
        let north = side(top > 0, at(left, top.saturating_sub(1)), 1, columns)?;
        let south = side(top + rows < height, at(left, top) + rows * width, 1, columns)?;
        let bound = |known: bool| f64::from(u8::from(known));
        let (next, along, lines, ends) = if west && east {
            (width, columns, rows, [bound(north), bound(south)])
        } else if north && south {
            (1, rows, columns, [bound(west), bound(east)])
        } else {
            return None;
        };
        let (waves, weights) = (DctPlanner::new().plan_dst1(along), weights(along, lines, ends));
        Some(Self { width, first, next, along, lines, waves, weights })
    }

    /// The answer, as [`super::poisson::Region::solve`] has it.
    pub(super) fn solve(&self, b: &[f64]) -> Vec<f64> {
        let step = if self.next == 1 { self.width } else { 1 };
        let mut lines: Vec<f64> = (0..self.lines)
            .flat_map(|line| (0..self.along).map(move |at| b[self.first + line * self.next + at * step]))
            .collect();
        self.wave_transform(&mut lines);
        self.eliminate(&mut lines);
        self.wave_transform(&mut lines);
        let mut x = vec![0.0; b.len()];
        let scale = 2.0 / (self.along + 1) as f64;
        for (line, values) in lines.chunks(self.along).enumerate() {
            for (at, value) in values.iter().enumerate() {
                x[self.first + line * self.next + at * step] = scale * value;
            }
        }
        x
    }

    /// Each line into its waves, and back but for a factor.
    fn wave_transform(&self, lines: &mut [f64]) {
        lines.par_chunks_mut(self.along).for_each_init(
            || vec![0.0; self.waves.get_scratch_len()],
            |scratch, line| self.waves.process_dst1_with_scratch(line, scratch),
        );
    }

    /// For each wave: `(own + neighbours across) h_l - h_(l-1) - h_(l+1) = b_l`, of all waves line after line.
    fn eliminate(&self, values: &mut [f64]) {
        let along = self.along;
        values.iter_mut().zip(&self.weights[..along]).for_each(|(value, weight)| *value *= weight);
        for line in 1..self.lines {
            let (before, now) = values.split_at_mut(line * along);
            let weights = &self.weights[line * along..][..along];
            let before = &before[(line - 1) * along..];
            for ((value, weight), before) in now.iter_mut().zip(weights).zip(before) {
                *value = (*value + before) * weight;
            }
        }
        for line in (0..self.lines.saturating_sub(1)).rev() {
            let (now, after) = values.split_at_mut((line + 1) * along);
            let weights = &self.weights[line * along..][..along];
            for ((value, after), weight) in now[line * along..].iter_mut().zip(after.iter()).zip(weights) {
                *value += weight * after;
            }
        }
    }
}

/// What [`Rectangle::eliminate`] needs; `ends` are the neighbours that the first line has before it, and the last one behind it: 1, or
/// 0 where nothing lies beyond.
fn weights(along: usize, lines: usize, ends: [f64; 2]) -> Vec<f64> {
    let angle = std::f64::consts::PI / (along + 1) as f64;
    let own: Vec<f64> = (1..=along).map(|wave| 2.0 - 2.0 * (angle * wave as f64).cos()).collect();
    let mut weights: Vec<f64> = Vec::with_capacity(along * lines);
    for line in 0..lines {
        let before = if line == 0 { ends[0] } else { 1.0 };
        let across = before + if line + 1 == lines { ends[1] } else { 1.0 };
        for (wave, own) in own.iter().enumerate() {
            let above = if line == 0 { 0.0 } else { weights[(line - 1) * along + wave] };
            weights.push(1.0 / (own + across - above));
        }
    }
    weights
}

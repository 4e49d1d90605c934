//! Poisson's equation on a rectangle of which two opposite sides are known, at once (Hockney 1965): between those sides waves of sines
//! do not mix, and each wave's heights along the other way are bound to their neighbours alone, which elimination solves (Thomas 1949).

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
    /// Neighbours that the first line has before it, and the last one behind it: 1, or 0 where nothing lies beyond.
    ends: [f64; 2],
    waves: std::sync::Arc<dyn Dst1<f64>>,
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
        Some(Self { width, first, next, along, lines, ends, waves: DctPlanner::new().plan_dst1(along) })
    }

    /// The answer, as [`super::poisson::Region::solve`] has it.
    pub(super) fn solve(&self, b: &[f64]) -> Vec<f64> {
        let step = if self.next == 1 { self.width } else { 1 };
        let mut lines: Vec<f64> = (0..self.lines)
            .flat_map(|line| (0..self.along).map(move |at| b[self.first + line * self.next + at * step]))
            .collect();
        self.into_waves(&mut lines);
        self.eliminate(&mut lines);
        self.into_waves(&mut lines);
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
    fn into_waves(&self, lines: &mut [f64]) {
        lines.par_chunks_mut(self.along).for_each_init(
            || vec![0.0; self.waves.get_scratch_len()],
            |scratch, line| self.waves.process_dst1_with_scratch(line, scratch),
        );
    }

    /// For each wave: `(own + neighbours across) h_l - h_(l-1) - h_(l+1) = b_l`, of all waves line after line.
    fn eliminate(&self, lines: &mut [f64]) {
        let angle = std::f64::consts::PI / (self.along + 1) as f64;
        let own: Vec<f64> = (1..=self.along).map(|wave| 2.0 - 2.0 * (angle * wave as f64).cos()).collect();
        let across = |line: usize| {
            let (first, last) = (line == 0, line + 1 == self.lines);
            let before = if first { self.ends[0] } else { 1.0 };
            before + if last { self.ends[1] } else { 1.0 }
        };
        // What the next line weighs in a line from which the ones before are gone.
        let mut weights = vec![0.0; lines.len()];
        for line in 0..self.lines {
            let (before, now) = lines.split_at_mut(line * self.along);
            let (weights_before, weights) = weights.split_at_mut(line * self.along);
            let now = &mut now[..self.along];
            let weights = &mut weights[..self.along];
            if line == 0 {
                for ((value, weight), own) in now.iter_mut().zip(weights).zip(&own) {
                    *weight = 1.0 / (own + across(line));
                    *value *= *weight;
                }
                continue;
            }
            let from = (line - 1) * self.along;
            let before = before[from..].iter().zip(&weights_before[from..]);
            for (((value, weight), own), (before, weight_before)) in
                now.iter_mut().zip(weights).zip(&own).zip(before)
            {
                *weight = 1.0 / (own + across(line) - weight_before);
                *value = (*value + before) * *weight;
            }
        }
        for line in (0..self.lines.saturating_sub(1)).rev() {
            let (now, after) = lines.split_at_mut((line + 1) * self.along);
            let now = &mut now[line * self.along..];
            let weights = &weights[line * self.along..];
            for ((value, after), weight) in now.iter_mut().zip(after.iter()).zip(weights) {
                *value += weight * after;
            }
        }
    }
}

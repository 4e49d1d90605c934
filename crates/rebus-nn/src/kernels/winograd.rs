//! The transforms of Winograd's convolution F(4x4, 3x3) (Lavin and Gray 2016, section 4.2): sixteen outputs of a 3x3
//! convolution from 36 products instead of 144. Points 0, ±1, ±2 and infinity.
//!
//! With input `d` 6x6, kernel `g` 3x3 and output `y` 4x4: `y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A`. The gradients are the adjoints.

use pulp::Simd;

use super::lanes::Lanes;

/// The side of an output tile.
pub(super) const TILE: usize = 4;
/// The side of an input tile.
pub(super) const PATCH: usize = 6;
/// Products a tile and channel.
pub(super) const POINTS: usize = PATCH * PATCH;

/// A transform of the rows and columns of a square of side `I` to one of side `O`.
pub(super) trait Transform<const I: usize, const O: usize> {
    /// One row, or one column.
    fn line<S: Simd>(values: [Lanes<S>; I]) -> [Lanes<S>; O];

    /// The whole square, from and to places counted row by row.
    #[inline(always)]
    fn square<S: Simd>(simd: S, load: impl Fn(usize) -> Lanes<S>, mut store: impl FnMut(usize, Lanes<S>)) {
        let zero = Lanes::splat(simd, 0.0);
        let mut rows = [[zero; O]; I];
        for (row, transformed) in rows.iter_mut().enumerate() {
            let mut values = [zero; I];
            for (column, value) in values.iter_mut().enumerate() {
                *value = load(row * I + column);
            }
            *transformed = Self::line(values);
        }
        for column in 0..O {
            let mut values = [zero; I];
            for (value, row) in values.iter_mut().zip(&rows) {
                *value = row[column];
            }
            for (row, value) in Self::line(values).into_iter().enumerate() {
                store(row * O + column, value);
            }
        }
    }
}

/// `Bᵀ d B`
pub(super) struct Input;

impl Transform<6, 6> for Input {
    #[inline(always)]
    fn line<S: Simd>([d0, d1, d2, d3, d4, d5]: [Lanes<S>; 6]) -> [Lanes<S>; 6] {
        let even = d2.mul_add(d0.all(-4.0), d4);
        let odd = d1.mul_add(d0.all(-4.0), d3);
        let near = d4 - d2;
        let far = (d3 - d1) * 2.0;
        [
            d0.mul_add(d0.all(4.0), d2.mul_add(d0.all(-5.0), d4)),
            even + odd,
            even - odd,
            near + far,
            near - far,
            d1.mul_add(d0.all(4.0), d3.mul_add(d0.all(-5.0), d5)),
        ]
    }
}

/// `G g Gᵀ`
pub(super) struct Weight;

impl Transform<3, 6> for Weight {
    #[inline(always)]
    fn line<S: Simd>([g0, g1, g2]: [Lanes<S>; 3]) -> [Lanes<S>; 6] {
        let outer = (g0 + g2) * (-1.0 / 6.0);
        let inner = g1 * (-1.0 / 6.0);
        let even = g2.mul_add(g0.all(1.0 / 6.0), g0 * (1.0 / 24.0));
        let odd = g1 * (1.0 / 12.0);
        [g0 * 0.25, outer + inner, outer - inner, even + odd, even - odd, g2]
    }
}

/// `Aᵀ m A`
pub(super) struct Output;

impl Transform<6, 4> for Output {
    #[inline(always)]
    fn line<S: Simd>([m0, m1, m2, m3, m4, m5]: [Lanes<S>; 6]) -> [Lanes<S>; 4] {
        let (near, near_odd) = (m1 + m2, m1 - m2);
        let (far, far_odd) = (m3 + m4, m3 - m4);
        [
            m0 + near + far,
            far_odd.mul_add(m0.all(2.0), near_odd),
            far.mul_add(m0.all(4.0), near),
            far_odd.mul_add(m0.all(8.0), near_odd) + m5,
        ]
    }
}

/// `A y Aᵀ`, the adjoint of [`Output`]
pub(super) struct OutputAdjoint;

impl Transform<4, 6> for OutputAdjoint {
    #[inline(always)]
    fn line<S: Simd>([y0, y1, y2, y3]: [Lanes<S>; 4]) -> [Lanes<S>; 6] {
        let (near, near_odd) = (y0 + y2, y1 + y3);
        let far = y2.mul_add(y0.all(4.0), y0);
        let far_odd = y3.mul_add(y0.all(4.0), y1) * 2.0;
        [y0, near + near_odd, near - near_odd, far + far_odd, far - far_odd, y3]
    }
}

/// `Gᵀ u G`, the adjoint of [`Weight`]
pub(super) struct WeightAdjoint;

impl Transform<6, 3> for WeightAdjoint {
    #[inline(always)]
    fn line<S: Simd>([u0, u1, u2, u3, u4, u5]: [Lanes<S>; 6]) -> [Lanes<S>; 3] {
        let near = (u1 + u2) * (-1.0 / 6.0);
        let far = u3 + u4;
        [
            u0.mul_add(u0.all(0.25), far.mul_add(u0.all(1.0 / 24.0), near)),
            (u3 - u4).mul_add(u0.all(1.0 / 12.0), (u2 - u1) * (1.0 / 6.0)),
            far.mul_add(u0.all(1.0 / 6.0), near) + u5,
        ]
    }
}

//! The transforms of Winograd's convolutions (Lavin and Gray 2016, section 4): F(4x4, 3x3), sixteen outputs of a 3x3
//! convolution from 36 products instead of 144, with points 0, ±1, ±2 and infinity; and F(2x2, 3x3), four outputs from 16
//! products instead of 36, with points 0, ±1 and infinity, which rounds less; and F(4x4, 2x2), sixteen outputs from 25 products
//! instead of 64, with points 0, ±1, 2 and infinity.
//!
//! With input `d`, kernel `g` and output `y`: `y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A`. The gradients are the adjoints.

use std::fmt::Debug;

use pulp::Simd;

use super::lanes::Lanes;

/// The most products that a tile and channel takes, and the largest side of an output tile.
pub(super) const MOST_POINTS: usize = 36;
pub(super) const MOST_TILE: usize = 4;

/// One of them. Each transform goes from and to places of a square, counted row by row.
pub(super) trait Winograd: Debug + Send + Sync + 'static {
    /// The side of an output tile.
    const TILE: usize;
    /// Taps of a side of the kernel.
    const KERNEL: usize;
    /// The side of an input tile.
    const PATCH: usize = Self::TILE + Self::KERNEL - 1;
    /// Products a tile and channel.
    const POINTS: usize = Self::PATCH * Self::PATCH;

    /// `Bᵀ d B`
    fn input<S: Simd>(simd: S, load: impl Fn(usize) -> Lanes<S>, store: impl FnMut(usize, Lanes<S>));
    /// `G g Gᵀ`
    fn weight<S: Simd>(simd: S, load: impl Fn(usize) -> Lanes<S>, store: impl FnMut(usize, Lanes<S>));
    /// `Aᵀ m A`
    fn output<S: Simd>(simd: S, load: impl Fn(usize) -> Lanes<S>, store: impl FnMut(usize, Lanes<S>));
    /// `A y Aᵀ`, the adjoint of the output's
    fn output_adjoint<S: Simd>(simd: S, load: impl Fn(usize) -> Lanes<S>, store: impl FnMut(usize, Lanes<S>));
    /// `Gᵀ u G`, the adjoint of the weight's
    fn weight_adjoint<S: Simd>(simd: S, load: impl Fn(usize) -> Lanes<S>, store: impl FnMut(usize, Lanes<S>));
}

/// F(4x4, 3x3)
#[derive(Debug)]
pub(super) struct Fast;

/// F(2x2, 3x3)
#[derive(Debug)]
pub(super) struct Fine;

/// F(4x4, 2x2)
#[derive(Debug)]
pub(super) struct Small;

macro_rules! winograd {
    ($name:ident, $tile:literal, $kernel:literal, $patch:literal) => {
        impl Winograd for $name {
            const TILE: usize = $tile;
            const KERNEL: usize = $kernel;

            winograd!(input, Input, $patch, $patch);
            winograd!(weight, Weight, $kernel, $patch);
            winograd!(output, Output, $patch, $tile);
            winograd!(output_adjoint, OutputAdjoint, $tile, $patch);
            winograd!(weight_adjoint, WeightAdjoint, $patch, $kernel);
        }
    };
    ($name:ident, $transform:ident, $from:literal, $to:literal) => {
        #[inline(always)]
        fn $name<S: Simd>(simd: S, load: impl Fn(usize) -> Lanes<S>, store: impl FnMut(usize, Lanes<S>)) {
            <$transform as Transform<$from, $to>>::square(simd, load, store);
        }
    };
}

winograd!(Fast, 4, 3, 6);
winograd!(Fine, 2, 3, 4);
winograd!(Small, 4, 2, 5);

/// A transform of the rows and columns of a square of side `I` to one of side `O`.
trait Transform<const I: usize, const O: usize> {
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

struct Input;

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

impl Transform<4, 4> for Input {
    #[inline(always)]
    fn line<S: Simd>([d0, d1, d2, d3]: [Lanes<S>; 4]) -> [Lanes<S>; 4] {
        [d0 - d2, d1 + d2, d2 - d1, d1 - d3]
    }
}

impl Transform<5, 5> for Input {
    #[inline(always)]
    fn line<S: Simd>([d0, d1, d2, d3, d4]: [Lanes<S>; 5]) -> [Lanes<S>; 5] {
        let odd = d3 - d1;
        [
            d0.mul_add(d0.all(2.0), d2.mul_add(d0.all(-2.0), odd)),
            d1.mul_add(d0.all(2.0), d2 - d3),
            d1.mul_add(d0.all(2.0), d2.mul_add(d0.all(-3.0), d3)),
            odd,
            odd.mul_add(d0.all(-2.0), d4 - d2),
        ]
    }
}

struct Weight;

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

impl Transform<3, 4> for Weight {
    #[inline(always)]
    fn line<S: Simd>([g0, g1, g2]: [Lanes<S>; 3]) -> [Lanes<S>; 4] {
        let (outer, inner) = ((g0 + g2) * 0.5, g1 * 0.5);
        [g0, outer + inner, outer - inner, g2]
    }
}

impl Transform<2, 5> for Weight {
    #[inline(always)]
    fn line<S: Simd>([g0, g1]: [Lanes<S>; 2]) -> [Lanes<S>; 5] {
        let sixth = g0 * (1.0 / 6.0);
        [g0 * 0.5, (g0 + g1) * 0.5, (g1 - g0) * (1.0 / 6.0), g1.mul_add(g0.all(1.0 / 3.0), sixth), g1]
    }
}

struct Output;

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

impl Transform<4, 2> for Output {
    #[inline(always)]
    fn line<S: Simd>([m0, m1, m2, m3]: [Lanes<S>; 4]) -> [Lanes<S>; 2] {
        [m0 + m1 + m2, m1 - m2 - m3]
    }
}

impl Transform<5, 4> for Output {
    #[inline(always)]
    fn line<S: Simd>([m0, m1, m2, m3, m4]: [Lanes<S>; 5]) -> [Lanes<S>; 4] {
        let (near, near_odd) = (m1 + m2, m1 - m2);
        [
            m0 + near + m3,
            m3.mul_add(m0.all(2.0), near_odd),
            m3.mul_add(m0.all(4.0), near),
            m3.mul_add(m0.all(8.0), near_odd) + m4,
        ]
    }
}

struct OutputAdjoint;

impl Transform<4, 6> for OutputAdjoint {
    #[inline(always)]
    fn line<S: Simd>([y0, y1, y2, y3]: [Lanes<S>; 4]) -> [Lanes<S>; 6] {
        let (near, near_odd) = (y0 + y2, y1 + y3);
        let far = y2.mul_add(y0.all(4.0), y0);
        let far_odd = y3.mul_add(y0.all(4.0), y1) * 2.0;
        [y0, near + near_odd, near - near_odd, far + far_odd, far - far_odd, y3]
    }
}

impl Transform<2, 4> for OutputAdjoint {
    #[inline(always)]
    fn line<S: Simd>([y0, y1]: [Lanes<S>; 2]) -> [Lanes<S>; 4] {
        [y0, y0 + y1, y0 - y1, -y1]
    }
}

impl Transform<4, 5> for OutputAdjoint {
    #[inline(always)]
    fn line<S: Simd>([y0, y1, y2, y3]: [Lanes<S>; 4]) -> [Lanes<S>; 5] {
        let (near, near_odd) = (y0 + y2, y1 + y3);
        let far = y2.mul_add(y0.all(4.0), y0);
        let far_odd = y3.mul_add(y0.all(4.0), y1);
        [y0, near + near_odd, near - near_odd, far_odd.mul_add(y0.all(2.0), far), y3]
    }
}

struct WeightAdjoint;

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

impl Transform<4, 3> for WeightAdjoint {
    #[inline(always)]
    fn line<S: Simd>([u0, u1, u2, u3]: [Lanes<S>; 4]) -> [Lanes<S>; 3] {
        let near = (u1 + u2) * 0.5;
        [u0 + near, (u1 - u2) * 0.5, near + u3]
    }
}

impl Transform<5, 2> for WeightAdjoint {
    #[inline(always)]
    fn line<S: Simd>([u0, u1, u2, u3, u4]: [Lanes<S>; 5]) -> [Lanes<S>; 2] {
        let half = (u0 + u1) * 0.5;
        [
            (u3 - u2).mul_add(u0.all(1.0 / 6.0), half),
            u3.mul_add(u0.all(1.0 / 3.0), u2.mul_add(u0.all(1.0 / 6.0), u1 * 0.5)) + u4,
        ]
    }
}

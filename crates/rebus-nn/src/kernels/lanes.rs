//! As many numbers at once as the processor takes, so that a kernel reads like its formula.

use std::ops::{Add, Div, Mul, Neg, Sub};

use pulp::Simd;

/// `S::F32_LANES` numbers: 16 with AVX-512, 8 with AVX2, 1 elsewhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lanes<S: Simd>(pub S, pub S::f32s);

impl<S: Simd> Lanes<S> {
    /// The same number in each lane.
    #[inline(always)]
    pub fn splat(simd: S, value: f32) -> Self {
        Self(simd, simd.splat_f32s(value))
    }

    /// Another number in each lane.
    #[inline(always)]
    pub fn all(self, value: f32) -> Self {
        Self::splat(self.0, value)
    }

    /// `self * factor + offset`
    #[inline(always)]
    pub fn affine(self, factor: f32, offset: f32) -> Self {
        self.mul_add(self.all(factor), self.all(offset))
    }

    /// The first lanes of `values`; those that it lacks are zero.
    #[inline(always)]
    pub fn load(simd: S, values: &[f32]) -> Self {
        Self(simd, simd.partial_load_f32s(values))
    }

    /// The first `S::F32_LANES` numbers of `values`, which has as many.
    #[inline(always)]
    pub fn load_whole(simd: S, values: &[f32]) -> Self {
        Self(simd, S::as_simd_f32s(values).0[0])
    }

    /// Into the first `S::F32_LANES` places of `values`, which has as many.
    #[inline(always)]
    pub fn store_whole(self, values: &mut [f32]) {
        S::as_mut_simd_f32s(values).0[0] = self.1;
    }

    /// Into the first places of `values`; lanes that find none are dropped.
    #[inline(always)]
    pub fn store(self, values: &mut [f32]) {
        self.0.partial_store_f32s(values, self.1);
    }

    /// `self * factor + term`, rounded once where the processor can.
    #[inline(always)]
    pub fn mul_add(self, factor: Self, term: Self) -> Self {
        Self(self.0, self.0.mul_add_e_f32s(self.1, factor.1, term.1))
    }

    /// The square root.
    #[inline(always)]
    pub fn sqrt(self) -> Self {
        Self(self.0, self.0.sqrt_f32s(self.1))
    }

    /// The larger, lane by lane.
    #[inline(always)]
    pub fn max(self, other: Self) -> Self {
        Self(self.0, self.0.max_f32s(self.1, other.1))
    }

    /// The smaller, lane by lane.
    #[inline(always)]
    pub fn min(self, other: Self) -> Self {
        Self(self.0, self.0.min_f32s(self.1, other.1))
    }

    /// The sum over the lanes.
    #[inline(always)]
    pub fn sum(self) -> f32 {
        self.0.reduce_sum_f32s(self.1)
    }

    /// The first lane.
    #[inline(always)]
    pub fn first(self) -> f32 {
        let mut first = [0.0];
        self.store(&mut first);
        first[0]
    }

    /// The largest lane.
    #[inline(always)]
    pub fn largest(self) -> f32 {
        self.0.reduce_max_f32s(self.1)
    }

    /// `e` to this power; powers past ±87 count as ±87, and what is not a number stays so.
    #[inline(always)]
    pub fn exp(self) -> Self {
        let simd = self.0;
        let x = self.max(self.all(-87.0)).min(self.all(87.0));
        // Adding 1.5 * 2^23 rounds to a whole number, which then stands in the low bits.
        let shifted = x.affine(std::f32::consts::LOG2_E, 12_582_912.0);
        let whole = shifted - self.all(12_582_912.0);
        // x - whole * ln 2, in two parts of which the first is exact
        let rest = whole.mul_add(self.all(-0.693_359_4), x);
        let rest = whole.mul_add(self.all(2.121_944_4e-4), rest);
        let mut power = self.all(1.0 / 720.0);
        for coefficient in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            power = power.mul_add(rest, self.all(coefficient));
        }
        // times 2^whole, by adding it to the exponent
        let bits = simd.transmute_u32s_f32s(shifted.1);
        let exponent = simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(23));
        let scaled = simd.add_u32s(simd.transmute_u32s_f32s(power.1), exponent);
        let is_number = simd.equal_f32s(self.1, self.1);
        Self(simd, simd.select_f32s(is_number, simd.transmute_f32s_u32s(scaled), self.1))
    }

    /// `1 / (1 + e^-x)`
    #[inline(always)]
    pub fn sigmoid(self) -> Self {
        let one = Self::splat(self.0, 1.0);
        one / (one + (-self).exp())
    }
}

impl<S: Simd> Add for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(self.0, self.0.add_f32s(self.1, other.1))
    }
}

impl<S: Simd> Sub for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(self.0, self.0.sub_f32s(self.1, other.1))
    }
}

impl<S: Simd> Mul for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(self.0, self.0.mul_f32s(self.1, other.1))
    }
}

impl<S: Simd> Mul<f32> for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, factor: f32) -> Self {
        self * Self::splat(self.0, factor)
    }
}

impl<S: Simd> Div for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Self(self.0, self.0.div_f32s(self.1, other.1))
    }
}

impl<S: Simd> Neg for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(self.0, self.0.neg_f32s(self.1))
    }
}

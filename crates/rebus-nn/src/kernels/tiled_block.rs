//! A block of tiles on its way through a convolution: transformed, multiplied, and transformed back, while it stays
//! in the cache. Lanes hold tiles.

use std::marker::PhantomData;

use pulp::{Simd, WithSimd};

use super::{
    Activation,
    lanes::Lanes,
    matrix::{self, VECTORS},
    tiled_plan::Pass,
    tiles::{MOST_LANES, PAD, Tile, Tiles, lanes_of},
    winograd::{MOST_POINTS, MOST_TILE, Winograd},
};

/// Tiles of a block.
pub(super) fn block(lanes: usize) -> usize {
    VECTORS * lanes
}

/// Numbers of a transformed block, `[point][channel in][tile]`.
pub(super) fn room<W: Winograd>(channels_in: usize, lanes: usize) -> usize {
    W::POINTS * (channels_in * block(lanes) + PAD)
}

/// Numbers of the transformed kernels of as many channels out as there are lanes, `[point][channel in][lane]`.
pub(super) fn group<W: Winograd>(channels_in: usize, lanes: usize) -> usize {
    W::POINTS * (channels_in * lanes + PAD)
}

/// Transforms the inputs of a block.
pub(super) struct TransformBlock<'a, W> {
    pub winograd: PhantomData<W>,
    pub pass: &'a Pass,
    pub block: &'a [Tile],
    /// Channels of the source.
    pub channels: usize,
    /// `[picture][channel][height][width]`
    pub source: &'a [f32],
    /// `[point][channel][lattice][tile]`
    pub transformed: &'a mut [f32],
}

impl<W: Winograd> WithSimd for TransformBlock<'_, W> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pass, channels, source, transformed, .. } = self;
        let Pass { inputs, output, tiles } = pass;
        let lanes = S::F32_LANES;
        let stride = channels * inputs.len() * block(lanes) + PAD;
        for (vector, vector_tiles) in self.block.chunks(lanes).enumerate() {
            let in_rows = tiles.in_rows(inputs, *output, vector_tiles, lanes);
            for (index, lattice) in inputs.iter().enumerate() {
                let plane = lattice.plane();
                let mut scratch = [0.0; MOST_POINTS * MOST_LANES];
                for channel in 0..channels {
                    let plane = |picture: usize| &source[(picture * channels + channel) * plane..][..plane];
                    if in_rows {
                        tiles.gather_rows(simd, vector_tiles, plane, &mut scratch);
                    } else {
                        for (lane, tile) in vector_tiles.iter().enumerate() {
                            let plane = plane(tile.picture);
                            Tiles::gather(W::PATCH, *lattice, tile, plane, &mut scratch, lanes, lane);
                        }
                    }
                    let place = (channel * inputs.len() + index) * block(lanes) + vector * lanes;
                    W::input(
                        simd,
                        #[inline(always)]
                        |place| lanes_of(simd, &scratch, place),
                        #[inline(always)]
                        |point, value| value.store_whole(&mut transformed[point * stride + place..]),
                    );
                }
            }
        }
    }
}

/// Multiplies a transformed block by the kernels of one group of channels out, and transforms the products back.
pub(super) struct MultiplyBlock<'a, W> {
    pub winograd: PhantomData<W>,
    pub pass: &'a Pass,
    pub block: &'a [Tile],
    /// Inputs of the pass.
    pub channels_in: usize,
    pub transformed: &'a [f32],
    /// Kernels of the group.
    pub weights: &'a [f32],
    /// Room for `[point][channel of the group][tile]`.
    pub products: &'a mut [f32],
    /// A number for each channel of the group, or none.
    pub bias: &'a [f32],
    pub activation: Option<Activation>,
    /// `[picture][channel out][height][width]`
    pub result: &'a mut [f32],
    /// Channels of a picture of the result, the first of the group, and how many the group has.
    pub channels: (usize, usize, usize),
}

impl<W: Winograd> WithSimd for MultiplyBlock<'_, W> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pass, channels_in, products, bias, activation, result, .. } = self;
        let Pass { inputs, output, tiles } = pass;
        let (channels_out, first, count) = self.channels;
        let lanes = S::F32_LANES;
        let block = block(lanes);
        let plane = output.plane();
        let (weight_stride, stride) = (channels_in * lanes + PAD, channels_in * block + PAD);
        let vectors = self.block.len().div_ceil(lanes);
        for point in 0..W::POINTS {
            let weights = &self.weights[point * weight_stride..][..channels_in * lanes];
            let transformed = &self.transformed[point * stride..][..channels_in * block];
            let products = &mut products[point * lanes * block..][..lanes * block];
            matrix::product(simd, vectors, weights, transformed, products);
        }
        for row in 0..count {
            let channel = first + row;
            let bias = Lanes::splat(simd, bias.get(row).copied().unwrap_or(0.0));
            for (vector, vector_tiles) in self.block.chunks(lanes).enumerate() {
                let place = row * block + vector * lanes;
                let mut scratch = [0.0; MOST_TILE * MOST_TILE * MOST_LANES];
                W::output(
                    simd,
                    #[inline(always)]
                    |point| Lanes::load_whole(simd, &products[point * lanes * block + place..]),
                    #[inline(always)]
                    |place, value| {
                        let value = value + bias;
                        let value = match activation {
                            Some(activation) => activation.value(value),
                            None => value,
                        };
                        value.store_whole(&mut scratch[place * lanes..]);
                    },
                );
                if tiles.in_rows(inputs, *output, vector_tiles, lanes) {
                    let place = (channels_out * plane, channel);
                    tiles.scatter_rows(simd, vector_tiles, result, place, &scratch);
                    continue;
                }
                for (lane, tile) in vector_tiles.iter().enumerate() {
                    let plane = &mut result[(tile.picture * channels_out + channel) * plane..][..plane];
                    tiles.scatter(*output, tile, plane, &scratch, lanes, lane);
                }
            }
        }
    }
}

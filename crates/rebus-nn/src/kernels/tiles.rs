//! Pictures cut into square tiles, and the way of a tile's numbers into lanes and back.

use std::ops::Range;

use pulp::Simd;

use super::lanes::Lanes;

/// The most lanes of any instruction set.
pub(super) const MOST_LANES: usize = 16;
/// Numbers between the points of a layout, so that one place at all points does not fall into one set of the cache.
pub(super) const PAD: usize = 16;

/// One vector of `[places][lanes]`.
#[inline(always)]
pub(super) fn lanes_of<S: Simd>(simd: S, scratch: &[f32], place: usize) -> Lanes<S> {
    Lanes::load_whole(simd, &scratch[place * S::F32_LANES..])
}

/// The places of tiles, so many rows and columns of them; those at the right and the bottom may hang over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiles {
    pub height: usize,
    pub width: usize,
    /// The side of a tile.
    pub side: usize,
}

/// Where places lie on a plane: place 0 at pixel `start`, which may lie outside, and the next a `step` further.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Lattice {
    height: usize,
    width: usize,
    step: isize,
    start: [isize; 2],
}

impl Lattice {
    /// On a plane of this height and width.
    pub fn new([height, width]: [usize; 2], step: isize, start: [isize; 2]) -> Self {
        Self { height, width, step, start }
    }

    /// Numbers of the plane.
    pub fn plane(self) -> usize {
        self.height * self.width
    }

    /// Whether places are the pixels of the whole plane, moved by so much.
    fn is_whole(self, tiles: Tiles, moved: isize) -> bool {
        (self.step, self.start) == (1, [moved; 2]) && (self.height, self.width) == (tiles.height, tiles.width)
    }

    /// The places among `count` from `first` on that lie on the plane, in this direction, and the pixel of `first`.
    #[inline(always)]
    fn inside(self, direction: usize, first: usize, count: usize) -> (Range<usize>, isize) {
        let length = [self.height, self.width][direction] as isize;
        let start = self.start[direction] + self.step * first as isize;
        // A division by what the compiler does not know would cost as much as the rest.
        let places = |pixels: isize| match (pixels.max(0).cast_unsigned(), self.step) {
            (pixels, 1) => pixels,
            (pixels, 2) => pixels.div_ceil(2),
            (pixels, step) => pixels.div_ceil(step.cast_unsigned()),
        };
        let before = places(-start).min(count);
        (before..places(length - start).min(count).max(before), start)
    }
}

/// The side of tiles whose rows go into lanes whole, and that side with a pixel more at each end.
const ROW: usize = 4;
const LONG_ROW: usize = ROW + 2;

/// A tile of one picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile {
    pub picture: usize,
    top: usize,
    left: usize,
}

impl Tiles {
    /// How many a picture has.
    pub fn count(self) -> usize {
        self.height.div_ceil(self.side) * self.width.div_ceil(self.side)
    }

    /// Those of some pictures, row by row.
    pub fn of(self, pictures: usize) -> impl Iterator<Item = Tile> {
        (0..pictures).flat_map(move |picture| {
            (0..self.height).step_by(self.side).flat_map(move |top| {
                (0..self.width).step_by(self.side).map(move |left| Tile { picture, top, left })
            })
        })
    }

    /// The square of `side` from a tile's first place on, into one lane of `[side * side][lanes]`. What lies outside the
    /// plane is left as it is.
    #[inline(always)]
    pub fn gather(
        side: usize,
        lattice: Lattice,
        tile: &Tile,
        plane: &[f32],
        lanes_of: &mut [f32],
        lanes: usize,
        lane: usize,
    ) {
        let lanes_of = &mut lanes_of[..side * side * lanes];
        let (rows, top) = lattice.inside(0, tile.top, side);
        let (columns, left) = lattice.inside(1, tile.left, side);
        if columns.is_empty() {
            return;
        }
        for row in rows {
            let pixel = (top + lattice.step * row as isize).cast_unsigned() * lattice.width
                + (left + lattice.step * columns.start as isize).cast_unsigned();
            let lanes_of = &mut lanes_of[(row * side + columns.start) * lanes..];
            if lattice.step > 1 {
                let step = lattice.step.cast_unsigned();
                let line = &plane[pixel..=pixel + (columns.len() - 1) * step];
                for (column, value) in line.iter().step_by(step).enumerate() {
                    lanes_of[column * lanes + lane] = *value;
                }
                continue;
            }
            let line = &plane[pixel..pixel + columns.len()];
            // The usual widths as constants, which the compiler unrolls: inside, at one edge, at both.
            match line.len() {
                6 => copy::<6>(line, lanes_of, lanes, lane),
                5 => copy::<5>(line, lanes_of, lanes, lane),
                4 => copy::<4>(line, lanes_of, lanes, lane),
                _ => {
                    for (column, value) in line.iter().enumerate() {
                        lanes_of[column * lanes + lane] = *value;
                    }
                }
            }
        }
    }

    /// Whether these tiles fill all lanes, and a quarter of them at a time stands side by side in one row of whole planes:
    /// then whole vectors of a row go into lanes and back, by [`gather_rows`](Self::gather_rows) and
    /// [`scatter_rows`](Self::scatter_rows). Which lane a tile gets is their own affair.
    #[inline(always)]
    pub fn in_rows(self, inputs: &[Lattice], output: Lattice, tiles: &[Tile], lanes: usize) -> bool {
        self.side == ROW
            && lanes > ROW
            && tiles.len() == lanes
            && self.width.is_multiple_of(lanes)
            && self.height.is_multiple_of(ROW)
            && inputs.iter().all(|lattice| lattice.is_whole(self, -1))
            && output.is_whole(self, 0)
    }

    /// As [`gather`](Self::gather) from a pixel before each tile on, of all lanes at once. `plane` gives a picture's plane.
    #[inline(always)]
    pub fn gather_rows<'a, S: Simd>(
        self,
        simd: S,
        tiles: &[Tile],
        plane: impl Fn(usize) -> &'a [f32],
        lanes_of: &mut [f32],
    ) {
        let lanes = S::F32_LANES;
        let lanes_of = &mut lanes_of[..LONG_ROW * LONG_ROW * lanes];
        for (row, lanes_of) in lanes_of.chunks_exact_mut(LONG_ROW * lanes).enumerate() {
            // The columns from one before each tile on, and those from its last on.
            let mut first = [simd.splat_f32s(0.0); ROW];
            let mut last = first;
            for (quarter, tiles) in tiles.chunks_exact(lanes / ROW).enumerate() {
                let Tile { picture, top, left } = tiles[0];
                let inside = (1..=self.height).contains(&(top + row));
                if inside {
                    let plane = plane(picture);
                    let start = (top + row - 1) * self.width + left;
                    let mut line = [0.0; MOST_LANES + ROW];
                    let line = &mut line[..lanes + ROW];
                    line[1..=lanes].copy_from_slice(&plane[start..start + lanes]);
                    if left > 0 {
                        line[0] = plane[start - 1];
                    }
                    if left + lanes < self.width {
                        line[lanes + 1] = plane[start + lanes];
                    }
                    first[quarter] = S::as_simd_f32s(&line[..lanes]).0[0];
                    last[quarter] = S::as_simd_f32s(&line[ROW..]).0[0];
                }
            }
            let [before, a, b, c] = simd.deinterleave_shfl_f32s(first);
            let [d, after, ..] = simd.deinterleave_shfl_f32s(last);
            for (column, value) in [before, a, b, c, d, after].into_iter().enumerate() {
                Lanes(simd, value).store_whole(&mut lanes_of[column * lanes..]);
            }
        }
    }

    /// The way back from [`gather_rows`](Self::gather_rows): all lanes of `[ROW * ROW][lanes]` into one channel of
    /// pictures of `picture` numbers.
    #[inline(always)]
    pub fn scatter_rows<S: Simd>(
        self,
        simd: S,
        tiles: &[Tile],
        pictures: &mut [f32],
        (picture, channel): (usize, usize),
        lanes_of: &[f32],
    ) {
        let lanes = S::F32_LANES;
        let lanes_of = &lanes_of[..ROW * ROW * lanes];
        for (row, lanes_of) in lanes_of.chunks_exact(ROW * lanes).enumerate() {
            let mut columns = [simd.splat_f32s(0.0); ROW];
            for (column, value) in columns.iter_mut().enumerate() {
                *value = Lanes::load_whole(simd, &lanes_of[column * lanes..]).1;
            }
            let quarters = simd.interleave_shfl_f32s(columns);
            for (tiles, quarter) in tiles.chunks_exact(lanes / ROW).zip(quarters) {
                let tile = &tiles[0];
                let start = tile.picture * picture
                    + channel * self.height * self.width
                    + (tile.top + row) * self.width
                    + tile.left;
                Lanes(simd, quarter).store_whole(&mut pictures[start..start + lanes]);
            }
        }
    }

    /// One lane of `[side * side][lanes]` into the plane, as far as it lies inside.
    #[inline(always)]
    pub fn scatter(
        self,
        lattice: Lattice,
        tile: &Tile,
        plane: &mut [f32],
        lanes_of: &[f32],
        lanes: usize,
        lane: usize,
    ) {
        let lanes_of = &lanes_of[..self.side * self.side * lanes];
        let (rows, top) = lattice.inside(0, tile.top, self.side);
        let (columns, left) = lattice.inside(1, tile.left, self.side);
        if columns.is_empty() {
            return;
        }
        let step = lattice.step.cast_unsigned();
        for row in rows {
            let pixel = (top + lattice.step * row as isize).cast_unsigned() * lattice.width
                + (left + lattice.step * columns.start as isize).cast_unsigned();
            let line = &mut plane[pixel..=pixel + (columns.len() - 1) * step];
            let lanes_of = &lanes_of[(row * self.side + columns.start) * lanes..];
            if step == 1 {
                for (column, value) in line.iter_mut().enumerate() {
                    *value = lanes_of[column * lanes + lane];
                }
            } else {
                for (column, value) in line.iter_mut().step_by(step).enumerate() {
                    *value = lanes_of[column * lanes + lane];
                }
            }
        }
    }
}

/// The first `N` numbers of a line into one lane of `[N][lanes]`.
#[inline(always)]
fn copy<const N: usize>(line: &[f32], lanes_of: &mut [f32], lanes: usize, lane: usize) {
    let (line, lanes_of) = (&line[..N], &mut lanes_of[..N * lanes]);
    for column in 0..N {
        lanes_of[column * lanes + lane] = line[column];
    }
}

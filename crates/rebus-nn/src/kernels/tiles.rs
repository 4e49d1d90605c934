//! Pictures cut into tiles of 4x4, and the way of a tile's numbers into lanes and back.

use pulp::Simd;

use super::{lanes::Lanes, winograd::TILE};

/// The most lanes of any instruction set.
pub(super) const MOST_LANES: usize = 16;
/// Numbers between the points of a layout, so that one place at all points does not fall into one set of the cache.
pub(super) const PAD: usize = 16;

/// One vector of `[places][lanes]`.
#[inline(always)]
pub(super) fn lanes_of<S: Simd>(simd: S, scratch: &[f32], place: usize) -> Lanes<S> {
    Lanes::load_whole(simd, &scratch[place * S::F32_LANES..])
}

/// The tiles of planes of this size; those at the right and the bottom may hang over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiles {
    pub height: usize,
    pub width: usize,
}

/// A tile of one picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile {
    pub picture: usize,
    top: usize,
    left: usize,
}

impl Tiles {
    /// Tiles of one picture.
    pub fn count(self) -> usize {
        self.height.div_ceil(TILE) * self.width.div_ceil(TILE)
    }

    /// Those of some pictures, row by row.
    pub fn of(self, pictures: usize) -> impl Iterator<Item = Tile> {
        (0..pictures).flat_map(move |picture| {
            (0..self.height).step_by(TILE).flat_map(move |top| {
                (0..self.width).step_by(TILE).map(move |left| Tile { picture, top, left })
            })
        })
    }

    /// The square of `SIDE` around a tile (the tile itself, or with a pixel more on each side) into one lane of
    /// `[SIDE * SIDE][lanes]`. What lies outside the plane is left as it is.
    #[inline(always)]
    pub fn gather<const SIDE: usize>(
        self,
        tile: &Tile,
        plane: &[f32],
        lanes_of: &mut [f32],
        lanes: usize,
        lane: usize,
    ) {
        let margin = (SIDE - TILE) / 2;
        let lanes_of = &mut lanes_of[..SIDE * SIDE * lanes];
        let rows = margin.saturating_sub(tile.top)..SIDE.min(self.height + margin - tile.top);
        let columns = margin.saturating_sub(tile.left)..SIDE.min(self.width + margin - tile.left);
        for row in rows {
            let start = (tile.top + row - margin) * self.width + tile.left + columns.start - margin;
            let line = &plane[start..start + columns.len()];
            let lanes_of = &mut lanes_of[(row * SIDE + columns.start) * lanes..];
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

    /// One lane of `[TILE * TILE][lanes]` into the plane, as far as it lies inside.
    #[inline(always)]
    pub fn scatter(self, tile: &Tile, plane: &mut [f32], lanes_of: &[f32], lanes: usize, lane: usize) {
        let lanes_of = &lanes_of[..TILE * TILE * lanes];
        for row in 0..TILE.min(self.height - tile.top) {
            let start = (tile.top + row) * self.width + tile.left;
            let line = &mut plane[start..start + TILE.min(self.width - tile.left)];
            for (column, value) in line.iter_mut().enumerate() {
                *value = lanes_of[(row * TILE + column) * lanes + lane];
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

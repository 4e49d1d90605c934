//! Many pictures in computations of one fixed size, so that each is the same to the bit whatever is drawn beside it.
//!
//! A matrix product may add in another order for another number of rows. (Measured on the CPU: one row of 1024
//! numbers or more goes another way than two, and from two on nothing changes.) So what a person asks for is computed
//! [`CHUNK`] entries at a time, the last chunk filled up with copies of its last entry, which are dropped.

use burn::tensor::Tensor;
use rebus_data::Pictures;

use crate::{Condition, Input, ModelError, Observer, modality};

/// Entries of a computation: few, since a picture that is asked for alone costs as much as so many, and since on the
/// CPU a picture costs the same among two as among sixteen.
pub const CHUNK: usize = 2;

/// Some consecutive entries of many, at most [`CHUNK`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// The first entry.
    pub start: usize,
    /// How many entries it has before it is filled up.
    pub length: usize,
}

/// The chunks of `count` entries, in order.
pub fn chunks(count: usize) -> impl ExactSizeIterator<Item = Chunk> {
    (0..count).step_by(CHUNK).map(move |start| Chunk { start, length: CHUNK.min(count - start) })
}

impl Chunk {
    /// This chunk's entries of a list, filled up.
    pub fn of<T: Clone>(&self, all: &[T]) -> Vec<T> {
        (0..CHUNK).filter_map(|place| all.get(self.start + place.min(self.length - 1))).cloned().collect()
    }

    /// This chunk's entries of pictures of a shape, a row each, filled up.
    pub fn pictures(&self, all: &[&[f32]], [channels, height, width]: [usize; 3]) -> Pictures {
        let chosen = self.of(all);
        Pictures { shape: [chosen.len(), channels, height, width], data: chosen.concat() }
    }

    /// This chunk's entries of a condition, filled up.
    pub fn condition(&self, all: &Condition) -> Condition {
        let last = all.narrow(self.start + self.length - 1, 1);
        (self.length..CHUNK).fold(all.narrow(self.start, self.length), |filled, _| filled.then(&last))
    }

    /// A seed for each entry, filled up.
    pub fn seeds(&self, first: u64) -> Vec<u64> {
        let entry = |place: usize| (self.start + place.min(self.length - 1)) as u64;
        (0..CHUNK).map(|place| first.wrapping_add(entry(place))).collect()
    }

    /// A result without what was filled up.
    pub fn cut(&self, filled: Tensor<4>) -> Tensor<4> {
        filled.narrow(0, 0, self.length)
    }
}

/// Pictures `[channel, height, width]` of a family that draws in one step: `draw` gives [`CHUNK`] of them. The observer is told of
/// each chunk; in its previews the pictures to come are mid-grey.
///
/// # Errors
/// Those of `draw`, or [`ModelError::Interrupted`].
pub fn in_one_step(
    count: usize,
    [channels, height, width]: [usize; 3],
    observer: &mut dyn Observer,
    draw: impl Fn(Chunk) -> Result<Tensor<4>, ModelError>,
) -> Result<Pictures, ModelError> {
    let shape = [count, channels, height, width];
    let mut pictures = Pictures { shape, data: Vec::with_capacity(shape.iter().product()) };
    let chunks = chunks(count);
    let total = chunks.len();
    for (number, chunk) in chunks.enumerate() {
        pictures.data.extend(modality::from_tensor(chunk.cut(draw(chunk)?)).data);
        let preview = || {
            let mut preview = pictures.clone();
            preview.data.resize(shape.iter().product(), 0.0);
            preview
        };
        if observer.step(number + 1, total, &preview).is_break() {
            return Err(ModelError::Interrupted);
        }
    }
    Ok(pictures)
}

/// A picture of each of many, of the same size and channels: `make` is given [`CHUNK`] of them. Otherwise as [`in_one_step`].
///
/// # Errors
/// Those of `make`, or [`ModelError::Interrupted`].
pub fn of_each(
    pictures: &Pictures,
    observer: &mut dyn Observer,
    make: impl Fn(Chunk, &Pictures) -> Result<Tensor<4>, ModelError>,
) -> Result<Pictures, ModelError> {
    let [count, shape @ ..] = pictures.shape;
    let all: Vec<&[f32]> = pictures.data.chunks(shape.iter().product::<usize>().max(1)).collect();
    in_one_step(count, shape, observer, |chunk| make(chunk, &chunk.pictures(&all, shape)))
}

/// A number for each of many pictures: `measure` is given [`CHUNK`] of them. The observer is told of each chunk, and sees the
/// pictures.
///
/// # Errors
/// Those of `measure`, or [`ModelError::Interrupted`].
pub fn numbers_in_chunks(
    pictures: &Pictures,
    observer: &mut dyn Observer,
    measure: impl Fn(Chunk, &Pictures) -> Result<Vec<f64>, ModelError>,
) -> Result<Vec<f64>, ModelError> {
    let [count, channels, height, width] = pictures.shape;
    let all: Vec<&[f32]> = pictures.data.chunks(channels * height * width).collect();
    let (mut numbers, chunks) = (vec![], chunks(count));
    let total = chunks.len();
    for (number, chunk) in chunks.enumerate() {
        let found = measure(chunk, &chunk.pictures(&all, [channels, height, width]))?;
        numbers.extend_from_slice(&found[..chunk.length]);
        if observer.step(number + 1, total, &|| pictures.clone()).is_break() {
            return Err(ModelError::Interrupted);
        }
    }
    Ok(numbers)
}

/// A condition with an entry for each input: `encode` is given [`CHUNK`] of them at a time.
///
/// # Errors
/// Those of `encode`.
pub fn condition_in_chunks(
    inputs: &[Input],
    encode: impl Fn(&[Input]) -> Result<Condition, ModelError>,
) -> Result<Condition, ModelError> {
    let mut all: Option<Condition> = None;
    for chunk in chunks(inputs.len()) {
        let part = encode(&chunk.of(inputs))?.narrow(0, chunk.length);
        all = Some(match all {
            Some(before) => before.then(&part),
            None => part,
        });
    }
    Ok(all.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use burn::tensor::Device;

    use super::*;
    use crate::NoObserver;

    /// Pictures of one pixel that hold their entry's number, and how many entries each computation had.
    fn draw(count: usize, observer: &mut dyn Observer) -> Result<Pictures, ModelError> {
        let entries: Vec<f32> = (0..count).map(|entry| entry as f32 / 100.0).collect();
        in_one_step(count, [1, 1, 1], observer, |chunk| {
            let values = chunk.of(&entries);
            assert_eq!(values.len(), CHUNK);
            Ok(Tensor::<1>::from_floats(values.as_slice(), &Device::flex()).reshape([CHUNK, 1, 1, 1]))
        })
    }

    #[test]
    fn every_entry_comes_once_and_in_order() {
        for count in 0..3 * CHUNK {
            let pictures = draw(count, &mut NoObserver).unwrap();
            assert_eq!(pictures.shape, [count, 1, 1, 1]);
            let expected: Vec<f32> = (0..count).map(|entry| entry as f32 / 100.0).collect();
            assert_eq!(pictures.data, expected);
        }
    }

    #[test]
    fn an_observer_sees_whole_previews_and_can_stop() {
        struct Stops(Vec<usize>);
        impl Observer for Stops {
            fn step(&mut self, done: usize, _: usize, preview: &dyn Fn() -> Pictures) -> ControlFlow<()> {
                self.0.push(preview().data.len());
                if done == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }
        }
        let mut stops = Stops(vec![]);
        let count = 3 * CHUNK;
        assert!(matches!(draw(count, &mut stops), Err(ModelError::Interrupted)));
        assert_eq!(stops.0, [count, count]);
    }
}

//! Captions of earlier steps, with what a text tower that stays makes of them: a sound is told from all of them, not from those of its
//! own step alone (He et al. 2020, section 3.1; since the tower does not move, a row is never out of date).

use std::collections::{HashMap, VecDeque};

use burn::tensor::{Device, Tensor, TensorData};
use rebus_nn::{
    named::Mismatch,
    optim::{Remember, Snapshot},
};

const CAPTIONS: &str = "memory.captions";
const ROWS: &str = "memory.rows";

/// At most so many captions that differ, the oldest first.
#[derive(Debug)]
pub(super) struct Memory {
    most: usize,
    width: usize,
    /// The first bytes of each caption's hash.
    captions: VecDeque<i64>,
    /// `width` numbers of each.
    rows: VecDeque<f32>,
    /// Which of all that ever came each is.
    numbers: HashMap<i64, usize>,
    /// How many were forgotten.
    forgotten: usize,
}

impl Memory {
    /// Without a caption yet.
    pub(super) fn new(most: usize, width: usize) -> Self {
        let (captions, rows) = (VecDeque::new(), VecDeque::new());
        Self { most, width, captions, rows, numbers: HashMap::new(), forgotten: 0 }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.captions.len()
    }

    /// Their embeddings, if there are any.
    pub(super) fn embeddings(&self, device: &Device) -> Option<Tensor<2>> {
        let data: Vec<f32> = self.rows.iter().copied().collect();
        (self.len() > 0).then(|| Tensor::from_data(TensorData::new(data, [self.len(), self.width]), device))
    }

    /// Which of them a caption is.
    pub(super) fn place(&self, caption: &str) -> Option<usize> {
        self.numbers.get(&hash(caption)).map(|number| number - self.forgotten)
    }

    /// Takes captions with their embeddings, a row each; those that are there already stay where they are.
    pub(super) fn add(&mut self, captions: &[String], rows: &[f32]) {
        for (caption, row) in captions.iter().zip(rows.chunks_exact(self.width)) {
            self.push(hash(caption), row);
        }
    }

    fn push(&mut self, caption: i64, row: &[f32]) {
        if self.most == 0 || self.numbers.contains_key(&caption) {
            return;
        }
        if self.len() == self.most
            && let Some(oldest) = self.captions.pop_front()
        {
            self.numbers.remove(&oldest);
            self.rows.drain(..self.width);
            self.forgotten += 1;
        }
        self.numbers.insert(caption, self.forgotten + self.len());
        self.captions.push_back(caption);
        self.rows.extend(row);
    }
}

fn hash(caption: &str) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(caption.as_bytes()).as_bytes();
    i64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// Among what the optimiser remembers.
impl Remember for Memory {
    fn save(&self, snapshot: &mut Snapshot) {
        if self.len() > 0 {
            let captions: Vec<i64> = self.captions.iter().copied().collect();
            let rows: Vec<f32> = self.rows.iter().copied().collect();
            let shape = [self.len(), self.width];
            snapshot.optimizer.insert(CAPTIONS.to_string(), TensorData::new(captions, [self.len()]));
            snapshot.optimizer.insert(ROWS.to_string(), TensorData::new(rows, shape));
        }
    }

    fn load(&mut self, snapshot: &Snapshot) -> Result<(), Mismatch> {
        *self = Self::new(self.most, self.width);
        let kept = snapshot.optimizer.get(CAPTIONS).zip(snapshot.optimizer.get(ROWS));
        if let Some((captions, rows)) = kept {
            let rows: Vec<f32> = rows.iter::<f32>().collect();
            let all = captions.iter::<i64>().zip(rows.chunks_exact(self.width));
            all.for_each(|(caption, row)| self.push(caption, row));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(memory: &mut Memory, range: std::ops::Range<usize>) {
        let captions: Vec<String> = range.clone().map(|number| number.to_string()).collect();
        let rows: Vec<f32> = range.flat_map(|number| [number as f32, 0.5]).collect();
        memory.add(&captions, &rows);
    }

    fn seen(memory: &Memory) -> Vec<f32> {
        memory.embeddings(&Device::flex()).unwrap().into_data().iter::<f32>().collect()
    }

    #[test]
    fn each_caption_is_there_once_and_the_oldest_is_forgotten() {
        let mut memory = Memory::new(4, 2);
        assert!(memory.embeddings(&Device::flex()).is_none());
        filled(&mut memory, 0..3);
        filled(&mut memory, 1..4);
        assert_eq!(seen(&memory), [0.0, 0.5, 1.0, 0.5, 2.0, 0.5, 3.0, 0.5]);
        filled(&mut memory, 4..6);
        assert_eq!(seen(&memory), [2.0, 0.5, 3.0, 0.5, 4.0, 0.5, 5.0, 0.5]);
        assert_eq!((memory.place("1"), memory.place("2"), memory.place("5")), (None, Some(0), Some(3)));

        let mut snapshot = Snapshot::default();
        memory.save(&mut snapshot);
        let mut again = Memory::new(4, 2);
        again.load(&snapshot).unwrap();
        for memory in [&mut memory, &mut again] {
            filled(memory, 6..7);
            assert_eq!((seen(memory)[0], memory.place("6")), (3.0, Some(3)));
        }
        filled(&mut Memory::new(0, 2), 0..3);
    }
}

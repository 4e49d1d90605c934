//! An index of nearest vectors: a graph of small worlds (Malkov and Yashunin 2020), through `usearch`, in a file beside the
//! database.
//!
//! The file can always be made again from the database. A small note beside it says up to which change of the database it
//! goes, and how long it is; where note and file do not match, the file is as good as absent.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rebus_data::write_atomic;
use serde::{Deserialize, Serialize};
use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

use crate::StoreError;

/// How exactly an index keeps a vector's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantization {
    /// 32 bits.
    F32,
    /// 16 bits: half the memory, and no difference in what is found.
    F16,
    /// 8 bits, by each vector's own largest number: a quarter of the memory and the fastest, and what it finds is a hundredth
    /// less, which a few more candidates make good.
    #[default]
    Int8,
}

/// The sizes of an index. What is found in the end is ranked by the exact vectors, whatever these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VectorIndexConfig {
    /// How exactly numbers are kept.
    pub quantization: Quantization,
    /// Neighbours of each vector in the graph.
    pub connectivity: usize,
    /// Candidates that are looked at to find a new vector its neighbours.
    pub expansion_add: usize,
    /// Candidates that are looked at in a search: more find more, and take longer.
    pub expansion_search: usize,
}

impl Default for VectorIndexConfig {
    fn default() -> Self {
        Self { quantization: Quantization::Int8, connectivity: 16, expansion_add: 128, expansion_search: 64 }
    }
}

/// Candidates among which a vector that was just added nearly always finds itself.
const FEW_CANDIDATES: usize = 12;

/// An index of vectors of length 1 by number.
pub struct VectorIndex {
    index: Index,
    quantization: Quantization,
}

/// What stands beside an index's file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    file: String,
    bytes: u64,
    generation: i64,
    width: usize,
    config: VectorIndexConfig,
}

impl VectorIndex {
    /// An empty one for vectors of a width.
    ///
    /// # Errors
    /// Sizes that `usearch` refuses.
    pub fn new(width: usize, config: VectorIndexConfig) -> Result<Self, StoreError> {
        let options = IndexOptions {
            dimensions: width,
            metric: MetricKind::Cos,
            quantization: match config.quantization {
                Quantization::F32 => ScalarKind::F32,
                Quantization::F16 => ScalarKind::F16,
                Quantization::Int8 => ScalarKind::I8,
            },
            connectivity: config.connectivity,
            expansion_add: config.expansion_add,
            expansion_search: config.expansion_search,
            multi: false,
        };
        let index = Index::new(&options).map_err(StoreError::vectors)?;
        Ok(Self { index, quantization: config.quantization })
    }

    /// How many vectors it holds.
    pub fn len(&self) -> usize {
        self.index.size()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that it takes.
    pub fn memory(&self) -> usize {
        self.index.memory_usage()
    }

    /// Looks at so many candidates in a search from now on.
    pub fn set_expansion_search(&self, candidates: usize) {
        self.index.change_expansion_search(candidates);
    }

    /// Adds vectors, a row each, by all threads of the pool. A number that is there already takes the new vector.
    ///
    /// Of vectors that several threads add at the same time, `usearch` leaves some without an edge that leads to them (some
    /// 3 of 20,000 with 2 threads, 50 with 8), so that no search finds them: a vector can be reached from a level above before it
    /// has edges on the level below, and who attaches itself there is detached again when it gets them. Each looks for itself
    /// therefore, and one that is not found is added once more, alone.
    ///
    /// # Errors
    /// There is no memory for them.
    pub fn add(&self, numbers: &[u64], rows: &[f32]) -> Result<(), StoreError> {
        let threads = rayon::current_num_threads();
        let room = self.index.size() + numbers.len();
        if room > self.index.capacity() {
            // Twice as much as there was: a growing index is copied seldom.
            let room = room.max(2 * self.index.capacity());
            self.index.reserve_capacity_and_threads(room, threads).map_err(StoreError::vectors)?;
        }
        let (width, is_new) = (self.index.dimensions(), self.is_empty());
        let each = || numbers.par_iter().copied().zip(rows.par_chunks_exact(width));
        each().try_for_each(|(number, row)| {
            if !is_new {
                self.remove(number)?;
            }
            self.add_one(number, row)
        })?;
        if threads > 1 {
            let is_lost = |&(number, row): &(u64, &[f32])| {
                self.search(row, 1, None).map_or(true, |found| !found.contains(&number))
            };
            // Nearly all are found among few candidates.
            let candidates = self.index.expansion_search();
            self.set_expansion_search(candidates.min(FEW_CANDIDATES));
            let mut lost: Vec<_> = each().filter(is_lost).collect();
            self.set_expansion_search(candidates);
            lost.retain(is_lost);
            for (number, row) in lost {
                self.remove(number)?;
                self.add_one(number, row)?;
            }
        }
        Ok(())
    }

    fn add_one(&self, number: u64, row: &[f32]) -> Result<(), StoreError> {
        let added = match self.quantization {
            Quantization::Int8 => self.index.add(number, &eight_bits(row)),
            _ => self.index.add(number, row),
        };
        added.map_err(StoreError::vectors)
    }

    /// Removes a vector, if it is there.
    ///
    /// # Errors
    /// The index is only looked at ([`open`](Self::open) with `to_change` off).
    pub fn remove(&self, number: u64) -> Result<(), StoreError> {
        if self.index.contains(number) {
            self.index.remove(number).map_err(StoreError::vectors)?;
        }
        Ok(())
    }

    /// Numbers of the nearest vectors, the nearest first; of those alone that `wanted` says yes to, if it is given.
    ///
    /// # Errors
    /// A query of another width.
    pub fn search(
        &self,
        query: &[f32],
        count: usize,
        wanted: Option<&(dyn Fn(u64) -> bool + Sync)>,
    ) -> Result<Vec<u64>, StoreError> {
        let count = count.min(self.len());
        if count == 0 {
            return Ok(vec![]);
        }
        let found = match (self.quantization, wanted) {
            (Quantization::Int8, Some(wanted)) => {
                self.index.filtered_search(&eight_bits(query), count, wanted)
            }
            (Quantization::Int8, None) => self.index.search(&eight_bits(query), count),
            (_, Some(wanted)) => self.index.filtered_search(query, count, wanted),
            (_, None) => self.index.search(query, count),
        };
        Ok(found.map_err(StoreError::vectors)?.keys)
    }

    /// Writes it beside the database, by a name of its own, and then the note that says so: a crash at any moment leaves the
    /// older file with its note, or the newer one.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save(
        &self,
        folder: &Path,
        name: &str,
        generation: i64,
        config: VectorIndexConfig,
    ) -> Result<(), StoreError> {
        let file = format!("{name}-{generation}.usearch");
        let (path, temporary) = (folder.join(&file), folder.join(format!("{file}.part")));
        self.index.save(&temporary.to_string_lossy()).map_err(StoreError::vectors)?;
        fs_err::File::open(&temporary)?.sync_all()?;
        fs_err::rename(&temporary, &path)?;
        let bytes = fs_err::metadata(&path)?.len();
        let note = Note { file: file.clone(), bytes, generation, width: self.index.dimensions(), config };
        let json = serde_json::to_vec(&note).map_err(StoreError::vectors)?;
        write_atomic(&note_of(folder, name), &json)?;
        // What the note no longer names is nobody's; who still looks at it keeps it until the end.
        for entry in fs_err::read_dir(folder)?.flatten() {
            let other = entry.file_name().to_string_lossy().into_owned();
            if other != file && other.starts_with(&format!("{name}-")) && other.contains(".usearch") {
                let _ = fs_err::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// Up to which change of the database a written index goes, if a whole one is there.
    pub fn generation(folder: &Path, name: &str, width: usize, config: VectorIndexConfig) -> Option<i64> {
        note(folder, name, width, config).map(|note| note.generation)
    }

    /// A written index and up to which change it goes; `None` where there is none, or one of other sizes, or one cut short. It
    /// is mapped into memory unless it is to change.
    pub fn open(
        folder: &Path,
        name: &str,
        width: usize,
        config: VectorIndexConfig,
        to_change: bool,
    ) -> Option<(Self, i64)> {
        let note = note(folder, name, width, config)?;
        let opened = Self::new(width, config).ok()?;
        let path = folder.join(&note.file);
        let path = path.to_string_lossy();
        let read = if to_change { opened.index.load(&path) } else { opened.index.view(&path) };
        match read {
            Ok(()) => {
                opened.index.change_expansion_search(config.expansion_search);
                opened.index.change_expansion_add(config.expansion_add);
                Some((opened, note.generation))
            }
            Err(error) => {
                tracing::warn!("the vector index {path} cannot be read ({error}): it is made again");
                None
            }
        }
    }
}

/// A vector in 8 bits, all of which it uses: its length does not count. (Left to itself, `usearch` takes 127 for a vector's
/// length, by which the numbers of a long one are next to nothing.)
fn eight_bits(row: &[f32]) -> Vec<i8> {
    let most = row.iter().fold(f32::MIN_POSITIVE, |most, number| most.max(number.abs()));
    row.iter().map(|number| (number / most * 127.0).round() as i8).collect()
}

fn note_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.json"))
}

/// The note of an index whose file is as long as the note says.
fn note(folder: &Path, name: &str, width: usize, config: VectorIndexConfig) -> Option<Note> {
    let note: Note = serde_json::from_slice(&fs_err::read(note_of(folder, name)).ok()?).ok()?;
    let bytes = fs_err::metadata(folder.join(&note.file)).ok()?.len();
    (note.bytes == bytes && note.width == width && note.config == config).then_some(note)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Rows of length 1 round a circle.
    fn circle(count: usize) -> Vec<f32> {
        (0..count)
            .flat_map(|place| {
                let angle = place as f32 / count as f32 * std::f32::consts::TAU;
                [angle.cos(), angle.sin()]
            })
            .collect()
    }

    fn filled(config: VectorIndexConfig) -> VectorIndex {
        let index = VectorIndex::new(2, config).unwrap();
        let numbers: Vec<u64> = (0..100).collect();
        index.add(&numbers, &circle(100)).unwrap();
        index
    }

    #[test]
    fn every_quantization_finds_the_nearest_and_only_what_is_wanted() {
        for quantization in [Quantization::F32, Quantization::F16, Quantization::Int8] {
            let index = filled(VectorIndexConfig { quantization, ..Default::default() });
            assert_eq!(index.search(&circle(100)[50..52], 1, None).unwrap(), [25], "{quantization:?}");
            let odd = |number: u64| number % 2 == 1;
            let mut found = index.search(&circle(100)[40..42], 2, Some(&odd)).unwrap();
            found.sort();
            assert_eq!(found, [19, 21], "{quantization:?}");
        }
    }

    /// Of 512 numbers each is small beside the whole.
    #[test]
    fn eight_bits_find_nearly_all_of_the_nearest() {
        let (width, count) = (512, 2_000);
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let mut rows: Vec<f32> = (0..count * width).map(|_| random.random_range(-1.0..1.0)).collect();
        for row in rows.chunks_exact_mut(width) {
            let length = crate::dot(row, row).sqrt();
            row.iter_mut().for_each(|number| *number /= length);
        }
        let config = VectorIndexConfig {
            quantization: Quantization::Int8,
            expansion_search: 512,
            ..Default::default()
        };
        let index = VectorIndex::new(width, config).unwrap();
        index.add(&(0..count as u64).collect::<Vec<_>>(), &rows).unwrap();
        let mut right = 0;
        for query in rows.chunks_exact(width).step_by(20) {
            let exact: Vec<u64> =
                crate::exact::nearest(query, &rows, 10).iter().map(|near| near.0 as u64).collect();
            let found = index.search(query, 10, None).unwrap();
            right += found.iter().filter(|number| exact.contains(number)).count();
        }
        assert!(right >= 960, "{right} of 1000");
    }

    #[test]
    fn a_file_comes_back_and_one_cut_short_is_as_good_as_absent() {
        let folder = tempfile::tempdir().unwrap();
        let config = VectorIndexConfig::default();
        let index = filled(config);
        index.save(folder.path(), "pictures", 7, config).unwrap();
        index.remove(25).unwrap();
        index.save(folder.path(), "pictures", 8, config).unwrap();
        for to_change in [false, true] {
            let (opened, generation) =
                VectorIndex::open(folder.path(), "pictures", 2, config, to_change).unwrap();
            assert_eq!((generation, opened.len()), (8, 99));
            assert_ne!(opened.search(&circle(100)[50..52], 1, None).unwrap(), [25]);
        }
        assert!(VectorIndex::open(folder.path(), "pictures", 3, config, false).is_none());
        let files: Vec<_> =
            fs_err::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(files.len(), 2, "the older file is gone: {files:?}");
        let file = folder.path().join("pictures-8.usearch");
        let bytes = fs_err::read(&file).unwrap();
        fs_err::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        assert!(VectorIndex::open(folder.path(), "pictures", 2, config, false).is_none());
    }

    #[test]
    fn each_finds_itself_when_many_threads_add() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(8).build().unwrap();
        let (width, count) = (8, 5_000);
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let rows: Vec<f32> = (0..count * width).map(|_| random.random_range(-1.0..1.0)).collect();
        let numbers: Vec<u64> = (0..count as u64).collect();
        for _ in 0..4 {
            let index = VectorIndex::new(width, VectorIndexConfig::default()).unwrap();
            pool.install(|| index.add(&numbers, &rows)).unwrap();
            for (number, row) in numbers.iter().zip(rows.chunks_exact(width)) {
                assert_eq!(index.search(row, 1, None).unwrap(), [*number]);
            }
        }
    }

    #[test]
    fn a_number_that_comes_again_takes_the_new_vector() {
        let index = filled(VectorIndexConfig::default());
        index.add(&[25], &circle(100)[..2]).unwrap();
        assert_eq!(index.len(), 100);
        let mut found = index.search(&circle(100)[..2], 2, None).unwrap();
        found.sort();
        assert_eq!(found, [0, 25]);
    }
}

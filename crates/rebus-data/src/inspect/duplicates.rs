//! Pictures that are the same file, and pictures that look alike.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;

use crate::sets::Sets;

/// Sets of records that belong together.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Groups {
    /// How many sets there are.
    pub count: usize,
    /// How many records are in them beyond the first of each: what one would drop.
    pub surplus: usize,
    /// The largest sets by the keys of their records, in the order of the collection; long ones are cut.
    pub listed: Vec<Vec<String>>,
}

/// What is kept of a picture to compare it by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Print {
    pub(crate) record: usize,
    pub(crate) file: u128,
    pub(crate) view: u64,
}

/// Groups of the same file, and groups of different files that look alike.
pub(crate) fn find(prints: &[Print], listed: usize, key: impl Fn(usize) -> String) -> (Groups, Groups) {
    let mut files: HashMap<u128, Vec<usize>> = HashMap::with_capacity(prints.len());
    let mut views: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for print in prints {
        let same = files.entry(print.file).or_default();
        if same.is_empty() {
            views.entry(print.view).or_default().push(print.record);
        }
        same.push(print.record);
    }
    let same = groups(files.into_values(), listed, &key);
    (same, groups(alike(views).into_iter(), listed, &key))
}

/// Joins pictures whose hashes are at most two bits apart, also by way of a third.
///
/// Each hash looks up all its neighbours, 2,080 of them: the time follows the number of pictures, whatever they show.
fn alike(views: BTreeMap<u64, Vec<usize>>) -> Vec<Vec<usize>> {
    let (hashes, records): (Vec<u64>, Vec<Vec<usize>>) = views.into_iter().unzip();
    let numbers: HashMap<u64, usize> =
        hashes.iter().enumerate().map(|(number, hash)| (*hash, number)).collect();
    let pairs: Vec<(usize, usize)> = hashes
        .par_iter()
        .enumerate()
        .flat_map_iter(|(number, hash)| {
            let near = neighbours(*hash).filter_map(|near| numbers.get(&near));
            near.filter(move |other| **other > number).map(move |other| (number, *other))
        })
        .collect();
    let mut sets = Sets::new(hashes.len());
    for (one, other) in pairs {
        sets.join(one, other);
    }
    let mut joined: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (number, records) in records.into_iter().enumerate() {
        joined.entry(sets.root(number)).or_default().extend(records);
    }
    joined.into_values().collect()
}

/// All hashes one or two bits away.
fn neighbours(hash: u64) -> impl Iterator<Item = u64> {
    (0..64).flat_map(move |one| {
        let flipped = hash ^ (1 << one);
        std::iter::once(flipped).chain((0..one).map(move |other| flipped ^ (1 << other)))
    })
}

/// The groups of two and more, the largest first.
fn groups(sets: impl Iterator<Item = Vec<usize>>, listed: usize, key: impl Fn(usize) -> String) -> Groups {
    let mut sets: Vec<Vec<usize>> = sets.filter(|set| set.len() > 1).collect();
    sets.iter_mut().for_each(|set| set.sort_unstable());
    sets.sort_by_key(|set| (std::cmp::Reverse(set.len()), set[0]));
    Groups {
        count: sets.len(),
        surplus: sets.iter().map(|set| set.len() - 1).sum(),
        listed: sets
            .iter()
            .take(listed)
            .map(|set| set.iter().take(listed.max(2)).map(|record| key(*record)).collect())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_file_and_files_two_bits_apart_are_told_apart() {
        let print = |record, file, view| Print { record, file, view };
        let prints = [
            print(0, 1, 0b0000),
            print(1, 1, 0b0000),
            print(2, 2, 0b0011),
            print(3, 3, 0b1111),
            print(4, 4, 0b1111 << 40),
            print(5, 1, 0b0000),
        ];
        let (same, alike) = find(&prints, 9, |record| record.to_string());
        assert_eq!(
            (same.count, same.surplus, &same.listed),
            (1, 2, &vec![vec!["0".into(), "1".into(), "5".into()]])
        );
        assert_eq!(alike.listed, [["0", "2", "3"]], "3 is near 2, which is near 0");
    }

    #[test]
    fn every_pair_within_two_bits_is_found() {
        let mut state = 1u64;
        let hashes: Vec<u64> = (0..400)
            .map(|number| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 55) << (number % 3 * 20)
            })
            .collect();
        let near = |a: u64, b: u64| (a ^ b).count_ones() <= 2;
        for hash in &hashes[..20] {
            for other in &hashes {
                assert_eq!(
                    hash == other || neighbours(*hash).any(|found| found == *other),
                    near(*hash, *other)
                );
            }
        }
    }
}

//! Tests of `order`.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{Field, config::SamplingRule, testing::Memory};

fn epochs(memory: &Memory, config: &DataConfig, seed: u64) -> Epochs {
    Epochs::new(memory, config, &(0..memory.len()).collect::<Vec<_>>(), seed).unwrap()
}

fn planned(planner: Planner, count: usize) -> Vec<(usize, Vec<(u64, usize)>)> {
    let turns = |plan: BatchPlan| plan.entries.iter().map(|entry| (entry.position, entry.record)).collect();
    planner.take(count).map(|plan| (plan.bucket, turns(plan))).collect()
}

fn groups(count: usize) -> Memory {
    let rows: Vec<Vec<(&str, Field)>> = (0..count)
        .map(|index| vec![("group", Field::Text(if index % 2 == 0 { "Flags" } else { "Food" }.into()))])
        .collect();
    Memory::of(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn rule(weight: f32) -> DataConfig {
    let rule = SamplingRule { column: "group".into(), contains: "Flag".into(), weight };
    DataConfig { sampling: vec![rule], ..Default::default() }
}

#[test]
fn an_epoch_goes_through_few_blocks_at_a_time() {
    let mut memory = groups(100);
    memory.blocks = (0..10).map(|block| block * 10..block * 10 + 10).collect();
    let order = epochs(&memory, &DataConfig::default(), 3).epoch(0, 0).records;
    assert_eq!(order.iter().copied().collect::<BTreeSet<_>>().len(), 100);
    let blocks: Vec<BTreeSet<usize>> =
        order.chunks(WINDOW * 10).map(|chunk| chunk.iter().map(|record| record / 10).collect()).collect();
    assert_eq!(blocks.iter().map(BTreeSet::len).collect::<Vec<_>>(), [4, 4, 2]);
    assert_ne!(blocks[0], BTreeSet::from([0, 1, 2, 3]));
    // Inside a window blocks are mixed.
    assert!(order[..10].iter().map(|record| record / 10).collect::<BTreeSet<_>>().len() > 1);
}

#[test]
fn epochs_and_seeds_differ() {
    let memory = groups(50);
    let epochs_of = |seed| epochs(&memory, &DataConfig::default(), seed);
    assert_ne!(epochs_of(1).epoch(0, 0).records, epochs_of(1).epoch(1, 50).records);
    assert_ne!(epochs_of(1).epoch(0, 0).records, epochs_of(2).epoch(0, 0).records);
}

#[test]
fn sampling_keeps_a_record_in_its_share_of_the_epochs() {
    let memory = groups(20);
    let shown = |weight| {
        let epochs = epochs(&memory, &rule(weight), 1);
        let records: Vec<usize> = (0..400).flat_map(|number| epochs.epoch(number, 0).records).collect();
        assert_eq!(records.iter().filter(|record| *record % 2 == 1).count(), 4000);
        records.len() - 4000
    };
    assert_eq!((shown(0.0), shown(1.0)), (0, 4000));
    assert!((880..1120).contains(&shown(0.25)), "{}", shown(0.25));
}

#[test]
fn a_rule_that_leaves_nothing_is_an_error_and_one_of_no_column_is_left_out() {
    let memory = groups(20);
    let even: Vec<usize> = (0..20).step_by(2).collect();
    assert!(matches!(Epochs::new(&memory, &rule(0.0), &even, 1), Err(DataError::NoRecords { .. })));
    let mut config = rule(0.0);
    config.sampling[0].column = "groupe".into();
    assert_eq!(Epochs::new(&memory, &config, &even, 1).unwrap().epoch(0, 0).records.len(), 10);
}

#[test]
fn substitutes_are_the_rest_of_the_epoch_in_its_order() {
    let memory = groups(5);
    let epochs = epochs(&memory, &DataConfig::default(), 1);
    let order = epochs.epoch(0, 0).records;
    let second = epochs.after(&epochs.first(0, 0));
    assert_eq!(second.substitutes().collect::<Vec<_>>(), [order[2], order[3], order[4], order[0]]);
}

#[test]
fn validation_shows_each_record_once_in_order() {
    let buckets = [1, 0, 1, 0, 0, 1, 0];
    let records = [0, 1, 2, 3, 4, 6];
    let batches = planned(Planner::once(&records, &buckets, 2, 0), 9);
    let records =
        |from: usize| batches[from..].iter().map(|(_, turns)| turns.iter().map(|turn| turn.1).collect());
    assert_eq!(records(0).collect::<Vec<Vec<_>>>(), [vec![1, 3], vec![4, 6], vec![0, 2]]);
    assert_eq!(planned(Planner::once(&[0, 1, 2, 3, 4, 6], &buckets, 2, 1), 9), batches[1..]);
}

proptest! {
    #[test]
    fn batches_follow_from_their_number_alone(
        count in 1usize..20, size in 1usize..7, first in 0u64..12, many in 1usize..4, sampled: bool, seed: u64,
    ) {
        let memory = groups(count);
        let config = if sampled { rule(0.5) } else { DataConfig::default() };
        prop_assume!(!sampled || count > 1);
        let buckets = Arc::new((0..count).map(|record| record % many).collect::<Vec<_>>());
        let from = |first| Planner::endless(epochs(&memory, &config, seed), Arc::clone(&buckets), size, first);
        let all = planned(from(0), 16);
        prop_assert_eq!(&planned(from(first), 4), &all[first as usize..first as usize + 4]);
        for (bucket, turns) in &all {
            prop_assert_eq!(turns.len(), size);
            prop_assert!(turns.iter().all(|(_, record)| buckets[*record] == *bucket));
        }
    }

    #[test]
    fn every_record_comes_once_an_epoch(count in 1usize..30, seed: u64) {
        let memory = groups(count);
        let epochs = epochs(&memory, &DataConfig::default(), seed);
        // Batches of one record, so that epochs are easy to tell apart.
        let turns = planned(Planner::endless(epochs, Arc::new(vec![0; count]), 1, 0), 3 * count);
        let records: Vec<usize> = turns.iter().map(|(_, turns)| turns[0].1).collect();
        for epoch in records.chunks(count) {
            prop_assert_eq!(epoch.iter().copied().collect::<BTreeSet<_>>().len(), count);
        }
    }
}

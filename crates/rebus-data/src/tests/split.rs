//! Tests of `split`.

use super::*;
use crate::{Field, testing::Memory};

fn halves(texts: &[&str], fraction: f64) -> Split {
    let rows: Vec<Vec<(&str, Field)>> =
        texts.iter().map(|text| vec![("text", Field::Text(text.to_string()))]).collect();
    let memory = Memory::of(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
    split(&memory, &DataConfig { validation_fraction: fraction, ..Default::default() }).unwrap()
}

/// These places must never change: runs of every age are compared on their validation half.
#[test]
fn captions_lie_where_they_have_always_lain() {
    let places = ["grinning face", "waving hand", "红苹果"].map(|text| format!("{:.9}", place(text)));
    assert_eq!(places, GOLDEN);
}

#[test]
fn the_halves_are_disjoint_and_cover_everything_in_about_the_fraction() {
    let texts: Vec<String> = (0..2000).map(|index| format!("picture {index}")).collect();
    let split = halves(&texts.iter().map(String::as_str).collect::<Vec<_>>(), 0.2);
    assert!((330..470).contains(&split.validation.len()), "{}", split.validation.len());
    let mut all = [split.train, split.validation].concat();
    all.sort_unstable();
    assert_eq!(all, (0..2000).collect::<Vec<_>>());
}

#[test]
fn siblings_stay_together() {
    let tones = ["light", "medium-light", "medium", "medium-dark", "dark"];
    for index in 0..50 {
        let base = format!("person {index}");
        let mut texts = vec![base.clone()];
        texts.extend(tones.map(|tone| format!("{base}: {tone} skin tone")));
        texts.push(format!("{base}: dark skin tone, medium-light skin tone"));
        let split = halves(&texts.iter().map(String::as_str).collect::<Vec<_>>(), 0.5);
        assert!(split.train.is_empty() || split.validation.is_empty(), "{texts:?} {split:?}");
    }
    // Without the rule they would part.
    let parted = (0..50).any(|index| {
        let mut split = halves(&[&format!("person {index}"), &format!("person {index}, tall")], 0.5);
        split.train.len() == 1 && split.validation.pop().is_some()
    });
    assert!(parted);
}

/// Whole classes must not be missing from training.
#[test]
fn records_of_classes_part_one_by_one() {
    let texts: Vec<&str> = (0..200).map(|index| ["cat", "dog", "ship", "waving hand"][index % 4]).collect();
    let split = halves(&texts, 0.2);
    assert!((20..60).contains(&split.validation.len()), "{}", split.validation.len());
    for class in 0..4 {
        assert!(split.train.iter().any(|index| index % 4 == class));
        assert!(split.validation.iter().any(|index| index % 4 == class));
    }
}

#[test]
fn the_order_of_records_does_not_matter_and_no_fraction_holds_nothing_back() {
    let texts = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let forward: Vec<&str> = halves(&texts, 0.5).validation.iter().map(|&index| texts[index]).collect();
    let reversed: Vec<&str> = texts.iter().rev().copied().collect();
    let mut backward: Vec<&str> =
        halves(&reversed, 0.5).validation.iter().map(|&index| reversed[index]).collect();
    backward.reverse();
    assert_eq!(forward, backward);
    assert!(!forward.is_empty());
    assert_eq!(halves(&texts, 0.0).validation, [] as [usize; 0]);
}

#[test]
fn a_record_without_a_caption_goes_by_its_key() {
    let rows: Vec<&[(&str, Field)]> = vec![&[]; 200];
    let memory = Memory::of(&rows);
    let split = split(&memory, &DataConfig { validation_fraction: 0.5, ..Default::default() }).unwrap();
    assert!(split.train.len() > 60 && split.validation.len() > 60);
}

const GOLDEN: [&str; 3] = ["0.661625977", "0.070143936", "0.054710158"];

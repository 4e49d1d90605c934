//! Tests of `captions`.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{
    random::{Purpose, stream},
    testing::Memory,
};

fn text(text: &str) -> Field {
    Field::Text(text.into())
}

fn list(items: &[&str]) -> Field {
    Field::List(items.iter().map(|item| item.to_string()).collect())
}

fn config(captions: &[(&str, f32)]) -> DataConfig {
    let captions = captions.iter().map(|(name, weight)| (name.to_string(), *weight)).collect();
    DataConfig { captions, keywords_max: 2, ..Default::default() }
}

fn cat() -> Memory {
    Memory::of(&[&[
        ("text", text("cat")),
        ("keywords", list(&["pet", "fur", "paw"])),
        ("label", Field::Integer(3)),
    ]])
}

fn draws(captions: &Captions, record: &Record, count: u64) -> Vec<String> {
    (0..count).map(|position| captions.draw(record, &mut stream(1, Purpose::Caption, position, 0))).collect()
}

#[test]
fn columns_are_drawn_by_weight() {
    let memory = cat();
    let captions = Captions::new(&memory, &config(&[("text", 3.0), ("keywords", 1.0)])).unwrap();
    let texts = draws(&captions, &memory.records[0], 4000);
    let cats = texts.iter().filter(|text| *text == "cat").count();
    assert!((2900..3100).contains(&cats), "{cats} of 4000");
}

#[test]
fn lists_come_in_every_order_and_length_up_to_the_most() {
    let memory = cat();
    let captions = Captions::new(&memory, &config(&[("keywords", 1.0)])).unwrap();
    let seen: BTreeSet<String> = draws(&captions, &memory.records[0], 500).into_iter().collect();
    // Three of one item, six ordered pairs.
    assert_eq!(seen.len(), 9, "{seen:?}");
}

#[test]
fn a_joined_caption_has_both_and_makes_do_with_one() {
    let memory = Memory::of(&[
        &[("text", text("cat")), ("keywords", list(&["pet"]))],
        &[("text", text("dog"))],
        &[("keywords", list(&[]))],
    ]);
    let captions = Captions::new(&memory, &config(&[("text+keywords", 1.0)])).unwrap();
    let heaviest: Vec<String> = memory.records.iter().map(|record| captions.heaviest(record)).collect();
    assert_eq!(heaviest, ["cat, pet", "dog", ""]);
    assert_eq!(draws(&captions, &memory.records[2], 1), [""]);
}

#[test]
fn missing_columns_are_dropped_until_none_is_left() {
    let memory = cat();
    let captions = Captions::new(&memory, &config(&[("absent", 9.0), ("text", 0.1)])).unwrap();
    assert!(draws(&captions, &memory.records[0], 100).iter().all(|text| text == "cat"));
    // A whole number is no text.
    let error = Captions::new(&memory, &config(&[("absent", 1.0), ("label", 1.0)])).unwrap_err().to_string();
    assert!(error.contains("absent") && error.contains("text, keywords, label"), "{error}");
    let none = Captions::new(&memory, &config(&[])).unwrap();
    assert_eq!(draws(&none, &memory.records[0], 1), [""]);
}

#[test]
fn a_record_without_the_heaviest_column_takes_the_next() {
    let memory = Memory::of(&[&[("a", text("one"))], &[("b", text("two"))]]);
    let captions = Captions::new(&memory, &config(&[("a", 1.0), ("b", 5.0)])).unwrap();
    assert_eq!(captions.heaviest(&memory.records[0]), "one");
    assert_eq!(captions.heaviest(&memory.records[1]), "two");
    assert_eq!(draws(&captions, &memory.records[0], 20), vec!["one"; 20]);
}

#[test]
fn the_tokenizer_sees_every_text_whole() {
    let config = config(&[("text", 1.0), ("keywords", 1.0)]);
    let texts: Vec<String> = super::captions(&cat(), &config).unwrap().collect();
    assert_eq!(texts, ["cat", "pet, fur, paw"]);
}

proptest! {
    #[test]
    fn a_draw_is_always_one_of_the_texts(weights in prop::collection::vec(0.001f32..10.0, 2), position: u64) {
        let memory = cat();
        let captions = Captions::new(&memory, &config(&[("text", weights[0]), ("keywords", weights[1])])).unwrap();
        let drawn = captions.draw(&memory.records[0], &mut stream(1, Purpose::Caption, position, 0));
        let items: Vec<&str> = drawn.split(", ").collect();
        prop_assert!(drawn == "cat" || (items.len() <= 2 && items.iter().all(|item| ["pet", "fur", "paw"].contains(item))));
    }
}

//! Tests of `split`.

use super::*;
use crate::{Field, testing::Memory};

fn memory(texts: &[&str]) -> Memory {
    let rows: Vec<Vec<(&str, Field)>> =
        texts.iter().map(|text| vec![("text", Field::Text(text.to_string()))]).collect();
    Memory::of(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn halves(texts: &[&str], fraction: f64) -> Split {
    split(&memory(texts), &DataConfig { validation_fraction: fraction, ..Default::default() }).unwrap()
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

#[test]
fn a_combination_is_held_out_where_both_parts_are_learned_elsewhere() {
    let colours = ["red", "blue", "green"];
    let things = ["circle", "square", "heart"];
    let mut texts: Vec<String> =
        colours.iter().flat_map(|colour| things.map(|thing| format!("{colour} {thing}"))).collect();
    texts.push("red envelope".to_string());
    texts.push("sun".to_string());
    let memory = memory(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let sets = composition(&memory, &default_rules(), 0.3, 0.0).unwrap();
    assert_eq!(sets.iter().map(|set| set.name.as_str()).collect::<Vec<_>>(), ["tones", "colours", "with"]);
    let held: Vec<&str> = sets[1].captions.iter().map(|entry| entry.caption.as_str()).collect();
    assert_eq!(held.len(), 3, "{held:?}");
    assert!(!held.contains(&"red envelope"), "an envelope has no other colour");
    for part in colours.iter().chain(&things) {
        let stays = texts.iter().any(|text| text.contains(part) && !held.contains(&text.as_str()));
        assert!(stays, "{part} is learned nowhere");
    }
    assert_eq!(sets, composition(&memory, &default_rules(), 0.3, 0.0).unwrap());
    let wrong = Rule { name: "x".to_string(), pattern: "(?<a>.)".to_string() };
    assert!(composition(&memory, &[wrong], 0.3, 0.0).unwrap_err().to_string().contains("no group `b`"));
}

#[test]
fn a_split_file_holds_its_records_back() {
    let memory = memory(&["red circle", "red square", "blue circle", "blue square", "sun"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("split.json");
    let sets = composition(&memory, &default_rules(), 0.25, 0.0).unwrap();
    let file = SplitFile::new(SplitKind::Composition, &memory, sets).unwrap();
    fs_err::write(&path, file.to_json()).unwrap();
    assert_eq!(SplitFile::read(&path).unwrap(), file);
    let config = DataConfig { split: Some(path.clone()), ..Default::default() };
    let halves = split(&memory, &config).unwrap();
    assert_eq!((halves.train.len(), halves.validation.len()), (4, 1));
    let held = file.records(&memory, &path).unwrap().concat();
    assert_eq!(halves.validation, [held[0].0]);

    let other = Memory::of(&[]);
    let mut elsewhere = file.clone();
    elsewhere.fingerprint = "another".to_string();
    fs_err::write(&path, elsewhere.to_json()).unwrap();
    let refused = split(&memory, &config).unwrap_err().to_string();
    fs_err::write(&path, file.to_json()).unwrap();
    assert!(refused.contains("split.json") && refused.contains("not as it was"), "{refused}");
    let refused = file.records(&other, &path).unwrap_err().to_string();
    assert!(refused.contains("another collection"), "{refused}");
    // A run keeps the keys themselves, so that nothing depends on the file any more.
    let config = DataConfig { held_back: held_back(&memory, &path).unwrap(), ..Default::default() };
    assert_eq!(split(&memory, &config).unwrap(), halves);
    fs_err::write(&path, file.to_json().replace("\"format\": 1", "\"format\": 9")).unwrap();
    assert!(SplitFile::read(&path).unwrap_err().to_string().contains("format is 9"));
}

#[test]
fn captions_are_said_in_other_ways() {
    let list = |words: &[&str]| Field::List(words.iter().map(|word| word.to_string()).collect());
    let text = |text: &str| Field::Text(text.to_string());
    let memory = Memory::of(&[
        &[
            ("text", text("red apple")),
            ("words", list(&["apples", "fruit", "RED thing", "food"])),
            ("text_zh", text("红苹果")),
        ],
        &[("text", text("sun")), ("words", list(&["sun"])), ("text_zh", text("太阳"))],
        &[
            ("text", text("green pear")),
            ("words", list(&["pears", "food", "tree"])),
            ("text_zh", text("绿梨")),
        ],
    ]);
    let sets = perturbed(&memory, &[0, 1, 2], 10, 3).unwrap();
    let of = |name: &str| {
        let set = sets.iter().find(|set| set.name == name).unwrap();
        let mut captions: Vec<_> =
            set.captions.iter().map(|entry| (entry.key.as_str(), entry.caption.as_str())).collect();
        captions.sort_unstable();
        captions
    };
    // There are no two ways to put one word, so the sun is in no set.
    let key = |record: usize| memory.captions(record).unwrap().key;
    let (apple, pear) = (key(0), key(2));
    assert_eq!(of("plain"), [(&*apple, "red apple"), (&*pear, "green pear")]);
    assert_eq!(of("synonyms"), [(&*apple, "fruit food"), (&*pear, "food tree")]);
    assert_eq!(of("word order"), [(&*apple, "apple red"), (&*pear, "pear green")]);
    assert_eq!(of("other language"), [(&*apple, "红苹果"), (&*pear, "绿梨")]);
    let typos = of("typos");
    assert!(typos.len() == 2 && typos[0].1 != "red apple" && typos[0].1.starts_with('r'), "{typos:?}");
    let lengths = typos[0].1.chars().count();
    assert!((8..=10).contains(&lengths), "{typos:?}");

    // Where no record has all that most have, the rarest is left out; an empty text is no caption in another language.
    let mixed = Memory::of(&[
        &[("text", text("apple")), ("words", list(&["fruit"])), ("text_zh", text(""))],
        &[("text", text("red sun")), ("words", list(&["star"])), ("text_zh", text(""))],
        &[("text", text("green pear")), ("words", list(&[])), ("text_zh", text("绿梨"))],
    ]);
    let sets = perturbed(&mixed, &[0, 1, 2], 10, 3).unwrap();
    let sizes: Vec<_> = sets.iter().map(|set| (set.name.as_str(), set.captions.len())).collect();
    assert!(sizes.len() >= 2 && sizes.iter().all(|(_, size)| *size == 2), "{sizes:?}");
    assert!(sizes[0].0 == "plain" && sizes.iter().all(|(name, _)| *name != "other language"), "{sizes:?}");

    // What most have nothing for is left out, and keeps nobody away.
    let few = perturbed(&memory, &[0, 1], 10, 3).unwrap();
    let names: Vec<&str> = few.iter().map(|set| set.name.as_str()).collect();
    assert_eq!(names, ["plain", "other language"]);
    assert_eq!(few[0].captions.len(), 2);
}

#[test]
fn no_part_is_learned_nowhere_whatever_else_is_held_back() {
    let tones = ["light", "medium", "dark"];
    let people =
        (0..60).map(|number| format!("person {number} with {}", ["a hat", "a veil", "red hair"][number % 3]));
    let texts: Vec<String> =
        people.flat_map(|person| tones.map(|tone| format!("{person}: {tone} skin tone"))).collect();
    let memory = memory(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let sets = composition(&memory, &default_rules(), 0.2, 0.1).unwrap();
    let file = SplitFile::new(SplitKind::Composition, &memory, sets.clone()).unwrap();
    let keys = file.sets.iter().flat_map(|set| &set.captions).map(|entry| entry.key.clone()).collect();
    let config = DataConfig { held_back: keys, validation_fraction: 0.1, ..Default::default() };
    let halves = split(&memory, &config).unwrap();
    let learned: Vec<&str> = halves.train.iter().map(|record| texts[*record].as_str()).collect();
    let held = &sets[0].captions;
    assert!(held.len() > 10, "{}", held.len());
    for entry in held {
        let (person, tone) = entry.caption.split_once(": ").unwrap();
        assert!(!learned.contains(&entry.caption.as_str()), "{}", entry.caption);
        assert!(learned.iter().any(|text| text.starts_with(&format!("{person}:"))), "{person}");
        assert!(learned.iter().any(|text| text.ends_with(tone)), "{tone}");
    }
}

/// Many voices say one caption: none of them may be learned from.
#[test]
fn captions_that_many_share_lie_on_one_side_where_that_is_asked() {
    let texts: Vec<String> = (0..200).map(|record| format!("caption {}", record % 8)).collect();
    let memory = memory(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let of = |validation_by| {
        let config = DataConfig { validation_fraction: 0.4, validation_by, ..Default::default() };
        split(&memory, &config).unwrap()
    };
    let sides = |split: &Split| {
        (0..8).filter(|caption| split.validation.iter().any(|record| record % 8 == *caption)).count()
    };
    let by_caption = of(ValidationBy::Caption);
    assert_eq!(by_caption.validation.len(), 25 * sides(&by_caption));
    assert!(sides(&by_caption) < 8 && !by_caption.validation.is_empty());
    assert_eq!(of(ValidationBy::Auto), of(ValidationBy::Record));
    assert_ne!(of(ValidationBy::Auto), by_caption);
}

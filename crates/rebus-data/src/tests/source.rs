//! Tests of `source`, through the loader.

use std::sync::Arc;

use image::{GenericImageView, ImageFormat, Rgb, RgbImage};

use super::*;
use crate::{
    Batch, DataConfig, Field, Loader, LoaderPlan, Subset,
    config::ImageSize,
    testing::{Memory, encoded, plain},
};

const PLAN: LoaderPlan =
    LoaderPlan { batch_size: 6, seed: 5, start: 0, subset: Subset::Train, strict: false };

fn config(source: SourceConfig) -> DataConfig {
    DataConfig { image_size: ImageSize::Square(8), source: Some(source), ..Default::default() }
}

fn batch(memory: Memory, config: &DataConfig) -> Batch {
    Loader::new(Arc::new(memory), config, PLAN).unwrap().next_batch().unwrap()
}

fn refused(memory: Memory, source: SourceConfig) -> String {
    Loader::new(Arc::new(memory), &config(source), PLAN).err().unwrap().to_string()
}

/// The red of each source and each picture.
fn reds(batch: &Batch) -> Vec<(u8, u8)> {
    let red = |column, place| batch.pictures(column).unwrap().get(place).unwrap().get_pixel(3, 3)[0];
    (0..batch.len()).map(|place| (red(SOURCE, place), red("image", place))).collect()
}

/// Pictures whose sketches are 100 redder.
fn sketched() -> Memory {
    let mut memory = Memory::pictures(6, false);
    for (index, record) in memory.records.iter_mut().enumerate() {
        record.fields.insert("sketch".into(), Field::Picture(plain(8, 8, 100 + index as u8)));
    }
    Memory::new(memory.records)
}

#[test]
fn a_column_is_the_source_of_its_own_record_turned_with_it() {
    let config =
        DataConfig { horizontal_flip: 0.5, padding_crop: 2, ..config(SourceConfig::Column("sketch".into())) };
    let batch = batch(sketched(), &config);
    assert!(reds(&batch).iter().all(|(source, picture)| *source == picture + 100), "{:?}", reds(&batch));
    for place in 0..batch.len() {
        let greens = |column| {
            let picture = batch.pictures(column).unwrap().get(place).unwrap();
            (0..8).map(|x| picture.get_pixel(x, 4)[1]).collect::<Vec<_>>()
        };
        assert_eq!(greens(SOURCE), greens("image"));
    }
    assert!(refused(sketched(), SourceConfig::Column("outline".into())).contains("outline"));
}

#[test]
fn a_half_is_the_source_of_the_other() {
    let both = RgbImage::from_fn(17, 8, |x, _| if x < 8 { Rgb([10, 0, 0]) } else { Rgb([20, 0, 0]) });
    let file = encoded("both.png", &DynamicImage::ImageRgb8(both), ImageFormat::Png);
    let memory =
        || Memory::of(&[&[("image", Field::Picture(file.clone())), ("text", Field::Text("a".into()))]]);
    assert_eq!(reds(&batch(memory(), &config(SourceConfig::Half(Half::Left))))[0], (10, 20));
    let batch = batch(memory(), &config(SourceConfig::Half(Half::Right)));
    assert_eq!(reds(&batch)[0], (20, 10));
    assert_eq!(batch.pictures("image").unwrap().shape, [6, 3, 8, 8]);
}

#[test]
fn a_transform_is_of_the_picture_as_it_is_shown() {
    let gray = SourceConfig::Transform("gray".parse().unwrap());
    let batch = batch(Memory::pictures(6, false), &DataConfig { horizontal_flip: 0.5, ..config(gray) });
    for place in 0..batch.len() {
        let of = |column| batch.pictures(column).unwrap().get(place).unwrap();
        assert_eq!(of(SOURCE).to_rgb8(), DynamicImage::from(of("image").to_luma8()).to_rgb8());
    }
}

#[test]
fn groups_give_sources_that_belong_to_none() {
    let memory = || {
        let mut memory = Memory::pictures(40, false);
        for (index, record) in memory.records.iter_mut().enumerate() {
            let group = ["sea", "land", "sky"][index % 3];
            record.fields.insert("group".into(), Field::Text(group.into()));
        }
        Memory::new(memory.records)
    };
    let groups = |source: &str, picture: &str| {
        let column = Some("group".to_string());
        SourceConfig::Groups(Groups { column, source: source.into(), picture: picture.into() })
    };
    let config = DataConfig { validation_fraction: 0.4, ..config(groups("sea", "land")) };
    let of = |subset, start| {
        let plan = LoaderPlan { subset, start, batch_size: 3, ..PLAN };
        let count = if subset == Subset::Train { 20 } else { usize::MAX };
        let batches = Loader::new(Arc::new(memory()), &config, plan).unwrap().take(count);
        batches.map(|batch| reds(&batch.unwrap())).collect::<Vec<_>>().concat()
    };
    let (train, validation) = (of(Subset::Train, 0), of(Subset::Validation, 0));
    for (source, picture) in train.iter().chain(&validation) {
        assert_eq!((source % 3, picture % 3), (0, 1));
    }
    assert!(train.iter().any(|(source, _)| *source != train[0].0), "always the same source");
    assert!(!validation.is_empty());
    let overlap =
        |(source, picture): &(u8, u8)| train.iter().any(|pair| pair.0 == *source || pair.1 == *picture);
    assert!(!validation.iter().any(overlap), "a source or picture of validation was learned from");
    assert_eq!(
        of(Subset::Train, 7),
        of(Subset::Train, 0)[21..].iter().chain(&of(Subset::Train, 20)[..21]).copied().collect::<Vec<_>>()
    );
    // A source that cannot be read is left out, and nothing else with it.
    let broken = memory().with_broken(&[0, 6, 9, 15, 21]);
    let config = DataConfig { validation_fraction: 0.0, ..config };
    let mut loader = Loader::new(Arc::new(broken), &config, PLAN).unwrap();
    for _ in 0..30 {
        let pairs = reds(&loader.next_batch().unwrap());
        assert!(pairs.iter().all(|(source, _)| ![0, 6, 9, 15, 21].contains(source)), "{pairs:?}");
    }
    assert_eq!(loader.skipped(), 0);
    assert!(refused(memory(), groups("fire", "land")).contains("fire"));
    assert!(refused(memory(), groups("sea", "Land")).contains("Land"));
}

#[test]
fn words_pair_captions_that_differ_by_them() {
    let captions = ["cup", "red cup", "blue cup", "red hat", "blue hat", "blue sea", "red cupboard"];
    let memory = || {
        let mut memory = Memory::pictures(captions.len(), false);
        for (record, caption) in memory.records.iter_mut().zip(captions) {
            record.fields.insert("text".into(), Field::Text(caption.into()));
        }
        Memory::new(memory.records)
    };
    let words = |from: &str, to: &str, say: Option<&str>| Replacement {
        from: from.into(),
        to: to.into(),
        say: say.map(str::to_string),
    };
    let source = SourceConfig::Words(vec![
        words("red ", "blue ", Some("make it blue")),
        words("", "blue ", Some("colour it")),
    ]);
    let config = config(source);
    let plan = LoaderPlan { batch_size: 4, ..PLAN };
    let mut seen: Vec<(u8, u8, String)> = vec![];
    for batch in Loader::new(Arc::new(memory()), &config, plan).unwrap().take(20) {
        let batch = batch.unwrap();
        let texts = batch.texts("text").unwrap().to_vec();
        seen.extend(
            reds(&batch).into_iter().zip(texts).map(|((source, picture), text)| (source, picture, text)),
        );
    }
    seen.sort();
    seen.dedup();
    let pair = |source, picture, text: &str| (source, picture, text.to_string());
    assert_eq!(seen, [pair(0, 2, "colour it"), pair(1, 2, "make it blue"), pair(3, 4, "make it blue")]);
    let said = refused(memory(), SourceConfig::Words(vec![words("red ", "green ", None)]));
    assert!(said.contains("\"green \" for \"red \""), "{said}");
}

#[test]
fn words_and_groups_have_contrasts() {
    let mut memory = Memory::pictures(6, false);
    let captions = ["red cup", "blue cup", "red hat", "blue hat", "blue sea", "a sea"];
    for (record, caption) in memory.records.iter_mut().zip(captions) {
        record.fields.insert("text".into(), Field::Text(caption.into()));
    }
    let memory = Memory::new(memory.records);
    let words = |from: &str, to: &str| {
        SourceConfig::Words(vec![Replacement { from: from.into(), to: to.into(), say: None }])
    };
    assert_eq!(contrasts(&memory, &words("red", "blue")).unwrap(), [[0, 1], [2, 3]]);
    let groups = |source: &str, picture: &str| {
        SourceConfig::Groups(Groups { column: None, source: source.into(), picture: picture.into() })
    };
    assert_eq!(contrasts(&memory, &groups("red", "blue")).unwrap(), [[0, 1], [2, 3], [0, 4]]);
    assert_eq!(contrasts(&memory, &groups("blue", "red")).unwrap(), [[1, 0], [3, 2], [4, 0]]);
    for (config, said) in [
        (words("red", "green"), "\"green\" for \"red\""),
        (groups("red", "green"), "green"),
        (SourceConfig::Half(Half::Left), "contrast"),
    ] {
        assert!(contrasts(&memory, &config).unwrap_err().to_string().contains(said));
    }
}

#[test]
fn a_recipe_says_it_in_one_line() {
    let of = |text: &str| toml::from_str::<DataConfig>(text).map(|config| config.source);
    let gray = SourceConfig::Transform("gray".parse().unwrap());
    assert_eq!(of("source = { transform = \"gray\" }").unwrap(), Some(gray));
    assert_eq!(of("[source]\nhalf = \"right\"").unwrap(), Some(SourceConfig::Half(Half::Right)));
    assert_eq!(of("source = { groups = {} }").unwrap(), Some(SourceConfig::Groups(Groups::default())));
    assert!(of("source = { transform = \"grai\" }").unwrap_err().to_string().contains("grai"));
    assert!(of("source = { sketch = \"a\" }").unwrap_err().to_string().contains("sketch"));
}

//! Tests of `loader`.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::*;
use crate::{
    Column,
    config::{ColorJitter, ImageSize, SamplingRule, Shape},
    testing::Memory,
};

fn plan(batch_size: usize, start: u64) -> LoaderPlan {
    LoaderPlan { batch_size, seed: 5, start, subset: Subset::Train, strict: false }
}

fn config() -> DataConfig {
    DataConfig { image_size: ImageSize::Square(8), workers: 2, queue: 3, ..Default::default() }
}

/// Everything that draws random numbers.
fn lively() -> DataConfig {
    DataConfig {
        horizontal_flip: 0.5,
        padding_crop: 2,
        color_jitter: ColorJitter { brightness: 0.3, contrast: 0.2, saturation: 0.1, hue: 0.1 },
        captions: [("text".to_string(), 1.0), ("text+keywords".to_string(), 2.0)].into_iter().collect(),
        sampling: vec![SamplingRule { column: "text".into(), contains: "1".into(), weight: 0.5 }],
        ..config()
    }
}

fn loader(memory: &Arc<Memory>, config: &DataConfig, plan: LoaderPlan) -> Loader {
    let collection: Arc<dyn Collection> = Arc::<Memory>::clone(memory);
    Loader::new(collection, config, plan).unwrap()
}

fn batches(memory: &Arc<Memory>, config: &DataConfig, plan: LoaderPlan, count: usize) -> Vec<Batch> {
    loader(memory, config, plan).take(count).collect::<Result<_, _>>().unwrap()
}

fn keys(batches: &[Batch]) -> Vec<&str> {
    batches.iter().flat_map(|batch| batch.keys.iter().map(String::as_str)).collect()
}

#[test]
fn a_batch_has_pictures_texts_and_labels_that_belong_together() {
    let memory = Arc::new(Memory::pictures(6, false));
    let batch = batches(&memory, &config(), plan(6, 0), 1).remove(0);
    assert_eq!(batch.columns.keys().collect::<Vec<_>>(), ["image", "text", "caption", "label"]);
    let pictures = batch.pictures("image").unwrap();
    assert_eq!(pictures.shape, [6, 3, 8, 8]);
    let Some(Column::Integers(labels)) = batch.columns.get("label") else { panic!("no labels") };
    for (index, key) in batch.keys.iter().enumerate() {
        let record: usize = key.parse().unwrap();
        assert_eq!(pictures.get(index).unwrap().to_rgb8().get_pixel(3, 3).0, [record as u8, 30, 0]);
        assert_eq!(batch.texts("text").unwrap()[index], format!("picture {record}"));
        assert_eq!(batch.texts("caption").unwrap()[index], format!("picture {record}"));
        assert_eq!(labels[index], record as i64);
    }
}

#[test]
fn every_record_comes_once_an_epoch_over_uneven_batches() {
    let memory = Arc::new(Memory::pictures(10, false));
    let batches = batches(&memory, &config(), plan(4, 0), 5);
    let keys = keys(&batches);
    for epoch in keys.chunks(10) {
        assert_eq!(epoch.iter().collect::<BTreeSet<_>>().len(), 10);
    }
    assert_ne!(keys[..10], keys[10..]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_resumed_loader_gives_the_same_bytes_with_any_number_of_workers(
        count in 2usize..14, size in 1usize..5, start in 0usize..6, workers in 1usize..5, queue in 1usize..5, bucketed: bool,
    ) {
        let memory = Arc::new(Memory::pictures(count, true).with_broken(&[1]));
        let shape = if bucketed { Shape::Bucket } else { Shape::Pad };
        let whole = DataConfig { shape, image_size: ImageSize::Square(16), ..lively() };
        let all = batches(&memory, &DataConfig { workers: 1, queue: 1, ..whole.clone() }, plan(size, 0), start + 3);
        let resumed = batches(&memory, &DataConfig { workers, queue, ..whole }, plan(size, start as u64), 3);
        prop_assert_eq!(&resumed, &all[start..]);
    }
}

#[test]
fn another_seed_gives_other_batches() {
    let memory = Arc::new(Memory::pictures(20, false));
    let other = LoaderPlan { seed: 6, ..plan(20, 0) };
    assert_ne!(
        keys(&batches(&memory, &config(), other, 1)),
        keys(&batches(&memory, &config(), plan(20, 0), 1))
    );
}

#[test]
fn broken_pictures_are_told_once_and_replaced_by_the_next() {
    let memory = Arc::new(Memory::pictures(8, false).with_broken(&[2, 5]));
    let whole = Arc::new(Memory::pictures(8, false));
    let intended = batches(&whole, &config(), plan(8, 0), 3);
    let mut loader = loader(&memory, &config(), plan(8, 0));
    for intended in &intended {
        let batch = loader.next_batch().unwrap();
        for (place, key) in intended.keys.iter().enumerate() {
            let next = (place..place + 8)
                .map(|place| intended.keys[place % 8].as_str())
                .find(|key| !["002", "005"].contains(key));
            assert_eq!(Some(batch.keys[place].as_str()), next, "in place of {key}");
        }
    }
    assert_eq!(loader.skipped(), 2);
    let skipped = loader.skipped_records();
    assert_eq!(skipped.iter().map(|skipped| skipped.record).collect::<Vec<_>>(), [2, 5]);
    assert!(skipped[0].reason.contains("broken-2.png"), "{skipped:?}");
}

#[test]
fn a_broken_picture_is_an_error_where_asked() {
    let memory = Arc::new(Memory::pictures(4, false).with_broken(&[3]));
    let mut loader = loader(&memory, &config(), LoaderPlan { strict: true, ..plan(4, 0) });
    assert!(loader.next_batch().unwrap_err().to_string().contains("broken-3.png"));
}

#[test]
fn nothing_but_broken_pictures_is_an_error_in_every_shape_and_half() {
    let memory = Arc::new(Memory::pictures(3, false).with_broken(&[0, 1, 2]));
    let all_broken = |result: Result<Batch, DataError>| {
        assert!(matches!(result, Err(DataError::AllBroken { count: 3, .. })), "{result:?}");
    };
    all_broken(loader(&memory, &config(), plan(2, 0)).next_batch());
    let bucketed = DataConfig { shape: Shape::Bucket, image_size: ImageSize::Square(64), ..config() };
    let collection: Arc<dyn Collection> = Arc::<Memory>::clone(&memory);
    all_broken(Loader::new(collection, &bucketed, plan(2, 0)).and_then(|mut loader| loader.next_batch()));
    let held_back = DataConfig { validation_fraction: 0.999_999, ..config() };
    let validation = LoaderPlan { subset: Subset::Validation, ..plan(2, 0) };
    all_broken(loader(&memory, &held_back, validation).next_batch());
}

#[test]
fn bucketed_batches_have_one_shape_each_and_lose_no_record() {
    let memory = Arc::new(Memory::pictures(12, true));
    let config = DataConfig { shape: Shape::Bucket, image_size: ImageSize::Square(64), ..config() };
    let batches = batches(&memory, &config, plan(2, 0), 6);
    let shapes: BTreeSet<[usize; 2]> = batches
        .iter()
        .map(|batch| batch.pictures("image").unwrap().shape)
        .map(|[_, _, height, width]| [height, width])
        .collect();
    assert_eq!(shapes, BTreeSet::from([[48, 80], [64, 64], [80, 48]]));
    assert_eq!(keys(&batches).iter().collect::<BTreeSet<_>>().len(), 12);
}

#[test]
fn validation_is_one_plain_pass_in_order() {
    let memory = Arc::new(Memory::pictures(30, false));
    let config = DataConfig { validation_fraction: 0.5, horizontal_flip: 1.0, keywords_max: 2, ..lively() };
    let validation = LoaderPlan { subset: Subset::Validation, ..plan(4, 0) };
    let mut held_back = loader(&memory, &config, validation);
    let halves = split(&*memory, &config).unwrap();
    assert_eq!(held_back.records(), halves.validation.len());
    let batches: Vec<Batch> = held_back.by_ref().collect::<Result<_, _>>().unwrap();
    let expected: Vec<String> = halves.validation.iter().map(|record| format!("{record:03}")).collect();
    assert_eq!(keys(&batches), expected);
    assert!(matches!(held_back.next_batch(), Err(DataError::End)));
    for (index, key) in batches[0].keys.iter().enumerate() {
        let record: u8 = key.parse().unwrap();
        let picture = batches[0].pictures("image").unwrap().get(index).unwrap().to_rgb8();
        assert_eq!(picture.get_pixel(7, 0).0, [record, 70, 0]);
        let text = &batches[0].texts("text").unwrap()[index];
        assert_eq!(*text, format!("picture {record}, red {record}, round {record}"));
    }
    // The other half never shows one of them.
    let train = self::batches(&memory, &config, plan(4, 0), 20);
    assert!(keys(&train).iter().all(|key| !expected.iter().any(|held| held == key)));
}

#[test]
fn validation_leaves_broken_pictures_out() {
    let memory = Arc::new(Memory::pictures(6, false).with_broken(&[0, 1, 3]));
    let config = DataConfig { validation_fraction: 0.999_999, ..config() };
    let validation = LoaderPlan { subset: Subset::Validation, ..plan(2, 0) };
    let batches: Vec<Batch> = loader(&memory, &config, validation).collect::<Result<_, _>>().unwrap();
    assert_eq!(
        batches.iter().map(|batch| batch.keys.clone()).collect::<Vec<_>>(),
        [vec!["002"], vec!["004", "005"]]
    );
}

#[test]
fn no_more_than_the_queue_is_made_ahead() {
    let memory = Arc::new(Memory::pictures(50, false));
    let mut loader = loader(&memory, &config(), plan(5, 0));
    loader.next_batch().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    // One batch delivered, three waiting.
    assert_eq!(memory.reads.load(Ordering::SeqCst), 4 * 5);
}

#[test]
fn dropping_stops_the_threads_at_once() {
    let mut memory = Memory::pictures(200, false);
    memory.delay = Duration::from_millis(20);
    let memory = Arc::new(memory);
    let loader = loader(&memory, &config(), plan(200, 0));
    std::thread::sleep(Duration::from_millis(50));
    let begun = Instant::now();
    drop(loader);
    // A batch takes four seconds.
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    assert_eq!(Arc::strong_count(&memory), 1);
}

#[test]
fn a_missing_column_and_an_empty_collection_are_errors() {
    let failed = |memory: Memory, config: DataConfig, plan| {
        Loader::new(Arc::new(memory), &config, plan).err().map(|error| error.to_string()).unwrap()
    };
    let other = DataConfig { picture_column: "img".into(), ..config() };
    let error = failed(Memory::pictures(2, false), other, plan(1, 0));
    assert!(error.contains("img") && error.contains("image, text, keywords, label"), "{error}");
    let mut empty = Memory::pictures(1, false);
    empty.records.clear();
    empty.blocks.clear();
    assert!(failed(empty, config(), plan(1, 0)).contains("no record"));
    assert!(failed(Memory::pictures(2, false), config(), plan(0, 0)).contains("batch_size"));
}

#[test]
fn sounds_come_with_pictures_and_are_heard_differently_each_time() {
    let word = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/sound/word.wav");
    let bytes: Arc<[u8]> = fs_err::read(word).unwrap().into();
    let mut records = Memory::pictures(6, false).records;
    for record in &mut records {
        let file = crate::EncodedFile { name: "word.wav".into(), bytes: bytes.clone() };
        record.fields.insert("audio".into(), crate::Field::File(file));
    }
    let memory = Arc::new(Memory::new(records));
    let mut config = config();
    config.sound = Some(crate::SoundConfig { noise: 1.0, speed: 0.2, masks: 2, ..Default::default() });
    let both = batches(&memory, &config, plan(6, 0), 2);
    let sounds = both[0].sounds("audio").unwrap();
    let mel = crate::MelConfig::default();
    assert_eq!(sounds.shape, [6, mel.n_mels, mel.frames()]);
    assert_ne!(sounds.data[..mel.frames()], sounds.data[mel.n_mels * mel.frames()..][..mel.frames()]);
    assert_ne!(both[0].sounds("audio").unwrap(), both[1].sounds("audio").unwrap());
    // From the second on, the same.
    assert_eq!(batches(&memory, &config, plan(6, 1), 1)[0], both[1]);
    config.sound = Some(crate::SoundConfig::default());
    let plain = batches(&memory, &config, plan(6, 0), 1).remove(0);
    let plain = plain.sounds("audio").unwrap();
    assert_eq!(
        plain.data[..mel.n_mels * mel.frames()],
        plain.data[mel.n_mels * mel.frames()..][..mel.n_mels * mel.frames()]
    );
    config.sound = Some(crate::SoundConfig { column: "sound".into(), ..Default::default() });
    let collection: Arc<dyn Collection> = memory;
    let said = Loader::new(collection, &config, plan(6, 0)).err().unwrap().to_string();
    assert!(said.contains("`sound.column` names the column `sound`") && said.contains("audio"), "{said}");
}

//! A generator that is broken on purpose is exposed by the measure that should expose it, with the encoder that ships.

#![allow(clippy::unwrap_used, reason = "a helper of a test that fails is the test that fails")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rebus::{
    data::{self, Collection, DataConfig, Pictures, config::ImageSize, fit::Fitter, picture, split},
    eval::{Evaluation, Extractor, Report, Rulers, SetReport, Source, evaluate},
    models::{
        Condition, Conditioner, Generate, GenerateOptions, GenerateRequest, Input, Model, ModelError,
        ModelInfo, NoObserver, Observer,
    },
};

/// Draws what it is told to be.
struct Fake {
    kind: Kind,
    info: ModelInfo,
    pictures: Vec<Vec<f32>>,
    /// Records that are learned.
    training: Vec<usize>,
}

#[derive(Clone, Copy)]
enum Kind {
    /// The true picture of each record.
    Perfect,
    /// Numbers without a meaning.
    Noise,
    /// The first picture, whatever is asked for.
    One,
    /// Pictures that it was shown, whatever is asked for.
    Copies,
}

const SHAPE: [usize; 3] = [3, 32, 32];

impl Model for Fake {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn conditioner(&self) -> Option<&dyn Conditioner> {
        Some(self)
    }

    fn generate(&self) -> Option<&dyn Generate> {
        Some(self)
    }
}

impl Conditioner for Fake {
    fn condition(&self, _: &[Input]) -> Result<Condition, ModelError> {
        Ok(Condition::default())
    }

    fn truncation(&self, _: &str) -> Result<Option<String>, ModelError> {
        Ok(None)
    }
}

impl Generate for Fake {
    fn generate(&self, request: &GenerateRequest, _: &mut dyn Observer) -> Result<Pictures, ModelError> {
        // A seed is its record's number, since the evaluation's own is 0.
        let draw = |&seed: &u64| match self.kind {
            Kind::Perfect => self.pictures[seed as usize].clone(),
            Kind::One => self.pictures[0].clone(),
            Kind::Copies => self.pictures[self.training[seed as usize * 7 % self.training.len()]].clone(),
            Kind::Noise => (0..SHAPE.iter().product::<usize>() as u64)
                .map(|place| ((place * 2_654_435_761 + seed * 40_503) % 1009) as f32 / 504.0 - 1.0)
                .collect(),
        };
        let data = request.seeds.iter().flat_map(draw).collect();
        Ok(Pictures { shape: [request.seeds.len(), SHAPE[0], SHAPE[1], SHAPE[2]], data })
    }

    fn options(&self) -> GenerateOptions {
        GenerateOptions::default()
    }
}

/// The report of a fake generator on the fixture; what was seen of that is kept in a folder, if there is one.
fn measured(kind: Kind, collection: &dyn Collection, extractor: &Extractor, cache: Option<&Path>) -> Report {
    let config =
        DataConfig { image_size: ImageSize::Square(32), validation_fraction: 0.3, ..DataConfig::default() };
    let fitter = Fitter::new(&config).unwrap();
    let read = |record: usize| {
        let record = collection.record(record).unwrap();
        let image = picture::decode(record.picture("image").unwrap(), config.max_pixels).unwrap();
        Pictures::from_images(&[fitter.fit(image, 0).unwrap()]).unwrap().data
    };
    let info = ModelInfo {
        family: "fake".to_string(),
        parameters: 0,
        picture_shape: SHAPE,
        hash: String::new(),
        provenance: serde_json::Value::Null,
    };
    let training = split(collection, &config).unwrap().train;
    let fake = Fake { kind, info, pictures: (0..collection.len()).map(read).collect(), training };
    let rulers = Rulers { extractor, encoder: extractor, judge: None };
    let source = Source::Model(&fake);
    let mut settings = Evaluation::new(config);
    settings.cache = cache.map(Path::to_path_buf);
    evaluate("fake", source, collection, rulers, &settings, &mut NoObserver).unwrap().report
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/emoji200")
}

fn ruler() -> Extractor {
    let encoder = rebus::default_encoder(&rebus::device("cpu").unwrap()).unwrap();
    Extractor::new("the encoder that ships", Arc::clone(&encoder)).unwrap()
}

fn held_out(report: &Report) -> &SetReport {
    assert_eq!(report.sets[1].name, "held out");
    &report.sets[1]
}

#[test]
fn what_is_broken_is_exposed() {
    let collection = data::open(&fixture(), &Default::default()).unwrap();
    let extractor = ruler();
    let report = |kind| measured(kind, &*collection, &extractor, None);

    // A perfect model gets the floor itself, and ranks first.
    let perfect = report(Kind::Perfect);
    for set in &perfect.sets {
        assert_eq!(set.distances, set.floor, "{}", set.name);
        assert_eq!(set.rank_by_pixels.unwrap().median_plain, Some(0.0));
        assert_eq!(set.agreement.unwrap().drawn, set.agreement.unwrap().true_pictures.unwrap());
    }
    let best = held_out(&perfect);
    let floor = best.floor.found().unwrap();
    assert!(floor.frechet_distance.is_none(), "60 pictures are too few for 128 features");
    assert!(floor.note.as_ref().unwrap().contains("too few"), "{:?}", floor.note);

    let noise = report(Kind::Noise);
    let found = held_out(&noise).distances.found().unwrap();
    assert!(found.kernel_distance_mean > 10.0 * floor.kernel_distance_mean.abs().max(1e-3), "{found:?}");
    // All noise looks alike to the encoder, and lies in the midst of real pictures: precision forgives it, recall does not.
    assert!(found.recall < 0.1 && found.recall < floor.recall / 2.0, "{found:?}");
    let agreement = held_out(&noise).agreement.unwrap();
    assert!((agreement.drawn - agreement.chance.unwrap()).abs() < 0.1, "{agreement:?}");

    let one = report(Kind::One);
    let found = held_out(&one).distances.found().unwrap();
    assert!(found.recall < 0.1 && found.recall < floor.recall / 2.0, "{found:?}");
    assert!(found.coverage < floor.coverage / 2.0, "{found:?} {floor:?}");

    let copies = report(Kind::Copies);
    let found = held_out(&copies);
    assert!(found.distances.found().unwrap().precision > 0.9, "copies look real");
    assert!(found.memorised_by_pixels.near_copies > 0.9, "{:?}", found.memorised_by_pixels);
    assert!(found.memorised_by_features.near_copies > 0.9, "{:?}", found.memorised_by_features);
    assert!(best.memorised_by_pixels.near_copies < 0.1, "{:?}", best.memorised_by_pixels);
    assert!(found.retrieval.unwrap().text_to_picture.unwrap().at_1 < 0.2, "and go with no caption");
}

#[test]
fn what_was_seen_is_kept_until_a_picture_changes() {
    let (copy, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for entry in fs::read_dir(fixture()).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    let extractor = ruler();
    let measure = |cache: Option<&Path>| {
        let collection = data::open(copy.path(), &Default::default()).unwrap();
        let report = measured(Kind::Copies, &*collection, &extractor, cache);
        serde_json::to_value(&report.sets).unwrap()
    };
    let kept = || {
        fs::read_dir(cache.path())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.file_name(), entry.metadata().unwrap().modified().unwrap())
            })
            .collect::<BTreeSet<_>>()
    };
    let first = measure(Some(cache.path()));
    let seen = kept();
    assert!(!seen.is_empty());
    assert_eq!(measure(Some(cache.path())), first, "what was kept is what was seen");
    assert_eq!(kept(), seen, "and is written once");
    assert_eq!(measure(None), first);

    // The places of some pictures are taken by another with as many bytes: decoders do not mind what stands behind its end.
    let mut pictures: Vec<PathBuf> =
        fs::read_dir(copy.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    pictures.retain(|path| path.extension().is_some_and(|kind| kind == "png"));
    pictures.sort_by_key(|path| (fs::metadata(path).unwrap().len(), path.clone()));
    let other = fs::read(&pictures[0]).unwrap();
    for path in &pictures[180..] {
        let mut other = other.clone();
        other.resize(fs::read(path).unwrap().len(), 0);
        fs::write(path, other).unwrap();
    }
    let changed = measure(Some(cache.path()));
    assert!(changed != first && kept().len() > seen.len());
    assert_eq!(measure(None), changed);
}

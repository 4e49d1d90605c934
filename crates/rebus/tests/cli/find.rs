//! `index`, `search`, `label`, `caption`, `duplicates`, `map`: a collection indexed and found again, work that is broken off or
//! shared, and what is wrong with a request.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use rebus::store::Part;

use crate::{done, emoji, failed};

/// A folder of some emoji as files of their own, captions beside them.
pub(crate) fn loose(folder: &Path, count: usize) {
    std::fs::create_dir_all(folder.join("pictures/deep")).unwrap();
    let collection = rebus::data::open(&emoji(), &Default::default()).unwrap();
    for number in 0..count {
        let record = collection.record(number).unwrap();
        let place = if number % 2 == 0 { "pictures" } else { "pictures/deep" };
        let bytes = &record.picture("image").unwrap().bytes;
        std::fs::write(folder.join(place).join(format!("{number:03}.png")), bytes).unwrap();
        let text = record.text("text").unwrap();
        std::fs::write(folder.join(place).join(format!("{number:03}.txt")), text).unwrap();
    }
}

/// All that a store tells, without the numbers that it gives to things.
pub(crate) fn content(store: &Path) -> String {
    let store = rebus::store::open(store).unwrap();
    let mut said = vec![];
    for part in [Part::Picture, Part::Caption] {
        for (id, vector) in store.vectors(part, None).unwrap() {
            let item = store.items(&[id]).unwrap().remove(0);
            said.push(format!("{part:?} {} {:?} {vector:?}", item.path, item.fields));
        }
    }
    let about = store.about().unwrap();
    format!("{:?} {:?} {:?} {}", about.model, about.embeddings, about.sources, said.join("\n"))
}

pub(crate) fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_collection_is_found_by_words_pictures_fields_and_captions() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let emoji = emoji();
    let run = |args: &[&str]| done(place, &[args, &["--store", "store"]].concat());
    assert_eq!(
        run(&["index", "add", emoji.to_str().unwrap()]),
        "added 200, changed 0, unchanged 0, forgotten 0, left out 0\n"
    );
    assert!(run(&["index", "add", emoji.to_str().unwrap()]).contains("added 0, changed 0, unchanged 200"));
    let shown = run(&["index", "show"]);
    assert!(
        shown.contains("items       200") && shown.contains("model       shipped (128 numbers"),
        "{shown}"
    );

    // A caption of the collection finds its picture, and its picture finds itself.
    let found = json(&run(&["search", "red apple", "--json", "-k", "10"]));
    assert_eq!(found.as_array().unwrap().len(), 10);
    let first = &found[0];
    assert!(first["path"].as_str().unwrap().contains("emoji200#") && first.get("id").is_none(), "{first}");
    let picture = rebus::data::open(&emoji, &Default::default()).unwrap().record(7).unwrap();
    std::fs::write(place.join("q.png"), &picture.picture("image").unwrap().bytes).unwrap();
    let found = json(&run(&["search", "--image", "q.png", "--json", "-k", "1"]));
    assert!(found[0]["path"].as_str().unwrap().ends_with(&format!("#{}", picture.key)), "{found}");
    assert!(found[0]["score"].as_f64().unwrap() > 0.999);

    // Words of captions alone are found without a model; weights decide between two wishes.
    let text = picture.text("text").unwrap();
    let by_text = json(&run(&["search", "--text", &text, "--json", "-k", "1"]));
    assert_eq!(by_text[0]["fields"]["text"], text);
    let both = |weights: &str| {
        let args = ["search", "face", "--image", "q.png", "--json", "-k", "1", "--weights", weights];
        json(&run(&args))[0]["path"].clone()
    };
    assert_eq!(both("0,1"), found[0]["path"]);
    assert_eq!(both("1,0"), json(&run(&["search", "face", "--json", "-k", "1"]))[0]["path"]);
    let fused = json(&run(&["search", &text, "--text", &text, "--json", "-k", "3"]));
    assert_eq!(fused[0]["path"], found[0]["path"]);
    let same = json(&run(&["search", "--image", "q.png", "--without", &text, "--json", "--weights", "1,0"]));
    assert_eq!(same[0]["path"], found[0]["path"]);

    // Every one that is found fits the filter.
    let filter = "group = 'Food & Drink' AND width >= 64";
    let food = json(&run(&["search", "red", "--where", filter, "--json", "-k", "200"]));
    assert!(!food.as_array().unwrap().is_empty());
    assert!(food.as_array().unwrap().iter().all(|one| one["fields"]["group"] == "Food & Drink"), "{food}");

    // So few are looked at one by one: all of the nearest are found.
    let measured = json(&run(&["eval", "index", "--json", "--queries", "20", "-k", "5"]));
    assert_eq!((&measured["recall"], &measured["asked_by"]), (&1.0.into(), &"caption".into()), "{measured}");
    assert!(run(&["eval", "index", "--of", "caption"]).contains("recall@10    1.0000"));

    // A sheet and a page; a caption; a map; duplicates.
    run(&["search", "red", "-k", "6", "--sheet", "found.png", "--html", "found.html"]);
    assert_eq!(image::open(place.join("found.png")).unwrap().width(), 6 * 68 + 4);
    assert_eq!(
        std::fs::read_to_string(place.join("found.html")).unwrap().matches("<img src=\"data:image").count(),
        6
    );
    let captions = json(&run(&["caption", "q.png", "--json", "-k", "200"]));
    let guesses = captions[0]["captions"].as_array().unwrap();
    assert!(guesses.iter().any(|guess| guess["caption"] == text), "{captions}");
    let sum: f64 = guesses.iter().map(|guess| guess["confidence"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-3, "{sum}");
    let spots = json(&run(&["map", "--json", "-o", "map.html"]));
    assert_eq!(spots.as_array().unwrap().len(), 200);
    assert!(std::fs::read_to_string(place.join("map.html")).unwrap().contains("const spots = [{"));
    let none = json(&run(&["duplicates", "--threshold", "1", "--json"]));
    let some = json(&run(&["duplicates", "--threshold", "0.9", "--json"]));
    assert!(none.as_array().unwrap().len() < some.as_array().unwrap().len(), "{some}");
}

/// A collection of 24 emoji, each with a sound of its own: a tone, and an encoder that has hardly learned to hear them.
fn heard(folder: &Path) {
    std::fs::create_dir_all(folder.join("spoken")).unwrap();
    let collection = rebus::data::open(&emoji(), &Default::default()).unwrap();
    let mut lines = String::new();
    for number in 0..24 {
        let record = collection.record(number).unwrap();
        std::fs::write(folder.join(format!("spoken/{number}.png")), &record.picture("image").unwrap().bytes)
            .unwrap();
        tone(&folder.join(format!("spoken/{number}.wav")), 200.0 + 60.0 * number as f32);
        let line = serde_json::json!({
            "file_name": format!("{number}.png"), "audio_file_name": format!("{number}.wav"),
            "spoken": record.text("text").unwrap(), "voice": if number % 2 == 0 { "high" } else { "low" },
        });
        lines += &format!("{line}\n");
    }
    std::fs::write(folder.join("spoken/metadata.jsonl"), lines).unwrap();
    let mut args = vec!["train", "emoji-dual-sound", "--data", "spoken", "--run", "run"];
    for key in [
        "model.sound.width=16",
        "model.sound.layers=1",
        "data.sampling=[]",
        "data.validation_fraction=0.2",
        "data.sound.mel.seconds=0.5",
        "train.batch_size=8",
        "train.steps=4",
        "train.validate_every=2",
    ] {
        args.extend(["--set", key]);
    }
    done(folder, &args);
}

/// A WAV file of half a second.
fn tone(path: &Path, hertz: f32) {
    let samples =
        (0..4000).map(|at| ((at as f32 / 8000.0 * hertz * std::f32::consts::TAU).sin() * 9000.0) as i16);
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let number = |number: u32| number.to_le_bytes();
    let mut file = [&b"RIFF"[..], &number(36 + data.len() as u32), b"WAVEfmt ", &number(16)].concat();
    file.extend([&[1, 0, 1, 0][..], &number(8000), &number(16_000), &[2, 0, 16, 0]].concat());
    file.extend([&b"data"[..], &number(data.len() as u32), &data].concat());
    std::fs::write(path, file).unwrap();
}

#[test]
fn sounds_are_learned_indexed_found_measured_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    heard(place);
    let finding = ["--model", "run/model", "--store", "store"];
    let run = |args: &[&str]| done(place, &[args, &finding].concat());
    // A collection whose records have both, and a sound by itself; what is silent is told of.
    std::fs::create_dir(place.join("loose")).unwrap();
    tone(&place.join("loose/alone.wav"), 333.0);
    std::fs::write(
        place.join("loose/silent.wav"),
        &std::fs::read(place.join("loose/alone.wav")).unwrap()[..44],
    )
    .unwrap();
    let report = json(&run(&["index", "add", "spoken", "loose", "--json"]));
    assert_eq!((&report["added"], report["broken"].as_array().unwrap().len()), (&25.into(), 1), "{report}");
    assert!(run(&["index", "show"]).contains("sounds      25"));
    let found = json(&run(&["search", "--audio", "loose/alone.wav", "--of", "sound", "--json", "-k", "3"]));
    assert!(found[0]["path"].as_str().unwrap().ends_with("alone.wav"), "{found}");
    assert_eq!(
        json(&run(&["search", "--audio", "spoken/3.wav", "--json", "-k", "4"])).as_array().unwrap().len(),
        4
    );
    let both = [
        "search",
        "face",
        "--audio",
        "spoken/3.wav",
        "--weights",
        "0,1",
        "--of",
        "sound",
        "--json",
        "-k",
        "1",
    ];
    assert!(json(&run(&both))[0]["path"].as_str().unwrap().ends_with("#3.png"));
    // The encoder that ships hears nothing, and says so.
    let (code, said) = failed(place, &["search", "--audio", "loose/alone.wav", "--store", "store"]);
    assert!(code == 2 && said.contains("was made by the model"), "{said}");
    done(place, &["index", "add", "loose", "--store", "deaf"]);
    let (_, said) = failed(place, &["search", "--audio", "loose/alone.wav", "--store", "deaf"]);
    assert!(said.contains("hears nothing") && said.contains("emoji-dual-sound"), "{said}");

    // Measured: all ways, by voice, and with noise.
    let measured = ["eval", "run/model", "--data", "spoken", "--by", "voice", "--robustness", "--json"];
    let report = json(&done(place, &measured));
    let groups: Vec<&String> = report["groups"].as_object().unwrap().keys().collect();
    assert_eq!(groups, ["all", "high", "low"], "{report}");
    assert_eq!(report["spoiled"].as_object().unwrap().len(), 8);
    assert!(report["groups"]["all"]["sound_to_picture"]["at_10"].as_f64().unwrap() > 0.0);
    assert!(done(place, &measured[..6]).contains("picture of a sound"));

    // How sure it may be is noted beside the model, whose hash stays.
    let calibrated = done(place, &["eval", "run/model", "--data", "spoken", "--calibrate"]);
    assert!(calibrated.contains("ln(labels)") && calibrated.contains("certainty off by"), "{calibrated}");
    let manifest = json(&std::fs::read_to_string(place.join("run/model/model.json")).unwrap());
    assert!(manifest["provenance"]["calibration"]["scale"].as_f64().unwrap() > 0.0);
    assert!(run(&["index", "add", "loose"]).contains("unchanged 2"), "the same model to the store");

    // A flow in that space draws what it hears, mixed with words by weight; the picture's own command makes it again.
    let mut args = vec!["train", "emoji-flow", "--data", "spoken", "--run", "flow"];
    let captions = "data.captions={spoken=1.0}";
    for key in [
        "condition.encoder=run",
        captions,
        "model.widths=[16]",
        "model.condition_width=16",
        "model.groups=4",
        "model.head_width=8",
        "data.sampling=[]",
        "train.batch_size=4",
        "train.steps=20",
        "train.learning_rate=0.01",
        "train.warmup_steps=0",
        "train.sample_every=0",
    ] {
        args.extend(["--set", key]);
    }
    done(place, &args);
    let draw = |args: &[&str]| {
        let args = [&["generate"], args, &["--model", "flow/model", "--steps", "2", "--seed", "3"]].concat();
        done(place, &args);
    };
    draw(&["--audio", "spoken/3.wav", "-o", "heard.png"]);
    draw(&["a cat", "--audio", "spoken/3.wav", "--weights", "0,1", "-o", "mixed.png"]);
    let picture = |name: &str| image::open(place.join(name)).unwrap();
    assert!(picture("heard.png") == picture("mixed.png"), "words that do not count");
    draw(&["a cat", "--audio", "spoken/3.wav", "--weights", "1,0.5", "-o", "both.png"]);
    assert!(picture("heard.png") != picture("both.png"));
    let shown = done(place, &["show", "both.png"]);
    let again =
        shown.lines().find(|line| line.starts_with("rebus generate")).unwrap_or_else(|| panic!("{shown}"));
    assert!(again.contains("--audio") && again.contains("--weights '1,0.5'"), "{again}");
    // What it draws of what is said, beside what it draws of the same in writing.
    let measured = ["eval", "flow/model", "--data", "spoken", "--steps", "1", "--samples", "4", "--json"];
    let halves = ["--validation-fraction", "0.5", "--no-cache", "--by", "voice"];
    let written = json(&done(place, &[&measured[..], &halves].concat()));
    let heard = json(&done(place, &[&measured[..], &halves, &["--sounds", "audio"]].concat()));
    let names = |report: &serde_json::Value| -> Vec<String> {
        let sets = report["sets"].as_array().unwrap();
        sets.iter().map(|set| set["name"].as_str().unwrap().to_string()).collect()
    };
    assert_eq!(names(&written), ["training", "high", "low"]);
    assert_eq!(names(&heard), names(&written));
    assert_eq!(
        (&heard["collection"]["sounds"], &written["collection"]["sounds"]),
        (&"audio".into(), &serde_json::Value::Null)
    );
    assert!(heard["sets"][0] != written["sets"][0], "{heard}");
    let (code, said) = failed(place, &["eval", "--data", "spoken", "--sounds", "audio"]);
    assert!(code == 2 && said.contains("this model hears nothing"), "{said}");
    let (code, said) = failed(place, &["eval", "flow/model", "--data", "spoken", "--sounds", "song"]);
    assert!(code == 2 && said.contains("no column `song`"), "{said}");
    let (code, said) = failed(place, &["eval", "run/model", "--data", "spoken", "--sounds", "voice"]);
    assert!(code == 2 && said.contains("`voice`") && said.contains("these have files: audio"), "{said}");
    let (code, said) = failed(place, &["generate", "a", "--audio", "spoken/3.wav"]);
    assert!(code == 2 && said.contains("this model hears nothing"), "{said}");
    let (code, said) = failed(place, &["generate", "a", "b", "--weights", "1"]);
    assert!(code == 2 && said.contains("2 prompts, 0 pictures and 0 sounds"), "{said}");
}

#[test]
fn labels_are_told_without_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rebus-assets/pictures/cat.png");
    let picture = pictures.to_str().unwrap();
    let labelled = json(&done(folder.path(), &["label", picture, "--labels", "cat,a heart, flag", "--json"]));
    let labels = labelled[0]["labels"].as_array().unwrap();
    assert_eq!((labels.len(), &labels[0]["label"]), (3, &serde_json::json!("cat")));
    let said = done(folder.path(), &["label", picture, "--labels", "flag,cat", "-k", "1"]);
    assert!(said.contains("cat ") && !said.contains("flag"), "{said}");
}

#[test]
fn what_changed_is_read_again_and_what_is_gone_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    loose(place, 20);
    std::fs::write(place.join("pictures/broken.png"), "no picture").unwrap();
    let run = |args: &[&str]| done(place, &[args, &["--store", "store"]].concat());
    let report = json(&run(&["index", "add", "pictures", "--json"]));
    assert_eq!((&report["added"], report["broken"].as_array().unwrap().len()), (&20.into(), 1), "{report}");
    // A broken file is not read again until it changes.
    assert_eq!(json(&run(&["index", "sync", "--json"]))["unchanged"], 21);
    std::fs::remove_file(place.join("pictures/000.png")).unwrap();
    std::fs::rename(place.join("pictures/002.png"), place.join("pictures/new.png")).unwrap();
    std::fs::write(place.join("pictures/004.txt"), "ein Wal im Meer").unwrap();
    std::fs::copy(place.join("pictures/006.png"), place.join("pictures/broken.png")).unwrap();
    let report = json(&run(&["index", "sync", "--json"]));
    assert_eq!(
        report,
        serde_json::json!({
            "added": 1, "changed": 2, "unchanged": 17, "forgotten": 2, "broken": []
        })
    );
    assert!(run(&["search", "--text", "Wal"]).contains("pictures/004.png"));
    // What is gone for now is not forgotten for ever.
    std::fs::rename(place.join("pictures"), place.join("away")).unwrap();
    let (code, said) = failed(place, &["index", "sync", "--store", "store"]);
    assert!(code == 2 && said.contains("is not there") && said.contains("rebus index remove"), "{said}");
    assert!(run(&["index", "show"]).contains("items       20"));
    assert_eq!(run(&["index", "remove", "pictures"]), "forgotten 20\n");
    assert!(run(&["index", "show"]).contains("items       0"));
}

/// REBUS_TEST_KILLS says how often; six times by itself.
#[test]
fn work_that_is_killed_goes_on_and_ends_as_if_it_had_not_been() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    loose(place, 150);
    let emoji = emoji();
    let args = |store: &str| {
        let args = ["index", "add", "pictures", emoji.to_str().unwrap(), "--quiet", "--store", store];
        args.map(String::from)
    };
    let as_words = |args: &[String; 7]| done(place, &args.each_ref().map(String::as_str));
    let begun = Instant::now();
    as_words(&args("whole"));
    let whole = begun.elapsed();
    let wanted = content(&place.join("whole"));
    let kills = std::env::var("REBUS_TEST_KILLS").map_or(6, |kills| kills.parse().unwrap());
    for kill in 1..=kills {
        // Moments that are spread over all of the work; the store of three kills is then finished.
        let delay = whole.mul_f64((0.618_034 * f64::from(kill)).fract());
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("rebus"))
            .current_dir(place)
            .args(args("killed"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(delay);
        let _ = child.kill();
        child.wait().unwrap();
        if kill % 3 == 0 || kill == kills {
            as_words(&args("killed"));
            assert_eq!(content(&place.join("killed")), wanted, "after kill {kill}");
            std::fs::remove_dir_all(place.join("killed")).unwrap();
        }
    }
}

#[test]
fn several_who_index_share_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    loose(place, 200);
    let start = || {
        Command::new(assert_cmd::cargo::cargo_bin("rebus"))
            .current_dir(place)
            .args(["index", "add", "pictures", "--json", "--store", "store"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let both: Vec<_> = (0..2).map(|_| start()).collect();
    let reports: Vec<_> = both.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    let added: Vec<u64> = reports
        .iter()
        .map(|output| json(std::str::from_utf8(&output.stdout).unwrap())["added"].as_u64().unwrap())
        .collect();
    assert_eq!(added.iter().sum::<u64>(), 200, "{added:?}");
    assert_eq!(rebus::store::open(&place.join("store")).unwrap().about().unwrap().items, 200);
}

#[test]
fn wrong_requests_say_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    loose(place, 3);
    done(place, &["index", "add", "pictures", "--store", "store"]);
    std::fs::create_dir(place.join("empty")).unwrap();
    std::fs::create_dir(place.join("other")).unwrap();
    std::fs::write(place.join("other/store.sqlite"), "words ".repeat(200)).unwrap();
    let store = &["--store", "store"][..];
    for (args, words) in [
        (&["search", "x", "--store", "empty"][..], &["no store at empty", "rebus index add"][..]),
        (&["search", "x", "--store", "other"], &["other/store.sqlite is no store of Rebus"]),
        (&["search"], &["nothing to look for", "--image"]),
        (&["search", "x", "--where", "width >"], &["`width >`, at character", "expression"]),
        (&["search", "x", "--where", "wdith > 3"], &["at character 1", "`wdith`", "width"]),
        (&["search", "x", "--where", "width > 3; DROP TABLE item"], &["at character 10"]),
        (&["search", "x", "y", "--weights", "1"], &["2 texts, 0 pictures, 0 sounds"]),
        (&["search", "x", "--weights", "NaN"], &["1 texts"]),
        (
            &["search", "--audio", "pictures/000.png"],
            &["the sound `pictures/000.png` cannot be used", "WAV, FLAC"],
        ),
        (&["search", "--image", "no.png"], &["no.png", "Check the path"]),
        (&["search", "x", "--sheet", "x.jpg"], &[".png"]),
        (&["search", "x", "--html", "empty"], &["empty is a folder"]),
        (&["search", "x", "--model", "no"], &["no"]),
        (&["index", "add", "nowhere"], &["nowhere is not there"]),
        (&["index", "remove", "nowhere"], &["was not indexed; what was", "pictures"]),
        (&["duplicates", "--threshold", "3"], &["3: a cosine is"]),
        (&["caption", "empty"], &["empty: no picture"]),
        (&["map", "-o", "empty"], &["empty is a folder"]),
        (&["map", "-o", "pictures/000.txt"], &["pictures/000.txt is there already"]),
        (&["search", "x", "--html", "pictures/000.txt"], &["pictures/000.txt is there already"]),
    ] {
        let args = if args.contains(&"--store") { args.to_vec() } else { [args, store].concat() };
        let (code, said) = failed(place, &args);
        assert_eq!(code, 2, "{args:?}: {said}");
        for word in words {
            assert!(said.contains(word), "{args:?}: {word} in {said}");
        }
    }
    let picture = "pictures/000.png";
    for (labels, word) in [("a,a", "`a` stands there twice"), ("a,,b", "an empty one")] {
        let (code, said) = failed(place, &["label", picture, "--labels", labels]);
        assert!(code == 2 && said.contains(word), "{said}");
    }
}

//! `train`, `runs`, `export`: a tiny flow on 200 emoji, stopped, killed and resumed.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{done, emoji, failed};

/// Settings that make a step of the flow take milliseconds.
const TINY: [&str; 10] = [
    "--set",
    "model.widths=[16]",
    "--set",
    "model.attention_from=9",
    "--set",
    "model.text.layers=1",
    "--set",
    "train.batch_size=4",
    "--set",
    "data.image_size=16",
];

fn train(run: &str, more: &[&str]) -> Vec<String> {
    let emoji = emoji();
    let mut args = vec!["train", "emoji-flow", "--data", emoji.to_str().unwrap(), "--run", run];
    args.extend(TINY);
    args.extend([
        "--set",
        "train.log_every=1",
        "--set",
        "train.sample_every=0",
        "--set",
        "train.validate_every=0",
    ]);
    args.extend(more);
    args.into_iter().map(str::to_string).collect()
}

fn say(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// The losses of a run by step.
fn losses(folder: &Path, run: &str) -> Vec<(u64, String)> {
    let log = fs::read_to_string(folder.join(run).join("log.jsonl")).unwrap();
    log.lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter_map(|line| Some((line.get("step")?.as_u64()?, line.get("loss_velocity")?.to_string())))
        .collect()
}

#[test]
fn a_student_of_the_model_that_ships_draws_in_few_steps() {
    let folder = tempfile::tempdir().unwrap();
    let emoji = emoji();
    let mut args = vec!["train", "emoji-distill", "--data", emoji.to_str().unwrap(), "--run", "run"];
    for key in ["train.steps=2", "train.batch_size=2", "train.sample_every=0", "train.validate_every=0"] {
        args.extend(["--set", key]);
    }
    done(folder.path(), &args);
    let draw = |file: &str, more: &[&str]| {
        let draw = ["generate", "sun", "--seed", "3", "--model", "run/model", "-o", file];
        let output = crate::rebus(folder.path(), &[&draw[..], more].concat());
        let pixels = image::open(folder.path().join(file)).unwrap().to_rgb8();
        (pixels, String::from_utf8(output.stderr).unwrap())
    };
    let (four, said) = draw("a.png", &["--guidance-scale", "5", "--sampler", "heun"]);
    for what in ["a guidance scale", "a sampler"] {
        assert!(said.contains(&format!("{what} has no meaning for this model (family `flow`)")), "{said}");
    }
    assert!(draw("b.png", &["--steps", "4"]).0 == four && draw("c.png", &["--steps", "1"]).0 != four);
    args.extend(["--set", "data.image_size=16"]);
    args[5] = "other";
    let (code, said) = failed(folder.path(), &args);
    assert!(code == 2 && said.contains("the teacher draws 32x32 with 3 channels"), "{code} {said}");
}

#[test]
fn a_flow_that_an_encoder_reads_for_is_shown_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let emoji = emoji();
    let shipped = ["--set", "train.steps=2", "--set", "condition.encoder=shipped"];
    done(folder.path(), &say(&train("run", &shipped)));
    let run = fs::read_to_string(folder.path().join("run/run.toml")).unwrap();
    assert!(run.contains("[run.needs.condition]") && run.contains("[condition]"), "{run}");
    let mut pictures = fs::read_dir(&emoji).unwrap().map(|entry| entry.unwrap().path());
    let picture = pictures.find(|path| path.extension().is_some_and(|end| end == "png")).unwrap();
    let image = ["--image", picture.to_str().unwrap()];
    let drawing = ["generate", "sun", "--steps", "2", "--seed", "1", "-o", "drawn", "--model", "run/model"];
    let said = done(folder.path(), &[&drawing[..], &image].concat());
    assert_eq!(said.lines().count(), 2, "{said}");
    let name = picture.file_stem().unwrap().to_str().unwrap();
    assert!(said.contains(name), "{said}");
    done(folder.path(), &["train", "--run", "run", "--resume", "--set", "train.steps=3"]);

    let (code, said) = failed(folder.path(), &[&["generate", "--steps", "1"][..], &image].concat());
    assert!(code == 2 && said.contains("this model reads words alone"), "{code} {said}");
    let (code, said) =
        failed(folder.path(), &say(&train("other", &["--set", "condition.encoder=runs/none"])));
    assert!(
        code == 2 && said.contains("needs a model `condition`, and there is none at runs/none"),
        "{said}"
    );
    let gan =
        ["train", "article-gan", "--data", emoji.to_str().unwrap(), "--set", "condition.encoder=shipped"];
    let (code, said) = failed(folder.path(), &gan);
    assert!(
        code == 2 && said.contains("no other encoder reads for the family `gan-classic`"),
        "{code} {said}"
    );
}

#[test]
fn half_the_steps_and_the_other_half_are_all_the_steps() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    done(at, &say(&train("whole", &["--set", "train.steps=20"])));
    done(at, &say(&train("halves", &["--set", "train.steps=10"])));
    done(at, &["train", "--run", "halves", "--resume", "--set", "train.steps=20"]);
    let whole = losses(at, "whole");
    assert_eq!(whole.len(), 20);
    assert_eq!(whole, losses(at, "halves"));
    let weights = |run: &str| fs::read(at.join(run).join("model/model.safetensors")).unwrap();
    assert_eq!(weights("whole"), weights("halves"));

    let (code, said) = failed(at, &say(&train("whole", &[])));
    assert!(code == 2 && said.contains("holds a run already"), "{code} {said}");
    assert!(!said.contains("images/s"), "said before the speed is measured: {said}");

    let table = done(at, &["runs", "whole", "halves", "-o", "curves.png"]);
    assert!(table.contains("whole") && table.contains("halves"), "{table}");
    assert!(fs::metadata(at.join("curves.png")).unwrap().len() > 1000);
    done(at, &["export", "whole", "--raw", "--float16", "-o", "exported"]);
    done(at, &["generate", "sun", "--model", "exported", "--seed", "1", "--steps", "2", "-o", "sun.png"]);
    done(at, &["generate", "sun", "--model", "whole/model", "--seed", "1", "--steps", "2", "-o", "sun2.png"]);
}

#[test]
fn a_killed_run_always_resumes() {
    killed_and_resumed(3);
}

#[test]
#[ignore = "takes minutes: 20 kills"]
fn a_run_killed_twenty_times_always_resumes() {
    killed_and_resumed(20);
}

/// Kills a run at moments spread over its start and its checkpoints; each time it goes on, and at the end its losses
/// are those of a run that nobody killed.
fn killed_and_resumed(kills: u32) {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let more = ["--set", "train.steps=60", "--set", "train.checkpoint_every=5"];
    done(at, &say(&train("whole", &more)));
    let program = assert_cmd::cargo::cargo_bin("rebus");
    for kill in 0..kills {
        let begun = at.join("killed/run.toml").exists();
        let args = match begun {
            true => ["train", "--run", "killed", "--resume"].map(str::to_string).to_vec(),
            false => train("killed", &more),
        };
        let mut child = Command::new(&program)
            .current_dir(at)
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Moments of a fixed, uneven spread: before the first checkpoint, inside one, between two.
        std::thread::sleep(Duration::from_millis(200 + u64::from(kill * 373 % 1100)));
        let _ = child.kill();
        child.wait().unwrap();
    }
    let begun = at.join("killed/run.toml").exists();
    let last = match begun {
        true => ["train", "--run", "killed", "--resume"].map(str::to_string).to_vec(),
        false => train("killed", &more),
    };
    done(at, &say(&last));
    assert_eq!(losses(at, "whole"), losses(at, "killed"));
}

#[test]
fn a_run_is_not_begun_twice_nor_resumed_as_another() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    done(at, &say(&train("run", &["--set", "train.steps=2"])));
    let (code, said) = failed(at, &say(&train("run", &["--set", "train.steps=2"])));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("--resume"), "{said}");
    let (code, said) = failed(at, &["train", "--run", "run", "--resume", "--set", "train.learning_rate=5"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("train.learning_rate"), "{said}");
}

#[test]
fn an_encoder_is_trained_and_measured_by_what_it_finds() {
    let folder = tempfile::tempdir().unwrap();
    let emoji = emoji();
    let path = emoji.to_str().unwrap();
    let mut args = vec!["train", "emoji-dual", "--data", path, "--run", "run"];
    for key in [
        "model.picture.widths=[8,16]",
        "model.text.layers=1",
        "data.image_size=16",
        "train.batch_size=8",
        "train.steps=4",
        "train.validate_every=2",
    ] {
        args.extend(["--set", key]);
    }
    done(folder.path(), &args);
    let said = done(folder.path(), &["eval", "run/model", "--data", path, "--caption", "text_zh", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["column"], "text_zh");
    let found =
        said["held_out"]["pictures"].as_u64().unwrap() + said["training"]["pictures"].as_u64().unwrap();
    assert_eq!(found, 199, "one of 200 has no Chinese caption");
    let at = |of: &str| said["training"]["text_to_picture"][of].as_f64().unwrap();
    assert!(at("at_1") <= at("at_5") && at("at_5") <= at("at_10") && at("median_rank") >= 1.0, "{said}");
    let said = done(folder.path(), &["eval", "run/model", "--data", path]);
    assert_eq!(said.lines().count(), 5, "{said}");
    let (code, said) = failed(folder.path(), &["eval", "run/model", "--data", path, "--caption", "texts"]);
    assert!(code == 2 && said.contains("no column `texts`; it has: image, text"), "{code} {said}");
    let said = done(folder.path(), &["eval", "run/model", "--data", path, "--robustness"]);
    let kinds: Vec<&str> = said.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(kinds, ["clean", "typos", "blur", "jpeg", "crop", "noise", "word"], "{said}");
    let (code, said) = failed(folder.path(), &["generate", "sun", "--model", "run/model"]);
    assert!(code == 2 && said.contains("dual") && said.contains("cannot generate"), "{code} {said}");
}

#[test]
fn a_classifier_is_trained_on_names_and_judges_drawings() {
    let folder = tempfile::tempdir().unwrap();
    let emoji = emoji();
    let path = emoji.to_str().unwrap();
    let mut args = vec!["train", "emoji-classifier", "--data", path, "--run", "run"];
    for key in [
        "model.picture.widths=[8,16]",
        "data.image_size=16",
        "train.batch_size=8",
        "train.steps=4",
        "data.captions={group=1}",
    ] {
        args.extend(["--set", key]);
    }
    done(folder.path(), &args);
    let shown = done(folder.path(), &["model", "show", "run/model"]);
    assert!(shown.contains("classify"), "{shown}");
    let json = done(
        folder.path(),
        &[
            "eval",
            path,
            "--data",
            path,
            "--classifier",
            "run/model",
            "--samples",
            "30",
            "--json",
            "--no-cache",
        ],
    );
    let said: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(said["classes"], "group");
    let accuracy = said["sets"][0]["accuracy"]["drawn"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&accuracy), "{json}");
    let (code, said) = failed(folder.path(), &["eval", path, "--data", path, "--extractor", "run/model"]);
    assert!(code == 2 && said.contains("cannot encode") && said.contains("dual"), "{code} {said}");
    args.extend(["--set", "data.captions={text=1}", "--set", "model.classes=['one']", "--run", "other"]);
    let (code, said) = failed(folder.path(), &args);
    assert!(code == 2, "{code} {said}");
}

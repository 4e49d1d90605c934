//! `reconstruct` and `interpolate`, with a variational autoencoder and with the model that ships.

use std::path::Path;

use crate::{done, emoji, failed};

#[test]
fn an_autoencoder_gives_pictures_back_and_goes_from_one_to_another() {
    let folder = tempfile::tempdir().unwrap();
    let emoji = emoji();
    let mut args = vec!["train", "emoji-vae", "--data", emoji.to_str().unwrap(), "--run", "run"];
    for key in [
        "model.widths=[8,16]",
        "model.latent_channels=4",
        "model.text.layers=1",
        "data.image_size=16",
        "train.batch_size=8",
        "train.steps=4",
        "train.validate_every=2",
        "train.sample_every=0",
    ] {
        args.extend(["--set", key]);
    }
    done(folder.path(), &args);
    let log = std::fs::read_to_string(folder.path().join("run/log.jsonl")).unwrap();
    for name in
        ["loss_kl_nats", "loss_bits_per_dim", "validation_importance_bits_per_dim", "validation_active_units"]
    {
        assert!(log.contains(name), "{name}: {log}");
    }
    let picture = |name: &str| emoji.join(name).to_str().unwrap().to_string();
    let mut names = std::fs::read_dir(&emoji).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        name.ends_with(".png").then(|| picture(&name))
    });
    let (a, b) = (names.next().unwrap(), names.next().unwrap());

    let model = ["--model", "run/model"];
    let args = [
        &["reconstruct", &a, &b, "--prompt", "a face", "-o", "back", "--sheet", "back.png", "--json"][..],
        &model,
    ];
    let said: serde_json::Value = serde_json::from_str(&done(folder.path(), &args.concat())).unwrap();
    let files = said["pictures"].as_array().unwrap();
    assert_eq!(files.len(), 2);
    assert!(files.iter().all(|line| line["psnr"].as_f64().unwrap() > 1.0), "{said}");
    let back = image::open(folder.path().join(files[0]["file"].as_str().unwrap())).unwrap();
    assert_eq!((back.width(), back.height()), (16, 16));
    let sheet = image::open(folder.path().join("back.png")).unwrap();
    assert_eq!((sheet.width(), sheet.height()), (2 * 16 + 3 * 4, 2 * 16 + 3 * 4));

    let said = done(folder.path(), &[&["interpolate", &a, &b, "-n", "5", "-o", "way"][..], &model].concat());
    assert_eq!(said.lines().count(), 5, "{said}");
    // The ends are what comes back of the pictures.
    let alone = done(folder.path(), &[&["reconstruct", &a, "-o", "alone.png"][..], &model].concat());
    let pixels = |name: &str| image::open(folder.path().join(name)).unwrap();
    assert!(pixels(said.lines().next().unwrap()) == pixels(alone.split_whitespace().next().unwrap()));
    // Other words for the same latent.
    let words = ["edit", &a, "--from", "a face", "--to", "a sun", "-o", "edited.png"];
    done(folder.path(), &[&words[..], &model].concat());
    // A slider in latents, and a latent kept in a file.
    let data = emoji.to_str().unwrap();
    let groups = ["--column", "group", "--without", "Objects", "--with", "Smileys", "-o", "smiley.json"];
    done(folder.path(), &[&["attribute", "smiley", "--data", data][..], &groups, &model].concat());
    let slid = ["edit", &a, "--attribute", "smiley.json=2", "-o", "slid.png"];
    done(folder.path(), &[&slid[..], &model].concat());
    assert!(pixels("slid.png") != pixels(&a));
    let (code, said) = failed(
        folder.path(),
        &["edit", &a, "--attribute", "smiley.json=2", "-o", "flow.png", "--steps", "0"],
    );
    assert!(code == 2 && said.contains("steps"), "{said}");
    let kept = ["edit", &a, "--invert", "a.latent", "--prompt", "a face", "-o", "inverted.png"];
    done(folder.path(), &[&kept[..], &model].concat());
    let again = ["generate", "a face", "--noise", "a.latent", "--seed", "1", "-o", "again.png"];
    done(folder.path(), &[&again[..], &model].concat());
    assert!(pixels("again.png") == pixels("inverted.png"));
    let (code, said) = failed(folder.path(), &[&["edit", &a, "--prompt", "a sun"][..], &model].concat());
    assert!(code == 2 && said.contains("vae") && said.contains("--from"), "{said}");
    let drawn = done(folder.path(), &[&["generate", "a face", "-n", "2"][..], &model].concat());
    assert_eq!(drawn.lines().count(), 2);
}

#[test]
fn prompts_have_a_way_between_them_in_any_model_that_draws() {
    let folder = tempfile::tempdir().unwrap();
    let args =
        ["interpolate", "sun", "full moon", "-n", "3", "--seed", "7", "--steps", "2", "-o", "way", "--json"];
    let said: serde_json::Value = serde_json::from_str(&done(folder.path(), &args)).unwrap();
    let shares: Vec<f64> =
        said["pictures"].as_array().unwrap().iter().map(|line| line["share"].as_f64().unwrap()).collect();
    assert_eq!(shares, [0.0, 0.5, 1.0]);
    // The ends are what the prompts alone give.
    done(folder.path(), &["generate", "full moon", "--seed", "7", "--steps", "2", "-o", "moon.png"]);
    let last = said["pictures"][2]["file"].as_str().unwrap();
    let pixels = |path: &Path| image::open(path).unwrap().to_rgb8();
    assert!(pixels(&folder.path().join(last)) == pixels(&folder.path().join("moon.png")));

    let emoji = emoji();
    let file = emoji.join("metadata.jsonl");
    let file = file.to_str().unwrap();
    let (code, said) = failed(folder.path(), &["interpolate", file, "moon"]);
    assert!(code == 2 && said.contains("name two pictures, or say two prompts"), "{code} {said}");
    let (code, said) = failed(folder.path(), &["interpolate", file, file]);
    assert!(code == 2 && said.contains("metadata.jsonl"), "{code} {said}");
    let (code, said) = failed(folder.path(), &["interpolate", "a", "b", "-n", "1"]);
    assert!(code == 2 && said.contains("2..="), "{code} {said}");
    let (code, said) = failed(folder.path(), &["reconstruct", "gone.png"]);
    assert!(code == 2 && said.contains("gone.png"), "{code} {said}");
    done(folder.path(), &["generate", "sun", "--steps", "1", "--seed", "1", "-o", "sun.png"]);
    let (code, said) = failed(folder.path(), &["reconstruct", "sun.png", "-o", "back"]);
    assert!(code == 2 && said.contains("cannot reconstruct") && said.contains("vae"), "{code} {said}");
}

#[test]
fn a_flow_draws_in_the_latents_of_an_autoencoder_that_was_trained_before() {
    let folder = tempfile::tempdir().unwrap();
    let emoji = emoji();
    let data = ["--data", emoji.to_str().unwrap()];
    let small =
        ["--set", "data.image_size=16", "--set", "train.batch_size=8", "--set", "train.sample_every=0"];
    let autoencoder = |run: &str, seed: &str| {
        let sizes = ["--set", "model.widths=[16]", "--set", "model.blocks=1", "--set", "train.steps=3"];
        let args = [&["train", "emoji-autoencoder", "--run", run, "--set", seed][..], &data, &small, &sizes];
        done(folder.path(), &args.concat());
    };
    let sizes = [
        "--set",
        "model.widths=[32]",
        "--set",
        "model.blocks=1",
        "--set",
        "model.text.layers=1",
        "--set",
        "train.steps=2",
    ];
    let flow = [&["train", "emoji-latent-flow", "--run", "flow"][..], &data, &small, &sizes].concat();

    let (code, said) = failed(folder.path(), &flow);
    assert!(code == 2 && said.contains("none at runs/emoji-autoencoder"), "{code} {said}");
    assert!(said.contains("`rebus train emoji-autoencoder --data PATH` makes one"), "{said}");
    assert!(!folder.path().join("flow").exists());

    autoencoder("one", "train.seed=1");
    let log = std::fs::read_to_string(folder.path().join("one/log.jsonl")).unwrap();
    assert!(log.contains("validation_perceptual") && log.contains("validation_psnr"), "{log}");
    let one = ["--set", "needs.autoencoder.model=one"];
    done(folder.path(), &[&flow[..], &one].concat());
    let run = std::fs::read_to_string(folder.path().join("flow/run.toml")).unwrap();
    assert!(run.contains("[run.needs.autoencoder]"), "{run}");
    done(folder.path(), &["generate", "sun", "--steps", "2", "--model", "flow/model", "-o", "sun.png"]);
    let sun = image::open(folder.path().join("sun.png")).unwrap();
    assert_eq!((sun.width(), sun.height()), (16, 16));
    done(folder.path(), &["export", "flow", "-o", "again", "--float16"]);

    // Its weights count, and not where it lies.
    let resume = ["train", "--run", "flow", "--resume", "--set", "train.steps=3"];
    std::fs::rename(folder.path().join("one"), folder.path().join("moved")).unwrap();
    let (code, said) = failed(folder.path(), &resume);
    assert!(code == 2 && said.contains("there is none at one"), "{code} {said}");
    done(folder.path(), &[&resume[..], &["--set", "needs.autoencoder.model=moved/model"]].concat());
    // A model tells the name of what it learned with, and not where somebody has it.
    let told = std::fs::read_to_string(folder.path().join("flow/model/model.json")).unwrap();
    assert!(told.contains("needs.autoencoder") && !told.contains("moved/"), "{told}");
    autoencoder("two", "train.seed=2");
    let two = ["--set", "train.steps=4", "--set", "needs.autoencoder.model=two"];
    let (code, said) = failed(folder.path(), &[&resume[..4], &two].concat());
    assert!(
        code == 2 && said.contains("began with another model `autoencoder` than two is now"),
        "{code} {said}"
    );
}

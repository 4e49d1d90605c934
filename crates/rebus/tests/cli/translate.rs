//! `translate`: learned from pairs, files and folders translated and measured; and what is wrong with a request.

use std::path::Path;

use image::{GenericImageView, Rgb, RgbImage};

use crate::{done, emoji, failed, rebus};

/// A model of a few steps that makes colours of grey.
fn trained(folder: &Path) {
    let emoji = emoji();
    let mut args = vec!["train", "emoji-colors-pix2pix", "--data", emoji.to_str().unwrap(), "--run", "run"];
    for key in [
        "model.widths=[8,16]",
        "model.full_width=8",
        "objective.discriminator_widths=[8]",
        "data.image_size=16",
        "data.validation_fraction=0.1",
        "train.batch_size=8",
        "train.steps=4",
        "train.validate_every=2",
        "train.sample_every=4",
    ] {
        args.extend(["--set", key]);
    }
    done(folder, &args);
}

fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([(x * 9) as u8, (y * 9) as u8, 40]))
}

#[test]
fn pairs_teach_a_model_that_translates_files_and_folders() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    trained(place);
    let log = std::fs::read_to_string(place.join("run/log.jsonl")).unwrap();
    for name in ["loss_absolute", "loss_discriminator", "validation_psnr"] {
        assert!(log.contains(name), "{name}: {log}");
    }
    // Rows of four triples of 16x16 with 2 pixels between them.
    let grid = image::open(place.join("run/samples/000004.png")).unwrap();
    assert_eq!(grid.width(), 12 * 18 + 2);

    // Names are kept, sizes too, a broken file is told of, and nothing is overwritten.
    std::fs::create_dir_all(place.join("in/deep")).unwrap();
    picture(16, 16).save(place.join("in/a.png")).unwrap();
    picture(21, 13).save(place.join("in/deep/b.jpg")).unwrap();
    std::fs::write(place.join("in/c.png"), b"no picture").unwrap();
    let translate = ["translate", "in", "--model", "run/model", "-o", "out"];
    let (code, said) = failed(place, &translate);
    assert!(code == 2 && said.contains("c.png") && said.contains("1 of 3"), "{code} {said}");
    assert_eq!(image::open(place.join("out/deep/b.png")).unwrap().dimensions(), (21, 13));
    let first = std::fs::read(place.join("out/a.png")).unwrap();
    failed(place, &translate);
    assert_eq!(std::fs::read(place.join("out/a.png")).unwrap(), first);
    let again = image::open(place.join("out/a-2.png")).unwrap();
    assert!(again == image::open(place.join("out/a.png")).unwrap(), "alone or among others");

    // What a picture says of itself makes it again.
    let command = done(place, &["show", "out/a.png"]);
    let command = command.lines().last().unwrap();
    assert!(command.starts_with("rebus translate a.png"), "{command}");
    let alone = ["translate", "in/a.png", "--model", "run/model", "-o", "alone.png"];
    done(place, &alone);
    assert!(std::fs::read(place.join("alone.png")).unwrap() == first);

    // A source can be made of a picture, as the model's own were.
    let of = |how: &[&str], to: &str| {
        done(place, &[&["translate", "in/a.png", "--model", "run/model", "-o", to], how].concat());
        image::open(place.join(to)).unwrap()
    };
    assert!(of(&["--transform"], "own.png") == of(&["--transform", "gray"], "gray.png"));
    assert!(of(&["--transform=posterize=2"], "other.png") != of(&["--fit"], "plain.png"));

    // The model that ships makes emoji of outlines.
    done(place, &["translate", "in/a.png", "--transform", "-o", "shipped.png"]);
    assert!(
        image::open(place.join("shipped.png")).unwrap().to_rgb8().pixels().any(|pixel| pixel[0] != pixel[2])
    );

    // What has no meaning for a model is said, and left aside.
    let said =
        rebus(place, &["translate", "in/a.png", "--model", "run/model", "--steps", "9", "-o", "same.png"]);
    assert!(String::from_utf8_lossy(&said.stderr).contains("--steps has no meaning"), "{said:?}");
    assert!(image::open(place.join("same.png")).unwrap() == image::open(place.join("alone.png")).unwrap());

    // Held-out pairs say how well it does.
    let (model, data) = ("run/model", emoji());
    let data = data.to_str().unwrap();
    let report = done(place, &["eval", model, "--data", data, "--sheet", "sheet.png", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert!(report["pairs"].as_u64().unwrap() > 5, "{report}");
    let number = |of: &str, what: &str| report[of][what].as_f64().unwrap();
    assert!(number("sources", "psnr") > number("made", "psnr"), "four steps are few: {report}");
    assert!((0.0..1.0).contains(&number("made", "ssim")) && number("made", "perceptual") > 0.0, "{report}");
    assert!(image::open(place.join("sheet.png")).unwrap().width() > 12 * 16);

    // Wrong wishes.
    for (args, words) in [
        (&["translate", "in/a.png", "--model", "run/model", "--backwards"][..], "one way only"),
        (&["translate", "in/a.png", "--model", "run/model", "--prompt", "red"], "no prompt"),
        (&["translate", "in/a.png", "--model", "run/model", "--transform", "edge"], "edge"),
        (&["translate", "in/a.png", "--model", "run/model", "--tile", "4"], "at least 8"),
        (&["translate", "run/checkpoints", "--model", "run/model"], "no picture"),
        (&["translate", "nowhere.png", "--model", "run/model"], "nowhere.png"),
        (&["translate", "in/c.png", "--model", "run/model"], "c.png"),
        (&["generate", "sun", "--model", "run/model"], "pix2pix"),
        (&["edit", "in/a.png", "--prompt", "sun", "--model", "run/model"], "pix2pix"),
        (&["eval", "run/model", "--data", data, "--validation-fraction", "0"], "no held-out pairs"),
    ] {
        let (code, said) = failed(place, args);
        assert!(code == 2 && said.contains(words), "{args:?}: {code} {said}");
    }
    assert!(
        !place.join("rebus-out").exists() || std::fs::read_dir(place.join("rebus-out")).unwrap().count() == 0
    );
}

#[test]
fn two_groups_teach_a_model_that_goes_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    // As CycleGAN keeps them.
    for (group, red) in [("trainA", 200), ("trainB", 20)] {
        std::fs::create_dir_all(place.join("data").join(group)).unwrap();
        for number in 0..30u8 {
            let picture = RgbImage::from_fn(8, 8, |x, y| Rgb([red, number * 5, (x * y) as u8]));
            picture.save(place.join("data").join(group).join(format!("{number}.png"))).unwrap();
        }
    }
    let mut args = vec!["train", "emoji-tones-cyclegan", "--data", "data", "--run", "run"];
    for key in [
        "data.source={groups={}}",
        "data.image_size=8",
        "data.validation_fraction=0.2",
        "model.width=4",
        "model.blocks=1",
        "objective.discriminator_widths=[8]",
        "objective.pool=6",
        "train.batch_size=4",
        "train.steps=4",
        "train.validate_every=2",
        "train.checkpoint_every=2",
        "train.sample_every=4",
    ] {
        args.extend(["--set", key]);
    }
    done(place, &args);
    let log = std::fs::read_to_string(place.join("run/log.jsonl")).unwrap();
    for name in ["loss_cycle_source", "loss_identity_picture", "loss_discriminator", "validation_psnr_source"]
    {
        assert!(log.contains(name), "{name}: {log}");
    }
    // What the discriminators remember of past pictures is part of a checkpoint: half the steps and the other half are all.
    let last =
        |run: &str| std::fs::read(place.join(run).join("checkpoints/000004/model.safetensors")).unwrap();
    let whole = last("run");
    std::fs::remove_dir_all(place.join("run/checkpoints/000004")).unwrap();
    std::fs::remove_dir_all(place.join("run/model")).unwrap();
    done(place, &["train", "--run", "run", "--resume"]);
    assert!(last("run") == whole);

    let of = |how: &[&str], to: &str| {
        done(place, &[&["translate", "data/trainA/3.png", "--model", "run/model", "-o", to], how].concat());
        image::open(place.join(to)).unwrap()
    };
    assert!(of(&[], "there.png") != of(&["--backwards"], "back.png"));
}

#[test]
fn pairs_of_captions_teach_a_flow_that_follows_instructions() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    std::fs::create_dir(place.join("data")).unwrap();
    let mut captions = String::new();
    for number in 0..40u8 {
        for (name, red) in [("red", 200), ("blue", 20)] {
            let picture = RgbImage::from_fn(8, 8, |x, y| Rgb([red, number * 5, (x * y) as u8 + (220 - red)]));
            picture.save(place.join("data").join(format!("{name}{number}.png"))).unwrap();
            captions +=
                &format!("{{\"file_name\":\"{name}{number}.png\",\"text\":\"{name} square {number}\"}}\n");
        }
    }
    std::fs::write(place.join("data/metadata.jsonl"), captions).unwrap();
    let mut args = vec!["train", "emoji-flow", "--data", "data", "--run", "run"];
    for key in [
        "data.source={words=[{from=\"red\",to=\"blue\",say=\"cooler\"},{from=\"blue\",to=\"red\",say=\"warmer\"}]}",
        "data.captions={}",
        "data.sampling=[]",
        "data.image_size=8",
        "data.validation_fraction=0.2",
        "model.widths=[16]",
        "model.blocks=1",
        "objective.source_dropout=0.2",
        "train.batch_size=4",
        "train.steps=4",
        "train.validate_every=2",
        "train.sample_every=4",
    ] {
        args.extend(["--set", key]);
    }
    done(place, &args);
    assert!(place.join("run/samples/000004.png").exists());
    std::fs::rename(place.join("run/model"), place.join("model")).unwrap();

    let of = |how: &[&str], to: &str| {
        let args =
            ["translate", "data/red3.png", "--model", "model", "--seed", "5", "--steps", "3", "-o", to];
        done(place, &[&args, how].concat());
        std::fs::read(place.join(to)).unwrap()
    };
    let cooler = of(&["--prompt", "cooler"], "cooler.png");
    assert!(cooler != of(&["--prompt", "warmer"], "warmer.png"));
    assert!(cooler != of(&["--prompt", "cooler", "--image-guidance-scale", "3"], "nearer.png"));
    assert_eq!(image::open(place.join("cooler.png")).unwrap().dimensions(), (8, 8));
    let shown = done(place, &["show", "cooler.png"]);
    assert!(shown.lines().last().unwrap().contains("--prompt cooler"), "{shown}");
    std::fs::copy(place.join("data/red3.png"), place.join("red3.png")).unwrap();
    let command = shown.lines().last().unwrap().strip_prefix("rebus ").unwrap();
    done(place, &command.split(' ').chain(["-o", "again.png"]).collect::<Vec<_>>());
    assert!(std::fs::read(place.join("again.png")).unwrap() == cooler, "{command}");

    let report = done(place, &["eval", "model", "--data", "data", "--steps", "2", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert!(report["pairs"].as_u64().unwrap() > 5, "{report}");
    for (args, words) in [
        (&["generate", "sun", "--model", "model"][..], "cannot generate"),
        (
            &["translate", "data/red3.png", "--model", "model", "--image-guidance-scale", "-1"],
            "image_guidance_scale = -1",
        ),
        (&["translate", "data/red3.png", "--model", "model", "--steps", "0"], "num_inference_steps = 0"),
    ] {
        let (code, said) = failed(place, args);
        assert!(code == 2 && said.contains(words), "{args:?}: {code} {said}");
    }
}

#[test]
fn a_family_that_learns_from_pairs_asks_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let emoji = emoji();
    let train = |more: &[&str]| {
        let begin = ["train", "emoji-colors-pix2pix", "--data", emoji.to_str().unwrap(), "--run", "run"];
        failed(folder.path(), &[&begin, more].concat())
    };
    for (set, words) in [
        ("data.source={column=\"sketch\"}", "sketch"),
        ("data.source={groups={source=\"cats\",picture=\"dogs\"}}", "cats"),
        ("data.source={transform=\"edge\"}", "edges=0.3"),
        ("data.image_size=60", "multiples of 16"),
        ("model.widths=[12]", "model.widths"),
    ] {
        let (code, said) = train(&["--set", set]);
        assert!(code == 2 && said.contains(words), "{set}: {code} {said}");
        assert!(!folder.path().join("run").exists(), "{set}");
    }
    std::fs::write(folder.path().join("own.toml"), "[model]\nfamily = \"pix2pix\"\n[data]\ncaptions = {}\n")
        .unwrap();
    let said =
        rebus(folder.path(), &["train", "own.toml", "--data", emoji.to_str().unwrap(), "--run", "run"]);
    assert!(String::from_utf8_lossy(&said.stderr).contains("learns from pairs"));
}

//! `generate`, `demo`, `model` and `doctor` with the model that ships.

use std::{collections::BTreeSet, fs};

use crate::done;

#[test]
fn a_picture_is_the_same_alone_or_among_others() {
    let folder = tempfile::tempdir().unwrap();
    let draw = |prompts: &[&str], n: &str, seed: &str, out: &str| {
        let mut args = vec!["generate"];
        args.extend(prompts);
        args.extend(["-n", n, "--seed", seed, "--steps", "2", "-o", out]);
        done(folder.path(), &args)
            .lines()
            .map(|file| fs::read(folder.path().join(file)).unwrap())
            .collect::<Vec<_>>()
    };
    let among = draw(&["a red apple", "火山"], "3", "7", "among");
    assert_eq!(among.len(), 6);
    assert_eq!(among.iter().collect::<BTreeSet<_>>().len(), 6, "all differ");
    assert_eq!(draw(&["火山"], "1", "8", "alone")[0], among[4]);
    assert_eq!(draw(&["火山"], "1", "8", "again.png")[0], among[4]);
}

#[test]
fn generate_says_what_it_drew_as_json_and_on_a_sheet() {
    let folder = tempfile::tempdir().unwrap();
    let args = [
        "generate",
        "sun",
        "-n",
        "2",
        "--seed",
        "3",
        "--steps",
        "1",
        "--json",
        "--sheet",
        "sheet.png",
        "-o",
        "out",
    ];
    let said: serde_json::Value = serde_json::from_str(&done(folder.path(), &args)).unwrap();
    insta::assert_snapshot!(said.to_string());
    assert!(folder.path().join("sheet.png").is_file());
    // Nothing is overwritten.
    done(folder.path(), &args);
    assert_eq!(fs::read_dir(folder.path().join("out")).unwrap().count(), 4);
}

#[test]
fn samplers_and_guidance_change_what_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let draw = |name: &str, more: &[&str]| {
        let file = format!("{name}.png");
        let args = ["generate", "sun", "--seed", "3", "--steps", "3", "--no-metadata", "-o", file.as_str()];
        done(folder.path(), &[&args, more].concat());
        fs::read(folder.path().join(file)).unwrap()
    };
    let mut drawn = vec![];
    for sampler in ["euler", "heun", "midpoint", "multistep"] {
        drawn.push(draw(sampler, &["--sampler", sampler]));
    }
    drawn.push(draw("late", &["--guidance-interval", "0", "0.5"]));
    assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), drawn.len(), "all differ");
    assert_eq!(draw("usual", &[]), drawn[0]);
    assert_eq!(draw("always", &["--guidance-interval", "0", "1"]), drawn[0]);
    assert_eq!(
        draw("never", &["--guidance-interval", "0.9", "0.95"]),
        draw("unguided", &["--guidance-scale", "1"])
    );
}

#[test]
fn prompts_come_from_a_file_too() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("prompts.txt"), "sun\n\n火山\n").unwrap();
    let said = done(folder.path(), &["generate", "--prompts", "prompts.txt", "--seed", "1", "--steps", "1"]);
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[test]
fn the_demo_writes_a_page_that_shows_all_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &["demo"]);
    let page = fs::read_to_string(folder.path().join("rebus-demo/index.html")).unwrap();
    let pictures = page.matches("<img src=\"").count();
    assert!(pictures >= 16, "{pictures} pictures");
    for source in page.split("<img src=\"").skip(1) {
        let file = source.split('"').next().unwrap();
        assert!(folder.path().join("rebus-demo").join(file).is_file(), "{file}");
    }
    // What was changed is of the command that stands below it.
    let at = |name: &str| fs::read(folder.path().join("rebus-demo").join(name)).unwrap();
    for part in page.split("<code>rebus ").skip(1).filter(|part| !part.starts_with("generate")) {
        let command = part.split("</code>").next().unwrap().replace("&quot;", "\"");
        let words: Vec<&str> = command.split(" -o ").collect();
        let inside = folder.path().join("rebus-demo");
        let args = shlex::split(&format!("{} -o again.png", words[0])).unwrap();
        done(&inside, &args.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(at("again.png") == at(words[1]), "{command}");
        fs::remove_file(inside.join("again.png")).unwrap();
    }
    // Its own page and pictures it may replace, and nothing of a person's own.
    done(folder.path(), &["demo"]);
    fs::create_dir(folder.path().join("mine")).unwrap();
    fs::write(folder.path().join("mine/apple.png"), "mine").unwrap();
    let (code, said) = crate::failed(folder.path(), &["demo", "-o", "mine"]);
    assert!(code == 2 && said.contains("mine/apple.png"), "{said}");
}

#[test]
fn the_model_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let said: serde_json::Value =
        serde_json::from_str(&done(folder.path(), &["model", "show", "--json"])).unwrap();
    assert_eq!(said["model"]["family"], "flow");
    assert!(said["verbs"].as_array().unwrap().contains(&"generate".into()));
    assert!(done(folder.path(), &["model", "show"]).contains("hash"));
}

#[test]
fn the_doctor_measures_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let said: serde_json::Value = serde_json::from_str(&done(folder.path(), &["doctor", "--json"])).unwrap();
    assert!(said["gflops_per_s"].as_f64().unwrap() > 0.0);
    assert!(said["draw_8_s"].as_f64().unwrap() > 0.0);
    assert!(said["store"].is_string() && said["cache"].is_string() && said["cache_bytes"].is_u64(), "{said}");
}

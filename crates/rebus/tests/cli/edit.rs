//! `edit`: in a region, by words, beyond the frame; and what is wrong with a request.

use std::path::Path;

use image::{GenericImageView, GrayImage, Luma, RgbImage};

use crate::{done, failed};

/// A picture of 48x40 with a disc, larger than the model that ships.
fn disc(folder: &Path) {
    RgbImage::from_fn(48, 40, |x, y| {
        let inside = (f64::from(x) - 24.0).hypot(f64::from(y) - 20.0) < 14.0;
        if inside { image::Rgb([220, 40, 30]) } else { image::Rgb([255; 3]) }
    })
    .save(folder.join("disc.png"))
    .unwrap();
}

#[test]
fn a_region_is_drawn_anew_and_all_else_stays_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    disc(folder.path());
    let before = image::open(folder.path().join("disc.png")).unwrap();
    let mask = GrayImage::from_fn(48, 40, |x, y| Luma([if x > 24 && y % 3 == 0 { 255 } else { 0 }]));
    mask.save(folder.path().join("mask.png")).unwrap();
    let usual = ["edit", "disc.png", "--prompt", "red apple", "--seed", "3", "--steps", "4", "-o"];
    for (region, marked) in [
        (
            &["--mask", "mask.png"][..],
            Box::new(|x: u32, y: u32| x > 24 && y.is_multiple_of(3)) as Box<dyn Fn(u32, u32) -> bool>,
        ),
        (&["--mask", "mask.png", "--invert-mask"], Box::new(|x, y| !(x > 24 && y.is_multiple_of(3)))),
        (&["--box", "4,6,20,10"], Box::new(|x, y| (4..24).contains(&x) && (6..16).contains(&y))),
        (&["--color", "white~3"], Box::new(|x, y| (f64::from(x) - 24.0).hypot(f64::from(y) - 20.0) >= 14.0)),
    ] {
        let out = format!("{}.png", region.concat().replace(|letter: char| !letter.is_alphanumeric(), ""));
        let said = done(folder.path(), &[&usual[..], &[&out], region].concat());
        assert_eq!(said.trim(), out);
        let after = image::open(folder.path().join(&out)).unwrap();
        assert_eq!(after.color(), before.color());
        let changed = |x, y| before.get_pixel(x, y) != after.get_pixel(x, y);
        let all = (0..48).flat_map(|x| (0..40).map(move |y| (x, y)));
        assert!(all.clone().all(|(x, y)| marked(x, y) || !changed(x, y)), "{region:?}");
        assert!(all.clone().filter(|(x, y)| changed(*x, *y)).count() > 40, "{region:?}");
    }
    let wider = [&usual[..], &["wide.png", "--expand", "8,0,0,4"]].concat();
    done(folder.path(), &wider);
    let after = image::open(folder.path().join("wide.png")).unwrap();
    assert_eq!(after.dimensions(), (56, 44));
    assert!(after.view(8, 0, 48, 40).to_image() == before.to_rgba8());
}

#[test]
fn a_picture_goes_back_to_its_noise_and_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    disc(folder.path());
    let args =
        ["edit", "disc.png", "--invert", "noise.safetensors", "--prompt", "sun", "--steps", "20", "--json"];
    let said: serde_json::Value = serde_json::from_str(&done(folder.path(), &args)).unwrap();
    assert!(said["pictures"][0]["psnr"].as_f64().unwrap() > 25.0, "{said}");
    let draw = [
        "generate",
        "sun",
        "--noise",
        "noise.safetensors",
        "--steps",
        "20",
        "--guidance-scale",
        "1",
        "--seed",
        "1",
    ];
    done(folder.path(), &[&draw[..], &["-o", "again.png"]].concat());
    let open = |name: &str| image::open(folder.path().join(name)).unwrap();
    assert!(open("again.png") == open(said["pictures"][0]["file"].as_str().unwrap()));

    std::fs::write(folder.path().join("text.safetensors"), "no noise").unwrap();
    for (args, words) in [
        (
            &["edit", "disc.png", "--invert", "noise.safetensors"][..],
            &["noise.safetensors", "not replaced"][..],
        ),
        (&["edit", "disc.png", "disc.png", "--invert", "other.safetensors"], &["one picture"]),
        (&["edit", "disc.png", "--invert", "other.safetensors", "--steps", "0"], &["num_inference_steps"]),
        (&["generate", "sun", "--noise", "text.safetensors"], &["text.safetensors", "--invert"]),
        (&["generate", "sun", "--noise", "noise.safetensors", "--width", "64"], &["noise", "64"]),
    ] {
        let (code, said) = failed(folder.path(), args);
        assert!(code == 2 && words.iter().all(|word| said.contains(word)), "{args:?}: {said}");
        assert!(!folder.path().join("other.safetensors").exists());
    }
}

#[test]
fn some_changes_need_no_model() {
    let folder = tempfile::tempdir().unwrap();
    disc(folder.path());
    std::fs::create_dir(folder.path().join("private")).unwrap();
    RgbImage::from_fn(9, 9, |x, y| image::Rgb([9, 20 + x as u8, 120 + 9 * y as u8]))
        .save(folder.path().join("private/sea.png"))
        .unwrap();
    let edit = |how: &str, more: &[&str], out: &str| {
        done(folder.path(), &[&["edit", "disc.png", "--adjust", how, "-o", out][..], more].concat());
        image::open(folder.path().join(out)).unwrap()
    };
    let before = image::open(folder.path().join("disc.png")).unwrap();
    let turned = edit("hue=+120,contrast=1.1", &[], "turned.png").get_pixel(24, 20);
    assert!(turned[1] > turned[0], "{turned:?}");
    assert_eq!(edit("crop=4:6:20:10,rotate=90,flip=vertical", &[], "part.png").dimensions(), (10, 20));
    assert_eq!(edit("resize=20:30", &[], "small.png").dimensions(), (20, 30));
    let sea = edit("recolor=private/sea.png", &[], "sea.png").get_pixel(24, 20);
    assert!(sea[2] > sea[0], "{sea:?}");
    let said = done(folder.path(), &["show", "sea.png"]);
    assert!(
        said.contains("--adjust 'recolor=sea.png'") && !said.contains("private") && !said.contains("seed"),
        "{said}"
    );
    // In a region alone.
    let part = edit("brightness=-30", &["--box", "20,10,10,10"], "dark.png");
    assert!(
        part.get_pixel(19, 12) == before.get_pixel(19, 12)
            && part.get_pixel(25, 12) != before.get_pixel(25, 12)
    );
    for (how, more, words) in [
        ("hue", &[][..], &["`hue`", "="][..]),
        ("hue=red", &[], &["`red`", "hue"]),
        ("shine=2", &[], &["`shine`", "--help"]),
        ("saturation=-1", &[], &["`-1`"]),
        ("blur=0", &[], &["above 0"]),
        ("crop=40:0:20:20", &[], &["crop=40:0:20:20", "48x40"]),
        ("rotate=90", &["--box", "0,0,4,4"], &["moves pixels"]),
        ("recolor=nowhere.png", &[], &["nowhere.png"]),
    ] {
        let (code, said) = failed(
            folder.path(),
            &[&["edit", "disc.png", "--adjust", how, "-o", "x.png"][..], more].concat(),
        );
        assert!(code == 2 && words.iter().all(|word| said.contains(word)), "{how}: {said}");
        assert!(!folder.path().join("x.png").exists());
    }
}

#[test]
fn several_edits_are_a_recipe() {
    let folder = tempfile::tempdir().unwrap();
    disc(folder.path());
    std::fs::create_dir(folder.path().join("own")).unwrap();
    image::GrayImage::from_fn(48, 40, |x, _| image::Luma([if x < 24 { 255 } else { 0 }]))
        .save(folder.path().join("own/left.png"))
        .unwrap();
    let recipe = |text: &str| std::fs::write(folder.path().join("own/edits.toml"), text).unwrap();
    recipe(
        "[[edit]]\nadjust = \"hue=+120\"\n\n[[edit]]\nprompt = \"sun\"\nmask = \"left.png\"\nsteps = 4\nseed = 3\n\n\
         [[edit]]\nadjust = \"brightness=-10\"\nbox = [30, 4, 10, 10]\n",
    );
    let edit = |how: &[&str], picture: &str, out: &str| {
        done(folder.path(), &[&["edit", picture, "-o", out], how].concat());
        std::fs::read(folder.path().join(out)).unwrap()
    };
    let pixels = |name: &str| image::open(folder.path().join(name)).unwrap();
    edit(&["--recipe", "own/edits.toml", "--seed", "7"], "disc.png", "all.png");
    edit(&["--adjust", "hue=+120"], "disc.png", "1.png");
    edit(&["--prompt", "sun", "--mask", "own/left.png", "--steps", "4", "--seed", "3"], "1.png", "2.png");
    edit(&["--adjust", "brightness=-10", "--box", "30,4,10,10"], "2.png", "3.png");
    assert!(pixels("all.png") == pixels("3.png") && pixels("all.png") != pixels("2.png"));
    edit(&["--recipe", "own/edits.toml", "--adjust", "flip=vertical"], "disc.png", "turned.png");
    assert!(pixels("turned.png") == pixels("3.png").flipv());
    for (text, words) in [
        ("[[edit]]\nadjust = \"hue=red\"\n", "edits.toml, line 1: invalid value"),
        ("\n[[edit]]\npromt = \"a\"\n", "line 2: `promt` is no option of an edit"),
        ("[[edit]]\nprompt = \"a\"\noutput = \"x\"\n", "`output` is no option"),
        ("[[edit]]\nprompt = \"a\"\nmodel = \"x\"\n", "`model` is no option"),
        ("[[edit]]\nsteps = 3\n", "line 1: the following required arguments were not provided"),
        ("[[edits]]\nsteps = 3\n", "edits.toml, line 1"),
        ("[[edit]]\nprompt = \"a\"\nmask = \"nowhere.png\"\n", "nowhere.png"),
        ("edit = []\n", "no [[edit]]"),
    ] {
        recipe(text);
        let args = ["edit", "disc.png", "--recipe", "own/edits.toml", "-o", "x.png"];
        let (code, said) = failed(folder.path(), &args);
        assert!(code == 2 && said.contains(words), "{text}: {said}");
        assert!(!folder.path().join("x.png").exists());
    }
}

#[test]
fn a_colour_profile_goes_with_the_picture() {
    let folder = tempfile::tempdir().unwrap();
    disc(folder.path());
    let picture = image::open(folder.path().join("disc.png")).unwrap();
    let profile: Vec<u8> = (0..400).map(|number| (number * 7 % 251) as u8).collect();
    let extras = rebus_data::PngExtras { texts: &[], color_profile: Some(&profile) };
    rebus_data::write_png(&folder.path().join("wide.png"), &picture, extras).unwrap();
    for (how, out) in [
        (&["--adjust", "hue=20"][..], "hue.png"),
        (&["--prompt", "sun", "--box", "8,8,16,16", "--steps", "4", "--seed", "1"], "sun.png"),
    ] {
        done(folder.path(), &[&["edit", "wide.png", "-o", out], how].concat());
        let bytes = std::fs::read(folder.path().join(out)).unwrap();
        let file = rebus_data::EncodedFile { name: out.to_string(), bytes: bytes.into() };
        assert_eq!(
            rebus_data::picture::color_profile(&file, 1 << 20).unwrap().as_ref(),
            Some(&profile),
            "{out}"
        );
    }
}

#[test]
fn another_shape_needs_no_model() {
    let folder = tempfile::tempdir().unwrap();
    disc(folder.path());
    let before = image::open(folder.path().join("disc.png")).unwrap();
    let edit = |how: &[&str], out: &str| {
        done(folder.path(), &[&["edit", "disc.png", "-o", out], how].concat());
        image::open(folder.path().join(out)).unwrap()
    };
    let moved = edit(&["--warp", "10,10>13,8"], "moved.png");
    assert_eq!(moved.get_pixel(24, 20), before.get_pixel(21, 22));
    let leaning = edit(&["--warp", "8,0 39,0 47,39 0,39"], "leaning.png");
    assert!(leaning.dimensions() == (48, 40) && leaning != before);
    let command = done(folder.path(), &["show", "leaning.png"]).lines().last().unwrap().to_string();
    assert!(command.contains("--warp '8,0 39,0 47,39 0,39'"), "{command}");
    // The outline of the disc goes to that of a wider one.
    let mask = |name: &str, wide: f64| {
        image::GrayImage::from_fn(48, 40, |x, y| {
            let far = ((f64::from(x) - 24.0) / wide).hypot(f64::from(y) - 20.0);
            image::Luma([if far < 9.0 { 255 } else { 0 }])
        })
        .save(folder.path().join(name))
        .unwrap();
    };
    mask("from.png", 1.0);
    mask("to.png", 1.8);
    let wider = edit(&["--shape", "from.png", "to.png"], "wider.png");
    let near = |a: [u8; 4], b: [u8; 4]| a.iter().zip(b).all(|(a, b)| a.abs_diff(b) < 8);
    assert!(near(wider.get_pixel(37, 20).0, before.get_pixel(31, 20).0), "{:?}", wider.get_pixel(37, 20));
    for (args, words) in [
        (&["--warp", "1,2,3"][..], "neither four places"),
        (&["--warp", "47,0 0,0 0,39 47,39"], "without a dent"),
        (&["--warp", "1,1>2,2", "--box", "0,0,4,4"], "moves pixels"),
        (&["--shape", "from.png", "nowhere.png"], "nowhere.png"),
        (&["--shape", "from.png"], "--shape"),
    ] {
        let (code, said) = failed(folder.path(), &[&["edit", "disc.png", "-o", "x.png"], args].concat());
        assert!(code == 2 && said.contains(words), "{args:?}: {said}");
        assert!(!folder.path().join("x.png").exists());
    }
}

#[test]
fn words_and_strength_change_a_whole_picture_in_its_own_size() {
    let folder = tempfile::tempdir().unwrap();
    disc(folder.path());
    let args = [
        "edit",
        "disc.png",
        "--from",
        "red apple",
        "--to",
        "green apple",
        "--steps",
        "4",
        "--seed",
        "1",
        "-n",
        "2",
        "--sheet",
        "sheet.png",
        "--json",
    ];
    let said: serde_json::Value = serde_json::from_str(&done(folder.path(), &args)).unwrap();
    let files = said["pictures"].as_array().unwrap();
    assert_eq!(files.iter().map(|line| line["seed"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    let first = image::open(folder.path().join(files[0]["file"].as_str().unwrap())).unwrap();
    assert_eq!(first.dimensions(), (48, 40));
    assert!(folder.path().join("sheet.png").is_file());
    // Variation i is what its seed gives alone.
    let alone =
        ["edit", "disc.png", "--from", "red apple", "--to", "green apple", "--steps", "4", "--seed", "2"];
    done(folder.path(), &[&alone[..], &["-o", "alone.png"]].concat());
    let file = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(file("alone.png") == file(files[1]["file"].as_str().unwrap()));

    let apart = |strength: &str, out: &str| {
        let args =
            ["edit", "disc.png", "--prompt", "sun", "--seed", "1", "--steps", "10", "--strength", strength];
        done(folder.path(), &[&args[..], &["-o", out]].concat());
        let [before, after] =
            ["disc.png", out].map(|name| image::open(folder.path().join(name)).unwrap().to_rgb8());
        before.iter().zip(after.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>()
    };
    assert!(apart("0.1", "little.png") < apart("0.9", "much.png"));
}

#[test]
fn what_cannot_be_edited_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    disc(folder.path());
    GrayImage::new(10, 10).save(folder.path().join("small.png")).unwrap();
    GrayImage::new(48, 40).save(folder.path().join("black.png")).unwrap();
    let usual = ["edit", "disc.png", "--prompt", "sun", "-o", "out.png"];
    for (more, code, words) in [
        (&["--mask", "small.png"][..], 2, &["10x10", "48x40"][..]),
        (&["--mask", "black.png"], 2, &["nothing to change", "--invert-mask"]),
        (&["--mask", "nowhere.png"], 2, &["nowhere.png"]),
        (&["--box", "40,0,20,20"], 2, &["40,0,20,20", "48x40"]),
        (&["--box", "1,2,3"], 2, &["1,2,3", "four"]),
        (&["--color", "#fff~x"], 2, &["`x`"]),
        (&["--color", "nocolour"], 2, &["nocolour", "CSS"]),
        (&["--strength", "1.5"], 2, &["strength", "1.5", "at most 1"]),
        (&["--strength", "NaN"], 2, &["strength", "NaN"]),
        (&["--strength", "0.01"], 2, &["strength", "at least 50"]),
        (&["--steps", "0"], 2, &["num_inference_steps", "0"]),
        (&["--guidance-scale", "NaN"], 2, &["guidance_scale"]),
        (&["--to", "moon"], 2, &["--to"]),
        (&["--box", "0,0,4,4", "--mask", "black.png"], 2, &["--mask"]),
    ] {
        let (found, said) = failed(folder.path(), &[&usual[..], more].concat());
        assert_eq!(found, code, "{more:?}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{more:?}: {said}");
        assert!(!folder.path().join("out.png").exists(), "{more:?}");
    }
    let (code, said) = failed(folder.path(), &["edit", "disc.png"]);
    assert!(code == 2 && said.contains("--prompt"), "{said}");
}

#[test]
fn a_slider_is_learned_once_and_moves_pictures_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    disc(folder.path());
    let emoji = crate::emoji();
    let emoji = emoji.to_str().unwrap();
    fn learning<'a>(emoji: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&["attribute", "tone", "--data", emoji][..], more].concat()
    }
    let words = ["--words", "light skin tone=dark skin tone"];
    let said: serde_json::Value =
        serde_json::from_str(&done(folder.path(), &learning(emoji, &[&words[..], &["--json"]].concat())))
            .unwrap();
    assert_eq!(said["file"], "attributes/tone.json");
    let first = &said["contrasts"][0];
    assert_eq!(first[0].as_str().unwrap().replace("light", "dark"), first[1].as_str().unwrap());
    let groups = ["--column", "group", "--without", "Objects", "--with", "Smileys", "-o", "smiley.json"];
    done(folder.path(), &learning(emoji, &groups));

    let edit = |amount: &str, out: &str| {
        let slider = format!("--attribute={amount}");
        done(folder.path(), &["edit", "disc.png", &slider, "--steps", "6", "--seed", "1", "-o", out]);
        image::open(folder.path().join(out)).unwrap().to_rgb8()
    };
    let (more, less) = (edit("tone=+2", "more.png"), edit("tone=-2", "less.png"));
    assert!(more != less);
    assert!(edit("tone=0", "none.png") != more);
    edit("tone=1,smiley.json=0.5", "both.png");
    std::fs::write(folder.path().join("edits.toml"), "[[edit]]\nattribute = [\"tone=+2\"]\nsteps = 6\n")
        .unwrap();
    let recipe = ["edit", "disc.png", "--recipe", "edits.toml", "--seed", "1", "-o", "recipe.png"];
    done(folder.path(), &recipe);
    assert!(image::open(folder.path().join("recipe.png")).unwrap().to_rgb8() == more);

    std::fs::write(folder.path().join("broken.json"), "{\"name\": 3}").unwrap();
    for (args, words) in [
        (learning(emoji, &words), "attributes/tone.json is there already"),
        (learning(emoji, &["-o", "new.json", "--words", "light skin tone=green"]), "green"),
        (learning(emoji, &["-o", "new.json", "--words", "light skin tone"]), "lacks its `=`"),
        (learning(emoji, &["-o", "new.json", "--with", "Objects"]), "--without"),
        (learning(emoji, &["-o", "new.json", "--column", "grup", "--without", "a", "--with", "b"]), "grup"),
        (vec!["edit", "disc.png", "--attribute", "smile=1"], "rebus attribute smile"),
        (vec!["edit", "disc.png", "--attribute", "tone"], "lacks its `=`"),
        (vec!["edit", "disc.png", "--attribute", "tone=much"], "must be a number"),
        (vec!["edit", "disc.png", "--attribute", "broken.json=1"], "broken.json"),
        (vec!["edit", "disc.png", "--attribute", "tone=1", "--prompt", "sun"], "--prompt"),
    ] {
        let (code, said) = failed(folder.path(), &args);
        assert!(code == 2 && said.contains(words), "{args:?}: {code} {said}");
    }
    assert!(!folder.path().join("new.json").exists());
}

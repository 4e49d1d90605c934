//! `compose`: layers of files, prompts and words; and what is wrong with a scene.

use std::path::Path;

use image::{GenericImageView, Rgba, RgbaImage};

use crate::{done, failed};

fn scene(folder: &Path, text: &str) {
    std::fs::create_dir_all(folder.join("scenes")).unwrap();
    let size = "width = 96\nheight = 64\nbackground = \"white\"\nseed = 5\n";
    std::fs::write(folder.join("scenes/one.toml"), format!("{size}{text}")).unwrap();
}

#[test]
fn files_and_words_make_a_picture_without_a_model() {
    let folder = tempfile::tempdir().unwrap();
    scene(
        folder.path(),
        "[[layer]]\nfile = \"disc.png\"\nposition = [60, 10]\n\
         [[layer]]\ntext = \"Ab 苹果\"\nsize = 20\nfill = \"#c00\"\nposition = [2, 30]\n",
    );
    let red = |x: u32, y: u32| Rgba([9, 200, 30, if x.abs_diff(8) + y.abs_diff(8) < 8 { 255 } else { 0 }]);
    RgbaImage::from_fn(17, 17, red).save(folder.path().join("scenes/disc.png")).unwrap();
    // Paths begin in the scene's folder, whose name no picture tells.
    let said = done(folder.path(), &["compose", "scenes/one.toml", "-o", "a.png"]);
    assert_eq!(said.trim(), "a.png");
    let picture = image::open(folder.path().join("a.png")).unwrap();
    assert_eq!((picture.dimensions(), picture.get_pixel(68, 18)), ((96, 64), Rgba([9, 200, 30, 255])));
    assert_eq!(picture.get_pixel(60, 10), Rgba([255; 4]));
    let inked = |columns: std::ops::Range<u32>| {
        let places = columns.flat_map(|x| (30..54).map(move |y| (x, y)));
        places.filter(|(x, y)| picture.get_pixel(*x, *y)[1] < 128).count()
    };
    assert!(inked(2..26) > 40 && inked(30..75) > 80, "{} {}", inked(2..26), inked(30..75));
    done(folder.path(), &["compose", "scenes/one.toml", "-o", "b.png"]);
    let bytes = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(bytes("a.png") == bytes("b.png"));
    assert!(done(folder.path(), &["show", "a.png"]).ends_with("rebus compose one.toml\n"));
}

#[test]
fn a_prompt_is_drawn_and_cut_out() {
    let folder = tempfile::tempdir().unwrap();
    let layer = |cut: &str| {
        format!(
            "[[layer]]\nprompt = \"red circle\"\nnum_inference_steps = 8\nposition = [20, 10]\nblend = \"multiply\"\n{cut}"
        )
    };
    let drawn = |cut: &str, name: &str| {
        scene(folder.path(), &layer(cut).replace("multiply", "difference"));
        done(folder.path(), &["compose", "scenes/one.toml", "-o", name]);
        image::open(folder.path().join(name)).unwrap()
    };
    let (cut, whole) = (drawn("", "cut.png"), drawn("cut = \"none\"", "whole.png"));
    // The difference of white and white is black, unless the white was cut away.
    assert_eq!(cut.get_pixel(21, 11), Rgba([255; 4]));
    assert!(whole.get_pixel(21, 11)[0] < 40);
    assert_eq!(cut.get_pixel(36, 26), whole.get_pixel(36, 26));
    assert!(done(folder.path(), &["show", "cut.png"]).contains("red circle"));
}

#[test]
fn a_drawing_has_any_size_regions_of_its_own_and_no_seam_where_it_is_a_tile() {
    let folder = tempfile::tempdir().unwrap();
    let drawn = |layer: &str, name: &str| {
        scene(folder.path(), &format!("[[layer]]\nnum_inference_steps = 6\n{layer}"));
        done(folder.path(), &["compose", "scenes/one.toml", "-o", name]);
        image::open(folder.path().join(name)).unwrap().into_rgba8()
    };
    let plain = "prompt = \"sky\"\nwidth = 64\nheight = 32\nposition = [8, 8]\n";
    let wide = drawn(plain, "wide.png");
    let region = "[[layer.region]]\nprompt = \"red apple\"\nbox = [32, 0, 32, 32]\n";
    let parted = drawn(&format!("{plain}{region}"), "parted.png");
    assert_eq!((wide[(4, 20)], wide[(80, 20)]), (Rgba([255; 4]), Rgba([255; 4])));
    let apart = |columns: std::ops::Range<u32>| -> u32 {
        let places = columns.flat_map(|x| (8..40).map(move |y| (x, y)));
        places.map(|at| u32::from(wide[at][1].abs_diff(parted[at][1]))).sum()
    };
    // Where the region is something else is drawn; the rest changes by what it sees of it alone.
    assert!(apart(40..72) > 4 * apart(8..30), "{} {}", apart(40..72), apart(8..30));
    assert_eq!(done(folder.path(), &["compose", "scenes/one.toml", "-o", "again.png"]).trim(), "again.png");
    assert!(image::open(folder.path().join("again.png")).unwrap().into_rgba8() == parted);

    // A tile of 32x32 covers the scene.
    let tiled = drawn("prompt = \"green leaves\"\ntile = true\nposition = [-5, 7]\n", "tile.png");
    assert!(tiled.enumerate_pixels().all(|(x, y, pixel)| *pixel == tiled[(x % 32, y % 32)]));
    let step =
        |a: Rgba<u8>, b: Rgba<u8>| a.0.iter().zip(b.0).map(|(a, b)| u32::from(a.abs_diff(b))).sum::<u32>();
    let across = |x: u32| (0..32).map(|y| step(tiled[(x, y)], tiled[(x + 1, y)])).sum::<u32>();
    let usual = (0..32).map(across).max().unwrap();
    // The edge of the drawing is at column 26.
    assert!(across(26) <= usual && across(26) > 0, "{} {usual}", across(26));
}

#[test]
fn the_edge_of_a_layer_comes_to_fit_what_is_below() {
    let folder = tempfile::tempdir().unwrap();
    let disc = |x: u32, y: u32| {
        Rgba([9, 200, 30, if x.abs_diff(20).pow(2) + y.abs_diff(20).pow(2) < 400 { 255 } else { 0 }])
    };
    std::fs::create_dir_all(folder.path().join("scenes")).unwrap();
    RgbaImage::from_fn(41, 41, disc).save(folder.path().join("scenes/disc.png")).unwrap();
    let made = |more: &str, name: &str| {
        scene(folder.path(), &format!("[[layer]]\nfile = \"disc.png\"\nposition = [30, 10]\n{more}"));
        done(folder.path(), &["compose", "scenes/one.toml", "-o", name]);
        image::open(folder.path().join(name)).unwrap().into_rgba8()
    };
    let (plain, fits) =
        (made("", "plain.png"), made("blend = \"harmonize\"\nnum_inference_steps = 8\n", "fits.png"));
    let mut changed = 0;
    for (x, y, pixel) in fits.enumerate_pixels() {
        let far = (f64::from(x) - 50.0).hypot(f64::from(y) - 30.0);
        let is_same = *pixel == plain[(x, y)];
        // A sixteenth of 39 pixels is 2 on either side.
        assert!(is_same || (16.0..24.0).contains(&far), "{x},{y} {far}");
        changed += usize::from(!is_same);
    }
    assert!(changed > 50, "{changed}");
}

#[test]
fn a_scene_that_is_watched_is_drawn_again_when_it_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let colored = |color: &str| {
        let text = format!("width = 8\nheight = 8\nbackground = \"{color}\"\n");
        std::fs::write(folder.path().join("one.toml"), text).unwrap();
    };
    colored("red");
    let mut program = std::process::Command::new(assert_cmd::cargo::cargo_bin!("rebus"))
        .current_dir(folder.path())
        .args(["compose", "one.toml", "--watch", "-o", "out.png"])
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let becomes = |wanted: [u8; 4]| {
        let is_so = || {
            image::open(folder.path().join("out.png")).is_ok_and(|found| found.get_pixel(0, 0).0 == wanted)
        };
        (0..200).any(|_| {
            is_so() || {
                std::thread::sleep(std::time::Duration::from_millis(50));
                false
            }
        })
    };
    let red = becomes([255, 0, 0, 255]);
    colored("no colour");
    std::thread::sleep(std::time::Duration::from_millis(400));
    colored("blue");
    let blue = becomes([0, 0, 255, 255]);
    program.kill().unwrap();
    let said = String::from_utf8(program.wait_with_output().unwrap().stderr).unwrap();
    assert!(red && blue && said.contains("no CSS colour"), "{red} {blue} {said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_wrong_scene_is_told_with_its_line_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    for (text, words) in [
        ("[[layer]]\nfile = \"house.png\"\n", "one.toml, line 6: "),
        ("[[layer]]\ntext = \"a\"\nblend = \"mulitply\"\n", "line 7: unknown variant `mulitply`"),
        ("[[layer]]\ntext = \"a\"\nblend = \"mulitply\"\n", "did you mean `multiply`?"),
        ("[[layer]]\ntext = \"\u{e000}\"\n", "no font here has"),
        ("[[layers]]\ntext = \"a\"\n", "did you mean `layer`?"),
        ("[[layer]]\ntext = \"a\"\nsize = \"big\"\n", "line 7: "),
        ("[[layer]]\nprompt = \"a\"\nwidth = 33\n", "line 5: size = 33x32"),
        ("[[layer]]\nprompt = \"a\"\n[[layer.region]]\nprompt = \"b\"\n", "line 7: a region has either"),
        (
            "[[layer]]\nprompt = \"a\"\n[[layer.region]]\nprompt = \"b\"\nbox = [20, 0, 20, 9]\n",
            "line 7: the box must lie inside of what is drawn, 32x32",
        ),
        ("[[layer]]\nprompt = \"a\"\ntile = true\nrotation = 3\n", "line 5: a layer with `tile`"),
        ("[[layer]]\ntext = \"a\"\nwidth = 9\n", "layers with `prompt`"),
        ("[[layer]]\ntext = \"a\"\nstrength = 0.5\n", "harmonize"),
        ("[[layer]]\ntext = \"a\"\nblend = \"harmonize\"\nstrength = 5\n", "line 5: strength = 5"),
    ] {
        scene(folder.path(), text);
        let (code, said) = failed(folder.path(), &["compose", "scenes/one.toml", "-o", "out.png"]);
        assert!(code == 2 && said.contains(words), "{code} {said}");
        assert!(!folder.path().join("out.png").exists());
    }
    let (code, said) = failed(folder.path(), &["compose", "scenes/two.toml"]);
    assert!(code == 2 && said.contains("two.toml"), "{code} {said}");
}

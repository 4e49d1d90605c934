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
fn a_wrong_scene_is_told_with_its_line_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    for (text, words) in [
        ("[[layer]]\nfile = \"house.png\"\n", "one.toml, line 6: "),
        ("[[layer]]\ntext = \"a\"\nblend = \"mulitply\"\n", "line 7: unknown variant `mulitply`"),
        ("[[layer]]\ntext = \"a\"\nblend = \"mulitply\"\n", "did you mean `multiply`?"),
        ("[[layer]]\ntext = \"\u{e000}\"\n", "no font here has"),
        ("[[layers]]\ntext = \"a\"\n", "did you mean `layer`?"),
        ("[[layer]]\ntext = \"a\"\nsize = \"big\"\n", "line 7: "),
    ] {
        scene(folder.path(), text);
        let (code, said) = failed(folder.path(), &["compose", "scenes/one.toml", "-o", "out.png"]);
        assert!(code == 2 && said.contains(words), "{code} {said}");
        assert!(!folder.path().join("out.png").exists());
    }
    let (code, said) = failed(folder.path(), &["compose", "scenes/two.toml"]);
    assert!(code == 2 && said.contains("two.toml"), "{code} {said}");
}

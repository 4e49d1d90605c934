//! `eval`: models, pictures, features and reports.

use std::path::Path;

use crate::{done, emoji, failed};

#[test]
fn eval_measures_a_model_beside_real_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let data = emoji();
    let data = data.to_str().unwrap();
    let mut args = vec!["eval", "--data", data, "--samples", "4", "--steps", "2", "-o", "report", "--json"];
    // The model that ships was trained on all captions.
    args.extend(["--validation-fraction", "0.1"]);
    let json = done(folder.path(), &args);
    let said: serde_json::Value = serde_json::from_str(&json).unwrap();
    let names: Vec<&str> =
        said["sets"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["training", "held out"]);
    for set in said["sets"].as_array().unwrap() {
        assert_eq!(set["pictures"], 4, "{json}");
        for key in ["/floor/note", "/agreement/drawn", "/retrieval/text_to_picture/at_10"] {
            assert!(set.pointer(key).is_some(), "{key}: {json}");
        }
        assert!(set["rank_by_pixels"]["median_plain"].is_f64(), "{json}");
        assert!(set["memorised_by_pixels"]["near_copies"].is_f64(), "{json}");
    }
    let written = std::fs::read_to_string(folder.path().join("report/eval.json")).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), said);
    let page = std::fs::read_to_string(folder.path().join("report/eval.html")).unwrap();
    assert!(page.matches("data:image/png;base64,").count() > 20 && page.contains("<svg"));
    assert!(!page.contains("src=\"http") && !page.contains("<link"), "the page needs no network");

    let (code, said) = failed(folder.path(), &args);
    assert!(code == 2 && said.contains("eval.json") && said.contains("not replaced"), "{code} {said}");

    let table = done(folder.path(), &["eval", "--compare", "report", "report/eval.json"]);
    assert!(table.contains("training/distances") || table.contains("training/pictures"), "{table}");
    assert!(table.ends_with("compare.svg\n"), "{table}");
    assert!(done(folder.path(), &["eval", "--compare", "report"]).ends_with("compare-2.svg\n"));
    std::fs::write(folder.path().join("other.json"), "{}").unwrap();
    let (code, said) = failed(folder.path(), &["eval", "--compare", "other.json"]);
    assert!(code == 2 && said.contains("other.json") && said.contains("sets"), "{code} {said}");
}

#[test]
fn eval_measures_pictures_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let data = emoji();
    let data = data.to_str().unwrap();
    let json = done(folder.path(), &["eval", data, "--data", data, "--json"]);
    let said: serde_json::Value = serde_json::from_str(&json).unwrap();
    let set = &said["sets"][0];
    assert_eq!((set["name"].as_str(), set["pictures"].as_u64()), (Some("pictures"), Some(200)));
    // The collection against itself.
    assert!(set["distances"]["frechet_distance"].as_f64().unwrap() < 1e-6, "{json}");
    assert_eq!(set["distances"]["precision"], 1.0);
    assert_eq!(set["floor"]["drawn"], 100);
    assert!(set["memorised_by_pixels"]["median_drawn"].as_f64().unwrap() < 1e-3, "{json}");
    let (code, said) = failed(folder.path(), &["eval", "gone", "--data", data]);
    assert!(code == 2 && said.contains("gone"), "{code} {said}");
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let (code, said) = failed(folder.path(), &["eval", "empty", "--data", data]);
    assert!(code == 2 && said.contains("empty"), "{code} {said}");
    let (code, said) = failed(folder.path(), &["eval", data, "--data", data, "--extractor", "absent"]);
    assert!(code == 2 && said.contains("absent"), "{code} {said}");
}

#[test]
fn eval_distances_compares_features_of_any_extractor() {
    let folder = tempfile::tempdir().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rebus-eval/tests/golden");
    let path = |name: &str| golden.join(name).to_str().unwrap().to_string();
    let (drawn, real) = (path("drawn.npy"), path("real.npy"));
    let json = done(folder.path(), &["eval", "distances", &drawn, &real, "--json"]);
    let said: serde_json::Value = serde_json::from_str(&json).unwrap();
    for key in ["frechet_distance", "kernel_distance_mean", "kernel_distance_std", "precision", "recall"] {
        assert!(said[key].is_f64(), "{key}: {json}");
    }
    assert!((said["frechet_distance"].as_f64().unwrap() - 12.611_854).abs() < 1e-4, "{json}");
    insta::assert_snapshot!(done(folder.path(), &["eval", "distances", &drawn, &real]));
    let (code, said) = failed(folder.path(), &["eval", "distances", &drawn, "gone.npy"]);
    assert!(code == 2 && said.contains("gone.npy"), "{code} {said}");
    let (code, said) = failed(folder.path(), &["eval"]);
    assert!(code == 2 && said.contains("--data"), "{code} {said}");
}

#[test]
fn eval_similarity_compares_two_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rebus-eval/tests/golden/similarity");
    let path = |name: &str| golden.join(name).to_str().unwrap().to_string();
    let args = ["eval", "similarity", &path("large.png"), &path("large-reference.png")];
    let said = done(folder.path(), &args);
    // The last line is the shipped encoder's, and changes with it.
    let (fixed, perceptual) = said.split_once("perceptual").unwrap();
    insta::assert_snapshot!(fixed);
    assert!(perceptual.contains("by dual"), "{said}");
    let same = done(folder.path(), &["eval", "similarity", &path("small.png"), &path("small.png"), "--json"]);
    let same: serde_json::Value = serde_json::from_str(&same).unwrap();
    assert!(same["psnr"].is_null() && same["ms_ssim"].is_null(), "{same}");
    assert_eq!(
        (same["perceptual_distance"].as_f64(), same["perceptual_by"].as_str()),
        (Some(0.0), Some("dual"))
    );
    let (code, said) = failed(folder.path(), &["eval", "similarity", &path("small.png"), &path("large.png")]);
    assert!(code == 2 && said.contains("13x17") && said.contains("181x179"), "{code} {said}");
}

#[test]
fn ways_of_editing_are_measured_on_pairs_whose_captions_differ_by_words() {
    let folder = tempfile::tempdir().unwrap();
    let data = crate::emoji();
    let data = data.to_str().unwrap();
    let usual = ["eval", "--data", data, "--validation-fraction", "0.9", "--samples", "2", "--steps", "12"];
    let edits = ["--edits", "light skin tone=dark skin tone", "--edits", "light skin tone=medium skin tone"];
    let said = done(folder.path(), &[&usual[..], &edits, &["--sheet", "sheet.png", "--json"]].concat());
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    let ways = report["ways"].as_array().unwrap();
    let names: Vec<&str> = ways.iter().map(|way| way["way"].as_str().unwrap()).collect();
    assert_eq!(names, ["source as it is", "drawn anew", "--prompt", "--from --to", "what it should be"]);
    let found = |way: usize, what: &str| ways[way]["found"][what].as_f64().unwrap();
    assert_eq!(found(0, "outside"), 0.0);
    assert_eq!(found(4, "psnr"), 100.0);
    for way in 1..5 {
        assert!(found(way, "agreement") > found(0, "agreement"), "{said}");
        assert!(found(way, "psnr") > found(0, "psnr"), "{said}");
    }
    assert!((1..4).all(|way| found(way, "outside") > 0.0) && found(4, "outside") < 8.0, "{said}");
    assert!(image::open(folder.path().join("sheet.png")).unwrap().width() > 5 * 32);

    for (edits, words) in [
        ("light skin tone=green skin", "green skin"),
        ("light skin tone", "lacks its `=`"),
        ("a=", "behind the"),
    ] {
        let (code, said) = failed(folder.path(), &[&usual[..], &["--edits", edits]].concat());
        assert!(code == 2 && said.contains(words), "{edits}: {code} {said}");
    }
}

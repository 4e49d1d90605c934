//! Evaluations as a table: a row a measure, a column a set.

use serde::Serialize;

use crate::{
    Distances, EvalError, Report, SetReport,
    report::{Agreement, Measured},
};

/// A measure of several sets.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// The measure.
    pub measure: &'static str,
    /// Which way is better, and what it is.
    pub about: &'static str,
    /// A value a set, `-` where there is none.
    pub values: Vec<String>,
    /// What real pictures get; empty where there is no such thing.
    pub floors: Vec<String>,
}

type Value = fn(&SetReport) -> Option<f64>;

struct Measure {
    name: &'static str,
    about: &'static str,
    decimals: usize,
    value: Value,
    floor: Option<Value>,
}

/// The rows of a report.
pub fn table(report: &Report) -> Vec<Row> {
    let cells = |value: Value, decimals: usize| {
        report.sets.iter().map(|set| show(value(set), decimals)).collect::<Vec<_>>()
    };
    let measures =
        MEASURES.iter().filter(|measure| report.sets.iter().any(|set| (measure.value)(set).is_some()));
    measures
        .map(|measure| Row {
            measure: measure.name,
            about: measure.about,
            values: cells(measure.value, measure.decimals),
            floors: measure.floor.map_or_else(Vec::new, |floor| cells(floor, measure.decimals)),
        })
        .collect()
}

/// A number of a report read back, by the names that stand above it, such as `training/distances/recall`.
pub type Number = (String, f64);

/// All numbers of a report that was written before, in its order.
///
/// # Errors
/// It is no report.
pub fn numbers(report: &serde_json::Value) -> Result<Vec<Number>, EvalError> {
    let sets = report.get("sets").and_then(serde_json::Value::as_array).ok_or(EvalError::NoReport)?;
    let mut numbers = vec![];
    for set in sets {
        let name = set.get("name").and_then(serde_json::Value::as_str).ok_or(EvalError::NoReport)?;
        gather(name, set, &mut numbers);
    }
    Ok(numbers)
}

fn gather(path: &str, value: &serde_json::Value, numbers: &mut Vec<Number>) {
    if let Some(number) = value.as_f64() {
        numbers.push((path.to_string(), number));
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        gather(&format!("{path}/{name}"), value, numbers);
    }
}

fn show(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_string(), |value| format!("{value:.decimals$}"))
}

const fn measure(
    name: &'static str,
    about: &'static str,
    decimals: usize,
    value: Value,
    floor: Option<Value>,
) -> Measure {
    Measure { name, about, decimals, value, floor }
}

/// Every measure that a table shows.
const MEASURES: &[Measure] = &[
    measure("pictures", "how many were drawn", 0, |set| Some(set.pictures as f64), None),
    measure(
        "of these learned",
        "captions that the model was shown with their pictures",
        0,
        |set| Some(set.learned as f64),
        None,
    ),
    measure(
        "Fréchet distance",
        "less is better",
        4,
        |set| drawn(set)?.frechet_distance,
        Some(|set| floor(set)?.frechet_distance),
    ),
    measure(
        "kernel distance",
        "less is better; 0 on average for pictures of one source",
        5,
        |set| Some(drawn(set)?.kernel_distance_mean),
        Some(|set| Some(floor(set)?.kernel_distance_mean)),
    ),
    measure(
        "precision",
        "the share of drawings that are like real pictures",
        3,
        |set| Some(drawn(set)?.precision),
        Some(|set| Some(floor(set)?.precision)),
    ),
    measure(
        "recall",
        "the share of real pictures that are like drawings",
        3,
        |set| Some(drawn(set)?.recall),
        Some(|set| Some(floor(set)?.recall)),
    ),
    measure(
        "density",
        "how thick real pictures lie around drawings; 1 for real ones",
        3,
        |set| Some(drawn(set)?.density),
        Some(|set| Some(floor(set)?.density)),
    ),
    measure(
        "coverage",
        "the share of real pictures with a drawing near",
        3,
        |set| Some(drawn(set)?.coverage),
        Some(|set| Some(floor(set)?.coverage)),
    ),
    measure(
        "agreement with the caption",
        "mean cosine in the encoder's space; more is better",
        3,
        |set| Some(words(set)?.drawn),
        Some(|set| words(set)?.true_pictures),
    ),
    measure("agreement by chance", "the same with others' captions", 3, |set| words(set)?.chance, None),
    measure(
        "agreement lost",
        "against `plain` captions where there are such, else against those of training",
        3,
        |set| Some(set.lost.as_ref()?.agreement),
        None,
    ),
    measure(
        "drawing of a caption, first",
        "percent found by the encoder among all of the set",
        1,
        |set| Some(100.0 * set.retrieval?.text_to_picture?.at_1),
        Some(|set| Some(100.0 * set.retrieval_of_true?.text_to_picture?.at_1)),
    ),
    measure(
        "drawing of a caption, in ten",
        "the same among the first ten",
        1,
        |set| Some(100.0 * set.retrieval?.text_to_picture?.at_10),
        Some(|set| Some(100.0 * set.retrieval_of_true?.text_to_picture?.at_10)),
    ),
    measure(
        "caption of a drawing, in ten",
        "the other way",
        1,
        |set| Some(100.0 * set.retrieval?.picture_to_text?.at_10),
        Some(|set| Some(100.0 * set.retrieval_of_true?.picture_to_text?.at_10)),
    ),
    measure(
        "place of the true picture, by the encoder",
        "median percent of all pictures that are nearer; 0 is best, 50 is chance",
        2,
        |set| set.rank_by_encoder?.median_plain,
        None,
    ),
    measure(
        "the same of skin tones and the like",
        "captions with the part that the split ignores",
        2,
        |set| set.rank_by_encoder?.median_variants,
        None,
    ),
    measure(
        "place of the true picture, by pixels",
        "the same at 16x16, which forgives blur and noise",
        2,
        |set| set.rank_by_pixels?.median_plain,
        None,
    ),
    measure(
        "within the nearest tenth, by pixels",
        "percent of captions",
        1,
        |set| Some(100.0 * set.rank_by_pixels?.within_tenth?),
        None,
    ),
    measure(
        "bits a number of the true pictures",
        "by a model that knows likelihoods; less is better, 8 is none",
        3,
        |set| Some(set.likelihood?.bits_per_dimension),
        None,
    ),
    measure(
        "taken for what it should be",
        "percent, by the classifier",
        1,
        |set| Some(100.0 * set.accuracy?.drawn),
        Some(|set| Some(100.0 * set.accuracy?.true_pictures?)),
    ),
    measure(
        "near-copies of training, by features",
        "percent nearer to a training picture than all but 5 % of unseen ones are; 5 where nothing is memorised",
        1,
        |set| Some(100.0 * set.memorised_by_features.near_copies),
        None,
    ),
    measure(
        "near-copies of training, by pixels",
        "the same at 16x16",
        1,
        |set| Some(100.0 * set.memorised_by_pixels.near_copies),
        None,
    ),
];

fn drawn(set: &SetReport) -> Option<&Distances> {
    Measured::found(&set.distances)
}

fn floor(set: &SetReport) -> Option<&Distances> {
    Measured::found(&set.floor)
}

fn words(set: &SetReport) -> Option<&Agreement> {
    set.agreement.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_named_by_what_stands_above_them() {
        let report = serde_json::json!({
            "seed": 3,
            "sets": [{ "name": "held out", "pictures": 4, "distances": { "recall": 0.5, "note": "few" } }],
        });
        let expected =
            [("held out/pictures".to_string(), 4.0), ("held out/distances/recall".to_string(), 0.5)];
        assert_eq!(numbers(&report).unwrap(), expected);
        assert!(matches!(numbers(&serde_json::json!({ "a": 1 })), Err(EvalError::NoReport)));
    }
}

//! The model card: what a model folder's README.md says, in the manner of Mitchell et al. (2019).

use std::fmt::Write;

use rebus_models::Package;

use crate::{export::About, prepare::name_of};

/// The text of the card.
pub(crate) fn card(package: &Package, about: &About<'_>) -> String {
    let [channels, height, width] = package.picture_shape;
    let numbers: usize = package.weights.values().map(|data| data.shape().iter().product::<usize>()).sum();
    let name = name_of(&about.info.data);
    let mut text = format!(
        "# A {family} model of {name}\n\n\
         Made by Rebus {version}. {opens}.\n\n\
         ## What it is\n\n\
         | | |\n|---|---|\n\
         | family | {family} |\n\
         | pictures | {width}x{height}, {channels} channels |\n\
         | weights | {numbers} numbers |\n\
         | reads captions | {captions} |\n\n\
         ## How it was trained\n\n\
         | | |\n|---|---|\n\
         | data | {name} |\n\
         | fingerprint of the data | `{fingerprint}` |\n\
         | steps | {step} |\n\
         | pictures seen | {seen} |\n\
         | seed | {seed} |\n",
        family = package.family,
        version = about.info.version,
        opens = opens(package.family),
        captions = if package.tokenizer.is_some() { "yes" } else { "no" },
        fingerprint = about.info.fingerprint,
        step = about.state.step,
        seen = about.state.images_seen,
        seed = about.info.seed,
    );
    if let Some(init) = &about.info.init {
        // The hash behind the last space names the weights wherever they lay.
        let hash = init.rsplit(' ').next().unwrap_or_default();
        let _ = writeln!(text, "| first weights | those of the model with hash `{hash}` |");
    }
    for (loss, value) in about.losses {
        let _ = writeln!(text, "| {} | {value:.5} |", loss.replace('_', " "));
    }
    text.push_str(
        "\nThe recipe, with every key, is in `model.json` under `provenance.recipe`.\n\n\
         ## Limits\n\n\
         It has seen nothing but these pictures and their captions, with whatever is one-sided or missing in them. \
",
    );
    text.push_str(match draws(package.family) {
        true => {
            "It may draw pictures close to single ones of them: `rebus eval` tells how many. The terms of the data apply to what it \
             draws.\n"
        }
        false => "Of other kinds of pictures it says something all the same, and nothing that can be trusted.\n",
    });
    text
}

fn draws(family: &str) -> bool {
    verbs(family).contains(&"generate")
}

/// How the model is used.
fn opens(family: &str) -> &'static str {
    match verbs(family) {
        verbs if verbs.contains(&"encode") => {
            "`rebus eval FOLDER --data PATH` tells what it finds, and `rebus eval MODEL --data PATH --extractor FOLDER` measures \
             by it"
        }
        verbs if verbs.contains(&"classify") => {
            "`rebus eval MODEL --data PATH --classifier FOLDER` asks it what drawings show"
        }
        verbs if !verbs.contains(&"generate") && verbs.contains(&"translate") => {
            "It opens with `rebus translate PICTURE --model FOLDER`"
        }
        _ => "It opens with `rebus generate --model FOLDER`",
    }
}

fn verbs(family: &str) -> &'static [&'static str] {
    rebus_models::family(family).map_or(&[], |family| family.verbs)
}

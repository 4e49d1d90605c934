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
         Made by Rebus {version}. It opens with `rebus generate --model FOLDER`.\n\n\
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
         It may draw pictures close to single ones of them. The terms of the data apply to what it draws.\n",
    );
    text
}

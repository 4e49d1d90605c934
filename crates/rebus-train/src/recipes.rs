//! The recipes that an installed program has with it, and the choice of one for a collection that came without.

use rebus_data::{
    Collection, ColumnInfo, ColumnKind, DataConfig, captions::caption_column, main_pictures, picture,
};
use toml::{Table, Value};

use crate::{TrainError, keys, recipe};

/// A recipe inside the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltIn {
    /// Its name.
    pub name: &'static str,
    /// Its file as it stands, comments included.
    pub text: &'static str,
}

const ALL: [BuiltIn; 20] = [
    BuiltIn { name: "emoji-flow", text: include_str!("../../../recipes/emoji-flow.toml") },
    BuiltIn { name: "emoji-vae", text: include_str!("../../../recipes/emoji-vae.toml") },
    BuiltIn { name: "emoji-autoencoder", text: include_str!("../../../recipes/emoji-autoencoder.toml") },
    BuiltIn { name: "emoji-latent-flow", text: include_str!("../../../recipes/emoji-latent-flow.toml") },
    BuiltIn { name: "emoji-distill", text: include_str!("../../../recipes/emoji-distill.toml") },
    BuiltIn { name: "emoji-gan", text: include_str!("../../../recipes/emoji-gan.toml") },
    BuiltIn { name: "emoji-dual", text: include_str!("../../../recipes/emoji-dual.toml") },
    BuiltIn { name: "emoji-dual-sound", text: include_str!("../../../recipes/emoji-dual-sound.toml") },
    BuiltIn { name: "emoji-dual-flow", text: include_str!("../../../recipes/emoji-dual-flow.toml") },
    BuiltIn { name: "emoji-classifier", text: include_str!("../../../recipes/emoji-classifier.toml") },
    BuiltIn { name: "cifar10-flow", text: include_str!("../../../recipes/cifar10-flow.toml") },
    BuiltIn { name: "cifar10-vae", text: include_str!("../../../recipes/cifar10-vae.toml") },
    BuiltIn { name: "cifar10-dual", text: include_str!("../../../recipes/cifar10-dual.toml") },
    BuiltIn { name: "cifar10-gan", text: include_str!("../../../recipes/cifar10-gan.toml") },
    BuiltIn { name: "emoji-edges-pix2pix", text: include_str!("../../../recipes/emoji-edges-pix2pix.toml") },
    BuiltIn {
        name: "emoji-colors-pix2pix",
        text: include_str!("../../../recipes/emoji-colors-pix2pix.toml"),
    },
    BuiltIn {
        name: "cifar10-larger-pix2pix",
        text: include_str!("../../../recipes/cifar10-larger-pix2pix.toml"),
    },
    BuiltIn {
        name: "emoji-tones-cyclegan",
        text: include_str!("../../../recipes/emoji-tones-cyclegan.toml"),
    },
    BuiltIn { name: "emoji-instruct-flow", text: include_str!("../../../recipes/emoji-instruct-flow.toml") },
    BuiltIn { name: "article-gan", text: include_str!("../../../recipes/article-gan.toml") },
];

/// How many pictures are measured to choose a size.
const MEASURED: usize = 32;
/// Pictures with a shorter side of at most this many pixels are learned at 32, others at 64.
const SMALL: u32 = 48;

/// A recipe that was chosen for a collection.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Picked {
    /// The recipe that it is made from.
    pub name: &'static str,
    /// The recipe, fitted to the collection.
    pub recipe: Table,
    /// Why this one, in a line.
    pub why: String,
}

/// All recipes inside the program.
pub fn list() -> &'static [BuiltIn] {
    &ALL
}

impl BuiltIn {
    /// What it makes: its first line.
    pub fn about(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches(['#', ' '])
    }
}

/// A recipe inside the program.
///
/// # Errors
/// There is none of that name; the error lists them and names the nearest.
pub fn show(name: &str) -> Result<&'static BuiltIn, TrainError> {
    ALL.iter().find(|recipe| recipe.name == name).ok_or_else(|| {
        let known: Vec<&str> = ALL.iter().map(|recipe| recipe.name).collect();
        let near = keys::nearest(name, &known);
        TrainError::NoRecipe { name: name.to_string(), near, known: known.join(", ") }
    })
}

/// Chooses a recipe: the flow where there are captions, at 32 or 64 pixels as the pictures are, and the network
/// without captions where there are none.
///
/// # Errors
/// No record can be read.
pub fn pick(collection: &dyn Collection) -> Result<Picked, TrainError> {
    let side = if shorter_side(collection)? <= SMALL { 32 } else { 64 };
    let captions = captions(collection);
    let (name, why) = match captions.is_empty() {
        true => ("article-gan", format!("the pictures have no captions; {side} pixels a side")),
        false => {
            let columns = captions.keys().cloned().collect::<Vec<_>>().join(", ");
            let faster = match side {
                64 => "; data.image_size=32 learns about four times as fast",
                _ => "",
            };
            let why = format!("captions are in {columns}; {side} pixels a side, as the pictures are{faster}");
            ("emoji-flow", why)
        }
    };
    let mut recipe = recipe::parse(show(name)?.text, name)?;
    let data = recipe.entry("data").or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(data) = data {
        data.insert("image_size".into(), Value::Integer(side));
        data.insert("captions".into(), Value::Table(captions));
        // Rules and prompts of the recipe speak of its own collection.
        data.remove("sampling");
        let pictures = main_pictures(collection.columns());
        if let Some(picture) = pictures.filter(|picture| picture.name != "image") {
            data.insert("picture_column".into(), Value::String(picture.name.clone()));
        }
    }
    if let Some(Value::Table(sample)) = recipe.get_mut("sample") {
        sample.remove("prompts");
    }
    Ok(Picked { name, recipe, why })
}

/// The first text column with its translations (`text_zh` beside `text`), and the first list of keywords.
fn captions(collection: &dyn Collection) -> Table {
    let columns = collection.columns();
    let Some(text) = caption_column(collection) else {
        let list = columns.iter().find(|column| column.kind == ColumnKind::List);
        return list.map(|list| (list.name.clone(), Value::Float(1.0))).into_iter().collect();
    };
    let mut weights = vec![(text.to_string(), 1.0)];
    if let Some(list) = columns.iter().find(|column| column.kind == ColumnKind::List && column.name != text) {
        weights[0].1 = 0.6;
        weights.extend([(list.name.clone(), 0.2), (format!("{text}+{}", list.name), 0.2)]);
    }
    let translation = |column: &&ColumnInfo| {
        let language = column.name.strip_prefix(text).and_then(|rest| rest.strip_prefix('_'));
        column.kind == ColumnKind::Text && language.is_some_and(|language| matches!(language.len(), 2..=3))
    };
    let translations = columns.iter().filter(translation);
    weights.extend(translations.map(|column| (column.name.clone(), 0.2)));
    weights.into_iter().map(|(name, weight)| (name, Value::Float(weight))).collect()
}

/// The middle one of the shorter sides of some pictures, evenly spread.
fn shorter_side(collection: &dyn Collection) -> Result<u32, TrainError> {
    let limit = DataConfig::default().max_pixels;
    let count = collection.len().min(MEASURED);
    let mut sides = vec![];
    let mut broken = None;
    for place in 0..count {
        let record = match collection.record(place * collection.len() / count) {
            Ok(record) => record,
            Err(error) => {
                broken = Some(error);
                continue;
            }
        };
        let column = main_pictures(collection.columns());
        let picture = column.and_then(|column| record.picture(&column.name));
        match picture.map(|picture| picture::dimensions(picture, limit)) {
            Some(Ok((width, height))) => sides.push(width.min(height)),
            Some(Err(error)) => broken = Some(error),
            None => {}
        }
    }
    sides.sort_unstable();
    match (sides.get(sides.len() / 2), broken) {
        (Some(side), _) => Ok(*side),
        (None, Some(error)) => Err(error.into()),
        (None, None) => Err(TrainError::Missing { what: "a collection with pictures" }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::Recipe;

    #[test]
    fn every_recipe_resolves_and_opens_with_its_command() {
        for built_in in list() {
            let table = recipe::parse(built_in.text, built_in.name).unwrap();
            let recipe: Recipe = keys::read(table.clone(), "recipe").unwrap();
            if rebus_models::families().iter().any(|family| family.name == recipe.model.family) {
                Recipe::resolve(table, &[]).unwrap();
            }
            let command = format!("#   rebus train recipes/{}.toml --data PATH", built_in.name);
            assert_eq!(built_in.text.lines().nth(2), Some(command.as_str()));
            assert!(!built_in.about().is_empty());
        }
    }

    #[test]
    fn a_wrong_name_is_told_the_nearest() {
        let message = show("emoji-flw").unwrap_err().to_string();
        assert!(message.contains("did you mean `emoji-flow`"), "{message}");
    }

    #[test]
    fn of_several_pictures_those_called_image_are_learned() {
        let folder = tempfile::tempdir().unwrap();
        let apple = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/emoji200/1f34e.png");
        for name in ["a.png", "m.png"] {
            fs_err::copy(&apple, folder.path().join(name)).unwrap();
        }
        let line = r#"{"mask_file_name": "m.png", "file_name": "a.png", "text": "a"}"#;
        fs_err::write(folder.path().join("metadata.jsonl"), line).unwrap();
        let picked = pick(&*rebus_data::open(folder.path(), &Default::default()).unwrap()).unwrap();
        assert!(picked.recipe["data"].get("picture_column").is_none(), "{}", picked.recipe);
        assert!(picked.why.ends_with(
            "64 pixels a side, as the pictures are; data.image_size=32 learns about four times as fast"
        ));
    }

    #[test]
    fn captioned_pictures_get_the_flow_at_their_size() {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/emoji200");
        let collection = rebus_data::open(&fixture, &Default::default()).unwrap();
        let picked = pick(&*collection).unwrap();
        assert_eq!(picked.name, "emoji-flow");
        let recipe = Recipe::resolve(picked.recipe, &[]).unwrap();
        assert!(recipe.sample.prompts.is_empty() && recipe.data.sampling.is_empty());
        let captions: Vec<&str> = recipe.data.captions.keys().map(String::as_str).collect();
        assert_eq!(captions, ["text", "keywords", "text+keywords", "text_zh"]);
    }
}

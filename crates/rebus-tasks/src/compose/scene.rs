//! What a person writes of a scene: a size, a background, and layers from the lowest to the uppermost.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use toml::Spanned;

use super::blend::Blend;
use crate::TaskError;
use rebus_models::ModelError;

/// A scene.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// A CSS colour; transparent where nothing is said.
    #[serde(default = "transparent")]
    pub background: Spanned<String>,
    /// Of drawn layers: layer `i`, from 0, has seed `seed + i` where it has none of its own.
    #[serde(default)]
    pub seed: u64,
    /// The layers, the lowest first.
    #[serde(default, rename = "layer")]
    pub layers: Vec<Spanned<Layer>>,
    /// Where the scene lies: paths begin in its folder, and errors name it.
    #[serde(skip)]
    pub file: PathBuf,
    /// As it was written.
    #[serde(skip)]
    text: String,
}

/// One picture of a scene: of a file, drawn by a model, or words.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// A picture, from the scene's folder on.
    pub file: Option<Spanned<PathBuf>>,
    /// What a model is to draw.
    pub prompt: Option<String>,
    /// Words to write.
    pub text: Option<String>,
    /// The top left corner in pixels of the scene, before the layer is turned about its centre.
    #[serde(default, deserialize_with = "two")]
    pub position: [f64; 2],
    /// How many times as large.
    #[serde(default = "one")]
    pub scale: f64,
    /// Degrees clockwise.
    #[serde(default)]
    pub rotation: f64,
    /// From 0, nothing, to 1.
    #[serde(default = "one")]
    pub opacity: f64,
    /// A picture as large as the layer: white shows it, black does not.
    pub mask: Option<Spanned<PathBuf>>,
    /// How it comes together with what is below.
    #[serde(default)]
    pub blend: Blend,
    /// The colour that is cut away where it comes in from the edge, as `"white~24"`; of drawn layers white, `"none"` for no cut.
    pub cut: Option<Spanned<String>>,
    /// What a drawn layer keeps away from.
    pub negative_prompt: Option<String>,
    /// Of a drawn layer.
    pub seed: Option<u64>,
    /// How closely a drawn layer follows its prompt.
    pub guidance_scale: Option<f32>,
    /// How many steps a drawn layer takes.
    pub num_inference_steps: Option<usize>,
    /// Pixels of a drawn layer that is to have another size than the model's, before it is scaled.
    pub width: Option<u32>,
    /// The same.
    pub height: Option<u32>,
    /// Parts of a drawn layer with prompts of their own, drawn together.
    #[serde(default, rename = "region")]
    pub regions: Vec<Spanned<Region>>,
    /// The layer goes on over all of the scene, over and over; a drawn one so that no seam is to be seen.
    #[serde(default)]
    pub tile: bool,
    /// How much is drawn anew along the edge of a layer with `blend = "harmonize"`: 0.4 by default.
    pub strength: Option<f64>,
    /// How many pixels of the scene are, on either side of that edge; a sixteenth of the layer's shorter side by default.
    pub seam: Option<u8>,
    /// A font's file; the one that ships where none is named.
    pub font: Option<Spanned<PathBuf>>,
    /// The height of words in pixels, from line to line a fifth more.
    pub size: Option<f32>,
    /// The colour of words; black where none is named.
    pub fill: Option<Spanned<String>>,
    /// Words go on in the next line where they would be wider, in pixels.
    pub max_width: Option<f32>,
    /// To which side lines of words keep.
    pub align: Option<Align>,
}

/// A part of a drawn layer, in pixels of the layer before it is scaled.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// What a model is to draw there.
    pub prompt: String,
    /// `[x, y, width, height]`.
    #[serde(rename = "box")]
    pub rectangle: Option<[u32; 4]>,
    /// A picture as large as what is drawn: white is in, black is not.
    pub mask: Option<Spanned<PathBuf>>,
}

/// A side, or the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Align {
    /// The left.
    Left,
    /// The middle.
    Center,
    /// The right.
    Right,
}

/// What a layer shows.
pub(super) enum Shows<'a> {
    File(&'a Spanned<PathBuf>),
    Prompt(&'a str),
    Text(&'a str),
}

/// No side of a scene is longer.
const LONGEST: u32 = 16_384;

fn transparent() -> Spanned<String> {
    Spanned::new(0..0, "transparent".to_string())
}

/// As many numbers as a place has; a third would be left aside without a word.
fn two<'de, D: Deserializer<'de>>(from: D) -> Result<[f64; 2], D::Error> {
    let numbers = Vec::<f64>::deserialize(from)?;
    let count = numbers.len();
    numbers
        .try_into()
        .map_err(|_| D::Error::custom(format!("a position has two numbers, [x, y], not {count}")))
}

fn one() -> f64 {
    1.0
}

impl Scene {
    /// Reads a scene.
    ///
    /// # Errors
    /// A file that is not there, or not understood; with the line.
    pub fn read(file: &Path) -> Result<Self, TaskError> {
        Self::parse(&fs_err::read_to_string(file)?, file)
    }

    /// From its text; `file` is where it is said to lie.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(text: &str, file: &Path) -> Result<Self, TaskError> {
        let mut scene: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line(text, span.start));
            TaskError::Scene { file: file.to_path_buf(), line, reason: nearest(error.message()) }
        })?;
        scene.file = file.to_path_buf();
        scene.text = text.to_string();
        if ![scene.width, scene.height].iter().all(|side| (1..=LONGEST).contains(side)) {
            let rule = format!("width and height must be from 1 to {LONGEST}");
            return Err(scene.wrong(0, format!("{}x{}: {rule}", scene.width, scene.height)));
        }
        scene.layers.iter().try_for_each(|layer| scene.check(layer))?;
        Ok(scene)
    }

    fn check(&self, layer: &Spanned<Layer>) -> Result<(), TaskError> {
        let (at, layer) = (layer.span().start, layer.get_ref());
        let wrong = |reason: &str| Err(self.wrong(at, reason));
        let shows = [layer.file.is_some(), layer.prompt.is_some(), layer.text.is_some()];
        if shows.iter().filter(|shows| **shows).count() != 1 {
            return wrong("a layer has one of `file`, `prompt` and `text`");
        }
        if !(layer.scale.is_finite() && layer.scale > 0.0 && layer.scale <= 1000.0) {
            return wrong("`scale` must be above 0, and at most 1000");
        }
        if !(0.0..=1.0).contains(&layer.opacity) {
            return wrong("`opacity` must be from 0 to 1");
        }
        if !layer.rotation.is_finite() || !layer.position.iter().all(|place| place.abs() <= 1e6) {
            return wrong("`position` and `rotation` must be numbers of a size that a picture has");
        }
        let within = |value: Option<f32>, least: f32, most: f32| {
            value.is_none_or(|value| (least..=most).contains(&value))
        };
        if !within(layer.size, 1.0, 4096.0) || !within(layer.max_width, 1.0, 16_384.0) {
            return wrong("`size` must be from 1 to 4096, and `max_width` from 1 to 16384");
        }
        let of_words = layer.font.is_some()
            || layer.size.is_some()
            || layer.fill.is_some()
            || layer.max_width.is_some()
            || layer.align.is_some();
        if of_words && layer.text.is_none() {
            return wrong("`font`, `size`, `fill`, `max_width` and `align` are of layers with `text`");
        }
        let of_drawn = layer.negative_prompt.is_some()
            || layer.seed.is_some()
            || layer.guidance_scale.is_some()
            || layer.num_inference_steps.is_some();
        let harmonizes = layer.blend == Blend::Harmonize;
        if of_drawn && layer.prompt.is_none() && !harmonizes {
            let names = "`negative_prompt`, `seed`, `guidance_scale` and `num_inference_steps`";
            return wrong(&format!("{names} are of layers with `prompt`"));
        }
        let of_fused = layer.width.is_some() || layer.height.is_some() || !layer.regions.is_empty();
        if of_fused && layer.prompt.is_none() {
            return wrong("`width`, `height` and `region` are of layers with `prompt`");
        }
        if ![layer.width, layer.height].into_iter().flatten().all(|side| (1..=LONGEST).contains(&side)) {
            return wrong(&format!("`width` and `height` must be from 1 to {LONGEST}"));
        }
        if layer.tile
            && (layer.rotation != 0.0 || matches!(layer.blend, Blend::Poisson | Blend::PoissonMixed))
        {
            return wrong(
                "a layer with `tile` is neither turned nor put in without a seam: leave `rotation` and `blend` out",
            );
        }
        if (layer.strength.is_some() || layer.seam.is_some()) && !harmonizes {
            return wrong("`strength` and `seam` are of layers with `blend = \"harmonize\"`");
        }
        for region in &layer.regions {
            let (at, region) = (region.span().start, region.get_ref());
            if region.rectangle.is_some() == region.mask.is_some() {
                return Err(self.wrong(at, "a region has either `box = [x, y, width, height]` or `mask`"));
            }
        }
        Ok(())
    }

    /// The seed of a drawn layer, which has this number.
    pub(super) fn seed_of(&self, layer: &Layer, number: u64) -> u64 {
        layer.seed.unwrap_or(self.seed.wrapping_add(number))
    }

    /// What went wrong while a layer was drawn, with its line; that somebody stopped it stays what it is.
    pub(super) fn at(&self, at: usize, error: TaskError) -> TaskError {
        match error {
            TaskError::Model(ModelError::Interrupted) => error,
            error => self.wrong(at, error.to_string()),
        }
    }

    /// A path of the scene, from its folder on.
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        self.file.parent().map_or_else(|| path.to_path_buf(), |folder| folder.join(path))
    }

    /// The files that it is made of, its own not among them.
    pub fn files(&self) -> Vec<PathBuf> {
        let of_layer = |layer: &Layer| {
            let regions = layer.regions.iter().map(|region| region.get_ref().mask.clone());
            let own = [layer.file.clone(), layer.mask.clone(), layer.font.clone()].into_iter().chain(regions);
            own.flatten().map(|file| self.path(file.get_ref())).collect::<Vec<_>>()
        };
        self.layers.iter().flat_map(|layer| of_layer(layer.get_ref())).collect()
    }

    /// An error at a place in the scene's text.
    pub(super) fn wrong(&self, at: usize, reason: impl Into<String>) -> TaskError {
        TaskError::Scene { file: self.file.clone(), line: line(&self.text, at), reason: reason.into() }
    }
}

impl Layer {
    /// Whether it takes a model to make it.
    pub fn needs_model(&self) -> bool {
        self.prompt.is_some() || self.blend == Blend::Harmonize
    }

    /// Whether it is drawn for a place rather than as a thing: of a size of its own, of several prompts, or without an edge.
    pub(super) fn is_fused(&self) -> bool {
        self.width.is_some() || self.height.is_some() || !self.regions.is_empty() || self.tile
    }

    /// All that a drawing depends on but where its regions are.
    pub(super) fn drawn_by(&self, seed: u64) -> impl std::fmt::Debug {
        let prompts = self.regions.iter().map(|region| region.get_ref().prompt.clone()).collect::<Vec<_>>();
        let (prompt, negative, size) =
            (self.prompt.clone(), self.negative_prompt.clone(), [self.width, self.height]);
        (seed, prompt, prompts, negative, size, self.tile, self.guidance_scale, self.num_inference_steps)
    }

    pub(super) fn shows(&self) -> Shows<'_> {
        match (&self.file, &self.prompt, &self.text) {
            (Some(file), ..) => Shows::File(file),
            (_, Some(prompt), _) => Shows::Prompt(prompt),
            (.., text) => Shows::Text(text.as_deref().unwrap_or_default()),
        }
    }
}

/// The line of a place in a text, from 1.
fn line(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

/// A parser's word on a wrong name, with the nearest of the right ones.
fn nearest(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let known: Vec<&str> = quoted.clone().skip(1).collect();
    let near = quoted.next().and_then(|wrong| {
        let apart = |name: &&&str| strsim::damerau_levenshtein(wrong, name);
        known.iter().min_by_key(apart).filter(|name| apart(name) <= 1 + wrong.len() / 3)
    });
    let message = message.trim();
    near.map_or_else(|| message.to_string(), |near| format!("{message}; did you mean `{near}`?"))
}

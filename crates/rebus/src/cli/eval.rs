//! `rebus eval`: how well a model draws what it is told, and how far two sets of pictures are apart.

use std::path::{Path, PathBuf};

use image::RgbImage;
use rebus_data::{Collection, DataConfig, EncodedFile, captions::caption_column, picture};
use rebus_eval::{
    DistanceSettings, Features, Half, PixelRank, Retrieval, distances, pixel_rank, retrieval, similarity,
};
use rebus_models::Model;
use rebus_train::Recipe;

use super::{compute::Compute, failure::Failure, progress, say::out};

/// Arguments of `rebus eval`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// A model folder; the one that ships by default.
    model: Option<PathBuf>,
    /// The collection whose captions are drawn.
    #[arg(long, value_name = "PATH", required = true)]
    data: Option<PathBuf>,
    /// The column of captions that an encoder is measured by; by default the collection's own.
    #[arg(long, value_name = "COLUMN")]
    caption: Option<String>,
    /// How many captions of each half are drawn.
    #[arg(long, default_value_t = 200, value_parser = samples)]
    samples: usize,
    /// The seed of the choice and of the drawing.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How closely to follow the caption.
    #[arg(long)]
    guidance_scale: Option<f32>,
    /// How many steps to take.
    #[arg(long)]
    steps: Option<usize>,
    /// The share of captions that was held out in training; by default as the model's own recipe says, else 0.05.
    #[arg(long, value_parser = share)]
    validation_fraction: Option<f64>,
    #[command(flatten)]
    compute: Compute,
    /// Print the numbers as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Distances between drawn and real pictures by their features, of any extractor.
    Distances {
        /// Features of drawn pictures: a NumPy file of float32 or float64, a row a picture.
        drawn: PathBuf,
        /// Features of real pictures by the same extractor.
        real: PathBuf,
        /// The seed of the kernel distance's subsets.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Print the numbers as JSON.
        #[arg(long)]
        json: bool,
    },
    /// How alike a picture and the one that it should be are: PSNR, SSIM and multi-scale SSIM.
    Similarity {
        /// The picture; a transparent one is laid on white.
        picture: PathBuf,
        /// What it should be, of the same size.
        reference: PathBuf,
        /// Print the numbers as JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    match (&args.command, &args.data) {
        (Some(Command::Distances { drawn, real, seed, json }), _) => compare(drawn, real, *seed, *json),
        (Some(Command::Similarity { picture, reference, json }), _) => likeness(picture, reference, *json),
        (None, Some(data)) => rank(args, data),
        (None, None) => Err(Failure::input("name a collection with --data")),
    }
}

fn compare(drawn: &Path, real: &Path, seed: u64, json: bool) -> Result<(), Failure> {
    let mut settings = DistanceSettings::default();
    settings.seed = seed;
    let found = distances(&Features::read_npy(drawn)?, &Features::read_npy(real)?, &settings)?;
    if json {
        out!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(());
    }
    out!("{} drawn and {} real pictures, {} features each", found.drawn, found.real, found.width);
    match (found.frechet_distance, &found.note) {
        (Some(distance), _) => out!("Fréchet distance   {distance:.6}"),
        (None, note) => out!("Fréchet distance   none: {}", note.as_deref().unwrap_or_default()),
    }
    out!(
        "kernel distance    {:.6}, standard deviation {:.6} over {} subsets",
        found.kernel_distance_mean,
        found.kernel_distance_std,
        settings.kernel_subsets
    );
    for (name, value) in [
        ("precision", found.precision),
        ("recall", found.recall),
        ("density", found.density),
        ("coverage", found.coverage),
    ] {
        out!("{name:18} {value:.4}");
    }
    Ok(())
}

fn likeness(picture: &Path, reference: &Path, json: bool) -> Result<(), Failure> {
    let found = similarity(&read_picture(picture)?, &read_picture(reference)?)?;
    if json {
        out!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(());
    }
    let small = |least: u32| move || format!("none: a side is below {least} pixels");
    let say = |value: f64| format!("{value:.6}");
    out!(
        "PSNR       {}",
        found.psnr.map_or("infinite: they are equal".to_string(), |psnr| format!("{psnr:.4} dB"))
    );
    out!("SSIM       {}", found.ssim.map_or_else(small(11), say));
    out!("MS-SSIM    {}", found.ms_ssim.map_or_else(small(176), say));
    Ok(())
}

/// A picture as a person sees it.
fn read_picture(path: &Path) -> Result<RgbImage, Failure> {
    let config = DataConfig::default();
    let file = EncodedFile { name: path.display().to_string(), bytes: fs_err::read(path)?.into() };
    let decoded = picture::decode(&file, config.max_pixels)?;
    Ok(picture::flatten(decoded, 3, picture::parse_color(&config.background)?).to_rgb8())
}

fn rank(args: &Args, data: &Path) -> Result<(), Failure> {
    let model = args.compute.model(args.model.as_deref())?;
    let collection = rebus_data::open(data, &Default::default())?;
    let [channels, height, width] = model.info().picture_shape;
    let mut config = trained_with(&*model)
        .unwrap_or_else(|| DataConfig { validation_fraction: 0.05, ..DataConfig::default() });
    if let Some(fraction) = args.validation_fraction {
        config.validation_fraction = fraction;
    }
    config.channels = channels as u8;
    config.image_size = rebus_data::config::ImageSize::Sides([height as u32, width as u32]);
    config.captions.clear();
    if model.generate().is_none() && model.encode().is_some() {
        return find(&*model, &*collection, config, args);
    }
    let mut settings = PixelRank::new(config);
    settings.samples = args.samples;
    settings.seed = args.seed;
    settings.guidance_scale = args.guidance_scale;
    settings.num_inference_steps = args.steps;
    let report = pixel_rank(&*model, &*collection, &settings, &mut progress::Drawing::new())?;
    if args.json {
        out!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    out!("rank of the true picture among {} by pixels at 16x16, in percent (50 is chance)", report.pictures);
    let cell = |value: Option<f64>| value.map_or("-".to_string(), |value| format!("{value:.2}"));
    for (name, Half { captions, median_plain, median_variants, within_tenth }) in
        [("training", &report.training), ("held out", &report.held_out)]
    {
        out!(
            "{name:9} {captions:4} captions   median {} (skin-tone variants {})   within the nearest tenth {}",
            cell(*median_plain),
            cell(*median_variants),
            cell(within_tenth.map(|share| share * 100.0)),
        );
    }
    Ok(())
}

/// What an encoder finds: pictures by captions, and captions by pictures.
fn find(
    model: &dyn Model,
    collection: &dyn Collection,
    config: DataConfig,
    args: &Args,
) -> Result<(), Failure> {
    let column = match &args.caption {
        Some(column) => column.clone(),
        None => caption_column(collection).unwrap_or("text").to_string(),
    };
    let columns = collection.columns();
    if !columns.iter().any(|known| known.name == column) {
        let names: Vec<&str> = columns.iter().map(|known| known.name.as_str()).collect();
        let there = collection.location().display();
        return Err(Failure::input(format!(
            "{there} has no column `{column}`; it has: {}",
            names.join(", ")
        )));
    }
    let report =
        retrieval(model, collection, &Retrieval::new(config, column), &mut progress::Drawing::new())?;
    if args.json {
        out!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    out!("the right one among all of its half, captions in `{}`", report.column);
    for (name, half) in [("training", &report.training), ("held out", &report.held_out)] {
        for (way, found) in
            [("picture of a caption", half.text_to_picture), ("caption of a picture", half.picture_to_text)]
        {
            let Some(found) = found else { continue };
            out!(
                "{name:9} {way}   first {:5.1} %   in five {:5.1} %   in ten {:5.1} %   median place {} of {}",
                100.0 * found.at_1,
                100.0 * found.at_5,
                100.0 * found.at_10,
                found.median_rank,
                half.pictures
            );
        }
    }
    Ok(())
}

fn samples(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least one caption of each half must be drawn".to_string()),
        other => other.map_err(|error| format!("{error}")),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("a share is a number from 0 to below 1, such as 0.05".to_string()),
    }
}

/// How the model's own training read and split its collection, as far as it says.
fn trained_with(model: &dyn Model) -> Option<DataConfig> {
    let recipe = model.info().provenance.get("recipe")?.as_str()?;
    let table = toml::from_str(recipe).ok()?;
    Some(Recipe::resolve(table, &[]).ok()?.data)
}

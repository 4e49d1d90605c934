//! `rebus demo`: the main job on real input, with nothing but what ships.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use fs_err as fs;
use rebus_data::write_atomic;
use rebus_tasks::{GenerateTask, generate};
use serde::Serialize;

use super::{failure::Failure, progress, say::out};

/// Prompts that the demo draws: captions that the model learned, in both languages.
const PROMPTS: [&str; 8] = [
    "red apple",
    "sun",
    "volcano",
    "pizza",
    "cat face",
    "hamburger",
    "笑脸",
    "woman firefighter: dark skin tone",
];
/// And captions that it was not shown.
const NEW: [&str; 4] = ["a blue apple", "a red car", "purple cat face", "红色的太阳"];

/// How many pictures of each prompt.
const EACH: usize = 4;

/// Arguments of `rebus demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder for the page and the pictures.
    #[arg(short, long, default_value = "rebus-demo", value_name = "DIR")]
    output: PathBuf,
    /// Where to compute: cpu, vulkan:0, metal:0, cuda:0.
    #[arg(long, default_value = "cpu")]
    device: String,
}

#[derive(Debug, Serialize)]
struct Row {
    prompt: String,
    seen: bool,
    files: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let start = Instant::now();
    fs::create_dir_all(&args.output)?;
    refuse_others(&args.output)?;
    let model = rebus::default_model(&rebus::device(&args.device)?)?;
    let prompts: Vec<String> = PROMPTS.iter().chain(&NEW).map(ToString::to_string).collect();
    let task = GenerateTask { prompts, count: EACH, seed: 7, ..GenerateTask::default() };
    let mut rows: Vec<Row> = vec![];
    let mut pictures = vec![];
    generate(&*model, &task, &mut progress::Drawing::new(), |drawing| {
        let row = pictures.len() / EACH;
        let file = format!("{:02}-{}.png", row + 1, drawing.seed);
        rebus_data::write_png(&args.output.join(&file), &drawing.picture, &[])?;
        if pictures.len() % EACH == 0 {
            rows.push(Row { prompt: drawing.prompt.clone(), seen: row < PROMPTS.len(), files: vec![] });
        }
        if let Some(row) = rows.last_mut() {
            row.files.push(file);
        }
        pictures.push(drawing.picture.clone());
        Ok(())
    })?;
    super::writing::write_sheet(&args.output.join("sheet.png"), &pictures, EACH)?;
    let page = page(&rows, model.info(), start.elapsed().as_secs_f64())
        .map_err(|error| Failure::input(format!("the page cannot be made: {error}")))?;
    let index = args.output.join("index.html");
    write_atomic(&index, page.as_bytes())?;
    out!("{} pictures in {:.1} s", pictures.len(), start.elapsed().as_secs_f64());
    out!("{}", index.display());
    Ok(())
}

/// Refuses a folder with a page in it that an earlier demo has not made.
fn refuse_others(folder: &Path) -> Result<(), Failure> {
    let index = folder.join("index.html");
    let ours = |page: String| page.contains("<title>Rebus: pictures from words</title>");
    match index.exists() && !ours(fs::read_to_string(&index)?) {
        true => Err(Failure::input(format!(
            "{} is a page of your own, and is not replaced. Name another folder by --output",
            index.display()
        ))),
        false => Ok(()),
    }
}

fn page(rows: &[Row], info: &rebus_models::ModelInfo, seconds: f64) -> Result<String, minijinja::Error> {
    let mut environment = minijinja::Environment::new();
    environment.add_template("demo.html", include_str!("demo.html"))?;
    let context = serde_json::json!({
        "rows": rows, "info": info, "seconds": format!("{seconds:.1}"), "version": env!("CARGO_PKG_VERSION"),
    });
    environment.get_template("demo.html")?.render(minijinja::Value::from_serialize(&context))
}
